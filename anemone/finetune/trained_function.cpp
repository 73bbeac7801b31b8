#include "anemone/finetune/trained_function.h"

#include <algorithm>

#include "anemone/finetune/batch.h"
#include "anemone/finetune/choose.h"
#include "anemone/ir/extract.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/trainable.h"
#include "anemone/passes/widen_halves.h"

namespace anemone {
namespace {

// What differentiation and the loss call their own values.
std::vector<std::string> reserved_names(const std::vector<Value>& weights) {
  std::vector<std::string> names = {"loss", "targets", "dloss"};
  for (Value weight : weights) {
    names.push_back("d" + weight->name);
    names.push_back("d" + weight->name + "_sum");
  }
  return names;
}

// Values of the program make way for them.
void free_reserved_names(Function& function, const std::vector<Value>& weights) {
  for (bool changed = true; changed;) {
    changed = false;
    for (const std::string& name : reserved_names(weights)) {
      const Value taken = function.find(name);
      if (!taken) continue;
      function.rename(taken, function.fresh_name(name + "_of_model"));
      changed = true;
    }
  }
}

std::vector<std::string> names_of(const std::vector<Value>& values) {
  std::vector<std::string> names;
  for (Value value : values) names.push_back(value->name);
  return names;
}

}  // namespace

TrainedFunction make_trained_function(ProgramSource& source, const FinetuneOptions& o,
                                      Samples& samples, Device& host) {
  const Function& whole = source.function(o.function);
  TrainedFunction result;
  const Value output = choose_output(whole, o);
  result.output_name = output->name;
  result.function = extract(whole, whole.name, {output}, [](Value) { return false; });
  Function& function = result.function;
  in_file(source.path, [&] { require_straight_line(function); });
  order_arguments(function);
  widen_halves(function);
  std::vector<Value> weights = choose_constants(function, whole, o.train);
  result.constants_in_all = count_trainable(function);
  result.constants = names_of(weights);
  result.samples = names_of(function.inputs);
  std::vector<std::string> wanted = result.samples;
  wanted.push_back(o.targets);
  samples.keep(wanted);
  result.batch = decide_batch(function, samples, o.run.batch, host);
  const std::vector<Value> inputs = function.inputs;
  weights.clear();  // the function may be another one now
  for (const std::string& name : result.constants) weights.push_back(function.find(name));
  result.initial = constants_to_inputs(function, weights);
  free_reserved_names(function, weights);
  result.inputs = names_of(inputs);
  result.weights = names_of(weights);
  return result;
}

}  // namespace anemone
