// metrics.jsonl: a line an update.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string>

#include "anemone/train/trainer.h"

namespace anemone::cli {

// `values`: whether anything was computed; else there is neither loss nor gradient.
std::string metrics_line(const UpdateMetrics& metrics, bool values);

// Lines of updates after `step`, which the checkpoint does not know, will be written again.
void drop_lines_after(const std::filesystem::path& path, int64_t step);

class MetricsFile {
 public:
  explicit MetricsFile(std::filesystem::path path);
  ~MetricsFile() { std::fclose(file_); }
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  void append(const std::string& line);

 private:
  std::filesystem::path path_;
  std::FILE* file_;
};

}  // namespace anemone::cli
