#include "anemone/package/mlpackage.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "anemone/base/content_hash.h"
#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/scratch_folder.h"
#include "anemone/base/strict_json.h"
#include "anemone/package/load_weights.h"

namespace anemone {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kManifest = "Manifest.json";
constexpr const char* kModelFolder = "com.apple.CoreML";
constexpr const char* kModelPath = "com.apple.CoreML/model.mlmodel";
constexpr const char* kWeightsPath = "com.apple.CoreML/weights";
constexpr uintmax_t kMaxManifest = 1 << 20;

// A path inside the package, whose links do not lead out of it either.
fs::path inside(const fs::path& package, const std::string& item) {
  const std::string where = (package / kManifest).string();
  const fs::path relative = item;
  bool leaves = relative.is_absolute() || relative.empty() || item.find('\0') != std::string::npos;
  for (const auto& part : relative) leaves = leaves || part == "..";
  const fs::path path = package / "Data" / relative;
  std::error_code error;
  const fs::path root = fs::canonical(package, error);
  const fs::path real = fs::weakly_canonical(path, error);
  leaves = leaves || error || real.lexically_relative(root).native().starts_with("..");
  if (leaves) fail(where, fmt::format("the item '{}' leads out of the package", item));
  return path;
}

// The path of the model file, which the manifest names.
fs::path model_path(const fs::path& package) {
  const fs::path path = package / kManifest;
  const std::string where = path.string();
  std::error_code ignored;
  if (fs::file_size(path, ignored) > kMaxManifest) fail(where, "it is too large for a manifest");
  const nlohmann::json manifest = parse_strict_json(read_file(path), where);
  try {
    const std::string version = manifest.at("fileFormatVersion");
    if (!version.starts_with("1.")) {
      fail(where, fmt::format("packages of version {} are not read", version));
    }
    const std::string root = manifest.at("rootModelIdentifier");
    const std::string item = manifest.at("itemInfoEntries").at(root).at("path");
    return inside(package, item);
  } catch (const nlohmann::json::exception&) {
    fail(where, "it does not name the model: rootModelIdentifier and its item's path are needed");
  }
}

Package read_model_file(const fs::path& file) {
  const MappedFile mapped(file);
  return {parse_model(mapped.bytes(), file.string()), file.parent_path()};
}

// An identifier in the form of a UUID that follows from what it names.
std::string identifier(std::string_view content) {
  std::string hash = content_hash(content);
  for (char& c : hash) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return fmt::format("{}-{}-{}-{}-{}", hash.substr(0, 8), hash.substr(8, 4), hash.substr(12, 4),
                     hash.substr(16, 4), hash.substr(20, 12));
}

std::string manifest_for(const std::string& model) {
  const std::string model_id = identifier(model), weights_id = identifier(model + "weights");
  const auto item = [](const char* description, const char* name, const char* path) {
    return Json{
        {"author", kModelFolder}, {"description", description}, {"name", name}, {"path", path}};
  };
  Json items;
  items[model_id] = item("CoreML Model Specification", "model.mlmodel", kModelPath);
  items[weights_id] = item("CoreML Model Weights", "weights", kWeightsPath);
  const Json manifest = {{"fileFormatVersion", "1.0.0"},
                         {"itemInfoEntries", items},
                         {"rootModelIdentifier", model_id}};
  return manifest.dump(4) + "\n";
}

Program copy_of(const Program& program) {
  Program copy;
  copy.version = program.version;
  copy.attributes = program.attributes;
  for (const Function& function : program.functions) copy.functions.push_back(function.clone());
  return copy;
}

}  // namespace

bool is_mlpackage(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored) && fs::exists(path / kManifest, ignored);
}

Package read_mlpackage(const fs::path& path) { return read_model_file(model_path(path)); }

Package read_mlmodel(const fs::path& file) { return read_model_file(file); }

void write_mlpackage(const fs::path& path, const Program& program, const ModelInfo& info) {
  Program stored = copy_of(program);
  BlobWriter weights;
  const bool has_small = info.spec_version >= 9;
  store_again(stored, weights, {.all_integers = has_small});
  const std::string model = serialize_model(stored, info);
  replace_folder(path, [&](const fs::path& folder) {
    fs::create_directories(folder / "Data" / kWeightsPath);
    write_file(folder / "Data" / kModelPath, model);
    if (weights.size() > 0) weights.write(folder / "Data" / kWeightsPath / "weight.bin");
    write_file(folder / kManifest, manifest_for(model));
  });
}

void replace_folder(const fs::path& path, const std::function<void(const fs::path&)>& fill) {
  const fs::path target = fs::absolute(path).lexically_normal();
  const fs::path parent =
      target.has_filename() ? target.parent_path() : target.parent_path().parent_path();
  const fs::path name = target.has_filename() ? target.filename() : target.parent_path().filename();
  const ScratchFolder scratch(parent, "." + name.string());
  fill(scratch.path() / "new");
  std::error_code error;
  if (fs::exists(parent / name)) fs::rename(parent / name, scratch.path() / "old", error);
  if (!error) fs::rename(scratch.path() / "new", parent / name, error);
  if (error) {
    std::error_code ignored;
    fs::rename(scratch.path() / "old", parent / name, ignored);
    fail(path.string(), "cannot be written: " + error.message());
  }
  sync_directory(parent);
}

}  // namespace anemone
