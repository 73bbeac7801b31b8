// The connection to the daemon and what goes through it alone: direct and real-time evaluation,
// and chains, which it prepares for nobody without an entitlement.
#include "tests/fake_ane/neural_engine.h"

namespace anemone::fake_ane {
namespace {

constexpr const char* kDirect = "doEvaluateDirectWithModel:options:request:qos:error:";
constexpr const char* kRealTime = "evaluateRealTimeWithModel:options:request:error:";
constexpr const char* kLoad = "loadRealTimeModel:options:qos:error:";
constexpr const char* kUnload = "unloadRealTimeModel:options:qos:error:";
constexpr const char* kPrepare = "prepareChainingWithModel:options:chainingReq:qos:error:";
constexpr const char* kChain =
    "chainingRequestWithInputs:outputSets:lbInputSymbolId:lbOutputSymbolId:procedureIndex:"
    "signalEvents:transactionHandle:fwEnqueueDelay:memoryPoolId:";
constexpr const char* kBuffer = "bufferWithIOSurfaceObject:symbolIndex:source:";
constexpr const char* kOutputs = "objectWithstatsSurRef:outputBuffer:";

// A model as the daemon knows it.
struct InnerModel : Tracked {
  explicit InnerModel(Model* outer) : Tracked("_ANEModel"), outer(outer) {}
  Model* outer;
};

struct Client : Tracked {
  Client() : Tracked("_ANEClient") {}
};

struct ChainPart : Tracked {
  explicit ChainPart(const char* kind) : Tracked(kind) {}
};

ObjcId made(Tracked* object) { return objc::to_id(objc::autorelease(object)); }

ObjcId connection(ObjcId) { return made(world().make<Client>()); }

ObjcId inner_of(ObjcId self) {
  return made(world().make<InnerModel>(reinterpret_cast<Model*>(self)));
}

// Checks what all calls have, and calls `body` with the model.
template <typename Body>
bool serve(const char* user, ObjcId model, ObjcId options, ObjcId* error, Body&& body) {
  check_no_options(user, options);
  check_error_place(user, error);
  const auto* inner = world().living_as<InnerModel>(model, user);
  return inner && answer(error, [&] { body(*inner->outer); });
}

bool direct(ObjcId, ObjcId model, ObjcId options, ObjcId request, uint32_t qos, ObjcId* error) {
  check_quality(kDirect, qos);
  return serve(kDirect, model, options, error,
               [&](Model& found) { evaluate_request(found, request, kDirect); });
}

bool real_time(ObjcId, ObjcId model, ObjcId options, ObjcId request, ObjcId* error) {
  return serve(kRealTime, model, options, error,
               [&](Model& found) { evaluate_request(found, request, kRealTime); });
}

bool load(ObjcId, ObjcId model, ObjcId options, uint32_t qos, ObjcId* error) {
  check_quality(kLoad, qos);
  return serve(kLoad, model, options, error, [](Model& found) { load_program(found); });
}

bool unload(ObjcId, ObjcId model, ObjcId options, uint32_t qos, ObjcId* error) {
  check_quality(kUnload, qos);
  return serve(kUnload, model, options, error, [](Model& found) { unload_program(found); });
}

bool begin(ObjcId) { return false; }  // for want of an entitlement
bool end(ObjcId) { return false; }
ObjcId virtual_client(ObjcId) { return nullptr; }

ObjcId chain_buffer(ObjcId, ObjcId surface, ObjcId index, int64_t source) {
  const auto* wrapped = world().living_as<SurfaceObject>(surface, kBuffer);
  const auto* number = world().living_as<NsNumber>(index, kBuffer);
  if (source != 0 && source != 1) world().violation("a port of a chain is no input and no output");
  return wrapped && number ? made(world().make<ChainPart>("_ANEBuffer")) : nullptr;
}

// All members of an array are of one kind.
bool all_are(ObjcId array, const char* kind) {
  const auto* found = world().living_as<NsArray>(array, kChain);
  if (!found || found->members.empty()) return false;
  for (const Tracked* member : found->members) {
    if (std::string(member->kind) != kind) return false;
  }
  return true;
}

ObjcId output_set(ObjcId, IoSurfaceStruct* statistics, ObjcId buffers) {
  const auto* surface = world().living_as<Surface>(statistics, kOutputs);
  if (!all_are(buffers, "_ANEBuffer")) world().violation("a set of outputs has no buffers");
  return surface ? made(world().make<ChainPart>("_ANEIOSurfaceOutputSets")) : nullptr;
}

ObjcId chain(ObjcId, ObjcId inputs, ObjcId sets, ObjcId in_symbol, ObjcId out_symbol,
             ObjcId procedure, ObjcId events, ObjcId handle, ObjcId delay, ObjcId pool) {
  if (!all_are(inputs, "_ANEBuffer") || !all_are(sets, "_ANEIOSurfaceOutputSets")) {
    world().violation("a chain has no buffers");
  }
  if (in_symbol || out_symbol || procedure) world().violation("a chain is not validated so");
  world().living_as<NsArray>(events, kChain);
  for (const ObjcId number : {handle, delay, pool}) world().living_as<NsNumber>(number, kChain);
  return made(world().make<ChainPart>("_ANEChainingRequest"));
}

bool prepare(ObjcId, ObjcId model, ObjcId options, ObjcId request, uint32_t qos, ObjcId* error) {
  check_quality(kPrepare, qos);
  world().living_as<ChainPart>(request, kPrepare);
  return serve(kPrepare, model, options, error, [](Model&) {
    throw Refusal{15, "ANEProgramChainingPrepare() Failed"};
  });
}

}  // namespace

void define_client_classes() {
  using objc::define_class;
  using objc::make_method;
  define_class("_ANEInMemoryModel").instance_methods["model"] = make_method(inner_of);
  objc::Class& client = define_class("_ANEClient");
  client.class_methods["sharedConnection"] = make_method(connection);
  client.instance_methods["virtualClient"] = make_method(virtual_client);
  client.instance_methods["beginRealTimeTask"] = make_method(begin);
  client.instance_methods["endRealTimeTask"] = make_method(end);
  client.instance_methods[kDirect] = make_method(direct);
  client.instance_methods[kRealTime] = make_method(real_time);
  client.instance_methods[kLoad] = make_method(load);
  client.instance_methods[kUnload] = make_method(unload);
  client.instance_methods[kPrepare] = make_method(prepare);
  define_class("_ANEBuffer").class_methods[kBuffer] = make_method(chain_buffer);
  define_class("_ANEIOSurfaceOutputSets").class_methods[kOutputs] = make_method(output_set);
  define_class("_ANEChainingRequest").class_methods[kChain] = make_method(chain);
  for (const char* name : {"_ANEModel", "_ANEVirtualClient", "_ANEDeviceInfo", "_ANESharedEvents",
                           "_ANESharedWaitEvent", "_ANESharedSignalEvent", "_ANEWeight"}) {
    define_class(name);
  }
}

}  // namespace anemone::fake_ane
