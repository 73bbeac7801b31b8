#include "anemone/text/value_printer.h"

#include <fmt/format.h>

#include <iterator>

#include "anemone/text/lexer.h"
#include "anemone/text/number_text.h"

namespace anemone {
namespace {

// Calls `append(i)` for i < count, with ", " in between.
template <typename Append>
void append_list(std::string& text, size_t count, Append&& append) {
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) text += ", ";
    append(i);
  }
}

// Elements from `next` on in brackets for the axes from `axis` on; returns the element after them.
size_t append_elements(std::string& text, const Literal& literal, size_t axis, size_t next) {
  const Shape& shape = literal.type.shape;
  if (axis == shape.size()) {
    if (literal.type.dtype == DType::kString) {
      text += quote(literal.strings.at(next));
    } else {
      append_element(text, *literal.tensor, static_cast<int64_t>(next));
    }
    return next + 1;
  }
  text += '[';
  append_list(text, static_cast<size_t>(shape[axis]),
              [&](size_t) { next = append_elements(text, literal, axis + 1, next); });
  text += ']';
  return next;
}

void append_payload(std::string& text, const Literal& literal) {
  const std::vector<Literal>& items = literal.items;
  switch (literal.type.kind) {
    case Type::Kind::kTensor:
      append_elements(text, literal, 0, 0);
      return;
    case Type::Kind::kDict:
      text += '{';
      append_list(text, items.size() / 2, [&](size_t i) {
        text += '{';
        append_payload(text, items[2 * i]);
        text += ", ";
        append_payload(text, items[2 * i + 1]);
        text += '}';
      });
      text += '}';
      return;
    case Type::Kind::kList:
    case Type::Kind::kTuple:
    case Type::Kind::kState:
      break;
  }
  const bool list = literal.type.kind == Type::Kind::kList;
  text += list ? '[' : '(';
  append_list(text, items.size(), [&](size_t i) { append_payload(text, items[i]); });
  text += list ? ']' : ')';
}

// Whether the numbers or strings that the type asks for are there.
bool is_complete(const Literal& literal) {
  for (const Literal& item : literal.items) {
    if (!is_complete(item)) return false;
  }
  if (!literal.type.is_tensor()) return literal.type.kind != Type::Kind::kState;
  if (literal.type.dtype == DType::kString) {
    return is_static(literal.type.shape) &&
           literal.strings.size() == static_cast<size_t>(element_count(literal.type.shape));
  }
  return literal.tensor && literal.tensor->dtype() == literal.type.dtype &&
         literal.tensor->shape() == literal.type.shape;
}

void append_parts(std::string& text, const Type& type, ScalarSpelling scalars) {
  append_list(text, type.parts.size(),
              [&](size_t i) { append_type(text, type.parts[i], scalars); });
}

}  // namespace

void append_type(std::string& text, const Type& type, ScalarSpelling scalars) {
  switch (type.kind) {
    case Type::Kind::kTensor:
      if (type.shape.empty() && scalars == ScalarSpelling::kTensor) {
        fmt::format_to(std::back_inserter(text), "tensor<{}, []>", name(type.dtype));
      } else {
        text += to_string(type);
      }
      return;
    case Type::Kind::kList:
      text += "list<";
      append_parts(text, type, scalars);
      text += type.length == kUnknownSize ? ", ?" : ", " + std::to_string(type.length);
      break;
    case Type::Kind::kTuple:
      text += "tuple<";
      append_parts(text, type, scalars);
      break;
    case Type::Kind::kDict:
      text += "dict<";
      append_parts(text, type, scalars);
      break;
    case Type::Kind::kState:
      text += "state<";
      append_parts(text, type, scalars);
      break;
  }
  text += '>';
}

void append_value(std::string& text, const Literal& literal, ScalarSpelling scalars) {
  append_type(text, literal.type, scalars);
  text += '(';
  if (literal.blob) {
    text += "BLOBFILE(path = ";
    append_value(text, Literal::of(literal.blob->path), scalars);
    text += ", offset = ";
    append_value(text, Literal::scalar(literal.blob->offset), scalars);
    text += ')';
  } else {
    ANEMONE_CHECK(is_complete(literal));
    append_payload(text, literal);
  }
  text += ')';
}

}  // namespace anemone
