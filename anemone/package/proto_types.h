// Types and values of MIL to and from their messages.
#pragma once

#include <string>
#include <vector>

#include "anemone/ir/literal.h"
#include "anemone/package/mil.pb.h"

namespace anemone {

namespace mil = CoreML::Specification::MILSpec;

// Throw Error(kInvalidInput) at `where`. What a message holds beside what our types keep (doc
// strings, attributes of types) is added to `losses`.
struct ProtoContext {
  std::string where;
  std::vector<std::string>* losses;
};
Type type_from_proto(const mil::ValueType& message, const ProtoContext& context);
Literal literal_from_proto(const mil::Value& message, const ProtoContext& context);

mil::ValueType type_to_proto(const Type& type, const std::string& where);
mil::Value literal_to_proto(const Literal& literal, const std::string& where);

}  // namespace anemone
