#include "anemone/tensor/shape.h"

#include "anemone/base/error.h"

namespace anemone {

bool is_static(const Shape& shape) {
  for (int64_t size : shape) {
    if (size < 0) return false;
  }
  return true;
}

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  for (int64_t size : shape) {
    ANEMONE_CHECK(size >= 0);
    count *= size;
  }
  return count;
}

Shape row_major_strides(const Shape& shape) {
  Shape strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += shape[i] == kUnknownSize ? "?" : std::to_string(shape[i]);
  }
  return text + "]";
}

}  // namespace anemone
