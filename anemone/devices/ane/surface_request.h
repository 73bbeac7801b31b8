// An _ANERequest: which surfaces a program reads and writes. It never changes afterwards.
#pragma once

#include <span>

#include "anemone/devices/ane/in_memory_model.h"
#include "anemone/devices/device.h"

namespace anemone {

// What ordinary requests leave as it is.
struct RequestExtras {
  Buffer* weights = nullptr;  // said to stand for baked weights
  int procedure = 0;
};

// Buffers are SurfaceBuffers in the order of the ports. Throws Error(kInvalidInput) for others and
// where the framework makes no request. To be called with an autorelease pool.
ObjcObjectRef make_surface_request(const InMemoryModel& model, std::span<Buffer* const> inputs,
                                   std::span<Buffer* const> outputs,
                                   const RequestExtras& extras = {});

// The surface of a buffer as the framework wraps it; borrowed from the pool.
ObjcId wrap_surface(const InMemoryModel& model, Buffer* buffer);

}  // namespace anemone
