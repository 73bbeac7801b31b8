// Turns a stage into the three functions that training runs.
//
//   forward:          the stage's inputs → its outputs and the taps (what the other two need again)
//   backward:         taps, inputs, "d<output>" → "d<input>" for the data inputs, and more taps
//   weight_gradient:  taps, inputs, "d<weight>_sum" → "d<weight>", the sum with this gradient added
//
// Bound by name: a tap has one name wherever it appears. Constants and views are not tapped but
// made again.
#pragma once

#include <string>
#include <vector>

#include "anemone/ir/program.h"

namespace anemone {

struct StageGradients {
  Function forward, backward, weight_gradient;
  std::vector<std::string> forward_taps;   // outputs of forward beyond the stage's own
  std::vector<std::string> backward_taps;  // outputs of backward that only weight_gradient reads
};

// `data`: inputs whose gradient the previous stage needs (may be empty); `weights`: inputs that are
// trained. Outputs of the stage that are not floats, or named in `without_gradient`, get none.
StageGradients differentiate_stage(const Function& stage, const std::vector<std::string>& data,
                                   const std::vector<std::string>& weights,
                                   const std::vector<std::string>& without_gradient = {});

}  // namespace anemone
