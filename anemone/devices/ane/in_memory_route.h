// The route through _ANEInMemoryModel of AppleNeuralEngine.framework: programs from text in memory,
// IOSurfaces for inputs and outputs.
#pragma once

#include <filesystem>
#include <memory>

#include "anemone/devices/ane/ane_route.h"
#include "anemone/devices/ane/compile_gate.h"
#include "anemone/devices/ane/frameworks.h"

namespace anemone {

// Programs are laid out below `temporary`, in folders that the framework names and that are removed
// with them. Throws Error where a class or a method is missing or takes other types than expected.
std::unique_ptr<AneRoute> make_in_memory_route(const Frameworks::InMemory& api,
                                               std::filesystem::path temporary, CompileGate& gate);

}  // namespace anemone
