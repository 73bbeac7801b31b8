// The Apple Neural Engine of this machine. Contract-tested against a fake framework, not yet run on
// hardware (docs/ane-bring-up.md).
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "anemone/devices/ane/compile_gate.h"
#include "anemone/devices/ane/frameworks.h"
#include "anemone/devices/ane/host_info.h"
#include "anemone/devices/ane_spec/chip.h"
#include "anemone/devices/device.h"

namespace anemone {

enum class AneRouteChoice : uint8_t { kAuto, kE5rt, kInMemory };
// "auto", "e5rt", "inmemory"; throws Error(kInvalidInput) for another word.
AneRouteChoice parse_ane_route(const std::string& word);

struct AneOptions {
  AneRouteChoice route = AneRouteChoice::kAuto;
  bool strict = false;
  std::filesystem::path cache, temporary;  // empty: the system's usual places
  // What tests replace.
  std::optional<Frameworks> frameworks = {};
  std::optional<HostInfo> host = {};
  CompileGate* gate = nullptr;  // the process's
};

// Tries the routes in the order e5rt, inmemory (or only the chosen one) by compiling and running a
// tiny program, and takes the first that computes it right; info().notes says which and why.
// Throws Error(kUnavailable) in one line where none does.
std::unique_ptr<Device> make_ane_device(const AneOptions& options = {});

}  // namespace anemone
