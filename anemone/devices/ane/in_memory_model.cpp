#include "anemone/devices/ane/in_memory_model.h"

#include <chrono>
#include <thread>

#include "anemone/devices/ane/ane_route.h"

namespace anemone {

InMemoryModel::InMemoryModel(const Frameworks::InMemory& api, const ProgramFiles& files,
                             std::string name, const std::filesystem::path& temporary)
    : api_(api), name_(std::move(name)), values_(api.core_foundation) {
  const AutoreleasePool pool(api_.objc);
  make(files);
  // Without the files the framework compiles nothing, although it has the text.
  folder_ = std::make_unique<SharedFolder>(temporary / identifier());
  files.write(folder_->path());
}

InMemoryModel::~InMemoryModel() {
  try {
    const AutoreleasePool pool(api_.objc);
    unload();
  } catch (const Error&) {  // nothing is left to be done about it
  }
}

// Calls a method that answers whether it worked and says why not through an NSError.
template <typename... Arguments>
std::string InMemoryModel::problem_of(const char* selector, Arguments... arguments) const {
  ObjcId error = nullptr;
  if (objc_send<bool>(api_.objc, model_.get(), selector, arguments..., &error)) return "";
  return values_.describe_error(reinterpret_cast<CfRef>(error));
}

void InMemoryModel::make(const ProgramFiles& files) {
  const CfObject text = values_.data(files.mil_text);
  const CfObject weights = weight_dictionary(files);
  const ObjcId descriptor = objc_send<ObjcId>(
      api_.objc, api_.objc.objc_getClass("_ANEInMemoryModelDescriptor"),
      "modelWithMILText:weights:optionsPlist:", text.id(), weights.id(), ObjcId{nullptr});
  if (!descriptor) fail(name_, "the framework made no descriptor of the program");
  model_ = {api_.objc, objc_send<ObjcId>(api_.objc, api_.objc.objc_getClass("_ANEInMemoryModel"),
                                         "inMemoryModelWithDescriptor:", descriptor)};
  if (!model_.get()) fail(name_, "the framework made no model of the program");
}

// {"@model_path/weights/weights.bin": {"offset": 0, "data": bytes}}; never null.
CfObject InMemoryModel::weight_dictionary(const ProgramFiles& files) const {
  if (files.weights.empty()) return values_.dictionary({});
  const CfObject offset_key = values_.text("offset"), data_key = values_.text("data");
  const CfObject offset = values_.number(0), data = values_.data(files.weights);
  const CfObject entry =
      values_.dictionary({{offset_key.get(), offset.get()}, {data_key.get(), data.get()}});
  const CfObject name = values_.text(ProgramFiles::kWeightsName);
  return values_.dictionary({{name.get(), entry.get()}});
}

std::string InMemoryModel::identifier() const {
  const ObjcId text = objc_send<ObjcId>(api_.objc, model_.get(), "hexStringIdentifier");
  const std::string hex = values_.read(reinterpret_cast<CfRef>(text));
  const bool sound =
      !hex.empty() && hex.find_first_not_of("0123456789abcdefABCDEF_-") == std::string::npos;
  if (!sound) fail(name_, "the framework gave the program no identifier");
  return hex;
}

void InMemoryModel::compile(CompileGate& gate, uint32_t qos) {
  gate.enter(name_);
  const CfObject options = values_.dictionary({});
  const std::string problem = problem_of("compileWithQoS:options:error:", qos, options.id());
  if (problem.empty()) return;
  gate.refused();
  fail(name_, std::string(kCompileRefused) + ": " + problem);
}

std::string InMemoryModel::load(ObjcId options, uint32_t qos) {
  std::string problem = problem_of("loadWithQoS:options:error:", qos, options);
  if (!problem.empty()) {
    // A slot of a program that was just unloaded takes a moment to be free.
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    problem = problem_of("loadWithQoS:options:error:", qos, options);
  }
  loaded_ = problem.empty();
  loaded_qos_ = qos;
  return problem;
}

std::string InMemoryModel::evaluate(ObjcId request, uint32_t qos) const {
  const CfObject options = values_.dictionary({});
  return problem_of("evaluateWithQoS:options:request:error:", qos, options.id(), request);
}

std::string InMemoryModel::unload() {
  if (!loaded_) return "";
  loaded_ = false;
  return problem_of("unloadWithQoS:error:", loaded_qos_);
}

}  // namespace anemone
