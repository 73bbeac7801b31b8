// What a program is, without running it: ports, functions, states, operations, weights.
#include <algorithm>
#include <map>
#include <set>

#include "anemone/ir/walk.h"
#include "anemone/ops/query.h"
#include "anemone/ops/registry.h"
#include "anemone/ops/verify.h"
#include "cli/commands.h"
#include "cli/program_options.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace {

struct Options {
  ProgramOptions program;
  bool json = false;
};

struct Weights {
  int64_t count = 0;  // tensors
  double bytes = 0;
};

struct FunctionFacts {
  std::map<std::string, int> operations;   // constants left out
  std::map<std::string, Weights> weights;  // by element type
  std::set<std::string> weight_files;
  double flops = 0;
  std::vector<std::string> findings;  // what keeps it from running here
};

void add_literal(const Literal& literal, FunctionFacts& facts) {
  if (!literal.type.is_tensor() || literal.type.dtype == DType::kString) return;
  const int64_t count = element_count(literal.type.shape);
  if (count < 2) return;  // settings, not weights
  Weights& weights = facts.weights[std::string(name(literal.type.dtype))];
  ++weights.count;
  weights.bytes += static_cast<double>(byte_size(literal.type.dtype, count));
  if (literal.blob) facts.weight_files.insert(literal.blob->path);
}

FunctionFacts facts_of(const Function& function) {
  FunctionFacts facts;
  for (const Diagnostic& finding : verify(function)) {
    facts.findings.push_back(finding.where + " " + finding.message);
  }
  walk(function, [&](const Operation& op) {
    for (const Attribute& attribute : op.attributes) add_literal(attribute.value, facts);
    for_each_operand(op, [&](const Operand& operand) {
      if (operand.literal) add_literal(*operand.literal, facts);
    });
    if (is_const(op)) return;
    ++facts.operations[op.type];
    if (find_op(op.type) && facts.findings.empty()) facts.flops += cost_of(op).flops;
  });
  return facts;
}

// --- as text ---

std::string describe_type(const Type& type) {
  return type.kind == Type::Kind::kState ? to_string(type.parts.at(0)) : to_string(type);
}

// What the description adds: open sizes, texts.
std::string describe_feature(const Feature* feature) {
  if (!feature) return "";
  std::string text;
  if (feature->kind != "array" && feature->kind != "state") text += "  (" + feature->kind + ")";
  for (const Shape& shape : feature->enumerated) {
    text += (text.empty() ? "  one of " : ", ") + to_string(shape);
  }
  for (size_t i = 0; i < feature->ranges.size(); ++i) {
    const auto& [lower, upper] = feature->ranges[i];
    text += fmt::format("{}{} to {}", i == 0 ? "  sizes " : ", ", lower,
                        upper < 0 ? "any" : std::to_string(upper));
  }
  if (!feature->description.empty()) text += "  " + one_line(feature->description);
  return text;
}

const Feature* find(const std::vector<Feature>& features, const std::string& name) {
  const auto found = std::find_if(features.begin(), features.end(),
                                  [&](const Feature& feature) { return feature.name == name; });
  return found == features.end() ? nullptr : &*found;
}

std::string ports_text(const Function& function, const FunctionInfo* info) {
  std::string text;
  for (Value input : function.inputs) {
    const bool is_state = input->type.kind == Type::Kind::kState;
    const Feature* known = nullptr;
    if (info) known = find(is_state ? info->states : info->inputs, input->name);
    text += fmt::format("  {:<7} {:<24} {}{}\n", is_state ? "state" : "input", input->name,
                        describe_type(input->type), describe_feature(known));
  }
  for (Value output : function.outputs) {
    text += fmt::format("  {:<7} {:<24} {}{}\n", "output", output->name, to_string(output->type),
                        describe_feature(info ? find(info->outputs, output->name) : nullptr));
  }
  return text;
}

