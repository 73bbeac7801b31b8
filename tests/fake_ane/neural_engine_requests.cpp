// Surfaces as the Neural Engine's classes wrap them, requests, and their evaluation.
#include <fmt/format.h>

#include <algorithm>

#include "tests/fake_ane/foundation_objects.h"
#include "tests/fake_ane/neural_engine.h"

namespace anemone::fake_ane {
namespace {

constexpr const char* kMakeRequest =
    "requestWithInputs:inputIndices:outputs:outputIndices:weightsBuffer:perfStats:procedureIndex:";
constexpr const char* kEvaluate = "evaluateWithQoS:options:request:error:";

ObjcId wrap_surface(ObjcId, IoSurfaceStruct* surface) {
  auto* found = world().living_as<Surface>(surface, "objectWithIOSurface:");
  if (!found) return nullptr;
  auto* made = world().make<SurfaceObject>();
  world().retain(found);
  made->surface = found;
  return objc::to_id(objc::autorelease(made));
}

// The surfaces of one side; their indices must be 0, 1, 2, …
bool read_side(ObjcId objects, ObjcId indices, std::vector<Surface*>& surfaces) {
  const auto* wrapped = world().living_as<NsArray>(objects, kMakeRequest);
  const auto* numbers = world().living_as<NsArray>(indices, kMakeRequest);
  if (!wrapped || !numbers) return false;
  if (wrapped->members.size() != numbers->members.size()) {
    world().violation("a request has another number of indices than of surfaces");
    return false;
  }
  for (size_t i = 0; i < wrapped->members.size(); ++i) {
    const auto* object = world().living_as<SurfaceObject>(wrapped->members[i], kMakeRequest);
    const auto* number = world().living_as<NsNumber>(numbers->members[i], kMakeRequest);
    if (!object || !number) return false;
    if (number->value != static_cast<int64_t>(i)) {
      world().violation("the indices of a request are not 0, 1, 2, …");
    }
    surfaces.push_back(object->surface);
  }
  return true;
}

ObjcId make_request(ObjcId, ObjcId inputs, ObjcId input_indices, ObjcId outputs,
                    ObjcId output_indices, ObjcId weights_buffer, ObjcId perf_stats,
                    ObjcId procedure) {
  // It would take surfaces with a statType there, and ends the process over anything else.
  if (perf_stats) world().violation("a request was made with statistics");
  if (weights_buffer) world().living_as<SurfaceObject>(weights_buffer, kMakeRequest);
  const auto* index = world().living_as<NsNumber>(procedure, kMakeRequest);
  if (index && (index->value < 0 || index->value > 15)) {
    world().violation("a request is for a procedure beyond 0 to 15");
  }
  std::vector<Surface*> in, out;
  if (!index || !read_side(inputs, input_indices, in) || !read_side(outputs, output_indices, out)) {
    return nullptr;
  }
  auto* made = world().make<Request>();
  for (const ObjcId array : {inputs, input_indices, outputs, output_indices}) {
    made->held.push_back(reinterpret_cast<Tracked*>(array));
    world().retain(made->held.back());
  }
  made->inputs = std::move(in);
  made->outputs = std::move(out);
  return objc::to_id(objc::autorelease(made));
}

// As many as there are ports, all of one size, none too small.
bool surfaces_fit(const std::vector<Surface*>& surfaces, const std::vector<Port>& ports) {
  if (surfaces.size() != ports.size()) return false;
  for (size_t i = 0; i < surfaces.size(); ++i) {
    const size_t bytes = surfaces[i]->bytes;
    if (surfaces[i]->lock_flags >= 0) world().violation("an evaluation uses a locked surface");
    if (bytes != surfaces[0]->bytes || bytes < world().options.least_surface) return false;
  }
  return true;
}

// Surfaces go to ports in the alphabetical order of the names of the ports, whatever the order in
// which these are declared. Returns the memory in the order of declaration, reachable.
template <typename Pointer>
std::vector<Pointer> bind(const std::vector<Surface*>& surfaces, const std::vector<Port>& ports,
                          int access) {
  std::vector<std::string> names;
  for (const Port& port : ports) names.push_back(port.name);
  std::sort(names.begin(), names.end());
  std::vector<Pointer> memory;
  for (const Port& port : ports) {
    const auto at = std::find(names.begin(), names.end(), port.name) - names.begin();
    Surface* surface = surfaces[static_cast<size_t>(at)];
    if (surface->bytes < port.type.bytes()) return {};
    surface->open(access);
    memory.push_back(surface->memory);
  }
  return memory;
}

void close_all(const std::vector<Surface*>& surfaces) {
  for (Surface* surface : surfaces) surface->open(0);
}

bool run(const Model& model, const Request& request) {
  const CompiledProgram& program = *model.program;
  if (!model.loaded || program.fails_when_run) return false;
  if (!surfaces_fit(request.inputs, program.inputs) ||
      !surfaces_fit(request.outputs, program.outputs)) {
    return false;
  }
  const auto inputs = bind<const void*>(request.inputs, program.inputs, 1);
  const auto outputs = bind<void*>(request.outputs, program.outputs, 2);
  const bool bound =
      inputs.size() == program.inputs.size() && outputs.size() == program.outputs.size();
  if (bound) run_program(program, inputs, outputs, objc::current_how());
  close_all(request.inputs);
  close_all(request.outputs);
  return bound;
}

}  // namespace

void Request::replace(Tracked*& slot, Tracked* value) {
  if (value) world().retain(value);
  if (slot) world().release(slot);
  slot = value;
}

void Request::bury() {
  objc::require_pool("a request was released");
  for (Tracked* array : held) world().release(array);
  replace(perf_stats, nullptr);
  replace(perf_stats_array, nullptr);
}

void evaluate_request(const Model& model, ObjcId request, const char* user) {
  auto* found = world().living_as<Request>(request, user);
  if (!found || !run(model, *found)) {
    throw Refusal{
        8, "ANEProgramProcessRequestDirect() Failed with status=0x1d : Program Inference error"};
  }
  if (model.counts) leave_statistics(*found);
}

bool evaluate_model(ObjcId self, uint32_t qos, ObjcId options, ObjcId request, ObjcId* error) {
  check_quality(kEvaluate, qos);
  check_no_options(kEvaluate, options);
  check_error_place(kEvaluate, error);
  return answer(
      error, [&] { evaluate_request(*reinterpret_cast<const Model*>(self), request, kEvaluate); });
}

void define_request_classes() {
  objc::define_class("_ANEIOSurfaceObject").class_methods["objectWithIOSurface:"] =
      objc::make_method(wrap_surface);
  objc::define_class("_ANERequest").class_methods[kMakeRequest] = objc::make_method(make_request);
}

}  // namespace anemone::fake_ane
