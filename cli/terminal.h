// What several verbs print or ask for in the same way.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "anemone/base/error.h"
#include "anemone/devices/device.h"
#include "anemone/train/named_model.h"

namespace anemone::cli {

// stdout; throws Error(kIo) where nobody takes it (a full disk, a closed pipe).
void print(const std::string& text);
void print_json(const nlohmann::json& json);

// One line on stderr, "anemone: note: …": what was taken as given but has no effect, or another
// one than expected. Standard output stays what was asked for, JSON included.
void note(const std::string& text);
void print_notes(const std::vector<std::string>& notes);

// One line on stderr as errors look, for verbs that have several and end with Finished.
void print_error(const Error& error);

// Lines of people's names and paths stay one line: control characters become spaces.
std::string one_line(std::string text);

// "1,234,567".
std::string with_commas(int64_t value);
// "1:02:03", "2:03".
std::string duration(double seconds);

// Throws Error where writing `out` would destroy `in`.
void refuse_same_file(const std::string& in, const std::string& out);

// As anemone::load_weights_of; notes of the model are printed.
ModelWeights load_and_note(const std::string& model, const std::string& flag = "--model",
                           ReadAs as = ReadAs::kFp32);
// The same with the adapter of a directory, unless that is empty.
ModelWeights load_adapted(const std::string& model, const std::string& adapter,
                          const std::string& flag = "--model", ReadAs as = ReadAs::kFp32);

// `--device`, `--ane-route` and `--threads`, the same everywhere.
struct DeviceOptions {
  std::string device = "cpu", ane_route = "auto";
  int threads = 0;

  void add_to(CLI::App& app);
  int thread_count() const;
};

// Throws Error for a device whose programs are not fp32: evaluation and generation are.
void require_fp32(const DeviceInfo& device);

// What --tokenizer takes.
inline constexpr const char* kTokenizerHelp =
    "tokenizer.json, SentencePiece .model or llama2.c tokenizer.bin, or the directory of one";

// `given`, or the tokenizer beside the model: a training run keeps one with its checkpoints.
std::string tokenizer_path(const std::string& given, const std::string& model);

}  // namespace anemone::cli
