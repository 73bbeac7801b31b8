#include "anemone/checkpoint/hf_directory.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <set>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/strict_json.h"
#include "anemone/data/safetensors.h"
#include "anemone/model/families.h"

namespace anemone {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;

constexpr const char* kConfigFile = "config.json";
constexpr const char* kWeightsFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";
constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kClassifier = "lm_head.weight";

Json read_json(const fs::path& path) { return parse_strict_json(read_file(path), path.string()); }

// All tensors of a directory, whichever file each is in.
class TensorFiles {
 public:
  explicit TensorFiles(const fs::path& directory) : directory_(directory) {
    if (fs::exists(directory / kWeightsFile)) {
      const SafetensorsFile& file = open(kWeightsFile);
      for (const std::string& name : file.names()) owner_[name] = &file;
    } else if (fs::exists(directory / kIndexFile)) {
      read_index();
    } else {
      fail(directory.string(), fmt::format("has neither {} nor {}", kWeightsFile, kIndexFile),
           "is this the directory of a model?");
    }
  }

  const std::map<std::string, const SafetensorsFile*>& owners() const { return owner_; }
  bool has(const std::string& name) const { return owner_.count(name) > 0; }
  Tensor read(const std::string& name) const { return owner_.at(name)->read(name, DType::kFp32); }

  // Where the file is mapped, which stays so as long as the tensor lives.
  Tensor borrow(const std::string& name) const {
    const SafetensorsFile* file = owner_.at(name);
    if (!file->is_aligned(name)) return file->read(name);
    const TensorView view = file->view(name);
    const std::shared_ptr<SafetensorsFile>& owner = files_.at(file->path().filename().string());
    return {view.dtype, view.shape,
            std::shared_ptr<const std::byte>(owner, static_cast<const std::byte*>(view.data))};
  }

 private:
  const SafetensorsFile& open(const std::string& name) {
    std::shared_ptr<SafetensorsFile>& file = files_[name];
    if (!file) file = std::make_shared<SafetensorsFile>(directory_ / name);
    return *file;
  }

  void read_index() {
    const std::string where = (directory_ / kIndexFile).string();
    const Json index = read_json(directory_ / kIndexFile);
    if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
      fail(where, "has no 'weight_map'");
    }
    for (const auto& [tensor, shard] : index["weight_map"].items()) {
      // Only files of the directory itself: an index must not reach into the rest of the disk.
      const std::string name = shard.is_string() ? shard.get<std::string>() : "";
      if (name.empty() || fs::path(name).filename().string() != name) {
        fail(where, fmt::format("tensor '{}' is in {}, not a file name", tensor, brief(shard)));
      }
      const SafetensorsFile& file = open(name);
      if (!file.has(tensor)) fail(file.path().string(), fmt::format("has no tensor '{}'", tensor));
      owner_[tensor] = &file;
    }
  }

  fs::path directory_;
  std::map<std::string, std::shared_ptr<SafetensorsFile>> files_;
  std::map<std::string, const SafetensorsFile*> owner_;
};

bool is_ignored(const std::string& name, const TransformerConfig& config) {
  return name.ends_with("rotary_emb.inv_freq") || (config.tied_classifier && name == kClassifier);
}

// Whether two tensors hold the same numbers; mostly their bytes tell.
bool same_values(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return false;
  if (a.dtype() == b.dtype() && std::memcmp(a.data(), b.data(), a.bytes()) == 0) return true;
  for (int64_t i = 0; i < a.size(); ++i) {
    if (a.at(i) != b.at(i)) return false;
  }
  return true;
}

// The name of the tensor that has the values of `name`: of two that are tied, one may be missing.
std::string stored_name(const TensorFiles& files, const std::string& name,
                        const TransformerConfig& config) {
  const bool by_classifier = name == kEmbedding && config.tied_classifier &&
                             !files.has(kEmbedding) && files.has(kClassifier);
  return by_classifier ? kClassifier : name;
}

void check_stored(const SafetensorsFile& file, const ParameterSpec& expected) {
  const TensorView stored = file.describe(expected.name);
  const std::string place = fmt::format("{}, tensor '{}'", file.path().string(), expected.name);
  if (stored.shape != expected.shape) {
    fail(place, fmt::format("has shape {}, {} asks for {}", to_string(stored.shape), kConfigFile,
                            to_string(expected.shape)));
  }
  if (stored.dtype != DType::kFp32 && stored.dtype != DType::kFp16 &&
      stored.dtype != DType::kBf16) {
    fail(place, fmt::format("has elements of type {}", name(stored.dtype)),
         "Anemone reads fp32, fp16 and bf16 weights");
  }
}

// Every tensor the configuration asks for is there as it should be, and nothing else is.
void check_files(const TensorFiles& files, const std::vector<ParameterSpec>& expected,
                 const TransformerConfig& config, const std::string& where) {
  auto rest = files.owners();
  for (const ParameterSpec& tensor : expected) {
    const ParameterSpec stored = {stored_name(files, tensor.name, config), tensor.shape};
    const auto found = rest.find(stored.name);
    if (found == rest.end()) {
      fail(where, fmt::format("tensor '{}' is missing", tensor.name),
           tensor.name == kClassifier ? "config.json says that tie_word_embeddings is false" : "");
    }
    check_stored(*found->second, stored);
    rest.erase(found);
  }
  for (const auto& [name, file] : rest) {
    if (!is_ignored(name, config)) {
      fail(file->path().string(), fmt::format("has no place for tensor '{}'", name),
           "config.json does not describe these weights");
    }
  }
}

