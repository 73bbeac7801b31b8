#include "cli/convert_model.h"

#include <algorithm>
#include <filesystem>

#include "anemone/checkpoint/peft_adapter.h"
#include "anemone/export/transformer_package.h"
#include "cli/convert_program.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace fs = std::filesystem;
namespace {

// "stories260K" of a file, the folder's name of a directory.
std::string name_of(const std::string& model) {
  fs::path path = fs::path(model).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return one_line(fs::is_directory(path) ? path.filename().string() : path.stem().string());
}

DType dtype_of(const ModelProgramOptions& options) {
  const std::string name = options.dtype.value_or("fp16");
  if (name != "fp16" && name != "fp32") {
    fail("--dtype", "a program computes in fp16 or fp32, not in " + name);
  }
  return *dtype_from_name(name);
}

// "prefill, decode".
std::string names_of(const std::vector<Function>& functions) {
  std::string names;
  for (const Function& function : functions) {
    names += (names.empty() ? "" : ", ") + function.name;
  }
  return names;
}

}  // namespace

ModelWeights load_merged(const std::string& model, const std::string& adapter, bool merge) {
  ModelWeights weights = load_adapted(model, adapter, "convert");
  if (weights.config.lora && !merge) {
    fail(adapter.empty() ? model : adapter, "an adapter cannot stay one in what is written",
         "--merge adds it to the weights");
  }
  if (!weights.config.lora && merge) fail("--merge", "there is no adapter", "--adapter DIR");
  merge_adapter(weights);
  return weights;
}

void convert_model(const std::string& in, const std::string& out,
                   const ModelProgramOptions& options) {
  check_program_output(in, out, options.force);
  const DType dtype = dtype_of(options);
  ModelWeights weights = load_merged(in, options.adapter, options.merge);
  const int64_t numbers = parameter_count(weights.config);
  constexpr int64_t kUsual = 256;
  const int64_t sequence = options.sequence.value_or(std::min(kUsual, weights.config.max_sequence));
  ModelPackage package = transformer_package(std::move(weights), {.sequence = sequence,
                                                                  .dtype = dtype,
                                                                  .decode = options.decode,
                                                                  .states = options.states,
                                                                  .model_name = name_of(in)});
  ProgramSource source;
  source.path = in;
  source.program = std::move(package.program);
  source.info = std::move(package.info);
  write_program(out, source);
  print(fmt::format("{}: {} parameters in {}, {} tokens, functions {}\n", out, with_commas(numbers),
                    name(dtype), sequence, names_of(source.program.functions)));
}

}  // namespace anemone::cli
