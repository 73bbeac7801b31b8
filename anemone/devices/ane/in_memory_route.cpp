#include "anemone/devices/ane/in_memory_route.h"

#include <chrono>
#include <thread>

#include "anemone/base/scratch_folder.h"
#include "anemone/devices/ane/surface_buffer.h"

namespace anemone {
namespace fs = std::filesystem;
namespace {

// "B24@0:8I16@20^@28" without the offsets that the runtime adds.
std::string without_offsets(const char* encoding) {
  std::string result;
  for (const char* c = encoding; *c; ++c) {
    if (*c < '0' || *c > '9') result += *c;
  }
  return result;
}

// Every method that is called exists and takes what we hand it.
void verify_methods(const ObjcApi& api) {
  for (const AneMethod& wanted : kAneMethods) {
    const std::string where =
        fmt::format("{}[{} {}]", wanted.of_class ? '+' : '-', wanted.class_name, wanted.selector);
    const ObjcClass type = api.objc_getClass(wanted.class_name);
    if (!type) fail(where, "this system has no such class");
    const ObjcSelector selector = api.sel_registerName(wanted.selector);
    const ObjcMethod method = wanted.of_class ? api.class_getClassMethod(type, selector)
                                              : api.class_getInstanceMethod(type, selector);
    if (!method) fail(where, "this system has no such method");
    const char* encoding = api.method_getTypeEncoding(method);
    if (!encoding) fail(where, "its type is not known");
    if (without_offsets(encoding) != wanted.encoding) {
      fail(where, fmt::format("its type is {}, not {}", encoding, wanted.encoding),
           "this version of the system is not known; please report it");
    }
  }
}

class InMemoryProgram;

class InMemoryRequest final : public Request {
 public:
  InMemoryRequest(const InMemoryProgram& program, std::span<Buffer* const> inputs,
                  std::span<Buffer* const> outputs);
  void run() override;

 private:
  const InMemoryProgram& program_;
  ObjcObjectRef request_;
};

class InMemoryProgram final : public RouteProgram {
 public:
  InMemoryProgram(const Frameworks::InMemory& api, const ProgramFiles& files, std::string name,
                  const fs::path& temporary, CompileGate& gate)
      : api_(api), where_(std::move(name)), values_(api.core_foundation) {
    const AutoreleasePool pool(api_.objc);
    make_model(files);
    // Without the files the framework compiles nothing, although it has the text.
    folder_ = std::make_unique<SharedFolder>(temporary / identifier());
    files.write(folder_->path());
    compile(gate);
    load();
  }

  ~InMemoryProgram() override {
    if (!loaded_) return;
    try {
      const AutoreleasePool pool(api_.objc);
      ObjcId error = nullptr;
      objc_send<bool>(api_.objc, model_.get(), "unloadWithQoS:error:", kAneQos, &error);
    } catch (const Error&) {  // nothing is left to be done about it
    }
  }

  std::unique_ptr<Request> bind(std::span<Buffer* const> inputs,
                                std::span<Buffer* const> outputs) override {
    return std::make_unique<InMemoryRequest>(*this, inputs, outputs);
  }

  const Frameworks::InMemory& api() const { return api_; }
  const std::string& where() const { return where_; }
  const FoundationValues& values() const { return values_; }
  ObjcId model() const { return model_.get(); }

  // Calls a method that answers whether it worked and says why not through an NSError.
  template <typename... Arguments>
  std::string problem_of(const char* selector, Arguments... arguments) const {
    ObjcId error = nullptr;
    if (objc_send<bool>(api_.objc, model_.get(), selector, arguments..., &error)) return "";
    return values_.describe_error(reinterpret_cast<CfRef>(error));
  }

 private:
  void make_model(const ProgramFiles& files) {
    const CfObject text = values_.data(files.mil_text);
    const CfObject weights = weight_dictionary(files);
    const ObjcId descriptor = objc_send<ObjcId>(
        api_.objc, api_.objc.objc_getClass("_ANEInMemoryModelDescriptor"),
        "modelWithMILText:weights:optionsPlist:", text.id(), weights.id(), ObjcId{nullptr});
    if (!descriptor) fail(where_, "the framework made no descriptor of the program");
    model_ = {api_.objc, objc_send<ObjcId>(api_.objc, api_.objc.objc_getClass("_ANEInMemoryModel"),
                                           "inMemoryModelWithDescriptor:", descriptor)};
    if (!model_.get()) fail(where_, "the framework made no model of the program");
  }

  // {"@model_path/weights/weights.bin": {"offset": 0, "data": bytes}}; never null.
  CfObject weight_dictionary(const ProgramFiles& files) const {
    if (files.weights.empty()) return values_.dictionary({});
    const CfObject offset_key = values_.text("offset"), data_key = values_.text("data");
    const CfObject offset = values_.number(0), data = values_.data(files.weights);
    const CfObject entry =
        values_.dictionary({{offset_key.get(), offset.get()}, {data_key.get(), data.get()}});
    const CfObject name = values_.text(ProgramFiles::kWeightsName);
    return values_.dictionary({{name.get(), entry.get()}});
  }

