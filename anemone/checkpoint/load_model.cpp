#include "anemone/checkpoint/load_model.h"

#include <fmt/format.h>

#include <cerrno>

#include "anemone/base/error.h"
#include "anemone/checkpoint/hf_directory.h"
#include "anemone/checkpoint/llama2c_file.h"

namespace anemone {
namespace fs = std::filesystem;

ModelWeights load_model(const fs::path& path, ReadAs as) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    fail_io(path.string(), "open the model", error ? error.value() : ENOENT);
  }
  if (!fs::is_directory(status) && path.extension() == ".safetensors") {
    fail(path.string(), "weights alone are no model: config.json belongs to them",
         "give the directory that holds both");
  }
  ModelWeights weights =
      fs::is_directory(status) ? read_hf_directory(path, as) : read_llama2c(path);
  check(weights, path.string());
  return weights;
}

void save_model(const fs::path& path, const ModelWeights& weights, DType dtype) {
  if (path.extension() != ".bin") return write_hf_directory(path, weights, dtype);
  if (dtype != DType::kFp32) {
    fail(path.string(), fmt::format("a llama2.c file cannot hold {}", name(dtype)),
         "leave --dtype out, or write a directory");
  }
  write_llama2c(path, weights);
}

}  // namespace anemone
