#include "cli/output_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "anemone/base/error.h"

namespace anemone::cli {
namespace {

constexpr std::string_view kFileEndings[] = {
    ".bin",  ".gguf",  ".ggml",        ".onnx",    ".pt",       ".pth",     ".ckpt",
    ".npz",  ".npy",   ".safetensors", ".pkl",     ".h5",       ".keras",   ".tflite",
    ".pb",   ".model", ".mlpackage",   ".mlmodel", ".mlmodelc", ".msgpack", ".mil",
    ".json", ".jsonl", ".txt",         ".html",    ".zip",      ".tar",     ".gz"};

std::string ending_of(const std::string& path) {
  std::filesystem::path name = path;
  if (!name.has_filename()) name = name.parent_path();  // "model.gguf/"
  std::string ending = name.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending;
}

}  // namespace

void check_directory_name(const std::string& where, const std::string& path,
                          const std::string& hint) {
  const std::string ending = ending_of(path);
  if (std::ranges::find(kFileEndings, ending) == std::end(kFileEndings)) return;
  fail(where, fmt::format("'{}' would be a directory, not a {} file", path, ending), hint);
}

}  // namespace anemone::cli
