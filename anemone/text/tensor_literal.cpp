#include "anemone/text/tensor_literal.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/text/number_text.h"

namespace anemone {
namespace {

class TensorLiteralParser {
 public:
  TensorLiteralParser(Cursor& cursor, const Type& type)
      : cursor_(cursor), type_(type), start_(cursor.peek()), numbers_(type.dtype) {}

  Literal parse() {
    if (type_.shape.empty()) {
      parse_element();
      return finish({});
    }
    parse_level(0);
    return finish(resolve_shape());
  }

 private:
  void parse_element() {
    const Token token = cursor_.take();
    if (type_.dtype != DType::kString) return numbers_.add(token);
    if (token.kind != TokenKind::kString) {
      fail(where(token.location), fmt::format("expected a string, found {}", describe(token)));
    }
    strings_.push_back(unescape(token));
  }

  // One bracket with what is in it, `axis` brackets deep. All of one depth have one length.
  void parse_level(size_t axis) {
    const Token start = cursor_.expect("[");
    if (axis >= type_.rank()) refuse(start, "it is nested deeper");
    if (axis == sizes_.size()) {
      if (axis >= leaf_axis_) refuse(start, "it mixes elements and lists");
      sizes_.push_back(kUnknownSize);
    }
    int64_t count = 0;
    cursor_.parse_list("]", [&] {
      if (cursor_.peek().is("[")) {
        parse_level(axis + 1);
      } else {
        if (axis + 1 < sizes_.size()) refuse(cursor_.peek(), "it mixes elements and lists");
        leaf_axis_ = axis + 1;
        parse_element();
      }
      ++count;
    });
    if (sizes_[axis] == kUnknownSize) sizes_[axis] = count;
    if (sizes_[axis] != count) refuse(start, "its lists differ in length");
  }

  Shape resolve_shape() const {
    Shape shape = type_.shape;
    bool fits = sizes_.size() == shape.size() || sizes_.back() == 0;
    for (size_t i = 0; i < shape.size(); ++i) {
      const int64_t found = i < sizes_.size() ? sizes_[i] : 0;
      if (shape[i] == kUnknownSize) shape[i] = found;
      if (i < sizes_.size()) fits = fits && shape[i] == found;
    }
    if (fits) return shape;
    const bool flat = sizes_.size() == 1 && is_static(type_.shape);
    if (flat && sizes_[0] == element_count(type_.shape)) return type_.shape;
    refuse(start_, fmt::format("the literal is {}", to_string(sizes_)));
  }

  Literal finish(Shape shape) {
    Literal literal;
    literal.type = Type::tensor(type_.dtype, shape);
    literal.strings = std::move(strings_);
    if (type_.dtype != DType::kString) {
      literal.tensor = std::make_shared<const Tensor>(numbers_.to_tensor(std::move(shape)));
    }
    return literal;
  }

  [[noreturn]] void refuse(const Token& token, std::string_view why) const {
    fail(where(token.location),
         fmt::format("the literal does not fit its type {}: {}", to_string(type_), why));
  }

  Cursor& cursor_;
  const Type& type_;
  const Token start_;
  Shape sizes_;                  // length of the lists, by depth
  size_t leaf_axis_ = SIZE_MAX;  // how deep the elements are
  ElementList numbers_;
  std::vector<std::string> strings_;
};

}  // namespace

Literal parse_tensor_literal(Cursor& cursor, const Type& type) {
  return TensorLiteralParser(cursor, type).parse();
}

}  // namespace anemone
