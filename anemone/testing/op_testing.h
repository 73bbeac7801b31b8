// For tests of operations: small functions around one op, outputs and finite-difference gradients.
#pragma once

#include <functional>
#include <vector>

#include "anemone/ops/builder.h"
#include "anemone/ops/evaluate.h"

namespace anemone {

// fp64 tensor of uniform numbers in [low, high), the same for the same seed.
Tensor random_tensor(const Shape& shape, uint64_t seed, double low = -1, double high = 1);

// A tensor that can stand in a braced list.
struct Input {
  std::shared_ptr<const Tensor> tensor;

  Input(const Tensor& given) : tensor(std::make_shared<const Tensor>(given.clone())) {}  // NOLINT
};
using Inputs = std::vector<Input>;

// Builds the outputs of a function from its inputs.
using Build = std::function<std::vector<Value>(Builder& builder, const std::vector<Value>& inputs)>;
// For one op with one output.
using BuildOne = std::function<Value(Builder& builder, const std::vector<Value>& inputs)>;

// A function with inputs "in0", "in1", … typed like `inputs` and outputs "out0", …
Function make_function(const Inputs& inputs, const Build& build);

// The outputs for these inputs, by the reference kernels.
std::vector<Tensor> run_reference(const Inputs& inputs, const Build& build);
Tensor run_one(const Inputs& inputs, const BuildOne& build);

// The outputs of a function in MIL text, "func main<ios16>(…) {…} -> (…);", which is verified
// first. Inputs in the order in which the function has them.
std::vector<Tensor> run_mil(const std::string& text, const Inputs& inputs = {});

// The elements as doubles, for EXPECT_THAT(…, ElementsAre…).
std::vector<double> values(const Tensor& tensor);

// Fails the test where the derived gradient of sum(random weights * outputs) differs from central
// finite differences in fp64, for any element of any fp64 input. `outputs` that are not fp64 are
// left out of the sum.
void expect_gradients(const Inputs& inputs, const Build& build, double tolerance = 1e-6);
void expect_gradient(const Inputs& inputs, const BuildOne& build, double tolerance = 1e-6);

// The message of the Error that `action` throws; fails the test if it throws none.
std::string error_of(const std::function<void()>& action);

// The message with which the function is refused, while it is built or run.
std::string refusal(const Inputs& inputs, const BuildOne& build);

}  // namespace anemone
