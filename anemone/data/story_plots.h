// The sentences and words of our story grammar (story_grammar.h).
//
// `{key}` in a sentence stands for a word of the story, `{Key}` for the same with a capital, and
// `{a:key}` or `{A:key}` for it behind its article. A value may hold keys itself.
//   hero, he, him, his      the hero and the hero's pronouns
//   kind                    what the hero is: "little girl", "happy fox"
//   friend, meets           the friend, who is of the other gender so that pronouns stay clear, and
//                           the friend at first sight: "Tom the fox", "his friend Lily"
//   parent                  "mom": always behind {his}; {Parent} to speak to
//   color, item             "red", "ball"
//   to, at                  the same place: "to the park", "at the park"
#pragma once

#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace anemone {

// One step of a story: any one of these says it. A paragraph may begin with it.
struct StoryBeat {
  bool new_paragraph;
  std::vector<std::string_view> choices;
};

// Keys that only make sense together get their values together: one row of `choices` is taken.
struct StoryWords {
  std::vector<std::string_view> keys;
  std::vector<std::vector<std::string_view>> choices;
};

struct StoryPlot {
  std::vector<StoryWords> words;
  std::vector<StoryBeat> beats;
};

std::span<const StoryPlot> story_plots();

// Words that every plot may use.
std::span<const StoryWords> common_story_words();

}  // namespace anemone
