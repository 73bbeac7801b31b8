// The route through e5rt: ports by name, buffers that the CPU reaches through pointers.
#pragma once

#include <filesystem>
#include <memory>

#include "anemone/devices/ane/ane_route.h"
#include "anemone/devices/ane/compile_gate.h"
#include "anemone/devices/ane/espresso_api.h"

namespace anemone {

// Compiled bundles are kept below `cache` and used again, by this process and by others; only real
// compilations pass the gate, which must outlive the route.
std::unique_ptr<AneRoute> make_e5rt_route(const EspressoApi& api, std::filesystem::path cache,
                                          CompileGate& gate);

}  // namespace anemone
