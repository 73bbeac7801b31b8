// Numbers between their spelling in MIL text and the bits of tensor elements.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "anemone/tensor/tensor.h"
#include "anemone/text/lexer.h"

namespace anemone {

// Elements of one type (any but string), read one by one and packed as tensors and weight files
// pack them: element i of n bits takes the bits from i * n on, lowest first.
class ElementList {
 public:
  explicit ElementList(DType dtype) : dtype_(dtype) {}

  // Floats: decimal or hexadecimal, rounded to nearest even; inf, -inf, nan, -nan. Integers:
  // decimal. Bools: true, false. Throws on anything else and on what the type cannot hold.
  void add(const Token& token);
  int64_t size() const { return size_; }
  // The shape must have `size()` elements.
  Tensor to_tensor(Shape shape) const;

 private:
  DType dtype_;
  int64_t size_ = 0;
  std::vector<std::byte> bytes_;
};

// Appends element `index` as ElementList reads it: floats as the shortest exact hexadecimal with a
// signed exponent (0x1.5p-17, -0x0p+0). Every NaN becomes nan or -nan: its payload is lost.
void append_element(std::string& text, const Tensor& tensor, int64_t index);

// A decimal integer that fits into int64, not negative. `what` as in Cursor::expect.
int64_t parse_size(const Token& token, std::string_view what);

}  // namespace anemone
