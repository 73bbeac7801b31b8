#include "tests/fake_ane/mil_compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "anemone/base/error.h"
#include "anemone/devices/ane_spec/rules.h"
#include "anemone/ops/evaluate.h"
#include "anemone/ops/verify.h"
#include "anemone/package/load_weights.h"
#include "anemone/text/parser.h"
#include "tests/fake_ane/blob_check.h"

namespace anemone::fake_ane {
namespace fs = std::filesystem;
namespace {

std::vector<Dialect> dialects_of(const Chip& chip) {
  if (!world().options.dialects.empty()) return world().options.dialects;
  if (chip.family <= AneFamily::kH14) return {Dialect::kB};
  if (chip.family == AneFamily::kH15) return {Dialect::kA, Dialect::kB};
  if (chip.family == AneFamily::kH16) return {Dialect::kA};
  return {Dialect::kA, Dialect::kC};
}

bool is_written_in(Dialect dialect, const std::string& version, const std::string& opset,
                   bool blobs) {
  if (dialect == Dialect::kA) return version == "1.3" && opset == "ios18";
  if (dialect == Dialect::kB) return version == "1.0" && opset == "ios16";
  return blobs ? version == "1.5" : version == "1.3" && opset == "ios17";
}

// Version and tag of a dialect that the chip takes, and scalars spelled as that version wants them.
void check_dialect(const std::string& text, const Program& program, const Chip& chip, bool blobs) {
  const std::string& opset = program.functions.front().opset;
  const std::vector<Dialect> taken = dialects_of(chip);
  const bool known = std::any_of(taken.begin(), taken.end(), [&](Dialect dialect) {
    return is_written_in(dialect, program.version, opset, blobs);
  });
  if (!known) {
    fail("program",
         fmt::format("{} takes no program({}) of {}", chip.name, program.version, opset));
  }
  const bool old = program.version == "1.0";
  for (const char* scalar : {" string(", " int32(", " bool(", " fp16("}) {
    if (old && text.find(scalar) != std::string::npos)
      fail("program", "a scalar of a newer dialect");
  }
  if (!old && text.find(", []>") != std::string::npos)
    fail("program", "a scalar of an older dialect");
  if (text.find("[buildInfo = dict<") == std::string::npos) fail("program", "no buildInfo");
}

// Operands are names, except where the operation cannot have others; every operation is named.
void check_operations(const Function& function) {
  for (const auto& op : function.operations) {
    if (!op->attribute("name")) fail(op->where(), "it has no name");
    if (op->type.starts_with("constexpr_")) continue;
    for (const Argument& argument : op->arguments) {
      for (const Operand& operand : argument.operands) {
        if (!operand.value) fail(op->where(), argument.name + " is a literal in place");
      }
    }
  }
}

void check_hardware(const Function& function, const Target& target, bool& fails_when_run) {
  for (const Finding& finding : check_rules(function, target)) {
    if (finding.rule->effect == Effect::kCompileRefused) {
      fail(finding.violation.where,
           fmt::format("{}: {}", finding.rule->id, finding.violation.message));
    }
    if (finding.rule->effect == Effect::kEvaluationRefused) fails_when_run = true;
  }
}

std::vector<Port> ports_of(const std::vector<Value>& values) {
  std::vector<Port> ports;
  for (const Value value : values) ports.push_back({value->name, value->type});
  return ports;
}

std::shared_ptr<const CompiledProgram> build(const std::string& text, const fs::path& folder) {
  auto compiled = std::make_shared<CompiledProgram>(parse_mil(text));
  Program& program = compiled->program;
  if (program.functions.size() != 1 || program.functions.front().name != "main") {
    fail("program", "it has no function main, or others");
  }
  compiled->blob_files = check_blobs(program, folder);
  load_weights(program, folder);
  own_weights(program);  // a compiled program does not follow its files
  const Function& function = program.functions.front();
  const Target target{&find_chip(world().options.chip), world().options.macos};
  check_dialect(text, program, *target.chip, !compiled->blob_files.empty());
  check_operations(function);
  require_valid(function);
  check_hardware(function, target, compiled->fails_when_run);
  compiled->inputs = ports_of(function.inputs);
  compiled->outputs = ports_of(function.outputs);
  return compiled;
}

}  // namespace

std::shared_ptr<const CompiledProgram> load_mil(const std::string& text, const fs::path& folder) {
  try {
    return build(text, folder);
  } catch (const std::exception& error) {
    world().refusal = error.what();
    return nullptr;
  }
}

std::shared_ptr<const CompiledProgram> compile_mil(const std::string& text,
                                                   const fs::path& folder) {
  if (++world().compiles > world().options.compile_budget) {
    world().refusal = "the process has compiled too often";
    return nullptr;
  }
  return load_mil(text, folder);
}

void run_program(const CompiledProgram& program, const std::vector<const void*>& inputs,
                 const std::vector<void*>& outputs, How how) {
  NamedTensors given;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto& [name, type] = program.inputs[i];
    Tensor tensor(type.dtype, type.shape);
    std::memcpy(tensor.data(), inputs[i], tensor.bytes());
    given.emplace(name, std::move(tensor));
  }
  const NamedTensors results = evaluate(program.main(), given);
  std::vector<const Tensor*> order;
  for (const Port& port : program.outputs) order.push_back(&results.at(port.name));
  if (how == How::kSwapped && order.size() > 1) std::swap(order[0], order[1]);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const size_t bytes = program.outputs[i].type.bytes();
    std::memset(outputs[i], 0, bytes);
    if (how != How::kZeros) {
      std::memcpy(outputs[i], order[i]->data(), std::min(bytes, order[i]->bytes()));
    }
  }
}

}  // namespace anemone::fake_ane
