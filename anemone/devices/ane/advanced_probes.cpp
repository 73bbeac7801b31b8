// What the published suite calls advanced: each question with what it is known to come to.
#include "anemone/devices/ane/in_memory_probes.h"
#include "anemone/devices/ane/objc_methods.h"

namespace anemone {
namespace {

using Result = ProbeAnswer::Result;

constexpr double kFactor = 3, kOtherFactor = 5;
constexpr int kProcedures = 16;

constexpr const char* kDirect = "doEvaluateDirectWithModel:options:request:qos:error:";
constexpr const char* kRealTime = "evaluateRealTimeWithModel:options:request:error:";
constexpr const char* kLoadRealTime = "loadRealTimeModel:options:qos:error:";
constexpr const char* kUnloadRealTime = "unloadRealTimeModel:options:qos:error:";
constexpr const char* kPrepareChaining = "prepareChainingWithModel:options:chainingReq:qos:error:";
constexpr const char* kChainingRequest =
    "chainingRequestWithInputs:outputSets:lbInputSymbolId:lbOutputSymbolId:procedureIndex:"
    "signalEvents:transactionHandle:fwEnqueueDelay:memoryPoolId:";
constexpr const char* kChainBuffer = "bufferWithIOSurfaceObject:symbolIndex:source:";
constexpr const char* kOutputSet = "objectWithstatsSurRef:outputBuffer:";

constexpr const char* kClasses[] = {"_ANEModel",
                                    "_ANEClient",
                                    "_ANEVirtualClient",
                                    "_ANEDeviceInfo",
                                    "_ANEBuffer",
                                    "_ANEChainingRequest",
                                    "_ANEIOSurfaceOutputSets",
                                    "_ANESharedEvents",
                                    "_ANESharedWaitEvent",
                                    "_ANESharedSignalEvent",
                                    "_ANEWeight",
                                    "_ANEPerformanceStats"};

ProbeAnswer no_effect(std::string said) { return {"", Result::kNoEffect, std::move(said)}; }

// The connection to the daemon, and a program as it knows it.
class Client {
 public:
  explicit Client(ProbeProgram& program)
      : program_(program), objc_(program.model().api().objc), options_(values().dictionary({})) {
    require_method(objc_, {"_ANEClient", "sharedConnection", true, "@@:"});
    require_method(objc_, {"_ANEInMemoryModel", "model", false, "@@:"});
    client_ = objc_send<ObjcId>(objc_, objc_.objc_getClass("_ANEClient"), "sharedConnection");
    if (!client_) fail("_ANEClient", "there is no connection");
    model_ = objc_send<ObjcId>(objc_, program.model().id(), "model");
    if (!model_) fail("_ANEInMemoryModel", "it has no model of the daemon's");
  }

  void require(const char* selector, const char* encoding) const {
    require_method(objc_, {"_ANEClient", selector, false, encoding});
  }
  // Nothing, or why the daemon says no.
  template <typename... Arguments>
  std::string ask(const char* selector, Arguments... arguments) const {
    ObjcId error = nullptr;
    if (objc_send<bool>(objc_, client_, selector, model_, options_.id(), arguments..., &error)) {
      return "";
    }
    return values().describe_error(reinterpret_cast<CfRef>(error));
  }
  template <typename Answer>
  Answer plain(const char* selector) const {
    return objc_send<Answer>(objc_, client_, selector);
  }
  const ObjcApi& objc() const { return objc_; }
  const FoundationValues& values() const { return program_.model().values(); }

