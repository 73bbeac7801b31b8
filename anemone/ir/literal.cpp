#include "anemone/ir/literal.h"

#include <cstring>
#include <utility>

namespace anemone {

Literal Literal::of(Tensor tensor) {
  Literal literal;
  literal.type = Type::tensor(tensor.dtype(), tensor.shape());
  literal.tensor = std::make_shared<const Tensor>(std::move(tensor));
  return literal;
}

Literal Literal::of(std::string text) {
  Literal literal;
  literal.type = Type::tensor(DType::kString);
  literal.strings = {std::move(text)};
  return literal;
}

bool operator==(const Literal& a, const Literal& b) {
  if (a.type != b.type || a.strings != b.strings || a.items != b.items || a.blob != b.blob) {
    return false;
  }
  if (a.blob || a.tensor == b.tensor) return true;
  if (!a.tensor || !b.tensor || a.tensor->shape() != b.tensor->shape()) return false;
  return a.tensor->bytes() == 0 ||
         std::memcmp(a.tensor->data(), b.tensor->data(), a.tensor->bytes()) == 0;
}

}  // namespace anemone
