// Measures a device: one benchmark, all of them into a folder, or two results against each other.
#include "anemone/bench/benchmarks.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/process.h"
#include "anemone/report/compare.h"
#include "anemone/report/text_report.h"
#include "cli/commands.h"
#include "cli/output_name.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace fs = std::filesystem;
namespace {

struct Options {
  DeviceOptions device;
  BenchOptions bench;
  std::string values;  // empty: off on a simulated device
  std::string chips, out, dtype = "fp32", stored = "fp32";
  std::vector<std::string> only;  // of `all`
  bool json = false, coarse = false, fine = false, stream = false, quiet = false, fresh = false;

  bool simulates() const { return device.device.starts_with("sim:"); }
  bool computes() const { return values.empty() ? !simulates() : values == "on"; }
};

// One line on the terminal, written over by the next.
std::function<void(const std::string&)> progress_of(const Options& o, const std::string& name) {
  if (o.quiet || !::isatty(STDERR_FILENO)) return [](const std::string&) {};
  return [name](const std::string& text) {
    std::fprintf(stderr, "\r\033[K%s%s%.100s", name.c_str(), text.empty() ? "" : ": ",
                 text.c_str());
    if (text.empty()) std::fprintf(stderr, "\r\033[K");
    std::fflush(stderr);
  };
}

BenchOptions settled(const Options& o, const std::string& name) {
  BenchOptions options = o.bench;
  options.device = o.device.device;
  options.settings.ane_route = o.device.ane_route;
  options.settings.chips = o.chips;
  options.settings.values = o.computes();
  options.settings.bf16 = o.dtype == "bf16";
  options.stored = *dtype_from_name(o.stored);
  if (o.coarse || o.fine || o.stream) {
    options.coarse = o.coarse;
    options.fine = o.fine;
    options.stream = o.stream;
  }
  // Nothing is computed, so nothing can be checked.
  if (!options.settings.values) options.measure.check = false;
  options.measure.progress = progress_of(o, name);
  return options;
}

BenchResult measure_one(const Options& o, const Benchmark& benchmark) {
  if (!o.computes() && !o.simulates()) {
    fail("--values", "only a simulated device can do without values", "--device sim:m4-max");
  }
  ThreadPool pool(o.device.thread_count());
  const BenchOptions options = settled(o, std::string(benchmark.name));
  BenchResult result = run_benchmark(benchmark, pool, options);
  options.measure.progress("");
  return result;
}

// Before minutes of measuring and not after them.
void check_folder_of(const std::string& file) {
  if (file.empty() || fs::is_directory(fs::absolute(file).parent_path())) return;
  fail("--out " + file, "there is no such folder",
       "mkdir -p " + fs::path(file).parent_path().string());
}

void run_one(const Options& o, const Benchmark& benchmark) {
  check_folder_of(o.out);
  check_folder_of(o.bench.trace);
  const BenchResult result = measure_one(o, benchmark);
  nlohmann::ordered_json json = to_json(result);
  if (!o.out.empty()) write_file(o.out, json.dump(2) + "\n");
  if (!o.json) return print(text_table(result));
  // The numbers of an only row also lie on top, where a script looks for them.
  if (result.rows.size() == 1) json.update(result.rows.front());
  print(json.dump(2) + "\n");
}

// --- all ---

// Whether `path` holds a whole result of this benchmark on this device.
bool is_done(const fs::path& path, const Benchmark& benchmark, const Options& o) {
  if (o.fresh || !fs::exists(path)) return false;
  const BenchResult result = read_results(path).front();
  const bool same = result.benchmark == benchmark.name && result.device == o.device.device;
  const auto values = result.settings.find("values");
  const bool lacks_values = o.values == "on" && values != result.settings.end() && *values == "off";
  if (same && !lacks_values) return true;
  fail(path.string(),
       fmt::format("it holds {} of {}{}", result.benchmark, result.device,
                   same ? " with --values off" : ""),
       "give another --out, or --fresh to write over it");
}

std::vector<const Benchmark*> chosen_benchmarks(const Options& o) {
  std::vector<const Benchmark*> chosen;
  for (const std::string& name : o.only) chosen.push_back(&find_benchmark(name));
  for (const Benchmark& benchmark : all_benchmarks()) {
    const bool suits = benchmark.on_engines || o.device.device == "cpu";
    if (o.only.empty() && suits) chosen.push_back(&benchmark);
  }
  return chosen;
}

// What is done stays after an interrupt. A device of the hardware compiles only so many
// programs in one process, so each benchmark gets one of its own there.
void run_all(const Options& o, const Arguments& arguments) {
  check_directory_name("--out", o.out, "give a directory: each result becomes a file in it");
  make_writable_directory(o.out);
  const bool talks = !o.quiet && !o.json;
  nlohmann::json files = nlohmann::json::array();
  const std::vector<const Benchmark*> chosen = chosen_benchmarks(o);
  int skipped = 0;
  for (const Benchmark* which : chosen) {
    const Benchmark& benchmark = *which;
    const fs::path path = fs::path(o.out) / (std::string(benchmark.name) + ".json");
    files.push_back(path.string());
    if (is_done(path, benchmark, o)) {
      ++skipped;
      continue;
    }
    if (talks) print(fmt::format("{}: {} ...\n", benchmark.name, benchmark.purpose));
    const BenchResult result = measure_one(o, benchmark);
    write_file(path, to_json(result).dump(2) + "\n");
    if (talks) print(text_table(result) + "\n");
    std::vector<std::string> again;
    for (const std::string& argument : arguments) {
      if (argument != "--fresh") again.push_back(argument);
    }
    if (o.device.device == "ane") restart_program(again);
  }
  if (o.json) {
    return print_json({{"device", o.device.device}, {"results", files}, {"from_before", skipped}});
  }
  print(fmt::format("{} result{} in {}{}\n", chosen.size(), chosen.size() == 1 ? "" : "s", o.out,
                    skipped > 0 ? fmt::format(", {} of them from before", skipped) : ""));
}

// --- the command line ---

void add_common(CLI::App& command, Options& o) {
  o.device.add_to(command);
  command.add_option("--chips", o.chips, "A table of chips instead of the one that is built in");
  command
      .add_option("--values", o.values,
                  "Whether a simulated device computes, on or off; off is the default there: it "
                  "only predicts, and nothing is checked")
      ->check(CLI::IsMember({"on", "off"}));
  command.add_option("--rounds", o.bench.measure.rounds, "Samples of each program")
      ->check(CLI::Range(3, 10000));
  command.add_flag("--quiet", o.quiet, "No progress");
}

void add_sram_flags(CLI::App& command, Options& o) {
  command.add_flag("--coarse", o.coarse, "Only channels and widths together");
  command.add_flag("--fine", o.fine, "Only channels");
  command.add_flag("--stream", o.stream, "Only narrow ones, where reading weights takes the time");
  command.add_option("--spatial", o.bench.spatial, "Widths instead of the published ones")
      ->check(CLI::Range(1, 1 << 20));
  command.add_option("--channels", o.bench.channels, "Channels instead of the published ones")
      ->check(CLI::Range(1, 1 << 20));
}

void add_train_flags(CLI::App& command, Options& o) {
  command.add_option("--model", o.bench.model, "Preset, model file or directory, run");
  command.add_option("--data", o.bench.data, "Token ids; random ones where there are none");
  command.add_option("--steps", o.bench.updates, "Updates of each pipeline")
      ->check(CLI::Range(1, 1000000));
  command.add_option("--batch", o.bench.batch, "Sequences a micro-step");
  command.add_option("--seq", o.bench.sequence, "Tokens a sequence");
  command.add_option("--accum", o.bench.accumulation, "Micro-steps an update");
  command.add_option("--pipeline", o.bench.pipelines, "Pipelines; all that suit the device");
}

void add_step_flags(CLI::App& command, Options& o) {
  command.add_option("--model", o.bench.model, "Preset, model file or directory, run");
  command.add_option("--batch", o.bench.batch, "Sequences of a step");
  command.add_option("--seq", o.bench.sequence, "Tokens of a sequence");
  command.add_option("--accum", o.bench.micro_steps, "Micro-steps an update")
      ->check(CLI::Range(1, 1000));
  command.add_option("--dtype", o.dtype, "Of the operands of matrix products: fp32 or bf16")
      ->check(CLI::IsMember({"fp32", "bf16"}));
  command.add_option("--trace", o.bench.trace,
                     "Every operation, for Perfetto or chrome://tracing, to a file");
}

void add_decode_flags(CLI::App& command, Options& o) {
  command.add_option("--model", o.bench.model, "Preset, model file or directory, run");
  command.add_option("--dtype", o.stored, "Of the weights in memory: fp32, bf16, int8 or int4")
      ->check(CLI::IsMember(kWeightTypes));
}

void add_prefill_flags(CLI::App& command, Options& o) {
  add_decode_flags(command, o);
  command.add_option("--seq", o.bench.sequence, "Tokens at once")->capture_default_str();
}

void add_benchmark(CLI::App& parent, const Benchmark& benchmark) {
  CLI::App* command =
      parent.add_subcommand(std::string(benchmark.name), std::string(benchmark.purpose));
  auto o = std::make_shared<Options>();
  add_common(*command, *o);
  if (benchmark.name == "sram") add_sram_flags(*command, *o);
  if (benchmark.name == "train") add_train_flags(*command, *o);
  if (benchmark.name == "step") add_step_flags(*command, *o);
  if (benchmark.name == "prefill") add_prefill_flags(*command, *o);
  if (benchmark.name == "decode") add_decode_flags(*command, *o);
  command->add_option("--out", o->out, "A file for the result as JSON");
  command->add_flag("--json", o->json, "One JSON object instead of a table");
  command->callback([o, &benchmark] { run_one(*o, benchmark); });
}

void add_all(CLI::App& parent, const Arguments& arguments) {
  CLI::App* command =
      parent.add_subcommand("all", "All of them into a folder; goes on where it stopped");
  auto o = std::make_shared<Options>();
  add_common(*command, *o);
  add_train_flags(*command, *o);
  command->add_option("--out", o->out, "The folder: NAME.json for each")->required();
  command->add_option("--only", o->only, "Some of the benchmarks, by name");
  command->add_flag("--json", o->json, "One JSON object at the end: the files");
  command->add_flag("--fresh", o->fresh, "Measures again what is there");
  command->callback([o, &arguments] { run_all(*o, arguments); });
}

// Exit status 1 where something got slower: for CI.
void add_compare(CLI::App& parent) {
  struct Files {
    std::string before, after;
    double tolerance = 5;
  };
  CLI::App* command = parent.add_subcommand(
      "compare", "What got slower from A to B beyond the noise; then the exit status is 1");
  auto files = std::make_shared<Files>();
  command->add_option("a", files->before, "A result, or a baseline")->required();
  command->add_option("b", files->after, "A later result of the same benchmark")->required();
  command->add_option("--tolerance", files->tolerance, "Least change that counts, in %")
      ->check(CLI::Range(0.0, 1000.0));
  command->callback([files] {
    const Comparison comparison =
        compare(read_results(files->before).front(), read_results(files->after).front(),
                files->tolerance / 100);
    print(to_text(comparison));
    if (comparison.worse()) throw Finished{1};
  });
}

}  // namespace

void add_bench(CLI::App& app, const Arguments& arguments) {
  CLI::App* command = app.add_subcommand("bench", "Measures a device");
  command->require_subcommand(1);
  for (const Benchmark& benchmark : all_benchmarks()) add_benchmark(*command, benchmark);
  add_all(*command, arguments);
  add_compare(*command);
}

}  // namespace anemone::cli