 private:
  ProbeProgram& program_;
  const ObjcApi& objc_;
  CfObject options_;
  ObjcId client_ = nullptr, model_ = nullptr;  // borrowed
};

ProbeAnswer ask_classes(const ObjcApi& objc) {
  std::string missing;
  for (const char* name : kClasses) {
    if (!objc.objc_getClass(name)) missing += std::string(missing.empty() ? "" : ", ") + name;
  }
  if (missing.empty()) return {"", Result::kWorked, fmt::format("all {}", std::size(kClasses))};
  return no_effect("this system has no " + missing);
}

ProbeAnswer ask_weights_buffer(ProbeProgram& program) {
  const auto other = program.filled(kOtherFactor);
  const ObjcObjectRef request = program.make_request({.weights = other.get()});
  const auto run = program.run([&] { return program.model().evaluate(request.get()); });
  if (!run.refused.empty()) return {"", Result::kFailed, run.refused};
  if (!run.wrong.empty()) return {"", Result::kWorked, "it is used: " + run.wrong};
  return no_effect("the baked weights stay");
}

ProbeAnswer ask_procedures(ProbeProgram& program) {
  for (int index = 0; index < kProcedures; ++index) {
    const ObjcObjectRef request = program.make_request({.procedure = index});
    const auto run = program.run([&] { return program.model().evaluate(request.get()); });
    const std::string problem = run.refused + run.wrong;
    if (!problem.empty()) return {"", Result::kFailed, fmt::format("{}: {}", index, problem)};
  }
  return {"", Result::kWorked, fmt::format("0 to {} run", kProcedures - 1)};
}

// What a way of evaluating comes to, with its time beside that of the ordinary way.
ProbeAnswer compare_ways(ProbeProgram& program, const std::function<std::string()>& run,
                         const std::string& ordinary) {
  const ProbeProgram::Run first = program.run(run);
  if (!first.refused.empty()) return no_effect("not evaluated: " + first.refused);
  if (!first.wrong.empty()) return {"", Result::kFailed, first.wrong};
  return {"", Result::kWorked, fmt::format("{:.3f} ms{}", ProbeProgram::typical_ms(run), ordinary)};
}

ProbeAnswer ask_direct(ProbeProgram& program) {
  const Client client(program);
  client.require(kDirect, "B@:@@@I^@");
  const ObjcObjectRef request = program.make_request();
  const double usual_ms =
      ProbeProgram::typical_ms([&] { return program.model().evaluate(request.get()); });
  return compare_ways(
      program, [&] { return client.ask(kDirect, request.get(), uint32_t{kAneQos}); },
      fmt::format(" against {:.3f} ms", usual_ms));
}

// The program is not loaded in the ordinary way meanwhile.
ProbeAnswer ask_real_time(ProbeProgram& program) {
  const Client client(program);
  for (const char* selector : {"beginRealTimeTask", "endRealTimeTask"}) {
    client.require(selector, "B@:");
  }
  client.require(kLoadRealTime, "B@:@@I^@");
  client.require(kUnloadRealTime, "B@:@@I^@");
  client.require(kRealTime, "B@:@@@^@");
  const bool begun = client.plain<bool>("beginRealTimeTask");
  const std::string task = begun ? "" : ", without a real-time task";
  ProbeAnswer answer = probe("", Result::kNoEffect, [&]() -> ProbeAnswer {
    const std::string problem = client.ask(kLoadRealTime, uint32_t{kAneQos});
    if (!problem.empty()) return no_effect("not loaded" + task + ": " + problem);
    ProbeAnswer found = probe("", Result::kNoEffect, [&] {
      const ObjcObjectRef request = program.make_request();
      return compare_ways(
          program, [&] { return client.ask(kRealTime, request.get()); }, task);
    });
    client.ask(kUnloadRealTime, uint32_t{kAneQos});
    return found;
  });
  if (begun) client.plain<bool>("endRealTimeTask");
  return answer;
}

ProbeAnswer ask_virtual_client(ProbeProgram& program) {
  const Client client(program);
  client.require("virtualClient", "@@:");
  if (!client.plain<ObjcId>("virtualClient")) return no_effect("there is none");
  return {"", Result::kWorked, "there is one; please report it"};
}

// A port of a chain. `source`: 0 an input, 1 an output.
ObjcId chain_buffer(ProbeProgram& program, Buffer* buffer, int64_t source) {
  const ObjcApi& objc = program.model().api().objc;
  const CfObject index = program.model().values().number(0);
  const auto made = objc_send<ObjcId>(objc, objc.objc_getClass("_ANEBuffer"), kChainBuffer,
                                      wrap_surface(program.model(), buffer), index.id(), source);
  if (!made) fail("_ANEBuffer", "it takes no surface");
  return made;
}

ProbeAnswer ask_chaining(ProbeProgram& program) {
  const Client client(program);
  const ObjcApi& objc = client.objc();
  const FoundationValues& values = client.values();
  client.require(kPrepareChaining, "B@:@@@I^@");
  for (const AneMethod& method :
       {AneMethod{"_ANEBuffer", kChainBuffer, true, "@@:@@q"},
        AneMethod{"_ANEIOSurfaceOutputSets", kOutputSet, true, "@@:^{__IOSurface=}@"},
        AneMethod{"_ANEChainingRequest", kChainingRequest, true, "@@:@@@@@@@@@"}}) {
    require_method(objc, method);
  }
  const CfObject inputs =
      values.array({reinterpret_cast<CfRef>(chain_buffer(program, program.input(), 0))});
  const CfObject outputs =
      values.array({reinterpret_cast<CfRef>(chain_buffer(program, program.output(), 1))});
  const auto statistics = program.filled(0);
  const auto set =
      objc_send<ObjcId>(objc, objc.objc_getClass("_ANEIOSurfaceOutputSets"), kOutputSet,
                        static_cast<SurfaceBuffer&>(*statistics).surface(), outputs.id());
  if (!set) return no_effect("there is no set of outputs");
  const CfObject sets = values.array({reinterpret_cast<CfRef>(set)}), none = values.array({});
  const CfObject zero = values.number(0);
  const ObjcId nil = nullptr;
  const auto request = objc_send<ObjcId>(objc, objc.objc_getClass("_ANEChainingRequest"),
                                         kChainingRequest, inputs.id(), sets.id(), nil, nil, nil,
                                         none.id(), zero.id(), zero.id(), zero.id());
  if (!request) return no_effect("there is no request for a chain");
  const std::string problem = client.ask(kPrepareChaining, request, uint32_t{kAneQos});
  if (!problem.empty()) return no_effect("not prepared: " + problem);
  return {"", Result::kWorked, "a chain was prepared; please report it"};
}

void load(ProbeProgram& program) {
  const CfObject options = program.model().values().dictionary({});
  const std::string problem = program.model().load(options.id());
  if (!problem.empty()) fail("probe", "it compiled but cannot be loaded: " + problem);
}

}  // namespace

std::vector<ProbeAnswer> ask_advanced(const ProbeContext& context) {
  ProbeProgram program(context, kFactor);
  std::vector<ProbeAnswer> answers;
  const auto ask = [&](const char* asked, Result on_error, const auto& question) {
    answers.push_back(probe(asked, on_error, [&] {
      const AutoreleasePool pool(context.api.objc);
      return question(program);
    }));
  };
  {
    const AutoreleasePool pool(context.api.objc);
    program.model().compile(context.gate);
    load(program);
  }
  ask("classes", Result::kNoEffect, [&](ProbeProgram&) { return ask_classes(context.api.objc); });
  ask("weights buffer", Result::kFailed, ask_weights_buffer);
  ask("procedures", Result::kFailed, ask_procedures);
  ask("direct evaluation", Result::kNoEffect, ask_direct);
  ask("virtual client", Result::kNoEffect, ask_virtual_client);
  ask("chaining", Result::kNoEffect, ask_chaining);
  ask("real time", Result::kNoEffect, [](ProbeProgram& loaded) {
    loaded.model().unload();
    return ask_real_time(loaded);
  });
  answers.push_back(
      {"shared events", Result::kNoEffect, "not asked: an evaluation with one hangs"});
  return answers;
}

}  // namespace anemone
