// Kernels of lstm, gru and rnn give what the reference kernels give.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "anemone/devices/cpu/testing/cpu_testing.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder

struct SequenceSizes {
  int64_t steps, batch, inputs, hidden;
};

// One of everything, around whole vectors and panels, more rows than a chunk has.
const SequenceSizes kSizes[] = {{1, 1, 1, 1},   {5, 1, 3, 16},  {4, 2, 7, 17},
                                {3, 3, 5, 33},  {6, 7, 16, 64}, {2, 13, 9, 70},
                                {300, 1, 2, 5}, {40, 9, 4, 31}, {1, 300, 3, 20}};

// What a recurrent operation is given beside its sizes.
struct Options {
  std::string op = "lstm", direction = "forward";
  bool sequence = true, biased = true, peephole = false, reset_after = false, input_bias = false;
  std::vector<std::pair<std::string, std::string>> activations = {};
  double clip = 0;
  std::string constants = "none";  // operands whose names begin so

  int64_t gates() const { return op == "rnn" ? 1 : op == "gru" ? 3 : 4; }
  int64_t directions() const { return direction == "bidirectional" ? 2 : 1; }
};

// The operands by name; weights small, for sums are long.
std::vector<std::pair<std::string, Tensor>> operands(const Options& o, const SequenceSizes& s) {
  const int64_t rows = o.gates() * s.hidden;
  const Shape states = {s.batch, o.directions() * s.hidden};
  std::vector<std::pair<std::string, Tensor>> all;
  uint64_t seed = 1;
  const auto add = [&](const std::string& name, const Shape& shape, double most) {
    all.emplace_back(name, fp32(shape, seed++, -most, most));
  };
  add("x", {s.steps, s.batch, s.inputs}, 2);
  add("initial_h", states, 1);
  if (o.op == "lstm") add("initial_c", states, 1);
  for (const std::string suffix : {"", "_back"}) {
    if (!suffix.empty() && o.directions() == 1) continue;
    add("weight_ih" + suffix, {rows, s.inputs}, 0.5);
    add("weight_hh" + suffix, {rows, s.hidden}, 0.2);
    if (o.biased) add("bias" + suffix, {rows}, 1);
    if (o.peephole) add("peephole" + suffix, {3 * s.hidden}, 1);
  }
  if (o.input_bias) add("input_bias", {rows}, 1);
  return all;
}

std::vector<Argument> settings(Builder& b, const Options& o) {
  std::vector<Argument> arguments = {{"direction", b.text(o.direction)},
                                     {"output_sequence", b.boolean(o.sequence)}};
  for (const auto& setting : o.activations) {
    arguments.emplace_back(setting.first, b.text(setting.second));
  }
  if (o.reset_after) arguments.emplace_back("reset_after", b.boolean(true));
  if (o.clip > 0) arguments.emplace_back("clip", b.scalar(DType::kFp32, o.clip));
  return arguments;
}

// The function's inputs, and the operation on them.
std::pair<Inputs, Build> recurrent(const Options& o, const SequenceSizes& s) {
  Inputs inputs;
  for (auto& operand : operands(o, s)) {
    if (!operand.first.starts_with(o.constants)) inputs.push_back(std::move(operand.second));
  }
  const Build build = [o, s](Builder& b, const std::vector<Value>& v) {
    std::vector<Argument> arguments;
    size_t next = 0;
    for (auto& operand : operands(o, s)) {
      const bool constant = operand.first.starts_with(o.constants);
      arguments.emplace_back(operand.first,
                             constant ? b.constant(std::move(operand.second)) : v[next++]);
    }
    for (Argument& setting : settings(b, o)) arguments.push_back(std::move(setting));
    return b.ops(o.op, std::move(arguments));
  };
  return {std::move(inputs), build};
}

void expect_fast_for_all_sizes(const Options& options) {
  for (const SequenceSizes& s : kSizes) {
    SCOPED_TRACE(fmt::format("{} {}, {} steps, batch {}, {} to {}", options.op, options.direction,
                             s.steps, s.batch, s.inputs, s.hidden));
    const auto made = recurrent(options, s);
    expect_fast(made.first, made.second);
  }
}

