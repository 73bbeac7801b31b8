// What the Neural Engine would say to a program, and how long it would take.
#include <algorithm>

#include "anemone/devices/ane_spec/cost_model.h"
#include "anemone/devices/ane_spec/rules.h"
#include "anemone/ir/walk.h"
#include "anemone/ops/op_args.h"
#include "anemone/passes/passes.h"
#include "cli/commands.h"
#include "cli/program_options.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace {

constexpr size_t kCostliest = 8;
constexpr ptrdiff_t kPlaces = 5;  // of one rule

struct Options {
  ProgramOptions program;
  std::string chip;
  int macos = 26;
  bool all_chips = false, json = false;
};

// What there is to say about a program on one chip.
struct Report {
  const Chip* chip = nullptr;
  std::vector<Diagnostic> invalid;  // the same on every chip
  std::vector<Finding> findings;
  ProgramTime time;
};

bool stops(const Rule& rule) { return rule.effect != Effect::kSlow; }
bool stops(const Report& report) {
  return !report.invalid.empty() ||
         std::any_of(report.findings.begin(), report.findings.end(),
                     [](const Finding& finding) { return stops(*finding.rule); });
}

// "ok", or what happens first: effects are declared in that order.
const char* verdict(const Report& report) {
  if (!report.invalid.empty()) return "invalid";
  const auto worst = std::min_element(
      report.findings.begin(), report.findings.end(),
      [](const Finding& a, const Finding& b) { return a.rule->effect < b.rule->effect; });
  return worst == report.findings.end() ? "ok" : to_string(worst->rule->effect);
}

// What is not valid is set aside, so that the rest is checked.
Function read_function(const Options& o, std::vector<Diagnostic>& invalid) {
  LooseProgram program = load_loosely(o.program);
  invalid = std::move(program.invalid);
  decompose_composites(program.function);
  return std::move(program.function);
}

bool has_fp32(const Function& function) {
  const auto is_fp32 = [](Value value) { return value->type.dtype == DType::kFp32; };
  bool found = std::any_of(function.inputs.begin(), function.inputs.end(), is_fp32);
  walk(function, [&](const Operation& op) {
    found = found || std::any_of(op.outputs.begin(), op.outputs.end(), is_fp32);
  });
  return found;
}

// Inputs that go straight into the weight of an operation.
std::vector<std::string> weight_inputs(const Function& function) {
  std::vector<std::string> names;
  walk(function, [&](const Operation& op) {
    const Value weight = OpArgs(op).value("weight");
    if (weight && !weight->producer) names.push_back(weight->name);
  });
  return names;
}

Report examine(const Function& function, const std::vector<Diagnostic>& invalid,
               const Function& halves, const Chip& chip, int macos) {
  return {&chip, invalid, check_rules(function, {.chip = &chip, .macos = macos}),
          predict(halves, chip, weight_inputs(halves))};
}

std::vector<OpTime> costliest(const ProgramTime& time) {
  std::vector<OpTime> ops = time.ops;
  std::stable_sort(ops.begin(), ops.end(),
                   [](const OpTime& a, const OpTime& b) { return a.us > b.us; });
  if (ops.size() > kCostliest) ops.resize(kCostliest);
  return ops;
}

// --- JSON ---

nlohmann::json to_json(const Finding& finding) {
  const Rule& rule = *finding.rule;
  return {{"rule", rule.id},
          {"title", rule.title},
          {"where", finding.violation.where},
          {"message", finding.violation.message},
          {"effect", to_string(rule.effect)},
          {"stops", stops(rule)},
          {"workaround", rule.workaround},
          {"evidence", rule.evidence}};
}

nlohmann::json to_json(const ProgramTime& time) {
  nlohmann::json ops = nlohmann::json::array();
  for (const OpTime& op : costliest(time)) {
    ops.push_back({{"operation", op.op->type},
                   {"name", op.op->outputs.empty() ? "" : op.op->outputs[0]->name},
                   {"where", op.op->where()},
                   {"us", op.us},
                   {"bound", to_string(op.bound)}});
  }
  return {{"latency_us", time.total_us},
          {"dispatch_us", time.dispatch_us},
          {"surface_us", time.surface_us},
          {"energy_mj", time.energy_mj},
          {"compile_ms", time.compile_ms},
          {"load_ms", time.load_ms},
          {"memory_bytes", time.memory_bytes},
          {"weight_bytes", time.weight_bytes},
          {"flops", time.flops},
          {"costliest", ops}};
}

