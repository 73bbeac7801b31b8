#include "anemone/package/proto_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "anemone/base/error.h"

namespace anemone {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 40;
constexpr int kMaxRank = 16;
constexpr int kMaxDepth = 16;  // of types and of collections

struct Code {
  mil::DataType code;
  DType dtype;
};
constexpr Code kCodes[] = {
    {mil::BOOL, DType::kBool},     {mil::STRING, DType::kString}, {mil::FLOAT16, DType::kFp16},
    {mil::FLOAT32, DType::kFp32},  {mil::FLOAT64, DType::kFp64},  {mil::BFLOAT16, DType::kBf16},
    {mil::INT8, DType::kInt8},     {mil::INT16, DType::kInt16},   {mil::INT32, DType::kInt32},
    {mil::INT64, DType::kInt64},   {mil::INT4, DType::kInt4},     {mil::UINT8, DType::kUInt8},
    {mil::UINT16, DType::kUInt16}, {mil::UINT32, DType::kUInt32}, {mil::UINT64, DType::kUInt64},
    {mil::UINT4, DType::kUInt4},   {mil::UINT2, DType::kUInt2},   {mil::UINT1, DType::kUInt1},
    {mil::UINT6, DType::kUInt6},   {mil::UINT3, DType::kUInt3},
};

DType dtype_from_proto(mil::DataType code, const ProtoContext& context) {
  for (const Code& row : kCodes) {
    if (row.code == code) return row.dtype;
  }
  const bool is_fp8 = code == mil::FLOAT8E4M3FN || code == mil::FLOAT8E5M2;
  fail(context.where, is_fp8 ? "elements of 8-bit floats are not supported"
                             : fmt::format("unknown element type code {}", static_cast<int>(code)));
}

int64_t size_from_proto(const mil::Dimension& dimension, const ProtoContext& context) {
  if (dimension.has_unknown()) {
    if (dimension.unknown().variadic()) fail(context.where, "types of open rank are not supported");
    return kUnknownSize;
  }
  if (!dimension.has_constant()) fail(context.where, "a size is missing in a type");
  const uint64_t size = dimension.constant().size();
  if (size > static_cast<uint64_t>(kMaxElements)) {
    fail(context.where, fmt::format("a size of {} is beyond 2^40", size));
  }
  return static_cast<int64_t>(size);
}

Type tensor_from_proto(const mil::TensorType& message, const ProtoContext& context) {
  if (message.rank() != message.dimensions_size() || message.rank() > kMaxRank) {
    fail(context.where, fmt::format("a tensor type of rank {} has {} sizes (at most {} are taken)",
                                    message.rank(), message.dimensions_size(), kMaxRank));
  }
  if (message.attributes_size() > 0) {
    context.losses->push_back(context.where + ": attributes of a type are not kept");
  }
  Shape shape;
  int64_t count = 1;
  for (const mil::Dimension& dimension : message.dimensions()) {
    shape.push_back(size_from_proto(dimension, context));
    const int64_t size = std::max<int64_t>(shape.back(), 1);
    if (size > kMaxElements / count) fail(context.where, "a tensor has more than 2^40 elements");
    count *= size;
  }
  return Type::tensor(dtype_from_proto(message.datatype(), context), std::move(shape));
}

Type type_at_depth(const mil::ValueType& message, const ProtoContext& context, int depth) {
  if (depth > kMaxDepth) fail(context.where, "a type is nested too deeply");
  const auto part = [&](const mil::ValueType& inner) {
    return type_at_depth(inner, context, depth + 1);
  };
  Type type;
  switch (message.type_case()) {
    case mil::ValueType::kTensorType:
      return tensor_from_proto(message.tensortype(), context);
    case mil::ValueType::kListType:
      type.kind = Type::Kind::kList;
      type.parts = {part(message.listtype().type())};
      if (message.listtype().has_length()) {
        type.length = size_from_proto(message.listtype().length(), context);
      }
      return type;
    case mil::ValueType::kTupleType:
      type.kind = Type::Kind::kTuple;
      for (const mil::ValueType& inner : message.tupletype().types()) {
        type.parts.push_back(part(inner));
      }
      if (type.parts.empty()) fail(context.where, "a tuple type has no members");
      return type;
    case mil::ValueType::kDictionaryType:
      type.kind = Type::Kind::kDict;
      type.parts = {part(message.dictionarytype().keytype()),
                    part(message.dictionarytype().valuetype())};
      return type;
    case mil::ValueType::kStateType:
      type.kind = Type::Kind::kState;
      type.parts = {part(message.statetype().wrappedtype())};
      if (!type.parts[0].is_tensor()) fail(context.where, "a state holds no tensor");
      return type;
    case mil::ValueType::TYPE_NOT_SET:
      break;
  }
  fail(context.where, "a type is missing");
}

// --- tensors that stand in the file itself ---

template <typename T, typename Values>
Tensor numbers(const Values& values, const Type& type, const ProtoContext& context) {
  const int64_t count = element_count(type.shape);
  if (values.size() != count) {
    fail(context.where,
         fmt::format("a value of type {} has {} numbers", to_string(type), values.size()));
  }
  Tensor tensor(type.dtype, type.shape);
  T* out = static_cast<T*>(tensor.data());
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(values[static_cast<int>(i)]);
  return tensor;
}

Tensor packed(const std::string& bytes, const Type& type, const ProtoContext& context) {
  const size_t size = byte_size(type.dtype, element_count(type.shape));
  if (bytes.size() != size) {
    fail(context.where, fmt::format("a value of type {} has {} bytes, not {}", to_string(type),
                                    bytes.size(), size));
  }
  Tensor tensor(type.dtype, type.shape);
  if (size > 0) std::memcpy(tensor.data(), bytes.data(), size);
  return tensor;
}

Tensor from_ints(const mil::TensorValue::RepeatedInts& ints, const Type& type,
                 const ProtoContext& context) {
  switch (type.dtype) {
    case DType::kInt8:
      return numbers<int8_t>(ints.values(), type, context);
    case DType::kUInt8:
      return numbers<uint8_t>(ints.values(), type, context);
    case DType::kInt16:
      return numbers<int16_t>(ints.values(), type, context);
    case DType::kUInt16:
      return numbers<uint16_t>(ints.values(), type, context);
    case DType::kInt32:
      return numbers<int32_t>(ints.values(), type, context);
    case DType::kUInt32:
      return numbers<uint32_t>(ints.values(), type, context);
    default:
      fail(context.where, "32-bit integers stand for a value of type " + to_string(type));
  }
}

[[noreturn]] void refuse_field(const char* field, const Type& type, const ProtoContext& context) {
  fail(context.where, fmt::format("{} stand for a value of type {}", field, to_string(type)));
}

Tensor tensor_from_proto(const mil::TensorValue& value, const Type& type,
                         const ProtoContext& context) {
  const auto require = [&](bool fits, const char* field) {
    if (!fits) refuse_field(field, type, context);
  };
  switch (value.value_case()) {
    case mil::TensorValue::kFloats:
      require(type.dtype == DType::kFp32, "32-bit floats");
      return numbers<float>(value.floats().values(), type, context);
    case mil::TensorValue::kDoubles:
      require(type.dtype == DType::kFp64, "64-bit floats");
      return numbers<double>(value.doubles().values(), type, context);
    case mil::TensorValue::kBools:
      require(type.dtype == DType::kBool, "bools");
      return numbers<bool>(value.bools().values(), type, context);
    case mil::TensorValue::kInts:
      return from_ints(value.ints(), type, context);
    case mil::TensorValue::kLongInts:
      require(type.dtype == DType::kInt64 || type.dtype == DType::kUInt64, "64-bit integers");
      return numbers<int64_t>(value.longints().values(), type, context);
    case mil::TensorValue::kBytes:
      require(type.dtype != DType::kBool, "bytes");
      return packed(value.bytes().values(), type, context);
    default:
      break;
  }
  require(element_count(type.shape) == 0, "no numbers");
  return Tensor(type.dtype, type.shape);
}

Literal literal_at_depth(const mil::Value& message, const ProtoContext& context, int depth);

void tensor_literal(const mil::TensorValue& value, Literal& literal, const ProtoContext& context) {
  const Type& type = literal.type;
  if (!is_static(type.shape)) fail(context.where, "a value has a size '?'");
  if (type.dtype != DType::kString) {
    literal.tensor = std::make_shared<const Tensor>(tensor_from_proto(value, type, context));
    return;
  }
  for (const std::string& text : value.strings().values()) literal.strings.push_back(text);
  if (static_cast<int64_t>(literal.strings.size()) != element_count(type.shape)) {
    fail(context.where,
         fmt::format("a value of type {} has {} strings", to_string(type), literal.strings.size()));
  }
}

template <typename Values>
void add_items(const Values& values, Literal& literal, const ProtoContext& context, int depth) {
  for (const mil::Value& value : values) {
    literal.items.push_back(literal_at_depth(value, context, depth + 1));
  }
}

void collection_literal(const mil::Value::ImmediateValue& value, Literal& literal,
                        const ProtoContext& context, int depth) {
  switch (value.value_case()) {
    case mil::Value::ImmediateValue::kTuple:
      return add_items(value.tuple().values(), literal, context, depth);
    case mil::Value::ImmediateValue::kList:
      return add_items(value.list().values(), literal, context, depth);
    case mil::Value::ImmediateValue::kDictionary:
      for (const auto& pair : value.dictionary().values()) {
        literal.items.push_back(literal_at_depth(pair.key(), context, depth + 1));
        literal.items.push_back(literal_at_depth(pair.value(), context, depth + 1));
      }
      return;
    default:
      fail(context.where, "a value of type " + to_string(literal.type) + " is missing");
  }
}

Literal literal_at_depth(const mil::Value& message, const ProtoContext& context, int depth) {
  if (depth > kMaxDepth) fail(context.where, "a value is nested too deeply");
  Literal literal;
  literal.type = type_from_proto(message.type(), context);
  if (!message.docstring().empty()) {
    context.losses->push_back(context.where + ": the doc string of a value is not kept");
  }
  if (message.has_blobfilevalue()) {
    const DType dtype = literal.type.dtype;
    if (!literal.type.is_tensor() || !is_static(literal.type.shape) || bits(dtype) == 0) {
      fail(context.where, "a weight file cannot hold a value of type " + to_string(literal.type));
    }
    literal.blob = BlobRef{message.blobfilevalue().filename(), message.blobfilevalue().offset()};
  } else if (literal.type.kind == Type::Kind::kState) {
    fail(context.where, "a state has no literal value");
  } else if (literal.type.is_tensor()) {
    tensor_literal(message.immediatevalue().tensor(), literal, context);
  } else {
    collection_literal(message.immediatevalue(), literal, context, depth);
  }
  return literal;
}

// --- writing ---

mil::DataType code_of(DType dtype) {
  for (const Code& row : kCodes) {
    if (row.dtype == dtype) return row.code;
  }
  return mil::UNUSED_TYPE;
}

void set_size(int64_t size, mil::Dimension* dimension) {
  if (size == kUnknownSize) {
    dimension->mutable_unknown()->set_variadic(false);
  } else {
    dimension->mutable_constant()->set_size(static_cast<uint64_t>(size));
  }
}

template <typename T, typename Field>
void add_numbers(const Tensor& tensor, Field* field) {
  const T* numbers = static_cast<const T*>(tensor.data());
  field->Reserve(static_cast<int>(tensor.size()));
  for (int64_t i = 0; i < tensor.size(); ++i) field->Add(numbers[i]);
}

void set_tensor(const Tensor& tensor, mil::TensorValue* value) {
  switch (tensor.dtype()) {
    case DType::kFp32:
      return add_numbers<float>(tensor, value->mutable_floats()->mutable_values());
    case DType::kFp64:
      return add_numbers<double>(tensor, value->mutable_doubles()->mutable_values());
    case DType::kBool:
      return add_numbers<bool>(tensor, value->mutable_bools()->mutable_values());
    case DType::kInt32:
      return add_numbers<int32_t>(tensor, value->mutable_ints()->mutable_values());
    case DType::kInt16:
      return add_numbers<int16_t>(tensor, value->mutable_ints()->mutable_values());
    case DType::kUInt16:
      return add_numbers<uint16_t>(tensor, value->mutable_ints()->mutable_values());
    case DType::kInt64:
    case DType::kUInt64:
      return add_numbers<int64_t>(tensor, value->mutable_longints()->mutable_values());
    default:
      break;
  }
  value->mutable_bytes()->set_values(tensor.data(), tensor.bytes());
}

void set_collection(const Literal& literal, mil::Value::ImmediateValue* value,
                    const std::string& where) {
  if (literal.type.kind == Type::Kind::kDict) {
    auto* pairs = value->mutable_dictionary();
    for (size_t i = 0; i + 1 < literal.items.size(); i += 2) {
      auto* pair = pairs->add_values();
      *pair->mutable_key() = literal_to_proto(literal.items[i], where);
      *pair->mutable_value() = literal_to_proto(literal.items[i + 1], where);
    }
    return;
  }
  const bool is_tuple = literal.type.kind == Type::Kind::kTuple;
  auto* values =
      is_tuple ? value->mutable_tuple()->mutable_values() : value->mutable_list()->mutable_values();
  for (const Literal& item : literal.items) *values->Add() = literal_to_proto(item, where);
}

}  // namespace