// Whether a classifier that config.json ties to the embedding is a tensor of its own after all.
bool has_own_classifier(const TensorFiles& files, const TransformerConfig& config) {
  if (!config.tied_classifier || !files.has(kClassifier) || !files.has(kEmbedding)) return false;
  check_stored(*files.owners().at(kClassifier), {kClassifier, {config.vocab_size, config.dim}});
  check_stored(*files.owners().at(kEmbedding), {kEmbedding, {config.vocab_size, config.dim}});
  return !same_values(files.borrow(kClassifier), files.borrow(kEmbedding));
}

// A tensor as the file gets it: rotary rows in halves, elements of `dtype`. Whatever differs from
// the borrowed memory is made in `owned`.
TensorView stored_form(const ParameterSpec& spec, const TensorView& tensor,
                       const TransformerConfig& config, DType dtype, const std::string& where,
                       std::vector<Tensor>& owned) {
  const bool permutes = spec.rotary && config.rope.interleaved;
  if (!permutes && dtype == tensor.dtype) return tensor;
  Tensor stored(tensor.dtype, tensor.shape);
  convert(tensor, stored);
  if (permutes) {
    permute_rotary_rows(stored, config.head_size, RotaryRows::kInterleavedToHalfSplit);
  }
  if (dtype != tensor.dtype) stored = stored.cast(dtype);
  for (int64_t i = 0; dtype != tensor.dtype && i < stored.size(); ++i) {
    if (!std::isfinite(stored.at(i))) {
      fail(fmt::format("{}, tensor '{}'", where, spec.name),
           fmt::format("element {} is too large for {}", i, name(dtype)),
           "save it as fp32 or bf16");
    }
  }
  owned.push_back(std::move(stored));
  return owned.back();
}

const char* torch_name(DType dtype, const std::string& where) {
  if (dtype == DType::kFp32) return "float32";
  if (dtype == DType::kFp16) return "float16";
  if (dtype == DType::kBf16) return "bfloat16";
  fail(where, fmt::format("weights cannot be saved as {}", name(dtype)), "use fp32, fp16 or bf16");
}

}  // namespace

TransformerConfig read_hf_config(const fs::path& directory, std::vector<std::string>* notes) {
  const fs::path file = directory / kConfigFile;
  if (!fs::exists(file)) {
    fail(directory.string(), fmt::format("has no {}", kConfigFile),
         "is this the directory of a model?");
  }
  return config_from_json(read_json(file), file.string(), notes);
}

ModelWeights read_hf_directory(const fs::path& directory, ReadAs as) {
  const std::string where = directory.string();
  ModelWeights weights;
  weights.config = read_hf_config(directory, &weights.notes);
  TransformerConfig& config = weights.config;

  // The files first: a configuration alone must not make us list and allocate a huge model.
  const TensorFiles files(directory);
  const auto stored = static_cast<int64_t>(files.owners().size());
  if (stored < config.layers) {
    fail(where, fmt::format("has {} tensors, too few for the {} layers of {}", stored,
                            config.layers, kConfigFile));
  }
  if (has_own_classifier(files, config)) {
    config.tied_classifier = false;
    weights.notes.push_back(
        fmt::format("{}: {} says that tie_word_embeddings is true, but {} differs from {}; it is "
                    "used as the classifier",
                    where, kConfigFile, kClassifier, kEmbedding));
  }
  const std::vector<ParameterSpec> expected = parameters(config);
  check_files(files, expected, config, where);
  std::set<DType> types;
  for (const ParameterSpec& tensor : expected) {
    const std::string name = stored_name(files, tensor.name, config);
    types.insert(files.owners().at(name)->describe(name).dtype);
    weights.tensors[tensor.name] = as == ReadAs::kStored ? files.borrow(name) : files.read(name);
  }
  weights.stored = types.size() == 1 ? *types.begin() : DType::kFp32;
  return weights;
}

void write_hf_directory(const fs::path& directory, const ModelView& weights, DType dtype) {
  const std::string where = directory.string();
  Json config = to_json(weights.config);
  config["torch_dtype"] = torch_name(dtype, where);
  check(weights, where);
  std::vector<Tensor> owned;
  std::vector<std::pair<std::string, TensorView>> list;
  for (const ParameterSpec& spec : parameters(weights.config)) {
    if (spec.adapter) continue;
    list.emplace_back(spec.name, stored_form(spec, weights.tensors.at(spec.name), weights.config,
                                             dtype, where, owned));
  }
  const bool created = !fs::exists(directory);
  try {
    make_writable_directory(directory);
    write_safetensors(directory / kWeightsFile, list);
    write_file(directory / kConfigFile, config.dump(2) + "\n");
  } catch (const Error&) {
    // Half a model is none.
    std::error_code ignored;
    if (created) fs::remove_all(directory, ignored);
    throw;
  }
}

}  // namespace anemone
