#include <filesystem>

#include "anemone/base/file.h"
#include "anemone/checkpoint/load_model.h"
#include "cli/commands.h"
#include "cli/convert_model.h"
#include "cli/convert_program.h"
#include "cli/output_name.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace fs = std::filesystem;
namespace {

struct Options {
  std::string in, out, adapter;
  bool merge = false;
  std::optional<std::string> dtype;  // as the weights are stored; fp16 of a program
  std::optional<int64_t> sequence;
  bool force = false, no_decode = false, states = false;
};

bool is_file_name(const std::string& out) { return fs::path(out).extension() == ".bin"; }

// As given; else a directory gets what the model has, and a llama2.c file what it can hold.
DType weights_dtype(const Options& o, const ModelWeights& weights) {
  if (o.dtype) return *dtype_from_name(*o.dtype);
  return is_file_name(o.out) ? DType::kFp32 : weights.stored;
}

// Throws Error for a name of another format, and for what would be lost.
void check_output(const Options& o) {
  if (o.out.empty()) fail("out", "it is empty", "NAME.bin, or a directory");
  if (!is_file_name(o.out)) {
    check_directory_name(o.out, o.out,
                         "written are NAME.bin, a llama2.c file, and otherwise a directory with "
                         "model.safetensors and config.json");
  }
  refuse_same_file(o.in, o.out);
  for (const char* name : {"latest", "trainer_state.json"}) {
    if (!fs::exists(fs::path(o.out) / name)) continue;
    fail(o.out, "it holds a training run", "give another output");
  }
  bool taken = is_file_name(o.out) && fs::is_regular_file(o.out);
  for (const char* name : {"config.json", "model.safetensors", "model.safetensors.index.json"}) {
    taken = taken || fs::exists(fs::path(o.out) / name);
  }
  if (taken && !o.force) fail(o.out, "it is there already", "--force writes over it");
}

// Of a run directory or a Hugging Face one: the vocabulary, and what belongs to it.
std::vector<fs::path> tokenizer_files(const std::string& model) {
  std::vector<fs::path> files;
  for (const char* name :
       {"tokenizer.model", "tokenizer.bin", "tokenizer.json", "tokenizer_config.json",
        "special_tokens_map.json", "generation_config.json", "added_tokens.json", "vocab.json",
        "merges.txt"}) {
    const fs::path path = fs::path(model) / name;
    if (fs::is_regular_file(path)) files.push_back(path);
  }
  return files;
}

// Model and vocabulary, or nothing of a new directory.
void write_model(const Options& o, const ModelWeights& weights,
                 const std::vector<fs::path>& tokenizer) {
  const bool created = !fs::exists(o.out);
  save_model(o.out, weights, weights_dtype(o, weights));
  if (is_file_name(o.out)) return;
  try {
    for (const fs::path& file : tokenizer) {
      write_file(fs::path(o.out) / file.filename(), read_file(file));
    }
  } catch (const Error&) {
    std::error_code ignored;
    if (created) fs::remove_all(o.out, ignored);
    throw;
  }
}

std::string tokenizer_line(const Options& o, const std::vector<fs::path>& tokenizer) {
  if (tokenizer.empty()) return "";
  if (is_file_name(o.out)) {
    return fmt::format("its tokenizer is {} (generate --tokenizer)\n", tokenizer[0].string());
  }
  return fmt::format("with {}\n", tokenizer[0].filename().string());
}

// Flags of programs made of models.
void note_unused(const Options& o) {
  for (const auto& [given, flag] :
       {std::pair(o.sequence.has_value(), "--seq"), std::pair(o.no_decode, "--no-decode"),
        std::pair(o.states, "--states")}) {
    if (given) note(std::string(flag) + " has no effect: no model becomes a program here");
  }
}

void convert(const Options& o) {
  if (!is_program(o.in) && is_program(o.out)) {
    return convert_model(o.in, o.out,
                         {.sequence = o.sequence,
                          .dtype = o.dtype,
                          .decode = !o.no_decode,
                          .states = o.states,
                          .force = o.force,
                          .adapter = o.adapter,
                          .merge = o.merge});
  }
  note_unused(o);
  if (is_program(o.in)) return convert_program(o.in, o.out, o.force);
  check_output(o);
  ModelWeights weights = load_merged(o.in, o.adapter, o.merge);
  const std::vector<fs::path> tokenizer = tokenizer_files(o.in);
  write_model(o, weights, tokenizer);
  print(fmt::format("{}: {} parameters, {} layers, dim {}, vocabulary {}, {} in {}\n", o.out,
                    with_commas(parameter_count(weights.config)), weights.config.layers,
                    weights.config.dim, weights.config.vocab_size, name(weights_dtype(o, weights)),
                    is_file_name(o.out) ? "a llama2.c file" : "safetensors"));
  print(tokenizer_line(o, tokenizer));
}

}  // namespace

void add_convert(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "convert",
      "Convert a model: llama2.c .bin to or from a Hugging Face safetensors directory, any of them "
      "to a Core ML package, MIL text to or from .mlpackage and .mlmodelc");
  auto o = std::make_shared<Options>();
  command->add_option("in", o->in, "Model file or directory, directory of a run, or a program")
      ->required();
  command
      ->add_option("out", o->out,
                   "NAME.bin, or a directory; a tokenizer goes with it. As a program, and of "
                   "programs: NAME.mlpackage, .mil or .mlmodelc")
      ->required();
  command
      ->add_option(
          "--dtype", o->dtype,
          "Elements of a directory's weights [as they are], of a program made of a model [fp16]")
      ->check(CLI::IsMember({"fp32", "fp16", "bf16"}));
  command->add_option("--seq", o->sequence,
                      "Of a program made of a model: tokens of a prompt and of its caches [256, or "
                      "all that the model has]");
  command->add_flag("--no-decode,!--decode", o->no_decode,
                    "Of a program made of a model: no function for one token at a time");
  command->add_flag("--states", o->states,
                    "Of a program made of a model: keys and values as states, which the Neural "
                    "Engine refuses, not as inputs and outputs");
  command->add_option("--adapter", o->adapter, "Directory of a LoRA adapter, or of its run");
  command->add_flag("--merge", o->merge, "Adds the adapter to the weights beside it");
  command->add_flag("--force", o->force, "Writes over a model that is there");
  command->callback([o] { convert(*o); });
}

}  // namespace anemone::cli
