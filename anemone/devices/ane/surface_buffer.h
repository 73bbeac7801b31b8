// An IOSurface as a buffer: flat and packed, locked around every access of the CPU.
#pragma once

#include "anemone/devices/ane/foundation_values.h"
#include "anemone/devices/ane/frameworks.h"
#include "anemone/devices/device.h"

namespace anemone {

class SurfaceBuffer final : public Buffer {
 public:
  SurfaceBuffer(const Frameworks::InMemory& api, const Type& type, size_t capacity);
  ~SurfaceBuffer() override { api_.core_foundation.CFRelease(surface_); }

  const Type& type() const override { return type_; }
  size_t capacity() const override { return capacity_; }
  void write(const TensorView& from) override;
  void read(const TensorView& to) const override;
  // None: the surface must be locked while the CPU looks at it.
  TensorView map() override { return {type_.dtype, type_.shape, nullptr}; }

  IoSurfaceRef surface() const { return surface_; }

 private:
  // Calls use(view of the memory) between lock and unlock.
  template <typename Use>
  void locked(uint32_t options, Use&& use) const;

  const Frameworks::InMemory& api_;
  Type type_;
  size_t capacity_;
  IoSurfaceRef surface_ = nullptr;
};

}  // namespace anemone
