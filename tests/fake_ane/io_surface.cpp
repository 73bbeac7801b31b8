// The functions of IOSurface. Memory of a surface that is not locked cannot be touched at all, and
// one that is locked for reading cannot be written: either ends the process.
#include <sys/mman.h>

#include "tests/fake_ane/entry_points.h"
#include "tests/fake_ane/foundation_objects.h"

namespace anemone::fake_ane {
namespace {

constexpr size_t kPage = 16384;

int64_t number_of(const NsDictionary& properties, const char* key) {
  const auto* number = properties.at<NsNumber>(key, "IOSurfaceCreate");
  return number ? number->value : -1;
}

// Flat and packed: one row of bytes.
bool is_flat(const NsDictionary& properties, int64_t bytes) {
  return bytes > 0 && number_of(properties, "IOSurfaceWidth") == bytes &&
         number_of(properties, "IOSurfaceHeight") == 1 &&
         number_of(properties, "IOSurfaceBytesPerElement") == 1 &&
         number_of(properties, "IOSurfaceBytesPerRow") == bytes &&
         number_of(properties, "IOSurfacePixelFormat") == 0;
}

}  // namespace

Surface::Surface(size_t bytes) : Tracked("IOSurface"), bytes(bytes) {
  pages = (bytes + kPage - 1) / kPage * kPage;
  memory = ::mmap(nullptr, pages, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

Surface::~Surface() {
  if (memory) ::munmap(memory, pages);
}

void Surface::bury() {
  if (lock_flags >= 0) {
    world().violation("a surface was released while it was locked");
    --world().locked_surfaces();
  }
  ::munmap(memory, pages);
  memory = nullptr;
}

void Surface::open(int how) {
  const int protection[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
  ::mprotect(memory, pages, protection[how]);
}

extern "C" {

IoSurfaceRef IOSurfaceCreate_of_fake(CfRef properties) {
  const std::lock_guard lock(world().mutex());
  const How how = world().enter("IOSurfaceCreate");
  if (how != How::kWork && how != How::kShort) return nullptr;
  const auto* wanted = world().living_as<NsDictionary>(properties, "IOSurfaceCreate");
  if (!wanted) return nullptr;
  const int64_t bytes = number_of(*wanted, "IOSurfaceAllocSize");
  if (!is_flat(*wanted, bytes)) {
    world().violation("IOSurfaceCreate: the surface is not one row of bytes");
    return nullptr;
  }
  return static_cast<Tracked*>(
      world().make<Surface>(static_cast<size_t>(how == How::kShort ? bytes / 2 : bytes)));
}

int32_t IOSurfaceLock_of_fake(IoSurfaceRef surface, uint32_t options, uint32_t* /*seed*/) {
  const std::lock_guard lock(world().mutex());
  if (world().enter("IOSurfaceLock") != How::kWork) return -536870212;
  auto* found = world().living_as<Surface>(surface, "IOSurfaceLock");
  if (!found) return -1;
  if (options > 1) world().violation("IOSurfaceLock was handed options other than 0 and 1");
  if (found->lock_flags >= 0) world().violation("a surface was locked twice");
  if (found->lock_flags < 0) ++world().locked_surfaces();
  found->lock_flags = static_cast<int>(options);
  found->open(options == 1 ? 1 : 2);
  return 0;
}

int32_t IOSurfaceUnlock_of_fake(IoSurfaceRef surface, uint32_t options, uint32_t* /*seed*/) {
  const std::lock_guard lock(world().mutex());
  const How how = world().enter_release("IOSurfaceUnlock");
  auto* found = world().living_as<Surface>(surface, "IOSurfaceUnlock");
  if (!found) return -1;
  if (found->lock_flags < 0) {
    world().violation("a surface was unlocked that was not locked");
    return -1;
  }
  if (found->lock_flags != static_cast<int>(options)) {
    world().violation("a surface was unlocked with other flags than it was locked with");
  }
  found->lock_flags = -1;
  --world().locked_surfaces();
  found->open(0);
  return how == How::kWork ? 0 : -536870212;
}

void* IOSurfaceGetBaseAddress_of_fake(IoSurfaceRef surface) {
  const std::lock_guard lock(world().mutex());
  if (world().enter("IOSurfaceGetBaseAddress") != How::kWork) return nullptr;
  const auto* found = world().living_as<Surface>(surface, "IOSurfaceGetBaseAddress");
  if (found && found->lock_flags < 0) {
    world().violation("the address of a surface was asked for while it was not locked");
  }
  return found ? found->memory : nullptr;
}

size_t IOSurfaceGetAllocSize_of_fake(IoSurfaceRef surface) {
  const std::lock_guard lock(world().mutex());
  if (world().enter("IOSurfaceGetAllocSize") != How::kWork) return 0;
  const auto* found = world().living_as<Surface>(surface, "IOSurfaceGetAllocSize");
  return found ? found->bytes : 0;
}

}  // extern "C"

}  // namespace anemone::fake_ane