Type type_from_proto(const mil::ValueType& message, const ProtoContext& context) {
  return type_at_depth(message, context, 0);
}

Literal literal_from_proto(const mil::Value& message, const ProtoContext& context) {
  return literal_at_depth(message, context, 0);
}

mil::ValueType type_to_proto(const Type& type, const std::string& where) {
  mil::ValueType message;
  switch (type.kind) {
    case Type::Kind::kTensor: {
      auto* tensor = message.mutable_tensortype();
      tensor->set_datatype(code_of(type.dtype));
      tensor->set_rank(static_cast<int64_t>(type.rank()));
      for (const int64_t size : type.shape) set_size(size, tensor->add_dimensions());
      break;
    }
    case Type::Kind::kList:
      *message.mutable_listtype()->mutable_type() = type_to_proto(type.parts.at(0), where);
      set_size(type.length, message.mutable_listtype()->mutable_length());
      break;
    case Type::Kind::kTuple:
      for (const Type& part : type.parts) {
        *message.mutable_tupletype()->add_types() = type_to_proto(part, where);
      }
      break;
    case Type::Kind::kDict:
      *message.mutable_dictionarytype()->mutable_keytype() = type_to_proto(type.parts.at(0), where);
      *message.mutable_dictionarytype()->mutable_valuetype() =
          type_to_proto(type.parts.at(1), where);
      break;
    case Type::Kind::kState:
      *message.mutable_statetype()->mutable_wrappedtype() = type_to_proto(type.parts.at(0), where);
      break;
  }
  return message;
}

mil::Value literal_to_proto(const Literal& literal, const std::string& where) {
  mil::Value message;
  *message.mutable_type() = type_to_proto(literal.type, where);
  if (literal.blob) {
    message.mutable_blobfilevalue()->set_filename(literal.blob->path);
    message.mutable_blobfilevalue()->set_offset(literal.blob->offset);
    return message;
  }
  auto* value = message.mutable_immediatevalue();
  if (!literal.type.is_tensor()) {
    set_collection(literal, value, where);
  } else if (literal.type.dtype == DType::kString) {
    auto* strings = value->mutable_tensor()->mutable_strings();
    for (const std::string& text : literal.strings) strings->add_values(text);
  } else {
    if (!literal.tensor) fail(where, "a value has no numbers");
    set_tensor(*literal.tensor, value->mutable_tensor());
  }
  return message;
}

}  // namespace anemone
