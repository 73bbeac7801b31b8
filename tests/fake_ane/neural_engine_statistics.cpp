// The statistics of runs: their objects, the mask of a model, what a run leaves in its request.
#include <fmt/format.h>

#include "tests/fake_ane/neural_engine.h"

namespace anemone::fake_ane {
namespace {

using Form = Options::Statistics;

constexpr const char* kClass = "_ANEPerformanceStats";
constexpr const char* kFromBuffer = "statsWithRequestPerformanceBuffer:statsBufferSize:";
constexpr const char* kSetMask = "setPerfStatsMask:";
// What the driver calls all that the framework calls 0xF.
constexpr uint32_t kDriverMask = 0x2F;

struct Stats : Tracked {
  Stats(uint64_t time_ns, void** buffers, uint32_t* sizes)
      : Tracked(kClass), time_ns(time_ns), buffers(buffers), sizes(sizes) {}
  uint64_t time_ns;
  void** buffers;  // the caller's; null if it was made otherwise
  uint32_t* sizes;
};

// The framework looks at three places of each.
void check_memory(void* const* buffers, const uint32_t* sizes) {
  if (!buffers || !sizes) return world().violation(std::string(kFromBuffer) + " has no memory");
  for (int i = 0; i < 3; ++i) {
    if (buffers[i] || sizes[i] != 0) world().violation("memory of statistics is not empty");
  }
}

ObjcId make_stats(uint64_t time_ns, void** buffers = nullptr, uint32_t* sizes = nullptr) {
  return objc::to_id(objc::autorelease(world().make<Stats>(time_ns, buffers, sizes)));
}

ObjcId from_buffer(ObjcId, void** buffers, uint32_t* sizes) {
  check_memory(buffers, sizes);
  return world().options.object_of_empty_buffer ? make_stats(0, buffers, sizes) : nullptr;
}

ObjcId from_time(ObjcId, uint64_t time_ns) {
  if (time_ns != 0) world().violation("a time was made up");
  return make_stats(time_ns);
}

ObjcId from_parts(ObjcId, ObjcId data, uint64_t time_ns, ObjcId raw) {
  if (data || raw || time_ns != 0) world().violation("statistics were made up");
  return make_stats(time_ns);
}

uint32_t driver_mask(ObjcId, uint32_t mask) { return mask == 0xF ? kDriverMask : 0; }

uint64_t time_of(ObjcId self) { return reinterpret_cast<const Stats*>(self)->time_ns; }

void set_mask(ObjcId self, uint32_t mask) {
  auto* model = reinterpret_cast<Model*>(self);
  if (mask != 0 && mask != kDriverMask) world().violation("that is no mask of the driver's");
  if (mask != 0 && model->loaded) world().violation("a mask was set after its model was loaded");
  model->stats_mask = mask;
}

ObjcId stats_of(ObjcId self) {
  return objc::to_id(reinterpret_cast<const Request*>(self)->perf_stats);
}

ObjcId stats_array_of(ObjcId self) {
  return objc::to_id(reinterpret_cast<const Request*>(self)->perf_stats_array);
}

void set_stats(ObjcId self, ObjcId stats) {
  auto* given = stats ? world().living_as<Stats>(stats, "setPerfStats:") : nullptr;
  Request::replace(reinterpret_cast<Request*>(self)->perf_stats, given);
}

}  // namespace

bool check_load_options(const Model& model, const NsDictionary& options) {
  if (options.entries.empty()) return false;
  if (options.entries.size() != 2) world().violation("a model was loaded with other options");
  const auto* mask = options.at<NsNumber>("kANEFPerformanceStatsMask", "loadWithQoS:");
  const auto* wanted = options.at<NsNumber>("kANEFModelLoadPerformanceStats", "loadWithQoS:");
  if (!mask || mask->is_bool || mask->value != kDriverMask || model.stats_mask != kDriverMask) {
    world().violation("the mask of a model and that of its options are not the driver's");
  }
  if (!wanted || !wanted->is_bool || wanted->value != 1) {
    world().violation("statistics are not asked for with YES");
  }
  return true;
}

void leave_statistics(Request& request) {
  const auto* attached = dynamic_cast<const Stats*>(request.perf_stats);
  if (attached && attached->buffers) check_memory(attached->buffers, attached->sizes);
  const Form form = world().options.statistics;
  if (form == Form::kUntouched) return;
  Request::replace(request.perf_stats, nullptr);
  Request::replace(request.perf_stats_array, nullptr);
  if (form == Form::kNil) return;
  Tracked* left = nullptr;
  if (form == Form::kOtherClass) {
    left = world().make<NsString>("no statistics");
  } else {
    const uint64_t time_ns = form == Form::kZero ? 0 : world().options.hardware_ns;
    left = world().make<Stats>(time_ns, nullptr, nullptr);
  }
  if (form == Form::kInArray) {
    auto* array = world().make<NsArray>();
    array->members.push_back(left);
    left = array;
  }
  Request::replace(form == Form::kInArray ? request.perf_stats_array : request.perf_stats, left);
  world().release(left);  // the request has it now
}

void define_statistics_classes() {
  using objc::make_method;
  objc::Class& stats = objc::define_class(kClass);
  stats.class_methods[kFromBuffer] = make_method(from_buffer);
  stats.class_methods["statsWithHardwareExecutionNS:"] = make_method(from_time);
  stats.class_methods["statsWithReconstructed:hardwareExecutionNS:aneStatsRawData:"] =
      make_method(from_parts);
  stats.class_methods["driverMaskForANEFMask:"] = make_method(driver_mask);
  stats.instance_methods["hwExecutionTime"] = make_method(time_of);
  objc::define_class("_ANEInMemoryModel").instance_methods[kSetMask] = make_method(set_mask);
  objc::Class& request = objc::define_class("_ANERequest");
  request.instance_methods["perfStats"] = make_method(stats_of);
  request.instance_methods["setPerfStats:"] = make_method(set_stats);
  request.instance_methods["perfStatsArray"] = make_method(stats_array_of);
}

}  // namespace anemone::fake_ane
