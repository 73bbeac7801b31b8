#include "anemone/data/story_grammar.h"

#include <map>
#include <string_view>

#include "anemone/base/error.h"
#include "anemone/base/random.h"
#include "anemone/data/stories_text.h"
#include "anemone/data/story_plots.h"

namespace anemone {
namespace {

// Few names, so that a small model soon learns to keep them apart.
constexpr std::string_view kBoys[] = {"Tom", "Ben", "Max", "Leo"};
constexpr std::string_view kGirls[] = {"Lily", "Mia", "Anna", "Zoe"};
constexpr std::string_view kAnimals[] = {"cat", "dog", "rabbit",   "fox",      "bear", "mouse",
                                         "pig", "owl", "squirrel", "elephant", "lion", "monkey"};
constexpr std::string_view kAdjectives[] = {"little", "small",   "happy",  "kind",   "young",
                                            "brave",  "curious", "gentle", "playful"};

bool is_vowel(char letter) {
  return std::string_view("aeiou").find(letter) != std::string_view::npos;
}

std::string capitalized(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 32);
  return text;
}

class Story {
 public:
  explicit Story(Random& random) : random_(random) {}

  std::string write() {
    choose_characters();
    for (const StoryWords& words : common_story_words()) choose(words);
    const StoryPlot& plot = pick(story_plots());
    for (const StoryWords& words : plot.words) choose(words);
    std::string text;
    for (const StoryBeat& beat : plot.beats) {
      if (!text.empty()) text += beat.new_paragraph ? '\n' : ' ';
      text += capitalized(expand(pick(std::span(beat.choices))));
      introduced_ = true;
    }
    return text;
  }

 private:
  template <typename T>
  const T& pick(std::span<const T> choices) {
    return choices[random_.below(choices.size())];
  }

  void choose(const StoryWords& words) {
    const auto& row = pick(std::span(words.choices));
    for (size_t i = 0; i < words.keys.size(); ++i) {
      values_[std::string(words.keys[i])] = std::string(row[i]);
    }
  }

  // Hero and friend differ in gender and kind, so that "he" and "the fox" are one of them.
  void choose_characters() {
    const bool girl = random_.below(2) == 0;
    const std::string_view hero = pick<std::string_view>(girl ? kGirls : kBoys);
    const std::string_view friend_name = pick<std::string_view>(girl ? kBoys : kGirls);
    values_["he"] = girl ? "she" : "he";
    values_["him"] = girl ? "her" : "him";
    values_["his"] = girl ? "her" : "his";
    values_["hero"] = hero;
    values_["friend"] = friend_name;

    const std::string animal(pick<std::string_view>(kAnimals));
    std::string other(pick<std::string_view>(kAnimals));
    while (other == animal) other = pick<std::string_view>(kAnimals);
    const bool is_animal = random_.below(2) == 0, friend_is_animal = random_.below(2) == 0;
    values_["kind"] = std::string(pick<std::string_view>(kAdjectives)) + " " +
                      (is_animal ? animal
                       : girl    ? "girl"
                                 : "boy");
    values_["meets"] = friend_is_animal ? "{friend} the " + other : "{his} friend {friend}";
  }

  // `key` as it stands between braces: see story_plots.h.
  std::string value(std::string_view key) {
    if (key.starts_with("a:") || key.starts_with("A:")) {
      const std::string noun = value(key.substr(2));
      const std::string article = is_vowel(noun[0]) ? "an " : "a ";
      return (key[0] == 'A' ? capitalized(article) : article) + noun;
    }
    const bool capital = key[0] >= 'A' && key[0] <= 'Z';
    std::string name(key);
    if (capital) name[0] = static_cast<char>(name[0] + 32);
    const auto found = values_.find(name);
    ANEMONE_CHECK(found != values_.end());
    const std::string text = expand(found->second);
    return capital ? capitalized(text) : text;
  }

  std::string expand(std::string_view text) {
    std::string result;
    while (true) {
      const size_t open = text.find('{');
      result += text.substr(0, open);
      if (open == std::string_view::npos) return result;
      const size_t close = text.find('}', open);
      ANEMONE_CHECK(close != std::string_view::npos);
      std::string_view key = text.substr(open + 1, close - open - 1);
      text.remove_prefix(close + 1);
      if (key == "Hero" && may_be_pronoun(result, text)) key = "He";
      result += value(key);
    }
  }

  // Whether "Mia ran" becomes "She ran" here: mostly, once she is introduced, but not where she is
  // spoken to or something is hers. The friend is of the other gender, so that it stays clear.
  bool may_be_pronoun(std::string_view before, std::string_view after) {
    if (!introduced_ || before.ends_with('"') || after.starts_with('\'') ||
        after.starts_with(',')) {
      return false;
    }
    return random_.below(4) != 0;
  }

  Random& random_;
  std::map<std::string, std::string> values_;
  bool introduced_ = false;
};

}  // namespace

std::string write_stories(int count, uint64_t seed) {
  Random random(seed);
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += Story(random).write();
    text += '\n';
    text += kStorySeparator;
    text += '\n';
  }
  return text;
}

}  // namespace anemone
