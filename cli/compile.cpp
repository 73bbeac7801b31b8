#include "anemone/base/error.h"
#include "anemone/base/nearest_name.h"
#include "anemone/ir/walk.h"
#include "anemone/ops/query.h"
#include "anemone/passes/pipelines.h"
#include "anemone/passes/set_aside.h"
#include "anemone/text/printer.h"
#include "cli/commands.h"
#include "cli/program_options.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace {

struct Options {
  ProgramOptions program;
  std::string dialect, emit = "stats", passes, print_after;
  bool json = false, time_passes = false;
};

struct Stats {
  std::map<std::string, int> operations;  // constants left out
  int constants = 0;
  Cost cost;
};

Stats count(const Function& function) {
  Stats stats;
  walk(function, [&](const Operation& op) {
    if (is_const(op)) {
      ++stats.constants;
      return;
    }
    ++stats.operations[op.type];
    stats.cost += cost_of(op);
  });
  return stats;
}

nlohmann::json to_json(const Function& function, const Stats& stats) {
  return {{"function", function.name},           {"operations", stats.operations},
          {"constants", stats.constants},        {"flops", stats.cost.flops},
          {"bytes_read", stats.cost.bytes_read}, {"bytes_written", stats.cost.bytes_written}};
}

std::string to_text(const Function& function, const Stats& stats) {
  int total = 0;
  for (const auto& [type, times] : stats.operations) total += times;
  std::string text =
      fmt::format("{}: {} inputs, {} outputs, {} operations, {} constants\n", function.name,
                  function.inputs.size(), function.outputs.size(), total, stats.constants);
  for (const auto& [type, times] : stats.operations) {
    text += fmt::format("  {:<32}{:>6}\n", type, times);
  }
  return text + fmt::format("  {:.3f} MFLOP, {:.3f} MB read, {:.3f} MB written\n",
                            stats.cost.flops / 1e6, stats.cost.bytes_read / 1e6,
                            stats.cost.bytes_written / 1e6);
}

PrintOptions print_options(const std::string& dialect) {
  PrintOptions options;
  if (dialect == "A") options.dialect = Dialect::kA;
  if (dialect == "B") options.dialect = Dialect::kB;
  if (dialect == "C") options.dialect = Dialect::kC;
  return options;
}

// Runs the passes of --passes, printing what --print-after and --time-passes ask for.
void run_pipeline(const Options& o, Function& function) {
  std::string times;
  double total = 0;
  run_passes(function, find_pass_pipeline(o.passes).passes, [&](const PassEvent& event) {
    times += fmt::format("  {:<22}{:>10.3f} ms  {}\n", event.pass, event.ms,
                         event.changed ? "changed" : "");
    total += event.ms;
    const bool wanted = o.print_after == "all" || o.print_after == event.pass;
    if (!wanted || !event.changed) return;
    Program program;
    program.functions.push_back(event.function.clone());
    print(
        fmt::format("// after {}\n{}\n", event.pass, print_mil(program, print_options(o.dialect))));
  });
  if (o.time_passes)
    print(fmt::format("{}: passes took {:.3f} ms\n{}", function.name, total, times));
}

void require_pass(const Options& o) {
  if (o.print_after.empty() || o.print_after == "all") return;
  std::vector<std::string_view> names = {"all"};
  for (const Pass& pass : find_pass_pipeline(o.passes).passes) {
    if (pass.name == o.print_after) return;
    names.push_back(pass.name);
  }
  fail("--print-after", fmt::format("pipeline {} has no pass '{}'", o.passes, o.print_after),
       suggest(o.print_after, names));
}

// What is not valid is set aside and said at the end.
std::vector<Diagnostic> prepare(ProgramSource& source, const Options& o) {
  std::vector<Diagnostic> invalid;
  for (Function& function : source.program.functions) {
    const InputShapes shapes = shapes_for(source, function, o.program.input_shapes());
    for (Diagnostic& found : set_aside_invalid(function, shapes)) {
      invalid.push_back(std::move(found));
    }
  }
  if (o.passes.empty()) return invalid;
  load_weights_that_are_there(source);
  for (Function& function : source.program.functions) run_pipeline(o, function);
  return invalid;
}

template <typename Visit>
void for_each_function(const Options& o, const Program& program, const Visit& visit) {
  for (const Function& function : program.functions) {
    if (o.program.function.empty() || function.name == o.program.function) visit(function);
  }
}

nlohmann::json to_json(const Options& o, const Program& program,
                       const std::vector<Diagnostic>& invalid) {
  nlohmann::json functions = nlohmann::json::array(), wrong = nlohmann::json::array();
  for_each_function(o, program, [&](const Function& function) {
    functions.push_back(to_json(function, count(function)));
  });
  for (const Diagnostic& found : invalid) wrong.push_back(json_of(found));
  return {{"functions", functions}, {"invalid", wrong}};
}

void compile(const Options& o) {
  if (!o.passes.empty()) require_pass(o);
  ProgramSource source = open_program(o.program.file);
  print_notes(source.info.losses);
  const std::vector<Diagnostic> invalid = prepare(source, o);
  if (o.json) {
    print_json(to_json(o, source.program, invalid));
  } else if (invalid.empty() && o.emit == "mil") {
    print(print_mil(source.program, print_options(o.dialect)) + "\n");
  } else if (invalid.empty()) {
    for_each_function(o, source.program,
                      [](const Function& function) { print(to_text(function, count(function))); });
  }
  if (invalid.empty()) return;
  for (const Diagnostic& found : invalid) {
    print_error(Error(ErrorCode::kInvalidInput, place_in(o.program.file, found.where),
                      found.message, found.hint));
  }
  throw Finished{2};
}

}  // namespace

void add_compile(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("compile", "Parse, verify and count a MIL program, or print it again");
  auto o = std::make_shared<Options>();
  o->program.add_to(*command);
  command->add_option("--dialect", o->dialect, "A (M4 and later), B (M1, M2), C (M5)")
      ->check(CLI::IsMember({"A", "B", "C"}));
  command->add_option("--emit", o->emit, "mil or stats")
      ->check(CLI::IsMember({"mil", "stats"}))
      ->capture_default_str();
  std::vector<std::string> names;
  for (const PassPipeline& pipeline : pass_pipelines()) names.emplace_back(pipeline.name);
  CLI::Option* passes = command
                            ->add_option("--passes", o->passes,
                                         "Run these passes: host (the CPU device's), ane, plain")
                            ->check(CLI::IsMember(names));
  command
      ->add_option("--print-after", o->print_after,
                   "Print the program after a pass that changed it: PASS or all")
      ->needs(passes);
  command->add_flag("--time-passes", o->time_passes, "Print how long each pass took")
      ->needs(passes);
  command->add_flag("--json", o->json, "Stats as one JSON object");
  command->callback([o, command] {
    // Asking for a dialect is asking for the text.
    if (!o->dialect.empty() && command->count("--emit") == 0) o->emit = "mil";
    compile(*o);
  });
}

}  // namespace anemone::cli
