#include "anemone/text/value_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "anemone/base/nearest_name.h"
#include "anemone/text/number_text.h"
#include "anemone/text/tensor_literal.h"

namespace anemone {
namespace {

// Both bound the recursion, of types and of nested literals.
constexpr int kMaxTypeDepth = 16;
constexpr size_t kMaxRank = 16;
constexpr int64_t kMaxElements = int64_t{1} << 40;

constexpr std::string_view kGenericTypes[] = {"tensor", "list",  "tuple",
                                              "dict",   "state", "tensor_buffer"};

[[noreturn]] void refuse_type(const Token& token) {
  std::vector<std::string_view> known(std::begin(kGenericTypes), std::end(kGenericTypes) - 1);
  for (int i = 0; i <= static_cast<int>(DType::kUInt64); ++i) {
    known.push_back(name(static_cast<DType>(i)));
  }
  fail(where(token.location), fmt::format("unknown type {}", describe(token)),
       suggest(token.text, known));
}

DType parse_dtype(Cursor& cursor) {
  const Token token = cursor.expect(TokenKind::kName, "an element type");
  const auto dtype = dtype_from_name(token.text);
  if (!dtype) refuse_type(token);
  return *dtype;
}

int64_t parse_dimension(Cursor& cursor) {
  if (cursor.accept("?")) return kUnknownSize;
  return parse_size(cursor.take(), "a size or '?'");
}

Type parse_tensor_type(Cursor& cursor, const Token& start) {
  const DType dtype = parse_dtype(cursor);
  cursor.expect(",");
  cursor.expect("[");
  Shape shape;
  int64_t count = 1;
  cursor.parse_list("]", [&] {
    shape.push_back(parse_dimension(cursor));
    const int64_t size = std::max<int64_t>(shape.back(), 1);
    if (size > kMaxElements / count) {
      fail(where(start.location), "the tensor has more than 2^40 elements");
    }
    count *= size;
  });
  if (shape.size() > kMaxRank) {
    fail(where(start.location), fmt::format("the tensor has more than {} axes", kMaxRank));
  }
  return Type::tensor(dtype, std::move(shape));
}

Type parse_nested_type(Cursor& cursor, int depth);

// What stands between "<" and ">".
Type parse_type_parameters(Cursor& cursor, const Token& start, int depth) {
  if (start.is("tensor")) return parse_tensor_type(cursor, start);
  Type type;
  type.parts.push_back(parse_nested_type(cursor, depth));
  if (start.is("list")) {
    type.kind = Type::Kind::kList;
    cursor.expect(",");
    type.length = parse_dimension(cursor);
  } else if (start.is("dict")) {
    type.kind = Type::Kind::kDict;
    cursor.expect(",");
    type.parts.push_back(parse_nested_type(cursor, depth));
  } else if (start.is("state")) {
    type.kind = Type::Kind::kState;
  } else {
    type.kind = Type::Kind::kTuple;
    while (cursor.accept(",")) type.parts.push_back(parse_nested_type(cursor, depth));
  }
  return type;
}

Type parse_nested_type(Cursor& cursor, int depth) {
  const Token start = cursor.expect(TokenKind::kName, "a type");
  if (start.is("tensor_buffer")) {
    fail(where(start.location), "tensor_buffer types are not supported",
         "this program was lowered for a device; use the one before that");
  }
  if (!is_generic_type(start)) {
    const auto dtype = dtype_from_name(start.text);
    if (!dtype) refuse_type(start);
    return Type::tensor(*dtype);
  }
  if (depth >= kMaxTypeDepth) fail(where(start.location), "the type is nested too deeply");
  cursor.expect("<");
  Type type = parse_type_parameters(cursor, start, depth + 1);
  cursor.expect(">");
  return type;
}

Literal parse_payload(Cursor& cursor, const Type& type);

Literal parse_collection(Cursor& cursor, const Type& type) {
  Literal literal;
  literal.type = type;
  std::vector<Literal>& items = literal.items;
  const Token start = cursor.peek();
  size_t expected = type.parts.size();
  if (type.kind == Type::Kind::kTuple) {
    cursor.expect("(");
    cursor.parse_list(")", [&] {
      const size_t part = std::min(items.size(), expected - 1);
      items.push_back(parse_payload(cursor, type.parts[part]));
    });
  } else if (type.kind == Type::Kind::kList) {
    cursor.expect("[");
    cursor.parse_list("]", [&] { items.push_back(parse_payload(cursor, type.parts[0])); });
    expected = type.length == kUnknownSize ? items.size() : static_cast<size_t>(type.length);
  } else {
    cursor.expect("{");
    cursor.parse_list("}", [&] {
      cursor.expect("{");
      items.push_back(parse_payload(cursor, type.parts[0]));
      cursor.expect(",");
      items.push_back(parse_payload(cursor, type.parts[1]));
      cursor.expect("}");
    });
    expected = items.size();
  }
  if (items.size() != expected) {
    fail(where(start.location),
         fmt::format("the type has {} member(s), the value {}", expected, items.size()));
  }
  return literal;
}

// The value between the parentheses of type "(" … ")".
Literal parse_payload(Cursor& cursor, const Type& type) {
  if (type.is_tensor()) return parse_tensor_literal(cursor, type);
  if (type.kind == Type::Kind::kState) {
    fail(where(cursor.peek().location), "a state has no literal value");
  }
  return parse_collection(cursor, type);
}

// `name` = a scalar of this type. Not parse_value: blob references must not nest.
Literal parse_blob_field(Cursor& cursor, std::string_view field, DType dtype) {
  cursor.expect(field);
  cursor.expect("=");
  const Token start = cursor.peek();
  const Type type = parse_type(cursor);
  if (type != Type::tensor(dtype)) {
    fail(where(start.location),
         fmt::format("the {} of BLOBFILE is a {}, not a {}", field, name(dtype), to_string(type)));
  }
  cursor.expect("(");
  Literal literal = parse_tensor_literal(cursor, type);
  cursor.expect(")");
  return literal;
}

Literal parse_blob(Cursor& cursor, const Type& type) {
  const Token start = cursor.expect("BLOBFILE");
  if (!type.is_tensor() || !is_static(type.shape) || type.dtype == DType::kString ||
      type.dtype == DType::kBool) {
    fail(where(start.location),
         fmt::format("a weight file cannot hold a value of type {}", to_string(type)));
  }
  Literal literal;
  literal.type = type;
  cursor.expect("(");
  const Literal path = parse_blob_field(cursor, "path", DType::kString);
  cursor.expect(",");
  const Literal offset = parse_blob_field(cursor, "offset", DType::kUInt64);
  cursor.expect(")");
  literal.blob = BlobRef{path.strings[0], offset.tensor->as<uint64_t>()[0]};
  return literal;
}

}  // namespace

Type parse_type(Cursor& cursor) { return parse_nested_type(cursor, 0); }

Literal parse_value(Cursor& cursor) {
  const Type type = parse_type(cursor);
  cursor.expect("(");
  Literal literal =
      cursor.peek().is("BLOBFILE") ? parse_blob(cursor, type) : parse_payload(cursor, type);
  cursor.expect(")");
  return literal;
}

bool is_generic_type(const Token& token) {
  return std::find(std::begin(kGenericTypes), std::end(kGenericTypes), token.text) !=
         std::end(kGenericTypes);
}

}  // namespace anemone
