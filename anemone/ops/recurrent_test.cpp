// lstm, gru and rnn against their formulas, written down once more in plain fp64.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using testing::HasSubstr;
using Numbers = std::vector<double>;

constexpr int64_t kSteps = 3, kBatch = 2, kInputs = 2, kHidden = 2;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// weight [rows, columns] times a vector.
Numbers product(const Tensor& weight, const Numbers& vector) {
  Numbers result(static_cast<size_t>(weight.shape()[0]), 0);
  for (size_t i = 0; i < result.size(); ++i) {
    for (size_t j = 0; j < vector.size(); ++j) {
      result[i] += weight.at(static_cast<int64_t>(i * vector.size() + j)) * vector[j];
    }
  }
  return result;
}

Numbers row(const Tensor& tensor, int64_t index, int64_t width) {
  Numbers result;
  for (int64_t i = 0; i < width; ++i) result.push_back(tensor.at(index * width + i));
  return result;
}

Tensor weights(int64_t gates, int64_t columns, uint64_t seed) {
  return random_tensor({gates * kHidden, columns}, seed);
}
Tensor states(uint64_t seed, int64_t directions = 1) {
  return random_tensor({kBatch, directions * kHidden}, seed);
}
const Tensor kX = random_tensor({kSteps, kBatch, kInputs}, 1);

using Options = std::vector<std::pair<std::string, std::string>>;

// Operands by name in order, and options that are strings; every step is returned.
Build recurrent(const char* op, std::vector<std::string> names, Options options = {},
                bool sequence = true) {
  return [=](Builder& b, const auto& v) {
    std::vector<Argument> arguments;
    for (size_t i = 0; i < names.size(); ++i) arguments.push_back({names[i], v[i]});
    for (const auto& [name, text] : options) arguments.push_back({name, b.text(text)});
    arguments.push_back({"output_sequence", b.boolean(sequence)});
    return b.ops(op, std::move(arguments));
  };
}

void expect_near(const Tensor& tensor, const Numbers& want) {
  ASSERT_EQ(tensor.size(), static_cast<int64_t>(want.size()));
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_NEAR(tensor.at(static_cast<int64_t>(i)), want[i], 1e-12) << i;
  }
}

TEST(Rnn, IsItsFormula) {
  const Tensor h0 = states(2), w = weights(1, kInputs, 3), r = weights(1, kHidden, 4);
  const Tensor bias = random_tensor({kHidden}, 5);
  const std::vector<std::string> names = {"x", "initial_h", "weight_ih", "weight_hh", "bias"};
  const auto out = run_reference({kX, h0, w, r, bias}, recurrent("rnn", names));
  Numbers want, last;
  std::vector<Numbers> h = {row(h0, 0, kHidden), row(h0, 1, kHidden)};
  for (int64_t t = 0; t < kSteps; ++t) {
    for (int64_t b = 0; b < kBatch; ++b) {
      Numbers& state = h[static_cast<size_t>(b)];
      const Numbers from_x = product(w, row(kX, t * kBatch + b, kInputs)),
                    from_h = product(r, state);
      for (size_t i = 0; i < state.size(); ++i) {
        state[i] = std::tanh(from_x[i] + from_h[i] + bias.at(static_cast<int64_t>(i)));
        want.push_back(state[i]);
      }
    }
  }
  expect_near(out[0], want);
  expect_near(out[1], Numbers(want.end() - kBatch * kHidden, want.end()));
  const auto short_form = run_reference({kX, h0, w, r, bias}, recurrent("rnn", names, {}, false));
  EXPECT_EQ(short_form[0].shape(), (Shape{1, kBatch, kHidden}));
  EXPECT_EQ(values(short_form[0]), values(out[1]));
}

