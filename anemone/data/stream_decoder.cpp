#include "anemone/data/stream_decoder.h"

#include <utility>

#include "anemone/base/utf8.h"

namespace anemone {

std::string StreamDecoder::next(int id) {
  held_ += tokenizer_.decode_next(state_, id);
  const size_t whole = held_.size() - unfinished_bytes(held_);
  std::string text = held_.substr(0, whole);
  held_.erase(0, whole);
  return text;
}

std::string StreamDecoder::finish() { return std::exchange(held_, ""); }

}  // namespace anemone
