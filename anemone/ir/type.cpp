#include "anemone/ir/type.h"

namespace anemone {

std::string to_string(const Type& type) {
  switch (type.kind) {
    case Type::Kind::kTensor:
      if (type.shape.empty()) return std::string(name(type.dtype));
      return "tensor<" + std::string(name(type.dtype)) + ", " + to_string(type.shape) + ">";
    case Type::Kind::kList:
      return "list<" + to_string(type.parts.at(0)) + ", " +
             (type.length == kUnknownSize ? "?" : std::to_string(type.length)) + ">";
    case Type::Kind::kDict:
      return "dict<" + to_string(type.parts.at(0)) + ", " + to_string(type.parts.at(1)) + ">";
    case Type::Kind::kState:
      return "state<" + to_string(type.parts.at(0)) + ">";
    case Type::Kind::kTuple:
      break;
  }
  std::string text = "tuple<";
  for (size_t i = 0; i < type.parts.size(); ++i) {
    text += (i > 0 ? ", " : "") + to_string(type.parts[i]);
  }
  return text + ">";
}

}  // namespace anemone
