// Our own children's stories, written by a grammar: training text that needs no download.
#pragma once

#include <cstdint>
#include <string>

namespace anemone {

// `count` stories of 90 to 150 simple English words, each followed by a separator line
// (stories_text.h). The same count and seed give the same text on every platform.
std::string write_stories(int count, uint64_t seed);

}  // namespace anemone
