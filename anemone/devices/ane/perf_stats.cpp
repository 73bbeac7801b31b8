#include "anemone/devices/ane/perf_stats.h"

#include "anemone/devices/ane/objc_methods.h"

namespace anemone {
namespace {

using Object = StatsRecipe::Object;

constexpr const char* kClass = "_ANEPerformanceStats";
constexpr const char* kFromBuffer = "statsWithRequestPerformanceBuffer:statsBufferSize:";
constexpr const char* kFromTime = "statsWithHardwareExecutionNS:";
constexpr const char* kFromParts = "statsWithReconstructed:hardwareExecutionNS:aneStatsRawData:";

// Everything that the framework has a bit for; one more and it answers with 0.
constexpr uint32_t kEverything = 0xF;

void require_recipe(const ObjcApi& api, const StatsRecipe& recipe) {
  for (const AneMethod& method : {AneMethod{kClass, "hwExecutionTime", false, "Q@:"},
                                  AneMethod{"_ANERequest", "perfStats", false, "@@:"},
                                  AneMethod{"_ANERequest", "setPerfStats:", false, "v@:@"}}) {
    require_method(api, method);
  }
  if (recipe.mask) {
    require_method(api, {kClass, "driverMaskForANEFMask:", true, "I@:I"});
    require_method(api, {"_ANEInMemoryModel", "setPerfStatsMask:", false, "v@:I"});
  }
  if (recipe.load_options) require_method(api, {"NSNumber", "numberWithBool:", true, "@@:B"});
  if (recipe.object == Object::kFromBuffer) {
    require_method(api, {kClass, kFromBuffer, true, "@@:^^v^I|@@:^v^I"});
  }
  if (recipe.object == Object::kFromTime) require_method(api, {kClass, kFromTime, true, "@@:Q"});
  if (recipe.object == Object::kFromParts) {
    require_method(api, {kClass, kFromParts, true, "@@:@Q@"});
  }
}

}  // namespace

PerfStats::PerfStats(const Frameworks::InMemory& api, const StatsRecipe& recipe)
    : api_(api), values_(api.core_foundation), recipe_(recipe) {
  require_recipe(api.objc, recipe);
  class_ = api.objc.objc_getClass(kClass);
}

uint32_t PerfStats::driver_mask() const {
  const auto mask =
      objc_send<uint32_t>(api_.objc, class_, "driverMaskForANEFMask:", uint32_t{kEverything});
  if (mask == 0) fail(kClass, "the driver has no mask for its statistics");
  return mask;
}

CfObject PerfStats::prepare(ObjcId model) const {
  if (!recipe_.mask) return values_.dictionary({});
  const uint32_t mask = driver_mask();
  objc_send<void>(api_.objc, model, "setPerfStatsMask:", mask);
  if (!recipe_.load_options) return values_.dictionary({});
  const auto yes =
      objc_send<ObjcId>(api_.objc, api_.objc.objc_getClass("NSNumber"), "numberWithBool:", true);
  if (!yes) fail("NSNumber", "it made no YES");
  const CfObject mask_key = values_.text("kANEFPerformanceStatsMask"),
                 number = values_.number(mask),
                 load_key = values_.text("kANEFModelLoadPerformanceStats");
  return values_.dictionary(
      {{mask_key.get(), number.get()}, {load_key.get(), reinterpret_cast<CfRef>(yes)}});
}

void PerfStats::withdraw(ObjcId model) const {
  if (recipe_.mask) objc_send<void>(api_.objc, model, "setPerfStatsMask:", uint32_t{0});
}

// Null where the class makes none, as of an empty buffer on some systems; the framework then puts
// one of its own into the request.
ObjcId PerfStats::make_object(Memory& memory) const {
  memory = {};
  switch (recipe_.object) {
    case Object::kNone:
      return nullptr;
    case Object::kFromBuffer:
      return objc_send<ObjcId>(api_.objc, class_, kFromBuffer, &memory.buffers[0],
                               &memory.sizes[0]);
    case Object::kFromTime:
      return objc_send<ObjcId>(api_.objc, class_, kFromTime, uint64_t{0});
    case Object::kFromParts:
      return objc_send<ObjcId>(api_.objc, class_, kFromParts, ObjcId{nullptr}, uint64_t{0},
                               ObjcId{nullptr});
  }
  return nullptr;
}

// Not handed to the factory of requests: its perfStats: are surfaces with a statType, and one of
// these objects among them was seen to end a process.
void PerfStats::attach(ObjcId request, Memory& memory) const {
  objc_send<void>(api_.objc, request, "setPerfStats:", make_object(memory));
}

void PerfStats::detach(ObjcId request) const {
  objc_send<void>(api_.objc, request, "setPerfStats:", ObjcId{nullptr});
}

uint64_t PerfStats::nanoseconds_of(ObjcId stats) const {
  if (!answers_to(api_.objc, stats, "hwExecutionTime", "Q@:")) return 0;
  return objc_send<uint64_t>(api_.objc, stats, "hwExecutionTime");
}

ObjcId PerfStats::first_of_array(ObjcId request) const {
  if (!answers_to(api_.objc, request, "perfStatsArray", "@@:")) return nullptr;
  const auto array = objc_send<ObjcId>(api_.objc, request, "perfStatsArray");
  if (!answers_to(api_.objc, array, "count", "Q@:") ||
      !answers_to(api_.objc, array, "objectAtIndex:", "@@:Q") ||
      objc_send<uint64_t>(api_.objc, array, "count") == 0) {
    return nullptr;
  }
  return objc_send<ObjcId>(api_.objc, array, "objectAtIndex:", uint64_t{0});
}

std::optional<double> PerfStats::hardware_ms(ObjcId request) const {
  uint64_t ns = nanoseconds_of(objc_send<ObjcId>(api_.objc, request, "perfStats"));
  if (ns == 0) ns = nanoseconds_of(first_of_array(request));
  if (ns == 0) return std::nullopt;
  return static_cast<double>(ns) * 1e-6;
}

}  // namespace anemone
