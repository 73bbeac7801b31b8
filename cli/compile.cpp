#include "anemone/ops/op_def.h"
#include "anemone/text/printer.h"
#include "cli/commands.h"
#include "cli/program_options.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace {

struct Options {
  ProgramOptions program;
  std::string dialect, emit = "stats";
  bool json = false;
};

struct Stats {
  std::map<std::string, int> operations;  // constants left out
  int constants = 0;
  Cost cost;
};

Stats count(const Function& function) {
  Stats stats;
  for (const auto& op : function.operations) {
    if (op->type == "const") {
      ++stats.constants;
      continue;
    }
    ++stats.operations[op->type];
    stats.cost += cost_of(*op);
  }
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

void compile(const Options& o) {
  ProgramSource source = open_program(o.program.file);
  print_notes(source.info.losses);
  for (Function& function : source.program.functions) {
    decide_shapes(source, function, o.program.input_shapes());
    require_valid(source, function);
  }
  if (o.emit == "mil") return print(print_mil(source.program, print_options(o.dialect)) + "\n");
  nlohmann::json functions = nlohmann::json::array();
  for (const Function& function : source.program.functions) {
    if (!o.program.function.empty() && function.name != o.program.function) continue;
    const Stats stats = count(function);
    functions.push_back(to_json(function, stats));
    if (!o.json) print(to_text(function, stats));
  }
  if (o.json) print_json({{"functions", functions}});
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
  command->add_flag("--json", o->json, "Stats as one JSON object");
  command->callback([o, command] {
    // Asking for a dialect is asking for the text.
    if (!o->dialect.empty() && command->count("--emit") == 0) o->emit = "mil";
    compile(*o);
  });
}

}  // namespace anemone::cli