std::string facts_text(const FunctionFacts& facts) {
  std::string text;
  int total = 0;
  for (const auto& [type, count] : facts.operations) total += count;
  text += fmt::format("  operations {}\n", total);
  std::vector<std::pair<std::string, int>> rows(facts.operations.begin(), facts.operations.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  for (const auto& [type, count] : rows) text += fmt::format("    {:<34}{:>6}\n", type, count);
  for (const auto& [dtype, weights] : facts.weights) {
    text += fmt::format("  weights {:<7} {:>6} tensors {:>12.3f} MB\n", dtype, weights.count,
                        weights.bytes / 1e6);
  }
  if (facts.flops > 0) text += fmt::format("  {:.3f} MFLOP a run\n", facts.flops / 1e6);
  constexpr size_t kMost = 5;
  for (size_t i = 0; i < std::min(facts.findings.size(), kMost); ++i) {
    text += "  does not run here: " + facts.findings[i] + "\n";
  }
  if (facts.findings.size() > kMost) {
    text += fmt::format("  and {} more findings\n", facts.findings.size() - kMost);
  }
  return text;
}

const char* kind_name(ProgramSource::Kind kind) {
  switch (kind) {
    case ProgramSource::Kind::kText:
      return "MIL text";
    case ProgramSource::Kind::kPackage:
      return "package";
    case ProgramSource::Kind::kCompiled:
      return "compiled model";
    case ProgramSource::Kind::kModelFile:
      return "model file";
  }
  return "";
}

std::string head_text(const ProgramSource& source) {
  const ModelInfo& info = source.info;
  std::string text = fmt::format("{}: {}", source.path, kind_name(source.kind));
  if (info.spec_version > 0) text += fmt::format(", specification version {}", info.spec_version);
  text += "\n";
  const std::pair<const char*, const std::string*> rows[] = {{"description", &info.description},
                                                             {"author", &info.author},
                                                             {"version", &info.version},
                                                             {"license", &info.license}};
  for (const auto& [label, value] : rows) {
    if (!value->empty()) text += fmt::format("  {:<11} {}\n", label, one_line(*value));
  }
  for (const auto& [key, value] : info.user_defined) {
    text += fmt::format("  {} = {}\n", one_line(key), one_line(value));
  }
  return text;
}

// --- as JSON ---

nlohmann::json port_json(Value value) {
  const bool is_state = value->type.kind == Type::Kind::kState;
  const Type& type = is_state ? value->type.parts.at(0) : value->type;
  nlohmann::json json = {{"name", value->name}, {"type", to_string(type)}};
  if (type.is_tensor()) {
    json["dtype"] = name(type.dtype);
    json["shape"] = nlohmann::json::array();
    for (const int64_t size : type.shape) {
      json["shape"].push_back(size == kUnknownSize ? nlohmann::json() : nlohmann::json(size));
    }
  }
  return json;
}

nlohmann::json function_json(const Function& function, const FunctionFacts& facts) {
  nlohmann::json json = {{"name", function.name},
                         {"opset", function.opset},
                         {"inputs", nlohmann::json::array()},
                         {"states", nlohmann::json::array()},
                         {"outputs", nlohmann::json::array()},
                         {"operations", facts.operations},
                         {"flops", facts.flops},
                         {"findings", facts.findings}};
  for (Value input : function.inputs) {
    const bool is_state = input->type.kind == Type::Kind::kState;
    json[is_state ? "states" : "inputs"].push_back(port_json(input));
  }
  for (Value output : function.outputs) json["outputs"].push_back(port_json(output));
  for (const auto& [dtype, weights] : facts.weights) {
    json["weights"][dtype] = {{"tensors", weights.count}, {"bytes", weights.bytes}};
  }
  return json;
}

void info(const Options& o) {
  ProgramSource source = open_program(o.program.file);
  print_notes(source.info.losses);
  nlohmann::json functions = nlohmann::json::array();
  std::string text = head_text(source);
  for (Function& function : source.program.functions) {
    if (!o.program.function.empty() && function.name != o.program.function) continue;
    const std::string ports = ports_text(function, source.info.find(function.name));
    try {
      decide_shapes(source, function, o.program.input_shapes());
    } catch (const Error& error) {
      note(error.what());
    }
    const FunctionFacts facts = facts_of(function);
    functions.push_back(function_json(function, facts));
    text += fmt::format("\nfunction {}{}\n", function.name,
                        function.opset.empty() ? "" : " <" + function.opset + ">");
    text += ports + facts_text(facts);
  }
  if (functions.empty()) source.function(o.program.function);  // says which there are
  if (!o.json) return print(text);
  print_json({{"file", source.path},
              {"kind", kind_name(source.kind)},
              {"specification_version", source.info.spec_version},
              {"default_function", source.info.default_function},
              {"functions", functions}});
}

}  // namespace

void add_info(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "info", "Say what a program holds: ports, functions, states, operations, weights");
  auto o = std::make_shared<Options>();
  o->program.add_to(*command);
  command->add_flag("--json", o->json, "One JSON object on standard output");
  command->callback([o] { info(*o); });
}

}  // namespace anemone::cli
