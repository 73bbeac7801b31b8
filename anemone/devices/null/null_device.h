// A device that accepts everything and does nothing: for predictions, and for tests of what comes
// before a device.
#pragma once

#include <memory>

#include "anemone/devices/device.h"

namespace anemone {

// Its buffers hold no memory, its programs know their ports and costs.
std::unique_ptr<Device> make_null_device();

}  // namespace anemone
