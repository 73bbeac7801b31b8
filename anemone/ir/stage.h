// A model as a list of stages: functions with their weights as inputs, chained by one value.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "anemone/ir/program.h"

namespace anemone {

// A function with the roles of its inputs. What is neither the data nor a weight (token ids,
// targets) is bound by whoever runs the chain, under its name.
struct Stage {
  Function function;
  std::string data_input;   // what the stage before hands over; empty for a first stage
  std::string data_output;  // what it hands on
  std::vector<std::string> weights;
  std::vector<std::string> frozen = {};  // those of them that training leaves as they are
};

// One place in the chain: a stage with the parameters bound to its weights, in their order.
struct StageUse {
  size_t stage = 0;
  std::string label;  // "layers.3.attention"
  std::vector<std::string> parameters;
};

struct StageChain {
  std::vector<Stage> stages;
  std::vector<StageUse> uses;
};

}  // namespace anemone
