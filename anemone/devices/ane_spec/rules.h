// What the Neural Engine accepts, as numbered rules: ane.c3, ane.c4, … Each is one function; its
// evidence is a row in docs/ane.md, its error program is tests/errors/ane/ane_cN.mil.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anemone/devices/ane_spec/chip.h"
#include "anemone/ir/program.h"

namespace anemone {

// What happens on the hardware to a program that breaks the rule.
enum class Effect : uint8_t {
  kCompileRefused,     // "InvalidMILProgram", without a reason
  kEvaluationRefused,  // compiles; evaluating gives status 0x1d
  kSilentlyWrong,      // wrong numbers, no error
  kSlow,
};
const char* to_string(Effect effect);  // "compile refused", …

// Where a program is to run.
struct Target {
  const Chip* chip = nullptr;
  int macos = 26;  // major version
};

struct Violation {
  std::string where;    // as Operation::where; for inputs "2:15", or "input 'x'" if built in memory
  std::string message;  // what is wrong, with the numbers
  const Operation* op = nullptr;  // null for inputs
};

struct Rule {
  std::string_view id;     // "ane.c15"
  std::string_view title;  // "contraction of a matmul is a multiple of 32"
  Effect effect;
  std::string_view workaround;  // what to do instead, one line
  std::string_view evidence;    // grade and source, short
  bool (*holds_for)(const Target&);
  // Null for rules on surfaces, which check_surfaces checks.
  void (*check)(const Function&, const Target&, std::vector<Violation>&);
};

// In the order of their numbers.
std::span<const Rule> ane_rules();

struct Finding {
  const Rule* rule = nullptr;
  Violation violation;
};

// Everything that a plain MIL function (no composite operations) breaks on the target, by place in
// the program.
std::vector<Finding> check_rules(const Function& function, const Target& target);

// Surfaces of one side of a request, in bytes: sizes must be equal and not too small (ane.c26,
// ane.c28). Empty if all is well, else what is wrong and what to do.
std::string check_surfaces(std::span<const size_t> bytes, const Target& target);

// Bytes that a surface for `type` should have: rounded up so that those rules hold for a port
// alone.
size_t surface_bytes(const Type& type);

}  // namespace anemone
