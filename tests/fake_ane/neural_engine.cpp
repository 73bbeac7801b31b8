// The classes of AppleNeuralEngine.framework that compile and load: descriptors and models.
#include "tests/fake_ane/neural_engine.h"

#include <fmt/format.h>

#include <filesystem>

#include "anemone/base/file.h"
#include "tests/fake_ane/entry_points.h"
#include "tests/fake_ane/foundation_objects.h"

namespace anemone::fake_ane {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLoad = "loadWithQoS:options:error:";

bool foundation_is_open = false;

struct WeightFile {
  std::string name, bytes;  // "@model_path/weights/weights.bin"
};

struct Descriptor : Tracked {
  Descriptor() : Tracked("_ANEInMemoryModelDescriptor") {}
  std::string text;
  std::vector<WeightFile> weights;
};

// {"@model_path/…": {"offset": 0, "data": bytes}, …}
bool read_weights(const NsDictionary& given, std::vector<WeightFile>& result) {
  const std::string user = "modelWithMILText:weights:optionsPlist:";
  for (const auto& [key, value] : given.entries) {
    const auto* name = world().living_as<NsString>(key, user);
    const auto* entry = world().living_as<NsDictionary>(value, user);
    if (!name || !entry) return false;
    const auto* offset = entry->at<NsNumber>("offset", user);
    const auto* data = entry->at<NsData>("data", user);
    if (!offset || !data) return false;
    if (offset->value != 0 || !name->text.starts_with("@model_path/")) {
      world().violation(user + " was handed weights in another shape");
    }
    result.push_back({name->text, data->bytes});
  }
  return true;
}

ObjcId model_with_text(ObjcId, ObjcId text, ObjcId weights, ObjcId options) {
  const std::string user = "modelWithMILText:weights:optionsPlist:";
  if (options) world().violation(user + " was handed options");
  const auto* data = world().living_as<NsData>(text, user);
  const auto* dictionary = world().living_as<NsDictionary>(weights, user);
  std::vector<WeightFile> files;
  if (!data || !dictionary || !read_weights(*dictionary, files)) return nullptr;
  auto* made = world().make<Descriptor>();
  made->text = data->bytes;
  made->weights = std::move(files);
  return objc::to_id(objc::autorelease(made));
}

void check_call(const char* user, uint32_t qos, ObjcId* error) {
  check_quality(user, qos);
  check_error_place(user, error);
}

ObjcId hex_of(ObjcId self) {
  const auto* model = reinterpret_cast<const Model*>(self);
  return objc::to_id(objc::autorelease(world().make<NsString>(model->hex)));
}

// What stands in the folder must be what the descriptor was made of.
void check_files(const Model& model) {
  const auto same = [&](const fs::path& file, const std::string& bytes) {
    std::error_code failed;
    return fs::exists(file, failed) && read_file(file) == bytes;
  };
  const auto& source = *reinterpret_cast<const Descriptor*>(model.descriptor);
  bool all = same(model.folder() / "model.mil", source.text);
  for (const WeightFile& file : source.weights) {
    all = all && same(model.folder() / file.name.substr(12), file.bytes);
  }
  if (all) return;
  world().violation("the folder of a model lacks its files when it is compiled");
  throw Refusal{1, std::string(kCompilerText)};
}

bool compile_model(ObjcId self, uint32_t qos, ObjcId options, ObjcId* error) {
  check_call("compileWithQoS:options:error:", qos, error);
  check_no_options("compileWithQoS:options:error:", options);
  auto* model = reinterpret_cast<Model*>(self);
  return answer(error, [&] {
    check_files(*model);
    const auto& source = *reinterpret_cast<const Descriptor*>(model->descriptor);
    model->program = compile_mil(source.text, model->folder());
    if (!model->program) throw Refusal{1, kCompilerText};
    write_file(model->folder() / "net.plist", "compiled");
    if (!source.weights.empty()) write_file(model->folder() / "data", "weights");
  });
}

bool load_model(ObjcId self, uint32_t qos, ObjcId options, ObjcId* error) {
  check_call(kLoad, qos, error);
  auto* model = reinterpret_cast<Model*>(self);
  const auto* given = world().living_as<NsDictionary>(options, kLoad);
  return given && answer(error, [&] {
           const bool counts = check_load_options(*model, *given);
           if (counts && world().options.load_options_fail)
             throw Refusal{5, "these options are unknown"};
           load_program(*model);
           model->counts = counts;
         });
}

bool unload_model(ObjcId self, uint32_t qos, ObjcId* error) {
  check_call("unloadWithQoS:error:", qos, error);
  return answer(error, [&] { unload_program(*reinterpret_cast<Model*>(self)); });
}

ObjcId make_model(ObjcId, ObjcId descriptor) {
  auto* source = world().living_as<Descriptor>(descriptor, "inMemoryModelWithDescriptor:");
  if (!source) return nullptr;
  uint64_t weights = 0;
  for (const WeightFile& file : source->weights) weights = weights * 31 + digest(file.bytes);
  auto* made = world().make<Model>();
  world().retain(source);
  made->descriptor = source;
  made->hex = fmt::format("{:016X}_{:016X}", digest(source->text), weights);
  return objc::to_id(objc::autorelease(made));
}

}  // namespace

