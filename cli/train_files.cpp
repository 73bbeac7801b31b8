#include "cli/train_files.h"

#include <unistd.h>

#include <cerrno>

#include "anemone/base/file.h"
#include "anemone/data/chat_template.h"
#include "anemone/data/file_kind.h"
#include "anemone/data/text_borders.h"
#include "anemone/data/tokenizer.h"
#include "anemone/train/efficiency_report.h"
#include "cli/metrics_file.h"
#include "cli/output_name.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace fs = std::filesystem;
namespace {

constexpr const char* kReport = "report.json";

void keep_file(const fs::path& file, const fs::path& copy) {
  std::error_code ignored;
  if (!fs::equivalent(file, copy, ignored)) write_file(copy, read_file(file));
}

// Under the name by which it is found again; a tokenizer.json with the files that name its BOS and
// EOS, and the template of chats.
void keep_tokenizer(const std::string& given, const fs::path& out) {
  if (given.empty()) return;
  const fs::path file = tokenizer_file(given);
  const bool json = file_kind(read_file(file)) == FileKind::kTokenizerJson;
  if (!json) {
    const bool sentencepiece = file.extension() == ".model";
    return keep_file(file, out / (sentencepiece ? "tokenizer.model" : "tokenizer.bin"));
  }
  keep_file(file, out / "tokenizer.json");
  const auto keep = [&](const char* name) {
    if (fs::is_regular_file(file.parent_path() / name)) {
      keep_file(file.parent_path() / name, out / name);
    }
  };
  for (const char* name : kBorderFiles) keep(name);
  for (const char* name : kChatTemplateFiles) keep(name);
}

}  // namespace

fs::path output_directory(const TrainFlags& o) {
  if (o.only_time() && o.out.empty()) return {};
  if (!o.resume.empty()) {
    if (fs::exists(fs::path(o.resume) / "latest")) return o.resume;
    fail(o.resume, "it is no run's directory: it has no file 'latest'",
         "give the directory that was --out");
  }
  check_directory_name("--out", o.out, "anemone convert writes a model file of a run");
  for (const char* name : {"latest", "metrics.jsonl", "config.json"}) {
    if (!fs::exists(fs::path(o.out) / name)) continue;
    fail(o.out, fmt::format("it already holds a {}", *name == 'c' ? "model" : "training run"),
         "continue a run with --resume, or give another --out");
  }
  return o.out;
}

void check_writable(const fs::path& file, const fs::path& out) {
  if (file.empty()) return;
  if (fs::is_directory(file)) fail_io(file.string(), "write", EISDIR);
  const auto directory_of = [](const fs::path& path) {
    return fs::absolute(path).lexically_normal().parent_path();
  };
  const fs::path parent = directory_of(file);
  if (!out.empty() && parent == directory_of(out / "any")) return;
  const fs::path& place = fs::exists(file) ? file : parent;
  if (::access(place.c_str(), W_OK) != 0) fail_io(file.string(), "write", errno);
}

void prepare_output(const TrainFlags& o, const fs::path& out, int64_t first_step) {
  if (out.empty()) return;
  make_writable_directory(out);
  if (!o.only_time()) keep_tokenizer(o.given.tokenizer, out);
  if (!o.resume.empty()) drop_lines_after(out / "metrics.jsonl", first_step);
}

void write_reports(const TrainFlags& o, const fs::path& out, Trainer& trainer,
                   const TrainingPlace& place) {
  if (!o.trace.empty()) {
    write_file(o.trace, chrome_trace(*place.timeline, place.device.info().name) + "\n");
  }
  // Without values a run is there for its times: they stay with it.
  const bool keeps = o.only_time() && !out.empty();
  if (!o.report && o.report_json.empty() && !keeps) return;
  const EfficiencyReport report = make_report(trainer, place);
  if (o.report) print(to_text(report));
  const std::string json = to_json(report).dump(2) + "\n";
  if (!o.report_json.empty()) write_file(o.report_json, json);
  if (!keeps) return;
  write_file(out / kReport, json);
  if (o.quiet) return;
  print(fmt::format("{}: metrics.jsonl and {}; no checkpoint, since --values off computes none\n",
                    out.string(), kReport));
}

}  // namespace anemone::cli