// Core ML's order of gates: reset, output, update.
TEST(Gru, ResetsTheStateBeforeTheProductOrAfterIt) {
  const Tensor h0 = states(2), w = weights(3, kInputs, 3), r = weights(3, kHidden, 4);
  const Tensor bias = random_tensor({3 * kHidden}, 5), input_bias = random_tensor({3 * kHidden}, 6);
  for (const bool after : {false, true}) {
    const auto build = [&](Builder& b, const std::vector<Value>& v) {
      return b.ops("gru", {{"x", v[0]},
                           {"initial_h", v[1]},
                           {"weight_ih", v[2]},
                           {"weight_hh", v[3]},
                           {"bias", v[4]},
                           {"input_bias", v[5]},
                           {"output_sequence", b.boolean(true)},
                           {"reset_after", b.boolean(after)}});
    };
    const auto out = run_reference({kX, h0, w, r, bias, input_bias}, build);
    Numbers want;
    std::vector<Numbers> h = {row(h0, 0, kHidden), row(h0, 1, kHidden)};
    const size_t n = kHidden;
    for (int64_t t = 0; t < kSteps; ++t) {
      for (int64_t b = 0; b < kBatch; ++b) {
        Numbers& state = h[static_cast<size_t>(b)];
        Numbers a = product(w, row(kX, t * kBatch + b, kInputs)), u = product(r, state);
        for (size_t i = 0; i < 3 * n; ++i) {
          a[i] += input_bias.at(static_cast<int64_t>(i));
          u[i] += bias.at(static_cast<int64_t>(i));
        }
        Numbers reset(n), held(n);
        for (size_t i = 0; i < n; ++i)
          reset[i] = sigmoid(a[i] + u[i]), held[i] = reset[i] * state[i];
        const Numbers of_held = product(r, held);
        for (size_t i = 0; i < n; ++i) {
          const double before = of_held[n + i] + bias.at(static_cast<int64_t>(n + i));
          const double o = std::tanh(a[n + i] + (after ? reset[i] * u[n + i] : before));
          const double z = sigmoid(a[2 * n + i] + u[2 * n + i]);
          state[i] = (1 - z) * o + z * state[i];
        }
        want.insert(want.end(), state.begin(), state.end());
      }
    }
    expect_near(out[0], want);
  }
}

struct LstmState {
  Numbers h, c;
};

// Gates i, f, o, z, and peepholes of the first three.
void lstm_step(const Tensor& w, const Tensor& r, const Tensor& bias, const Tensor& peephole,
               const Numbers& x, LstmState& state) {
  Numbers a = product(w, x);
  const Numbers u = product(r, state.h);
  const size_t n = kHidden;
  for (size_t i = 0; i < 4 * n; ++i) a[i] += u[i] + bias.at(static_cast<int64_t>(i));
  const auto peep = [&](size_t gate, size_t i) {
    return peephole.at(static_cast<int64_t>(gate * n + i)) * state.c[i];
  };
  for (size_t i = 0; i < n; ++i) {
    const double in = sigmoid(a[i] + peep(0, i)), forget = sigmoid(a[n + i] + peep(1, i));
    state.c[i] = forget * state.c[i] + in * std::tanh(a[3 * n + i]);
    state.h[i] = sigmoid(a[2 * n + i] + peep(2, i)) * std::tanh(state.c[i]);
  }
}

TEST(Lstm, IsItsFormulaWithPeepholes) {
  const Tensor h0 = states(2), c0 = states(3), w = weights(4, kInputs, 4),
               r = weights(4, kHidden, 5);
  const Tensor bias = random_tensor({4 * kHidden}, 6), peephole = random_tensor({3 * kHidden}, 7);
  const std::vector<std::string> names = {"x",         "initial_h", "initial_c", "weight_ih",
                                          "weight_hh", "bias",      "peephole"};
  const auto out = run_reference({kX, h0, c0, w, r, bias, peephole}, recurrent("lstm", names));
  Numbers want, last_c;
  std::vector<LstmState> states;
  for (int64_t b = 0; b < kBatch; ++b) states.push_back({row(h0, b, kHidden), row(c0, b, kHidden)});
  for (int64_t t = 0; t < kSteps; ++t) {
    for (int64_t b = 0; b < kBatch; ++b) {
      LstmState& state = states[static_cast<size_t>(b)];
      lstm_step(w, r, bias, peephole, row(kX, t * kBatch + b, kInputs), state);
      want.insert(want.end(), state.h.begin(), state.h.end());
    }
  }
  for (const LstmState& state : states) last_c.insert(last_c.end(), state.c.begin(), state.c.end());
  expect_near(out[0], want);
  expect_near(out[1], Numbers(want.end() - kBatch * kHidden, want.end()));
  expect_near(out[2], last_c);
}

