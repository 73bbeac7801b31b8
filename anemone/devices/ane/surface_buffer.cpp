#include "anemone/devices/ane/surface_buffer.h"

#include <algorithm>

namespace anemone {
namespace {

constexpr const char* kWhere = "IOSurface";

IoSurfaceRef create(const Frameworks::InMemory& api, size_t bytes) {
  const FoundationValues values(api.core_foundation);
  const std::pair<const char*, size_t> wanted[] = {
      {"IOSurfaceWidth", bytes},       {"IOSurfaceHeight", 1},
      {"IOSurfaceBytesPerElement", 1}, {"IOSurfaceBytesPerRow", bytes},
      {"IOSurfaceAllocSize", bytes},   {"IOSurfacePixelFormat", 0}};
  std::vector<CfObject> owned;
  std::vector<std::pair<CfRef, CfRef>> entries;
  for (const auto& [key, value] : wanted) {
    owned.push_back(values.text(key));
    const CfRef name = owned.back().get();
    owned.push_back(values.number(static_cast<int64_t>(value)));
    entries.emplace_back(name, owned.back().get());
  }
  const CfObject properties = values.dictionary(entries);
  const IoSurfaceRef surface = api.io_surface.IOSurfaceCreate(properties.get());
  if (!surface) fail(kWhere, fmt::format("the system made none of {} bytes", bytes));
  return surface;
}

}  // namespace

SurfaceBuffer::SurfaceBuffer(const Frameworks::InMemory& api, const Type& type, size_t capacity)
    : api_(api),
      type_(type),
      capacity_(std::max(capacity, type.bytes())),
      surface_(create(api, capacity_)) {
  const size_t allocated = api_.io_surface.IOSurfaceGetAllocSize(surface_);
  if (allocated < capacity_) {
    api_.core_foundation.CFRelease(surface_);
    fail(kWhere, fmt::format("{} bytes were wanted, {} allocated", capacity_, allocated));
  }
}

template <typename Use>
void SurfaceBuffer::locked(uint32_t options, Use&& use) const {
  const IoSurfaceApi& io = api_.io_surface;
  if (const int32_t status = io.IOSurfaceLock(surface_, options, nullptr); status != 0) {
    fail(kWhere, fmt::format("it cannot be locked: status {}", status));
  }
  int32_t status = 0;
  try {
    void* const memory = io.IOSurfaceGetBaseAddress(surface_);
    if (!memory) fail(kWhere, "it has no memory");
    use(TensorView{type_.dtype, type_.shape, memory});
    status = io.IOSurfaceUnlock(surface_, options, nullptr);
  } catch (...) {
    io.IOSurfaceUnlock(surface_, options, nullptr);
    throw;
  }
  if (status != 0) fail(kWhere, fmt::format("it cannot be unlocked: status {}", status));
}

void SurfaceBuffer::write(const TensorView& from) {
  ANEMONE_CHECK(from.size() == element_count(type_.shape));
  locked(0, [&](const TensorView& memory) { convert(from, memory); });
}

void SurfaceBuffer::read(const TensorView& to) const {
  ANEMONE_CHECK(to.size() == element_count(type_.shape));
  locked(kIoSurfaceReadOnly, [&](const TensorView& memory) { convert(memory, to); });
}

}  // namespace anemone
