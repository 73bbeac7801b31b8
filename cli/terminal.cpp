#include "cli/terminal.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "anemone/base/error.h"
#include "anemone/base/threads.h"
#include "anemone/checkpoint/peft_adapter.h"
#include "anemone/data/tokenizer.h"
#include "anemone/train/checkpoint.h"

namespace anemone::cli {
namespace fs = std::filesystem;

void print(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    fail_io("standard output", "write", errno);
  }
}

void print_json(const nlohmann::json& json) {
  // Generated text may end inside a character; JSON has to be UTF-8.
  print(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

std::string one_line(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  }
  return text;
}

void note(const std::string& text) {
  std::fprintf(stderr, "anemone: note: %s\n", one_line(text).c_str());
}

void print_error(const Error& error) {
  std::fprintf(stderr, "anemone: %s\n", one_line(error.what()).c_str());
}

void print_notes(const std::vector<std::string>& notes) {
  for (const std::string& text : notes) note(text);
}

std::string with_commas(int64_t value) {
  std::string digits = std::to_string(value);
  for (int64_t at = static_cast<int64_t>(digits.size()) - 3; at > (value < 0 ? 1 : 0); at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return digits;
}

std::string duration(double seconds) {
  const auto total = static_cast<int64_t>(seconds + 0.5);
  const int64_t hours = total / 3600, minutes = total / 60 % 60;
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, total % 60);
  return fmt::format("{}:{:02}", minutes, total % 60);
}

void refuse_same_file(const std::string& in, const std::string& out) {
  std::error_code ignored;
  if (fs::equivalent(in, out, ignored)) fail(out, "it is the input itself", "give another output");
}

ModelWeights load_and_note(const std::string& model, const std::string& flag, ReadAs as) {
  ModelWeights weights = anemone::load_weights_of(model, flag, as);
  print_notes(weights.notes);
  return weights;
}

ModelWeights load_adapted(const std::string& model, const std::string& adapter,
                          const std::string& flag, ReadAs as) {
  ModelWeights weights = load_and_note(model, flag, as);
  if (adapter.empty()) return weights;
  if (weights.config.lora) fail("--adapter", "the model has an adapter already");
  load_adapter(weights, resolve_checkpoint(adapter));
  return weights;
}

void DeviceOptions::add_to(CLI::App& app) {
  app.add_option("--device", device, "Where programs run; `anemone devices` lists them")
      ->capture_default_str();
  app.add_option("--ane-route", ane_route, "To the Neural Engine: auto, e5rt or inmemory")
      ->capture_default_str();
  app.add_option("--threads", threads, "CPU threads; 0 takes all")->capture_default_str();
}

int DeviceOptions::thread_count() const {
  constexpr int kMost = 1024;
  if (threads < 0 || threads > kMost) {
    fail("--threads", fmt::format("{} is outside [0, {}]", threads, kMost));
  }
  return threads > 0 ? threads : hardware_threads();
}

void require_fp32(const DeviceInfo& device) {
  if (device.float_type == DType::kFp32) return;
  fail("--device " + device.name, "it runs programs of fp16, and this verb's are fp32",
       "--device cpu; `train`, `run`, `check` and `selftest` know this device");
}

std::string tokenizer_path(const std::string& given, const std::string& model) {
  if (!given.empty()) return given;
  const fs::path beside = tokenizer_file(model);
  if (fs::is_directory(model) && beside != model) return beside.string();
  fail("--tokenizer", "it is needed: the model does not come with one");
}

}  // namespace anemone::cli