  std::string identifier() const {
    const ObjcId text = objc_send<ObjcId>(api_.objc, model_.get(), "hexStringIdentifier");
    const std::string hex = values_.read(reinterpret_cast<CfRef>(text));
    const bool sound =
        !hex.empty() && hex.find_first_not_of("0123456789abcdefABCDEF_-") == std::string::npos;
    if (!sound) fail(where_, "the framework gave the program no identifier");
    return hex;
  }

  void compile(CompileGate& gate) {
    gate.enter(where_);
    const CfObject options = values_.dictionary({});
    const std::string problem = problem_of("compileWithQoS:options:error:", kAneQos, options.id());
    if (problem.empty()) return;
    gate.refused();
    fail(where_, std::string(kCompileRefused) + ": " + problem);
  }

  void load() {
    const CfObject options = values_.dictionary({});
    std::string problem = problem_of("loadWithQoS:options:error:", kAneQos, options.id());
    if (!problem.empty()) {
      // A slot of a program that was just unloaded takes a moment to be free.
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      problem = problem_of("loadWithQoS:options:error:", kAneQos, options.id());
    }
    if (!problem.empty()) fail(where_, "it compiled but cannot be loaded: " + problem);
    loaded_ = true;
  }

  const Frameworks::InMemory& api_;
  const std::string where_;
  FoundationValues values_;
  ObjcObjectRef model_;
  std::unique_ptr<SharedFolder> folder_;
  bool loaded_ = false;
};

InMemoryRequest::InMemoryRequest(const InMemoryProgram& program, std::span<Buffer* const> inputs,
                                 std::span<Buffer* const> outputs)
    : program_(program) {
  const ObjcApi& objc = program.api().objc;
  const AutoreleasePool pool(objc);
  std::vector<CfObject> numbers;
  // Surfaces as the framework wraps them, and their indices.
  const auto side = [&](std::span<Buffer* const> buffers) {
    std::vector<CfRef> surfaces, indices;
    for (Buffer* buffer : buffers) {
      auto* surface = dynamic_cast<SurfaceBuffer*>(buffer);
      if (!surface) fail(program.where(), "a buffer is another device's");
      const ObjcId wrapped = objc_send<ObjcId>(objc, objc.objc_getClass("_ANEIOSurfaceObject"),
                                               "objectWithIOSurface:", surface->surface());
      if (!wrapped) fail(program.where(), "the framework does not take a surface");
      surfaces.push_back(reinterpret_cast<CfRef>(wrapped));
      numbers.push_back(program.values().number(static_cast<int64_t>(indices.size())));
      indices.push_back(numbers.back().get());
    }
    return std::pair(program.values().array(surfaces), program.values().array(indices));
  };
  const auto [in, in_indices] = side(inputs);
  const auto [out, out_indices] = side(outputs);
  const CfObject procedure = program.values().number(0);
  request_ = {objc, objc_send<ObjcId>(objc, objc.objc_getClass("_ANERequest"),
                                      "requestWithInputs:inputIndices:outputs:outputIndices:"
                                      "weightsBuffer:perfStats:procedureIndex:",
                                      in.id(), in_indices.id(), out.id(), out_indices.id(),
                                      ObjcId{nullptr}, ObjcId{nullptr}, procedure.id())};
  if (!request_.get()) fail(program.where(), "the framework made no request");
}

void InMemoryRequest::run() {
  const AutoreleasePool pool(program_.api().objc);
  const CfObject options = program_.values().dictionary({});
  const std::string problem = program_.problem_of("evaluateWithQoS:options:request:error:", kAneQos,
                                                  options.id(), request_.get());
  if (!problem.empty()) fail(program_.where(), "the evaluation was refused: " + problem);
}

class InMemoryRoute final : public AneRoute {
 public:
  InMemoryRoute(const Frameworks::InMemory& api, fs::path temporary, CompileGate& gate)
      : api_(api), temporary_(std::move(temporary)), gate_(gate) {
    verify_methods(api_.objc);
  }

  const char* name() const override { return "inmemory"; }

  std::unique_ptr<RouteProgram> compile(const ProgramFiles& files, const std::string& name,
                                        const std::string& /*key*/) override {
    gate_.require_owner(name);
    return std::make_unique<InMemoryProgram>(api_, files, name, temporary_, gate_);
  }

  std::unique_ptr<Buffer> allocate(const Type& type, size_t capacity) override {
    gate_.require_owner("buffer");
    return std::make_unique<SurfaceBuffer>(api_, type, capacity);
  }

 private:
  const Frameworks::InMemory api_;
  fs::path temporary_;
  CompileGate& gate_;
};

}  // namespace

std::unique_ptr<AneRoute> make_in_memory_route(const Frameworks::InMemory& api, fs::path temporary,
                                               CompileGate& gate) {
  return std::make_unique<InMemoryRoute>(api, std::move(temporary), gate);
}

}  // namespace anemone
