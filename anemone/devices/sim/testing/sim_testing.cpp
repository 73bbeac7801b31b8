#include "anemone/devices/sim/testing/sim_testing.h"

namespace anemone::sim_testing {

Machine with(const Numerics& numerics, const std::string& chip) {
  Machine machine{.chip = chip};
  machine.options.numerics = numerics;
  return machine;
}

Sim::Sim(const Machine& machine)
    : pool_(machine.threads),
      device_(make_sim_device(find_chip(machine.chip), pool_, machine.options)) {}

Tensor halves(const Shape& shape, const std::vector<double>& numbers) {
  Tensor tensor(DType::kFp16, shape);
  for (size_t i = 0; i < numbers.size(); ++i) {
    tensor.view().set(static_cast<int64_t>(i), numbers[i]);
  }
  return tensor;
}

std::vector<double> run(const Function& function, const std::vector<std::vector<double>>& inputs,
                        const Machine& machine) {
  Sim sim(machine);
  NamedTensors named;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Variable& input = *function.inputs[i];
    named[input.name] = halves(input.type.shape, inputs[i]);
  }
  const NamedTensors results = cpu_testing::Bound(*sim, function).run(named);
  return values(results.begin()->second);
}

}  // namespace anemone::sim_testing
