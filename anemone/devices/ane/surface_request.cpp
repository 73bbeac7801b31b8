#include "anemone/devices/ane/surface_request.h"

#include "anemone/devices/ane/surface_buffer.h"

namespace anemone {
namespace {

// The surfaces of one side and their indices 0, 1, 2, …, as arrays.
struct Side {
  CfObject surfaces, indices;
};

Side make_side(const InMemoryModel& model, std::span<Buffer* const> buffers) {
  std::vector<CfObject> numbers;
  std::vector<CfRef> surfaces, indices;
  for (Buffer* buffer : buffers) {
    surfaces.push_back(reinterpret_cast<CfRef>(wrap_surface(model, buffer)));
    numbers.push_back(model.values().number(static_cast<int64_t>(indices.size())));
    indices.push_back(numbers.back().get());
  }
  return {model.values().array(surfaces), model.values().array(indices)};
}

}  // namespace

ObjcId wrap_surface(const InMemoryModel& model, Buffer* buffer) {
  const ObjcApi& objc = model.api().objc;
  auto* surface = dynamic_cast<SurfaceBuffer*>(buffer);
  if (!surface) fail(model.name(), "a buffer is another device's");
  const ObjcId wrapped = objc_send<ObjcId>(objc, objc.objc_getClass("_ANEIOSurfaceObject"),
                                           "objectWithIOSurface:", surface->surface());
  if (!wrapped) fail(model.name(), "the framework does not take a surface");
  return wrapped;
}

ObjcObjectRef make_surface_request(const InMemoryModel& model, std::span<Buffer* const> inputs,
                                   std::span<Buffer* const> outputs, const RequestExtras& extras) {
  const ObjcApi& objc = model.api().objc;
  const Side in = make_side(model, inputs), out = make_side(model, outputs);
  const ObjcId weights = extras.weights ? wrap_surface(model, extras.weights) : nullptr;
  const CfObject procedure = model.values().number(extras.procedure);
  ObjcObjectRef request(
      objc, objc_send<ObjcId>(objc, objc.objc_getClass("_ANERequest"),
                              "requestWithInputs:inputIndices:outputs:outputIndices:weightsBuffer:"
                              "perfStats:procedureIndex:",
                              in.surfaces.id(), in.indices.id(), out.surfaces.id(),
                              out.indices.id(), weights, ObjcId{nullptr}, procedure.id()));
  if (!request.get()) fail(model.name(), "the framework made no request");
  return request;
}

}  // namespace anemone
