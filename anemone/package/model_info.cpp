#include "anemone/package/model_info.h"

namespace anemone {

const FunctionInfo* ModelInfo::find(const std::string& function) const {
  for (const FunctionInfo& info : functions) {
    if (info.name == function) return &info;
  }
  return nullptr;
}

std::map<std::string, Shape> ModelInfo::default_shapes(const std::string& function) const {
  std::map<std::string, Shape> shapes;
  const FunctionInfo* info = find(function);
  if (!info) return shapes;
  for (const Feature& input : info->inputs) {
    if (input.kind == "array") shapes[input.name] = input.type.shape;
  }
  return shapes;
}

}  // namespace anemone
