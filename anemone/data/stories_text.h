// Files of stories, as TinyStories is published: with `<|endoftext|>` between them, or, where a
// text has no such separator at all, a story ends with a line and blank lines part its paragraphs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

#include "anemone/data/tokenizer.h"

namespace anemone {

inline constexpr std::string_view kStorySeparator = "<|endoftext|>";

// Calls `use` with every story of `text`, in order: the parts between separators without the white
// space at their ends. Parts with nothing else are no stories. A text without separators is split
// at single newlines; two and more in a row stay inside their story.
void for_each_story(std::string_view text, const std::function<void(std::string_view)>& use);

struct StoryCounts {
  int64_t stories = 0;
  int64_t tokens = 0;  // with what begins and ends stories
  int64_t bytes = 0;   // of the text file
};

// Writes the ids of all stories, each with what the tokenizer puts around a text (EOS behind, where
// that is nothing), as a token shard (token_shard.h), and its side file (shard_metadata.h), which
// names the tokenizer where its file is given. Throws Error when the text holds no story or is no
// text, or a file cannot be read or written.
StoryCounts tokenize_file(const std::filesystem::path& text_path, const Tokenizer& tokenizer,
                          const std::filesystem::path& shard_path,
                          const std::filesystem::path& tokenizer_path = {});

// Throws Error at the path for content that is no text: of a known kind, or bytes that no text has.
void require_text(std::string_view content, const std::filesystem::path& path);

}  // namespace anemone