TEST(RecurrentKernels, InEveryDirectionWithAndWithoutTheSequence) {
  for (const char* op : {"rnn", "gru", "lstm"}) {
    for (const char* direction : {"forward", "reverse", "bidirectional"}) {
      if (std::string(op) != "lstm" && std::string(direction) == "bidirectional") continue;
      for (const bool sequence : {false, true}) {
        expect_fast_for_all_sizes({.op = op, .direction = direction, .sequence = sequence});
      }
    }
  }
}

TEST(RecurrentKernels, WithConstantWeights) {
  for (const char* op : {"rnn", "gru", "lstm"}) {
    expect_fast_for_all_sizes({.op = op, .constants = "weight"});
  }
  for (const char* constants : {"weight", "weight_hh_back", "weight_ih"}) {
    expect_fast_for_all_sizes({.direction = "bidirectional", .constants = constants});
  }
}

TEST(RecurrentKernels, OfLstmWithPeepholesAndClip) {
  for (const char* direction : {"forward", "bidirectional"}) {
    for (const bool biased : {false, true}) {
      expect_fast_for_all_sizes({.direction = direction, .biased = biased, .peephole = true});
      expect_fast_for_all_sizes(
          {.direction = direction, .biased = biased, .peephole = biased, .clip = 0.5});
    }
  }
}

TEST(RecurrentKernels, OfGruThatResetsAfterTheProduct) {
  for (const bool after : {false, true}) {
    for (const bool biased : {false, true}) {
      for (const bool input_bias : {false, true}) {
        expect_fast_for_all_sizes(
            {.op = "gru", .biased = biased, .reset_after = after, .input_bias = input_bias});
      }
    }
  }
}

TEST(RecurrentKernels, WithOtherActivations) {
  for (const char* name : {"relu", "linear", "sigmoid", "tanh"}) {
    expect_fast_for_all_sizes({.op = "rnn", .activations = {{"activation", name}}});
    if (std::string(name) == "linear") continue;  // states that grow without end
    const std::string inner = std::string(name) == "relu" ? "sigmoid" : name;
    for (const char* op : {"gru", "lstm"}) {
      expect_fast_for_all_sizes(
          {.op = op, .activations = {{"recurrent_activation", inner}, {"activation", name}}});
    }
    expect_fast_for_all_sizes({.activations = {{"cell_activation", name}}});
  }
}

TEST(RecurrentKernels, SpecialNumbersSpreadAsInTheReference) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (const char* op : {"rnn", "gru", "lstm"}) {
    for (const double special : {static_cast<double>(NAN), kInf, -kInf}) {
      for (const size_t input : {size_t{0}, size_t{1}, size_t{2}}) {  // x, h, and c or a weight
        auto made = recurrent({.op = op}, {4, 3, 5, 33});
        Tensor changed = made.first[input].tensor->clone();
        changed.view().set(7, special);
        made.first[input] = changed;
        const Function f = make_function(made.first, made.second);
        const NamedTensors in = name_inputs(f, made.first);
        const NamedTensors all = run_on_cpu(f, in), expected = evaluate(f, in);
        for (const auto& out : expected) {
          const auto got = values(all.at(out.first)), want = values(out.second);
          for (size_t i = 0; i < want.size(); ++i) {
            ASSERT_EQ(std::isnan(got[i]), std::isnan(want[i])) << op << special << input;
            ASSERT_EQ(std::isinf(got[i]), std::isinf(want[i])) << op << special << input;
            if (std::isfinite(want[i])) {
              ASSERT_NEAR(got[i], want[i], 1e-5);
            }
          }
        }
      }
    }
  }
}

TEST(RecurrentKernels, HalvesAreRoundedInTheEndOnly) {
  for (const char* op : {"rnn", "gru", "lstm"}) {
    auto made = recurrent({.op = op}, {9, 3, 5, 33});
    for (Input& input : made.first) input = input.tensor->cast(DType::kFp16);
    const Function f = make_function(made.first, made.second);
    const NamedTensors in = name_inputs(f, made.first);
    expect_same(run_on_cpu(f, in, 2), evaluate(f, in), 2e-4);
  }
}

}  // namespace
}  // namespace anemone