// There is nothing that weighs it on its way to the gates.
TEST(Lstm, AnInfiniteStateIsSeenByNoGateWithoutPeepholes) {
  Tensor c0 = states(3);
  c0.view().set(0, HUGE_VAL);
  const auto out =
      run_reference({kX, states(2), c0, weights(4, kInputs, 4), weights(4, kHidden, 5)},
                    recurrent("lstm", {"x", "initial_h", "initial_c", "weight_ih", "weight_hh"}));
  for (const double h : values(out[0])) EXPECT_TRUE(std::isfinite(h));
  EXPECT_EQ(values(out[2])[0], HUGE_VAL);
}

// `reverse` reads from the end and gives the steps in the order in which they were made.
TEST(Recurrent, ReverseIsForwardOnAReversedInput) {
  const Tensor h0 = states(2), w = weights(1, kInputs, 3), r = weights(1, kHidden, 4);
  const std::vector<std::string> names = {"x", "initial_h", "weight_ih", "weight_hh"};
  const auto backward =
      run_reference({kX, h0, w, r}, recurrent("rnn", names, {{"direction", "reverse"}}));
  const auto turned = [&](Builder& b, const std::vector<Value>& v) {
    const Value x = b.op("reverse", {{"x", v[0]}, {"axes", b.integers({0})}});
    return recurrent("rnn", names)(b, {x, v[1], v[2], v[3]});
  };
  const auto forward = run_reference({kX, h0, w, r}, turned);
  EXPECT_EQ(values(backward[0]), values(forward[0]));
  EXPECT_EQ(values(backward[1]), values(forward[1]));
}

// The backward half in the order of time, its last state that of the first step (as PyTorch's).
TEST(Lstm, BothDirectionsStandSideBySide) {
  const Tensor h0 = states(2, 2), c0 = states(3, 2);
  const Inputs weight = {weights(4, kInputs, 4), weights(4, kHidden, 5), weights(4, kInputs, 6),
                         weights(4, kHidden, 7)};
  const auto both = [&](Builder& b, const std::vector<Value>& v) {
    const std::vector<Value> all = recurrent("lstm",
                                             {"x", "initial_h", "initial_c", "weight_ih",
                                              "weight_hh", "weight_ih_back", "weight_hh_back"},
                                             {{"direction", "bidirectional"}})(b, v);
    const auto half = [&](Value value, int64_t at) {
      return b.split(value, {kHidden, kHidden}, -1)[static_cast<size_t>(at)];
    };
    const std::vector<std::string> names = {"x", "initial_h", "initial_c", "weight_ih",
                                            "weight_hh"};
    const auto forward =
        recurrent("lstm", names)(b, {v[0], half(v[1], 0), half(v[2], 0), v[3], v[4]});
    const auto backward = recurrent("lstm", names, {{"direction", "reverse"}})(
        b, {v[0], half(v[1], 1), half(v[2], 1), v[5], v[6]});
    const Value in_time = b.op("reverse", {{"x", backward[0]}, {"axes", b.integers({0})}});
    return std::vector<Value>{b.sub(all[0], b.concat({forward[0], in_time}, -1)),
                              b.sub(all[1], b.concat({forward[1], backward[1]}, -1)),
                              b.sub(all[2], b.concat({forward[2], backward[2]}, -1))};
  };
  for (const Tensor& difference :
       run_reference({kX, h0, c0, weight[0], weight[1], weight[2], weight[3]}, both)) {
    EXPECT_THAT(values(difference), testing::Each(0));
  }
}

TEST(Rnn, GradientsAgreeWithFiniteDifferences) {
  const Inputs inputs = {kX, states(2), weights(1, kInputs, 3), weights(1, kHidden, 4),
                         random_tensor({kHidden}, 5)};
  const std::vector<std::string> names = {"x", "initial_h", "weight_ih", "weight_hh", "bias"};
  for (const char* activation : {"tanh", "sigmoid", "relu", "linear"}) {
    SCOPED_TRACE(activation);
    expect_gradients(inputs, recurrent("rnn", names, {{"activation", activation}}));
  }
  expect_gradients(inputs, recurrent("rnn", names, {{"direction", "reverse"}}));
  expect_gradients(inputs, recurrent("rnn", names, {}, false));
}

