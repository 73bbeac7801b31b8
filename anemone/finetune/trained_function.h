// A function of a program made ready to be trained: cut down to one output, with sizes decided by
// the samples, in fp32, and with the chosen constants as inputs.
#pragma once

#include <string>
#include <vector>

#include "anemone/devices/device.h"
#include "anemone/finetune/finetune_options.h"
#include "anemone/finetune/samples.h"
#include "anemone/programs/program_source.h"

namespace anemone {

struct TrainedFunction {
  Function function{"", ""};           // samples, trained numbers → the output
  std::string output_name;             // in the program
  std::vector<std::string> samples;    // tensors of the data for its first inputs, in their order
  std::vector<std::string> inputs;     // the names of these inputs
  std::vector<std::string> constants;  // names of the trained constants in the program
  std::vector<std::string> weights;    // of the inputs that stand for them
  std::vector<Tensor> initial;         // their numbers, fp32
  int64_t constants_in_all = 0;        // that could be trained
  int64_t batch = 1;                   // samples of a run

  Value output() const { return function.outputs.at(0); }
};

// Leaves `source` as it is. `samples` keep what the function takes and the targets; they become
// what it takes. Runs have options.run.batch samples where the sizes of the program allow that,
// which is tried on `host` where the program itself says otherwise; else as many as it says.
//
// Throws Error(kInvalidInput) for an output or constants that are not there or cannot be trained,
// for samples that do not fit, and for what no gradient passes.
TrainedFunction make_trained_function(ProgramSource& source, const FinetuneOptions& options,
                                      Samples& samples, Device& host);

}  // namespace anemone
