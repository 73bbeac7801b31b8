#include "cli/metrics_file.h"

#include <cerrno>
#include <nlohmann/json.hpp>
#include <sstream>

#include "anemone/base/file.h"

namespace anemone::cli {
namespace fs = std::filesystem;

std::string metrics_line(const UpdateMetrics& m, bool values) {
  nlohmann::json json = {
      {"step", m.step}, {"lr", m.learning_rate}, {"tokens", m.tokens}, {"ms", m.ms}};
  if (values) {
    json["loss"] = m.loss;
    json["grad_norm"] = m.gradient_norm;
  }
  if (m.validation_loss) json["val_loss"] = *m.validation_loss;
  if (m.loss_scale != 1) json["loss_scale"] = m.loss_scale;
  if (m.skipped) json["skipped"] = true;
  if (m.simulated) json["simulated"] = true;
  return json.dump() + "\n";
}

void drop_lines_after(const fs::path& path, int64_t step) {
  if (!fs::exists(path)) return;
  std::istringstream lines(read_file(path));
  std::string kept, line;
  while (std::getline(lines, line)) {
    const nlohmann::json json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("step") || !json["step"].is_number()) continue;
    if (json["step"] <= step) kept += line + "\n";
  }
  write_file(path, kept);
}

MetricsFile::MetricsFile(fs::path path) : path_(std::move(path)) {
  file_ = std::fopen(path_.c_str(), "a");
  if (!file_) fail_io(path_.string(), "write", errno);
}

void MetricsFile::append(const std::string& line) {
  if (std::fputs(line.c_str(), file_) < 0 || std::fflush(file_) != 0) {
    fail_io(path_.string(), "write", errno);
  }
}

}  // namespace anemone::cli