nlohmann::json to_json(const Report& report) {
  nlohmann::json findings = nlohmann::json::array();
  for (const Finding& finding : report.findings) findings.push_back(to_json(finding));
  nlohmann::json invalid = nlohmann::json::array();
  for (const Diagnostic& found : report.invalid) invalid.push_back(json_of(found));
  return {{"simulated", true},  {"chip", report.chip->name}, {"verdict", verdict(report)},
          {"invalid", invalid}, {"findings", findings},      {"prediction", to_json(report.time)}};
}

// --- text ---

// Three significant digits: quantity(0.00705, "s") is "7.05 ms".
std::string quantity(double value, std::string_view unit) {
  constexpr std::string_view kPrefixes = "num kMGT";
  size_t prefix = 0;
  double scaled = value * 1e9;
  while (scaled >= 999.5 && prefix + 1 < kPrefixes.size()) {
    scaled /= 1000;
    ++prefix;
  }
  if (scaled < 0.5) return fmt::format("0 {}", unit);
  const std::string_view letter = kPrefixes[prefix] == ' ' ? "" : kPrefixes.substr(prefix, 1);
  return fmt::format("{:.3g} {}{}", scaled, letter, unit);
}
std::string microseconds(double us) { return quantity(us * 1e-6, "s"); }

// Findings of one rule together, in the order of their first places.
std::vector<std::vector<Finding>> by_rule(const std::vector<Finding>& findings) {
  std::vector<std::vector<Finding>> groups;
  for (const Finding& finding : findings) {
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const auto& group) {
      return group[0].rule == finding.rule;
    });
    if (same == groups.end()) {
      groups.push_back({finding});
    } else {
      same->push_back(finding);
    }
  }
  return groups;
}

std::string describe(const std::vector<Finding>& group) {
  const Rule& rule = *group[0].rule;
  std::string text = fmt::format("\n{}  {}: {}\n", rule.id, to_string(rule.effect), rule.title);
  const std::vector<Finding> shown(group.begin(),
                                   group.begin() + std::min<ptrdiff_t>(std::ssize(group), kPlaces));
  size_t width = 8;
  for (const Finding& finding : shown) width = std::max(width, finding.violation.where.size());
  for (const Finding& finding : shown) {
    text += fmt::format("  {:<{}} {}\n", finding.violation.where, width, finding.violation.message);
  }
  if (std::ssize(group) > kPlaces) {
    text += fmt::format("  … and {} more\n", std::ssize(group) - kPlaces);
  }
  return text + fmt::format("  instead  {}\n  evidence {}\n", rule.workaround, rule.evidence);
}

std::string describe(const ProgramTime& time) {
  const auto row = [](const char* name, const std::string& value, const std::string& more) {
    return fmt::format("  {:<11} {:<12} {}\n", name, value, more);
  };
  const double flops_a_second = time.flops / std::max(time.total_us, 1e-9) * 1e6;
  std::string text =
      row("evaluation", microseconds(time.total_us),
          fmt::format("of which dispatch {}, inputs and outputs {}", microseconds(time.dispatch_us),
                      microseconds(time.surface_us))) +
      row("arithmetic", quantity(time.flops, "FLOP"), quantity(flops_a_second, "FLOPS")) +
      row("energy", quantity(time.energy_mj * 1e-3, "J"), "each evaluation") +
      row("memory", quantity(time.memory_bytes, "B"),
          "of which weights " + quantity(time.weight_bytes, "B")) +
      row("compile", microseconds(time.compile_ms * 1e3),
          "then load " + microseconds(time.load_ms * 1e3));
  text += fmt::format("\n  {:<9} {:<46} {:>9} {:>7}  {}\n", "place", "costliest operations", "time",
                      "share", "bound by");
  for (const OpTime& op : costliest(time)) {
    std::string name = op.op->type;
    if (!op.op->outputs.empty()) name += " '" + op.op->outputs[0]->name + "'";
    const std::string place = op.op->location.line > 0 ? op.op->where() : "-";
    text += fmt::format("  {:<9} {:<46.46} {:>9} {:>5.0f} %  {}\n", place, name,
                        microseconds(op.us), 100 * op.us / time.total_us, to_string(op.bound));
  }
  return text;
}

