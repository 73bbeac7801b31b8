// Where each operation of a training step runs: pipelines as data.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "anemone/ir/stage.h"

namespace anemone {

// The functions that a stage is turned into for training.
enum class Part : uint8_t { kForward, kRecompute, kBackward, kWeightGradient };
// "forward", "recompute", "backward", "weight gradient"
const char* to_string(Part part);

// One row: operations of some stages in one part. Empty lists match everything.
struct PlacementRow {
  std::vector<std::string> stages;  // by name: "attention" (is_stage)
  std::vector<Part> parts;
  std::vector<std::string> operations;  // by type: "anemone.rms_norm_backward"
  std::vector<std::string> values;      // by the name of what they produce: "y"
  bool on_device = false;
  // Operations with different names here are never in one program; without weights in it, such a
  // program is compiled once for all.
  std::string program;
};

// Which weights are constants of the programs. A program with one that is trained is compiled anew
// after every update; weights that are inputs cost nothing then.
enum class Constants : uint8_t { kNone, kFrozen, kAll };

struct Placement {
  std::string name;
  Constants constants = Constants::kNone;
  // Micro-steps of an update that are under way at once, so that the host works for one while the
  // device works for another. Each has buffers of its own.
  int lanes = 1;
  std::vector<PlacementRow> rows;  // the last that matches decides; the host if none does
};

// Whether `name` means a stage: its name, or what it begins with: "attention" is also
// "attention_sliding".
bool is_stage(const std::string& name, const std::string& stage);

// The pipelines that there are: host, static, static-ane, static-lora, dynamic.
std::span<const Placement> all_pipelines();

// Throws Error(kInvalidInput) that lists the names.
const Placement& find_pipeline(std::string_view name);

// From JSON: {"name", "weights": "inputs" | "constants" | "frozen constants", "lanes", "rows":
// [{"stages", "parts", "operations", "values", "place": "host" | "device", "program"}]}. Throws
// Error at `where` for what it does not know.
Placement parse_placement(std::string_view json, const std::string& where);

// Throws Error where a row names a stage that the chain does not have.
void check_placement(const Placement& placement, const StageChain& chain, const std::string& where);

// The row that decides about an operation; null for the host.
const PlacementRow* find_row(const Placement& placement, const std::string& stage, Part part,
                             const Operation& op);

// Whether any row puts anything there.
bool uses_device(const Placement& placement);

// Whether the chain must be built with the softmax apart from the loss.
bool softmax_on_device(const Placement& placement);

}  // namespace anemone
