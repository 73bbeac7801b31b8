#include <fmt/format.h>

#include "anemone/base/error.h"
#include "anemone/package/description_proto.h"

namespace anemone {
namespace {

namespace spec = CoreML::Specification;

constexpr int kMaxRank = 16;

DType dtype_of(spec::ArrayFeatureType::ArrayDataType code, const std::string& where) {
  switch (code) {
    case spec::ArrayFeatureType::FLOAT16:
      return DType::kFp16;
    case spec::ArrayFeatureType::FLOAT32:
      return DType::kFp32;
    case spec::ArrayFeatureType::DOUBLE:
      return DType::kFp64;
    case spec::ArrayFeatureType::INT32:
      return DType::kInt32;
    case spec::ArrayFeatureType::INT8:
      return DType::kInt8;
    default:
      fail(where, fmt::format("unknown type of array elements: {}", static_cast<int>(code)));
  }
}

template <typename Sizes>
Shape shape_of(const Sizes& sizes, const std::string& where) {
  if (sizes.size() > kMaxRank) fail(where, fmt::format("it has {} sizes", sizes.size()));
  Shape shape(sizes.begin(), sizes.end());
  for (const int64_t size : shape) {
    if (size < 0 || size > int64_t{1} << 40) fail(where, fmt::format("it has a size of {}", size));
  }
  return shape;
}

void read_array(const spec::ArrayFeatureType& array, Feature& feature, const std::string& where) {
  feature.type = Type::tensor(dtype_of(array.datatype(), where), shape_of(array.shape(), where));
  for (const auto& shape : array.enumeratedshapes().shapes()) {
    feature.enumerated.push_back(shape_of(shape.shape(), where));
  }
  for (const auto& range : array.shaperange().sizeranges()) {
    const auto lower = static_cast<int64_t>(range.lowerbound());
    const int64_t upper = range.upperbound() < 0 ? -1 : range.upperbound();
    if (lower < 0 || (upper >= 0 && upper < lower)) {
      fail(where, fmt::format("a range of sizes is {} to {}", range.lowerbound(), upper));
    }
    feature.ranges.emplace_back(lower, upper);
  }
}

Feature feature_from(const spec::FeatureDescription& message, const std::string& where) {
  using Kind = spec::FeatureType;
  const std::string place = fmt::format("{}, feature '{}'", where, message.name());
  Feature feature;
  feature.name = message.name();
  feature.description = message.shortdescription();
  feature.optional = message.type().isoptional();
  switch (message.type().Type_case()) {
    case Kind::kMultiArrayType:
      read_array(message.type().multiarraytype(), feature, place);
      break;
    case Kind::kStateType:
      feature.kind = "state";
      read_array(message.type().statetype().arraytype(), feature, place);
      break;
    case Kind::kImageType:
      feature.kind = "image";
      break;
    case Kind::kInt64Type:
      feature.kind = "int64";
      break;
    case Kind::kDoubleType:
      feature.kind = "double";
      break;
    case Kind::kStringType:
      feature.kind = "string";
      break;
    case Kind::kDictionaryType:
      feature.kind = "dictionary";
      break;
    case Kind::kSequenceType:
      feature.kind = "sequence";
      break;
    case Kind::TYPE_NOT_SET:
      fail(place, "its type is missing");
  }
  return feature;
}

template <typename Message>
FunctionInfo ports_of(const Message& message, std::string name, const std::string& where) {
  FunctionInfo function{std::move(name), {}, {}, {}};
  for (const auto& port : message.input()) function.inputs.push_back(feature_from(port, where));
  for (const auto& port : message.output()) function.outputs.push_back(feature_from(port, where));
  for (const auto& port : message.state()) function.states.push_back(feature_from(port, where));
  return function;
}

}  // namespace

void info_from_proto(const spec::Model& model, ModelInfo& info, const std::string& where) {
  const spec::ModelDescription& description = model.description();
  info.spec_version = model.specificationversion();
  info.updatable = model.isupdatable();
  info.description = description.metadata().shortdescription();
  info.version = description.metadata().versionstring();
  info.author = description.metadata().author();
  info.license = description.metadata().license();
  for (const auto& [key, value] : description.metadata().userdefined()) {
    info.user_defined[key] = value;
  }
  info.default_function = description.defaultfunctionname();
  info.predicted_feature = description.predictedfeaturename();
  info.predicted_probabilities = description.predictedprobabilitiesname();
  for (const auto& function : description.functions()) {
    info.functions.push_back(ports_of(function, function.name(), where));
  }
  if (description.functions_size() == 0) {
    const std::string name = info.default_function.empty() ? "main" : info.default_function;
    info.functions.push_back(ports_of(description, name, where));
  }
  info.serialized_description = description.SerializeAsString();
}

}  // namespace anemone
