// Writes the MIL programs that a training step of a model runs.
#include <filesystem>

#include "anemone/autodiff/stage_gradients.h"
#include "anemone/base/file.h"
#include "anemone/ir/walk.h"
#include "anemone/model/transformer.h"
#include "anemone/ops/op_def.h"
#include "anemone/package/load_weights.h"
#include "anemone/package/weight_blob.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/pipelines.h"
#include "anemone/text/printer.h"
#include "cli/commands.h"
#include "cli/output_name.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace fs = std::filesystem;
namespace {

struct Options {
  std::string model, out;
  int64_t batch = 1, sequence = 256;
  bool plain = false;
};

// `NAME.mil`, with constants of ten elements and more in `weights/NAME.bin` beside it.
void write_program(const fs::path& out, Function function, bool plain) {
  if (plain) {
    make_plain(function);
  } else {
    optimize(function);
  }
  const std::string name = function.name;
  function.name = "main";
  Cost cost;
  walk(function, [&](const Operation& op) { cost += cost_of(op); });
  const auto operations = function.operations.size();
  Program program;
  program.functions.push_back(std::move(function));
  BlobWriter blobs;
  const ExternalizeOptions options{.path_in_program = "@model_path/weights/" + name + ".bin"};
  if (externalize_constants(program, blobs, options) > 0) {
    fs::create_directories(out / "weights");
    blobs.write(out / "weights" / (name + ".bin"));
  }
  write_file(out / (name + ".mil"), print_mil(program) + "\n");
  print(fmt::format("{:<28}{:>6} operations{:>12.3f} MFLOP\n", name + ".mil", operations,
                    cost.flops / 1e6));
}

void write_stages(const Options& o) {
  const TransformerConfig config = config_of(o.model);
  constexpr int64_t kMostRows = 1 << 16;
  if (o.batch < 1 || o.batch > kMostRows) {
    fail("--batch", fmt::format("{} is outside [1, {}]", o.batch, kMostRows));
  }
  if (o.sequence < 1 || o.sequence > config.max_sequence) {
    fail("--seq", fmt::format("{} is outside [1, {}], the model's positions", o.sequence,
                              config.max_sequence));
  }
  check_directory_name("-o", o.out, "give a directory: each program becomes a file in it");
  make_writable_directory(o.out);
  for (const Stage& stage : training_chain(config, o.batch, o.sequence, OutputHead::kLoss).stages) {
    std::vector<std::string> data;
    if (!stage.data_input.empty()) data.push_back(stage.data_input);
    StageGradients programs =
        differentiate_stage(stage.function, data, stage.weights, {"log_sum_exp"});
    write_program(o.out, std::move(programs.forward), o.plain);
    if (!data.empty()) write_program(o.out, std::move(programs.backward), o.plain);
    write_program(o.out, std::move(programs.weight_gradient), o.plain);
  }
}

}  // namespace

void add_stages(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("stages", "Write the MIL programs that a training step runs");
  auto o = std::make_shared<Options>();
  command->add_option("--model", o->model, "Preset, model file or directory, run")->required();
  command->add_option("--batch", o->batch, "Sequences of a micro-step")->capture_default_str();
  command->add_option("--seq", o->sequence, "Tokens of a sequence")->capture_default_str();
  command->add_option("-o,--output", o->out, "Directory to write to")->required();
  command->add_flag("--plain", o->plain, "MIL operations only: composite ones decomposed");
  command->callback([o] { write_stages(*o); });
}

}  // namespace anemone::cli
