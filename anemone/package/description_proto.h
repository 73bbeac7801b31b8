// The description of a model to and from its messages.
#pragma once

#include <string>

#include "anemone/package/model.pb.h"
#include "anemone/package/model_info.h"

namespace anemone {

void info_from_proto(const CoreML::Specification::Model& model, ModelInfo& info,
                     const std::string& where);

// Fills specification version and description of `model`. Ports come from the program; texts, open
// sizes and features that are no arrays from `info`.
void info_to_proto(const Program& program, const ModelInfo& info,
                   CoreML::Specification::Model& model);

}  // namespace anemone
