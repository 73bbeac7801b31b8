// What the rules and the numerics of docs/ane.md say, asked of a device.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "anemone/selftest/families.h"
#include "anemone/selftest/harness.h"

namespace anemone {
namespace {

// A multiple of 32, which an M1 wants of a matmul's inner length (ane.c15).
constexpr int64_t kHeadSize = 32;

Outcome not_an_engine() { return {Verdict::kNotApplicable, "an fp32 device has no such limit"}; }

// z = zz - aa and a = zz + aa: names that sort the other way round than they stand (ane.c27).
Outcome port_order(Device& device) {
  Function function("order", "ios18");
  Builder b(function);
  const DType dtype = device.info().float_type;
  const Type type = Type::tensor(dtype, {1, 64, 1, 64});
  const Value zz = b.input("zz", dtype, type.shape), aa = b.input("aa", dtype, type.shape);
  b.output("z", b.sub(zz, aa));
  b.output("a", b.add(zz, aa));
  const auto executable = device.compile(function);
  std::vector<std::unique_ptr<Buffer>> buffers;
  for (int i = 0; i < 4; ++i) buffers.push_back(device.allocate(type));
  const Tensor first = uniform(type.shape, 1, -1, 1), second = uniform(type.shape, 2, -1, 1);
  buffers[0]->write(first);
  buffers[1]->write(second);
  const Binding inputs[] = {{"zz", buffers[0].get()}, {"aa", buffers[1].get()}};
  const Binding outputs[] = {{"z", buffers[2].get()}, {"a", buffers[3].get()}};
  executable->bind(inputs, outputs)->run();
  Tensor difference(DType::kFp32, type.shape), sum(DType::kFp32, type.shape);
  buffers[2]->read(difference);
  buffers[3]->read(sum);
  double error = 0;
  for (int64_t i = 0; i < sum.size(); ++i) {
    error = std::max({error, std::abs(difference.at(i) - (first.at(i) - second.at(i))),
                      std::abs(sum.at(i) - (first.at(i) + second.at(i)))});
  }
  return pass_if(error < 0.01, fmt::format("max {:.2g}", error));
}

// Whether an evaluation with these capacities is refused.
bool refused(Device& device, size_t first, size_t second) {
  Function function("sizes", "ios18");
  Builder b(function);
  const DType dtype = device.info().float_type;
  const Value x = b.input("x", dtype, {1, 64, 1, 64}), y = b.input("y", dtype, {1, 64, 1, 64});
  b.output("z", b.add(x, y));
  const auto executable = device.compile(function);
  const auto left = device.allocate(x->type, first), right = device.allocate(x->type, second);
  const auto out = device.allocate(x->type);
  const Binding inputs[] = {{"x", left.get()}, {"y", right.get()}}, output{"z", out.get()};
  try {
    executable->bind(inputs, {&output, 1})->run();
    return false;
  } catch (const Error&) {
    return true;
  }
}

Outcome surface_sizes(Device& device) {
  if (!is_engine(device)) return not_an_engine();
  constexpr size_t kSmall = 1 << 16, kLarge = 1 << 20;
  if (refused(device, kLarge, kLarge)) return {Verdict::kFail, "equal sizes are refused"};
  return pass_if(refused(device, kSmall, kLarge), "equal sizes run, unequal ones are refused");
}

Outcome causal_mask(Device& device) {
  Problem problem;
  for (uint64_t i = 0; i < 3; ++i) problem.inputs.push_back(uniform({1, 128, 1, 64}, i, -1, 1));
  problem.build = [](Builder& b, const std::vector<Value>& x, const std::vector<Value>&) {
    return b.ops("anemone.causal_attention", {{"q", x[0]},
                                              {"k", x[1]},
                                              {"v", x[2]},
                                              {"head_size", b.integer(kHeadSize)},
                                              {"sequence", b.integer(64)}});
  };
  const Errors errors = errors_on(device, problem);
  // Without a mask the first column, which sees one value, would be a mean over all.
  return pass_if(errors.max < 0.02, fmt::format("4 heads, 64 tokens: max {:.2g}", errors.max));
}

Outcome grouped_heads(Device& device) {
  Problem problem;
  problem.inputs = listed(uniform({1, 128, 1, 64}, 1, -1, 1), uniform({1, 64, 1, 64}, 2, -1, 1),
                          uniform({1, 64, 1, 64}, 3, -1, 1), uniform({1, 128, 1, 64}, 4, -1, 1));
  problem.build = [](Builder& b, const std::vector<Value>& x, const std::vector<Value>&) {
    return b.ops("anemone.causal_attention_backward", {{"q", x[0]},
                                                       {"k", x[1]},
                                                       {"v", x[2]},
                                                       {"dy", x[3]},
                                                       {"head_size", b.integer(kHeadSize)},
                                                       {"sequence", b.integer(64)}});
  };
  const Errors errors = errors_on(device, problem);
  return pass_if(errors.max < 0.05, fmt::format("4 heads share 2 keys: max {:.2g}, mean {:.2g}",
                                                errors.max, errors.mean));
}

Outcome runtime_weights(Device& device) {
  Problem problem;
  problem.inputs = listed(uniform({1, 64, 1, 64}, 1, -1, 1));
  problem.weights = listed(uniform({64, 64, 1, 1}, 2, -0.2, 0.2));
  problem.runtime_weights = true;
  problem.build = [](Builder& b, const std::vector<Value>& x, const std::vector<Value>& w) {
    return std::vector{b.conv1x1(x[0], w[0])};
  };
  Prepared prepared(device, problem);
  prepared.run();
  problem.weights[0] = uniform({64, 64, 1, 1}, 3, -0.2, 0.2);
  prepared.input(1).write(problem.weights[0]);
  const double error =
      compare(prepared.run()[0], reference(problem)[0].cast(DType::kFp32)).max_absolute;
  return pass_if(error < 0.02, fmt::format("new weights without compiling: max {:.2g}", error));
}

// The result of a dot product of 64 equal numbers a with 64 equal numbers b.
double dot_of_constants(Device& device, double a, double b_value) {
  Problem problem;
  Tensor x(DType::kFp32, {1, 64, 1, 64}), w(DType::kFp32, {64, 64, 1, 1});
  for (float& value : x.as<float>()) value = static_cast<float>(a);
  for (float& value : w.as<float>()) value = static_cast<float>(b_value);
  problem.inputs.push_back(std::move(x));
  problem.weights.push_back(std::move(w));
  problem.build = [](Builder& b, const std::vector<Value>& in, const std::vector<Value>& weights) {
    return std::vector{b.conv1x1(in[0], weights[0])};
  };
  return Prepared(device, problem).run()[0].at(0);
}

Outcome fp16_ceiling(Device& device) {
  if (!is_engine(device)) return not_an_engine();
  const double below = dot_of_constants(device, 511.75, 1), at = dot_of_constants(device, 512, 1);
  return pass_if(below == 32752 && std::isinf(at),
                 fmt::format("64 x 511.75 = {}, 64 x 512 = {}", below, at));
}

// Published: products on a grid of about 2^-16, sums of four below 2^-14 flushed (ane.c72).
Outcome product_grid(Device& device) {
  if (!is_engine(device)) return not_an_engine();
  const double vanishing = dot_of_constants(device, 0x1p-10, 0x1p-10);
  const double kept = dot_of_constants(device, 0x1p-5, 0x1p-5);
  return pass_if(vanishing == 0 && std::abs(kept / 0x1p-4 - 1) < 0.01,
                 fmt::format("64 x 2^-20 = {:.3g}, 64 x 2^-10 = {:.3g}", vanishing, kept));
}

Outcome compile_budget(Device& device) {
  if (!is_engine(device)) return not_an_engine();
  const int before = device.compiles_left();
  Problem problem;
  problem.inputs = listed(uniform({1, 64, 1, 64}, 1, -1, 1));
  problem.build = [](Builder& b, const std::vector<Value>& x, const std::vector<Value>&) {
    return std::vector{b.mul(x[0], 0.1234)};
  };
  Prepared prepared(device, problem);
  const int spent = before - device.compiles_left();
  return pass_if(spent <= 1, fmt::format("{} of a process's programs are left, this took {}",
                                         device.compiles_left(), spent));
}

constexpr Selftest kTests[] = {
    {"port_order", "ports keep their names", port_order},
    {"surface_sizes", "unequal surfaces are refused", surface_sizes},
    {"causal_mask", "attention sees no later token", causal_mask},
    {"fp16_ceiling", "32752 passes, 32768 is infinite", fp16_ceiling},
    {"product_grid", "small products vanish", product_grid},
    {"grouped_heads", "gradients of shared keys", grouped_heads},
    {"runtime_weights", "weights as inputs", runtime_weights},
    {"compile_budget", "compilations are counted", compile_budget},
};

}  // namespace

std::span<const Selftest> engine_selftests() { return kTests; }

}  // namespace anemone
