// Where the ids are in a file of tokens: flat, or behind the header of another program.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace anemone {

struct TokenLayout {
  size_t begin = 0;     // bytes before the first id
  int token_bytes = 2;  // 2, 4 or 8, little-endian
  int64_t tokens = 0;
  bool is_signed = false;  // a negative id is wrong, and should be shown as one
};

// Reads the header of a NumPy .npy file (one dimension of uint16, uint32, int32 or int64) or of
// a token file of llm.c; a file of no known kind is flat ids of `flat_bytes` each.
//   llm.c: 256 int32 (magic 20240520, version 1; or 20240801, 7), the third the number of tokens;
//   then uint16 ids (GPT-2), or uint32 ones (Llama 3).
// Throws Error at `where` for a header that does not agree with the file's length, and for a file
// of another kind with what it looks like.
TokenLayout token_layout(std::string_view file, int flat_bytes, const std::string& where);

// The same for a file that is known to hold nothing but ids.
TokenLayout flat_layout(std::string_view file, int flat_bytes, const std::string& where);

}  // namespace anemone