size_t stopping_rules(const Report& report) {
  size_t count = 0;
  for (const auto& group : by_rule(report.findings)) count += stops(*group[0].rule);
  return count;
}

// "compile refused, 2 rules stop it".
std::string summary(const Report& report) {
  const size_t stopping = stopping_rules(report), invalid = report.invalid.size();
  if (!stops(report)) return "no known rule stops it";
  std::string text = verdict(report);
  if (invalid > 0) {
    text += fmt::format(", {} {} set aside", invalid,
                        invalid == 1 ? "operation or size" : "operations or sizes");
  }
  if (stopping > 0) {
    text += fmt::format(", {} {} it", stopping, stopping == 1 ? "rule stops" : "rules stop");
  }
  return text;
}

std::string to_text(const Report& report, const Options& o, bool narrowed) {
  std::string text = fmt::format("{} on {}, macOS {}: {}\n", o.program.file, report.chip->title,
                                 o.macos, summary(report));
  if (!report.invalid.empty()) {
    text += "\ninvalid  not checked, and what they give taken as inputs\n" +
            lines_of(report.invalid, o.program.file);
  }
  for (const auto& group : by_rule(report.findings)) text += describe(group);
  text += fmt::format("\nPredicted{}{} (simulated: a model fitted to published measurements)\n",
                      stops(report) ? " as if it ran" : "", narrowed ? ", in fp16" : "");
  return text + describe(report.time);
}

std::string line_of(const Report& report) {
  std::string rules;
  for (const auto& group : by_rule(report.findings)) {
    rules += fmt::format("{}{}", rules.empty() ? "" : " ", group[0].rule->id.substr(4));
  }
  return fmt::format("{:<10} {:<19} {:>9} {:>10} {:>9}  {}\n", report.chip->name, verdict(report),
                     microseconds(report.time.total_us),
                     quantity(report.time.energy_mj * 1e-3, "J"),
                     microseconds(report.time.compile_ms * 1e3), rules);
}

// --- the verb ---

std::vector<const Chip*> chosen_chips(const Options& o) {
  if (!o.all_chips) return {&find_chip(o.chip)};
  std::vector<const Chip*> chips;
  for (const Chip& chip : all_chips()) chips.push_back(&chip);
  return chips;
}

void check(const Options& o) {
  const std::vector<const Chip*> chips = chosen_chips(o);
  std::vector<Diagnostic> invalid;
  const Function function = read_function(o, invalid);
  Function halves = function.clone();
  to_fp16(halves);
  std::vector<Report> reports;
  for (const Chip* chip : chips) {
    reports.push_back(examine(function, invalid, halves, *chip, o.macos));
  }
  nlohmann::json all = nlohmann::json::array();
  if (o.all_chips && !o.json) {
    print(fmt::format("{}, macOS {}; times and energy are simulated\n\n", o.program.file, o.macos));
    print(fmt::format("{:<10} {:<19} {:>9} {:>10} {:>9}  {}\n", "chip", "verdict", "time", "energy",
                      "compile", "rules broken (docs/ane.md)"));
  }
  for (const Report& report : reports) {
    if (o.json) {
      all.push_back(to_json(report));
    } else {
      print(o.all_chips ? line_of(report) : to_text(report, o, has_fp32(function)));
    }
  }
  if (o.json)
    print_json(o.all_chips ? nlohmann::json{{"simulated", true}, {"chips", all}} : all[0]);
  if (std::any_of(reports.begin(), reports.end(), [](const Report& r) { return stops(r); })) {
    throw Finished{1};
  }
}

}  // namespace

void add_check(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "check", "Say what the Neural Engine would refuse, and predict times (simulated)");
  auto o = std::make_shared<Options>();
  o->program.add_to(*command);
  CLI::Option* chip = command->add_option("--chip", o->chip, "m1, …, m4-max, …");
  CLI::Option* all = command->add_flag("--all-chips", o->all_chips, "One line for each chip");
  chip->excludes(all);
  command->add_option("--macos", o->macos, "Major version")->capture_default_str();
  command->add_flag("--json", o->json, "One JSON object");
  command->footer("Exit status 1 where a rule would stop it or make it silently wrong.");
  command->callback([o] {
    if (o->chip.empty() && !o->all_chips) fail("--chip", "it is needed", "or --all-chips");
    check(*o);
  });
}

}  // namespace anemone::cli