TEST(Gru, GradientsAgreeWithFiniteDifferences) {
  const Inputs inputs = {kX,
                         states(2),
                         weights(3, kInputs, 3),
                         weights(3, kHidden, 4),
                         random_tensor({3 * kHidden}, 5),
                         random_tensor({3 * kHidden}, 6)};
  for (const bool after : {false, true}) {
    const auto build = [=](Builder& b, const std::vector<Value>& v) {
      return b.ops("gru", {{"x", v[0]},
                           {"initial_h", v[1]},
                           {"weight_ih", v[2]},
                           {"weight_hh", v[3]},
                           {"bias", v[4]},
                           {"input_bias", v[5]},
                           {"output_sequence", b.boolean(true)},
                           {"direction", b.text(after ? "reverse" : "forward")},
                           {"reset_after", b.boolean(after)}});
    };
    expect_gradients(inputs, build);
  }
}

TEST(Lstm, GradientsAgreeWithFiniteDifferences) {
  const Inputs one = {kX,
                      states(2),
                      states(3),
                      weights(4, kInputs, 4),
                      weights(4, kHidden, 5),
                      random_tensor({4 * kHidden}, 6),
                      random_tensor({3 * kHidden}, 7)};
  const std::vector<std::string> names = {"x",         "initial_h", "initial_c", "weight_ih",
                                          "weight_hh", "bias",      "peephole"};
  expect_gradients(one, recurrent("lstm", names));
  expect_gradients(one, recurrent("lstm", names, {{"direction", "reverse"}}, false));
  const Inputs both = {kX,
                       states(2, 2),
                       states(3, 2),
                       weights(4, kInputs, 4),
                       weights(4, kHidden, 5),
                       weights(4, kInputs, 6),
                       weights(4, kHidden, 7),
                       random_tensor({4 * kHidden}, 8)};
  const auto bidirectional = [](bool sequence) {
    return recurrent("lstm",
                     {"x", "initial_h", "initial_c", "weight_ih", "weight_hh", "weight_ih_back",
                      "weight_hh_back", "bias_back"},
                     {{"direction", "bidirectional"}}, sequence);
  };
  expect_gradients(both, bidirectional(true));
  expect_gradients(both, bidirectional(false));
}

TEST(Recurrent, RulesC1ToC6) {
  const Tensor h0 = states(2), w = weights(1, kInputs, 3), r = weights(1, kHidden, 4);
  const std::vector<std::string> names = {"x", "initial_h", "weight_ih", "weight_hh"};
  const auto refused = [&](const Inputs& inputs, const Options& options = {}) {
    return error_of([&] { run_reference(inputs, recurrent("rnn", names, options)); });
  };
  EXPECT_THAT(refused({random_tensor({2, 2}, 0), h0, w, r}), HasSubstr("rnn.c1: x [2, 2]"));
  EXPECT_THAT(refused({kX, h0, w, r}, {{"direction", "bidirectional"}}),
              HasSubstr("rnn.c2: direction 'bidirectional' is not forward, reverse"));
  EXPECT_THAT(refused({kX, random_tensor({2, 3}, 0), w, r}),
              HasSubstr("rnn.c3: 'initial_h' is [2, 3], not [2, 2]"));
  EXPECT_THAT(refused({kX, h0, random_tensor({2, 3}, 0), r}),
              HasSubstr("rnn.c4: 'weight_ih' is [2, 3], not [2, 2]"));
  EXPECT_THAT(refused({kX, h0, w, r}, {{"activation", "scaled_tanh"}}),
              HasSubstr("rnn.c5: activation 'scaled_tanh' is not sigmoid, tanh, relu or linear"));
  EXPECT_THAT(refused({kX, h0.cast(DType::kFp32), w, r}),
              HasSubstr("rnn.c6: x is fp64 and 'initial_h' fp32"));
}

}  // namespace
}  // namespace anemone