void check_quality(const char* user, uint32_t qos) {
  world().qualities.push_back(qos);
  if (qos != 21 && !world().options.every_quality) {
    world().violation(fmt::format("{}: the quality of service is {}", user, qos));
  }
  if (qos > 63) world().violation(fmt::format("{}: there is no quality {}", user, qos));
}

void check_no_options(const char* user, ObjcId options) {
  const auto* given = world().living_as<NsDictionary>(options, user);
  if (given && !given->entries.empty()) world().violation(std::string(user) + " has options");
}

void check_error_place(const char* user, ObjcId* error) {
  if (!error || *error) world().violation(std::string(user) + " has no empty place for an error");
}

void load_program(Model& model) {
  if (model.loaded) world().violation("a model was loaded twice");
  if (std::exchange(world().options.first_load_fails, false)) throw Refusal{5, "no free slot"};
  if (!model.program || !fs::exists(model.folder() / "net.plist")) {
    throw Refusal{5, "the model was not compiled"};
  }
  if (world().loaded >= world().options.loaded_cap) throw Refusal{5, "too many are loaded"};
  model.loaded = true;
  ++world().loaded;
}

void unload_program(Model& model) {
  if (!model.loaded) throw Refusal{6, "the model is not loaded"};
  if (!fs::exists(model.folder())) world().violation("a model's folder went before the model");
  model.loaded = model.counts = false;
  --world().loaded;
}

uint64_t digest(const std::string& bytes) {
  uint64_t sum = 0xcbf29ce484222325;
  for (const char c : bytes) sum = (sum ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return sum;
}

fs::path Model::folder() const { return world().options.temporary / hex; }

void Model::bury() {
  objc::require_pool("a model was released");
  if (loaded) {
    world().violation("a model was released before it was unloaded");
    --world().loaded;
  }
  program.reset();
  world().release(descriptor);
}

extern "C" {

void fake_ane_open_foundation() {
  foundation_is_open = true;
  define_foundation_classes();
}

void fake_ane_open_neural_engine() {
  using objc::define_class;
  using objc::make_method;
  if (!foundation_is_open) {
    world().violation("AppleNeuralEngine was opened before Foundation");
  }
  define_class("_ANEInMemoryModelDescriptor")
      .class_methods["modelWithMILText:weights:optionsPlist:"] = make_method(model_with_text);
  objc::Class& model = define_class("_ANEInMemoryModel");
  model.class_methods["inMemoryModelWithDescriptor:"] = make_method(make_model);
  model.instance_methods["hexStringIdentifier"] = make_method(hex_of);
  model.instance_methods["compileWithQoS:options:error:"] = make_method(compile_model);
  model.instance_methods["loadWithQoS:options:error:"] = make_method(load_model);
  model.instance_methods["unloadWithQoS:error:"] = make_method(unload_model);
  model.instance_methods["evaluateWithQoS:options:request:error:"] = make_method(evaluate_model);
  define_request_classes();
  define_statistics_classes();
  define_client_classes();
}

}  // extern "C"

}  // namespace anemone::fake_ane
