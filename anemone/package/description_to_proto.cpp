#include <fmt/format.h>

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/package/description_proto.h"

namespace anemone {
namespace {

namespace spec = CoreML::Specification;

// The specification version that an opset needs.
int spec_version_of(const Function& function) {
  return 6 + static_cast<int>(opset_from_name(function.opset)) - static_cast<int>(Opset::kIos15);
}

bool is_state(Value input) { return input->type.kind == Type::Kind::kState; }

// Version 7 has fp16 arrays, version 9 states and several functions.
int least_version(const Program& program) {
  int version = program.functions.size() > 1 ? 9 : 6;
  for (const Function& function : program.functions) {
    version = std::max(version, spec_version_of(function));
    for (const auto* ports : {&function.inputs, &function.outputs}) {
      for (Value port : *ports) {
        if (is_state(port)) version = std::max(version, 9);
        if (port->type.is_tensor() && port->type.dtype == DType::kFp16) {
          version = std::max(version, 7);
        }
      }
    }
  }
  return version;
}

spec::ArrayFeatureType::ArrayDataType code_of(DType dtype, const std::string& where) {
  switch (dtype) {
    case DType::kFp16:
      return spec::ArrayFeatureType::FLOAT16;
    case DType::kFp32:
      return spec::ArrayFeatureType::FLOAT32;
    case DType::kFp64:
      return spec::ArrayFeatureType::DOUBLE;
    case DType::kInt32:
      return spec::ArrayFeatureType::INT32;
    default:
      fail(where, fmt::format("Core ML takes no port of {}", name(dtype)),
           "ports are fp16, fp32, fp64 or int32: cast inside the program");
  }
}

void set_flexibility(const Feature& known, spec::ArrayFeatureType* array) {
  for (const Shape& shape : known.enumerated) {
    auto* message = array->mutable_enumeratedshapes()->add_shapes();
    for (const int64_t size : shape) message->add_shape(size);
  }
  for (const auto& [lower, upper] : known.ranges) {
    auto* range = array->mutable_shaperange()->add_sizeranges();
    range->set_lowerbound(static_cast<uint64_t>(lower));
    range->set_upperbound(upper);
  }
}

// Open sizes from what is known of the port: its default shape, or from one to without end.
void set_array(const Type& type, const Feature* known, spec::ArrayFeatureType* array,
               const std::string& where) {
  array->set_datatype(code_of(type.dtype, where));
  const bool same_rank = known && known->type.shape.size() == type.shape.size();
  for (size_t i = 0; i < type.shape.size(); ++i) {
    const int64_t open = same_rank ? known->type.shape[i] : 1;
    array->add_shape(type.shape[i] == kUnknownSize ? open : type.shape[i]);
  }
  if (type.shape.empty()) array->add_shape(1);
  if (is_static(type.shape)) return;
  if (same_rank && (!known->enumerated.empty() || !known->ranges.empty())) {
    return set_flexibility(*known, array);
  }
  Feature any;
  for (const int64_t size : type.shape) {
    any.ranges.emplace_back(size == kUnknownSize ? 1 : size, size == kUnknownSize ? -1 : size);
  }
  set_flexibility(any, array);
}

const Feature* find(const std::vector<Feature>& features, const std::string& name) {
  for (const Feature& feature : features) {
    if (feature.name == name) return &feature;
  }
  return nullptr;
}

void set_port(Value port, const Feature* known, spec::FeatureDescription* message) {
  const std::string where = "port '" + port->name + "'";
  message->set_name(port->name);
  if (known) message->set_shortdescription(known->description);
  if (known && known->optional) message->mutable_type()->set_isoptional(true);
  if (is_state(port)) {
    auto* state = message->mutable_type()->mutable_statetype();
    return set_array(port->type.parts.at(0), known, state->mutable_arraytype(), where);
  }
  if (!port->type.is_tensor()) fail(where, "Core ML takes no port of " + to_string(port->type));
  set_array(port->type, known, message->mutable_type()->mutable_multiarraytype(), where);
}

template <typename Message>
void set_ports(const Function& function, const FunctionInfo* info, Message* message) {
  for (Value input : function.inputs) {
    const Feature* known = nullptr;
    if (info) known = find(is_state(input) ? info->states : info->inputs, input->name);
    set_port(input, known, is_state(input) ? message->add_state() : message->add_input());
  }
  for (Value output : function.outputs) {
    set_port(output, info ? find(info->outputs, output->name) : nullptr, message->add_output());
  }
}

// Whether the description that was read names the ports that the program has.
bool describes(const ModelInfo& info, const Program& program) {
  if (info.serialized_description.empty()) return false;
  const auto same = [](const std::vector<Feature>& features, const std::vector<Value>& values,
                       bool states) {
    size_t count = 0;
    for (Value value : values) {
      if (is_state(value) != states) continue;
      const Feature* feature = find(features, value->name);
      if (!feature) return false;
      const Type& type = states ? value->type.parts.at(0) : value->type;
      const bool is_array = feature->kind == "array" || feature->kind == "state";
      if (is_array && (!type.is_tensor() || feature->type.dtype != type.dtype)) return false;
      ++count;
    }
    return count == features.size();
  };
  if (info.functions.size() != program.functions.size()) return false;
  return std::all_of(program.functions.begin(), program.functions.end(), [&](const Function& f) {
    const FunctionInfo* known = info.find(f.name);
    return known && same(known->inputs, f.inputs, false) && same(known->states, f.inputs, true) &&
           same(known->outputs, f.outputs, false);
  });
}

void set_metadata(const ModelInfo& info, spec::Metadata* metadata) {
  metadata->set_shortdescription(info.description);
  metadata->set_versionstring(info.version);
  metadata->set_author(info.author);
  metadata->set_license(info.license);
  metadata->mutable_userdefined()->clear();
  for (const auto& [key, value] : info.user_defined) {
    (*metadata->mutable_userdefined())[key] = value;
  }
}

}  // namespace

void info_to_proto(const Program& program, const ModelInfo& info, spec::Model& model) {
  model.set_specificationversion(std::max(info.spec_version, least_version(program)));
  model.set_isupdatable(info.updatable);
  spec::ModelDescription* description = model.mutable_description();
  if (describes(info, program)) {
    description->ParseFromString(info.serialized_description);
    return set_metadata(info, description->mutable_metadata());
  }
  if (program.functions.size() == 1) {
    const Function& function = program.functions[0];
    set_ports(function, info.find(function.name), description);
  } else {
    for (const Function& function : program.functions) {
      auto* message = description->add_functions();
      message->set_name(function.name);
      set_ports(function, info.find(function.name), message);
    }
    const bool has_default = !info.default_function.empty();
    description->set_defaultfunctionname(has_default ? info.default_function
                                                     : program.functions.at(0).name);
  }
  set_metadata(info, description->mutable_metadata());
}

}  // namespace anemone
