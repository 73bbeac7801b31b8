// The tests of the published suite that any device can be asked through its interface.
#include <fmt/format.h>

#include "anemone/selftest/families.h"
#include "anemone/selftest/harness.h"

namespace anemone {
namespace {

// y = W x on [1, C, 1, S], `depth` times.
Problem conv_chain(int64_t channels, int64_t spatial, int64_t depth) {
  Problem problem;
  problem.inputs.push_back(uniform({1, channels, 1, spatial}, 1, -1, 1));
  // Rows sum to about one in square, so that numbers neither grow nor vanish.
  const double bound = std::sqrt(3.0 / static_cast<double>(channels));
  for (int64_t layer = 0; layer < depth; ++layer) {
    problem.weights.push_back(
        uniform({channels, channels, 1, 1}, static_cast<uint64_t>(layer) + 2, -bound, bound));
  }
  problem.build = [](Builder& b, const std::vector<Value>& x, const std::vector<Value>& w) {
    Value y = x[0];
    for (Value weight : w) y = b.conv1x1(y, weight);
    return std::vector{y};
  };
  return problem;
}

double tflops(int64_t channels, int64_t spatial, int64_t depth, double ms) {
  return 2.0 * static_cast<double>(channels * channels * spatial * depth) / ms / 1e9;
}

const char* simulated(const Device& device) { return device.info().simulated ? " simulated" : ""; }

enum class Through { kMemory, kPackage };

// Times of single convolutions, after the answer of the smallest has been checked.
Outcome conv_times(Device& device, std::initializer_list<int64_t> sizes,
                   Through through = Through::kMemory) {
  constexpr int64_t kSpatial = 64;
  PackageTrip trip;
  PackageTrip* const taken = through == Through::kPackage ? &trip : nullptr;
  const Errors errors = errors_on(device, conv_chain(*sizes.begin(), kSpatial, 1), taken);
  if (errors.max > 0.02) return {Verdict::kFail, fmt::format("off by {:.3g}", errors.max)};
  std::string notes;
  for (const int64_t channels : sizes) {
    Prepared prepared(device, conv_chain(channels, kSpatial, 1), taken);
    const double ms = prepared.run_ms();
    notes += fmt::format("{}{}ch {:.3f} ms {:.2f} TFLOPS", notes.empty() ? "" : ", ", channels, ms,
                         tflops(channels, kSpatial, 1, ms));
    if (taken) notes += fmt::format(" (package {:.1f} MB)", trip.package_mb);
  }
  return {Verdict::kPass, notes + simulated(device)};
}

Outcome rmsnorm_backward(Device& device) {
  Problem problem;
  problem.inputs =
      listed(uniform({1, 768, 1, 256}, 1, -0.5, 0.5), uniform({1, 768, 1, 256}, 2, -0.1, 0.1));
  problem.weights = listed(uniform({768}, 3, 0.75, 1.25));
  problem.build = [](Builder& b, const std::vector<Value>& in, const std::vector<Value>& w) {
    const DType dtype = in[0]->type.dtype;
    return std::vector{b.ops(
        "anemone.rms_norm_backward",
        {{"x", in[0]}, {"weight", w[0]}, {"dy", in[1]}, {"epsilon", b.scalar(dtype, 1e-5)}})[0]};
  };
  const Errors errors = errors_on(device, problem);
  return pass_if(errors.max < 0.05 && errors.mean < 0.01,
                 fmt::format("max {:.2g}, mean {:.2g}", errors.max, errors.mean));
}

// --- test_classifier, its four cases ---

constexpr int64_t kDim = 768, kVocab = 32000, kColumns = 32;

Errors final_norm(Device& device) {
  Problem problem;
  problem.inputs = listed(uniform({1, kDim, 1, kColumns}, 1, -1, 1));
  problem.weights = listed(uniform({kDim}, 2, 0.75, 1.25));
  problem.build = [](Builder& b, const std::vector<Value>& x, const std::vector<Value>& w) {
    const Value epsilon = b.scalar(x[0]->type.dtype, 1e-5);
    return b.ops("anemone.rms_norm", {{"x", x[0]}, {"weight", w[0]}, {"epsilon", epsilon}});
  };
  return errors_on(device, problem);
}

Errors classifier_forward(Device& device) {
  Problem problem;
  problem.inputs = listed(uniform({1, kDim, 1, kColumns}, 1, -1, 1));
  problem.weights = listed(uniform({kVocab, kDim, 1, 1}, 2, -0.05, 0.05));
  problem.build = [](Builder& b, const std::vector<Value>& x, const std::vector<Value>& w) {
    return std::vector{b.conv1x1(x[0], w[0])};
  };
  return errors_on(device, problem);
}

Errors wide_softmax(Device& device) {
  Problem problem;
  problem.inputs = listed(uniform({1, kVocab, 1, kColumns}, 1, -4, 4));
  problem.build = [](Builder& b, const std::vector<Value>& x, const std::vector<Value>&) {
    return std::vector{b.softmax(x[0], 1)};
  };
  return errors_on(device, problem);
}

Errors classifier_backward(Device& device) {
  Problem problem;
  problem.inputs = listed(uniform({1, 1, kVocab, kColumns}, 1, -0.1, 0.1));
  problem.weights = listed(uniform({1, 1, kDim, kVocab}, 2, -0.05, 0.05));
  problem.build = [](Builder& b, const std::vector<Value>& x, const std::vector<Value>& w) {
    return std::vector{b.matmul(w[0], x[0])};
  };
  return errors_on(device, problem);
}

Outcome classifier(Device& device) {
  struct Case {
    const char* name;
    Errors (*run)(Device&);
    double allowed;
  };
  constexpr Case kCases[] = {{"final norm", final_norm, 0.05},
                             {"classifier", classifier_forward, 1.0},
                             {"softmax", wide_softmax, 0.01},
                             {"backward", classifier_backward, 1.0}};
  Outcome outcome;
  for (const Case& part : kCases) {
    std::string found;
    try {
      const Errors errors = part.run(device);
      if (!(errors.max < part.allowed)) outcome.verdict = Verdict::kFail;
      found = fmt::format("max {:.2g}", errors.max);
    } catch (const Error& error) {
      // A limit of the generation, such as the length of an axis, is no defect of the device.
      const bool by_rule = error.message().find("ane.c") != std::string::npos;
      if (!by_rule) outcome.verdict = Verdict::kFail;
      if (by_rule && outcome.verdict == Verdict::kPass) outcome.verdict = Verdict::kExpectedFail;
      found = error.what();
    }
    outcome.notes += fmt::format("{}{}: {}", outcome.notes.empty() ? "" : ", ", part.name, found);
  }
  return outcome;
}

// --- what programs do with their weights ---

Outcome weight_reload(Device& device) {
  Function function("reload", "ios18");
  Builder b(function);
  const DType dtype = device.info().float_type;
  Tensor weight(dtype, {64, 64, 1, 1});
  for (int64_t i = 0; i < 64; ++i) weight.view().set(i * 65, 1);  // the identity
  const TensorView memory = weight;
  const Value x = b.input("x", dtype, {1, 64, 1, 32});
  b.output("y", b.conv1x1(x, b.constant(std::move(weight), "w")));
  const auto executable = device.compile(function);
  // What a trainer would do: new numbers where the old ones came from.
  for (int64_t i = 0; i < 64; ++i) memory.set(i * 65, 3);
  const auto in = device.allocate(x->type), out = device.allocate(x->type);
  const Tensor given = uniform(x->type.shape, 1, -1, 1);
  in->write(given);
  const Binding input{"x", in.get()}, output{"y", out.get()};
  executable->bind({&input, 1}, {&output, 1})->run();
  Tensor found(DType::kFp32, x->type.shape);
  out->read(found);
  const double change = compare(found, given).max_absolute;
  if (change > 1e-3) return {Verdict::kPass, "unexpected: the new weights are used"};
  return {Verdict::kExpectedFail, "weights are baked at compile; new ones change nothing"};
}

// --- measuring ---

Outcome inmem_basic(Device& device) {
  const Errors errors = errors_on(device, conv_chain(256, 64, 1));
  return pass_if(errors.max < 0.02, fmt::format("256ch x 64: max {:.2g}", errors.max));
}

Outcome inmem_bench(Device& device) {
  return conv_times(device, {256, 512, 1024, 2048}, Through::kPackage);
}
Outcome sram_bench(Device& device) { return conv_times(device, {256, 1024, 2048}); }
Outcome sram_probe(Device& device) { return conv_times(device, {256, 512, 1536, 2560}); }

Outcome inmem_peak(Device& device) {
  const Errors errors = errors_on(device, conv_chain(256, 64, 4));
  if (errors.max > 0.05) return {Verdict::kFail, fmt::format("off by {:.3g}", errors.max)};
  std::string notes;
  for (const auto& [depth, channels] : {std::pair<int64_t, int64_t>{32, 256}, {32, 512}}) {
    Prepared prepared(device, conv_chain(channels, 64, depth));
    const double ms = prepared.run_ms();
    notes += fmt::format("{}{}x {}ch {:.2f} TFLOPS", notes.empty() ? "" : ", ", depth, channels,
                         tflops(channels, 64, depth, ms));
  }
  return {Verdict::kPass, notes + simulated(device)};
}

constexpr Selftest kTests[] = {
    {"test_rmsnorm_bwd", "max < 0.05, mean < 0.01", rmsnorm_backward},
    {"test_classifier", "4 cases: 0.05, 1.0, 0.01, 1.0", classifier},
    {"test_weight_reload", "fails: weights are baked", weight_reload},
    {"inmem_basic", "compiles from memory, right", inmem_basic},
    {"inmem_bench", "convolutions through packages", inmem_bench},
    {"inmem_peak", "chains of convolutions", inmem_peak},
    {"sram_bench", "channels and positions", sram_bench},
    {"sram_probe", "channels", sram_probe},
};

}  // namespace

std::span<const Selftest> published_selftests() { return kTests; }

}  // namespace anemone
