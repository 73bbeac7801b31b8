// The probes, through _ANEInMemoryModel and the classes around it.
#pragma once

#include <memory>

#include "anemone/devices/ane/probe_program.h"

namespace anemone {

// Throws Error(kInvalidInput) that names a class or method that every program needs and this system
// lacks.
std::unique_ptr<AneProbes> make_in_memory_probes(const ProbeContext& context);

// AneProbes::advanced().
std::vector<ProbeAnswer> ask_advanced(const ProbeContext& context);

}  // namespace anemone
