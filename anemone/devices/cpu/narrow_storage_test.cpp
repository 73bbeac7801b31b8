// Values in bf16: which they are, and that they are what rounding afterwards gives.
#include "anemone/devices/cpu/narrow_storage.h"

#include <gtest/gtest.h>

#include "anemone/devices/cpu/memory_plan.h"
#include "anemone/devices/cpu/testing/cpu_testing.h"
#include "anemone/passes/pipelines.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder

NamedTensors run_in_bf16(const Function& function, const NamedTensors& inputs, int threads = 2) {
  ThreadPool pool(threads);
  const auto device = make_cpu_device(pool, {.bf16 = true});
  return Bound(*device, function).run(inputs);
}

struct Found {
  Function function;
  Kernels kernels;
  NarrowStorage narrow;

  explicit Found(Function f) : function(std::move(f)) {
    for (const auto& op : function.operations) kernels[op.get()] = make_kernel(*op);
    narrow = find_narrow_storage(function, kernels);
  }
  // Whether the result of the first operation of that type is kept in bf16.
  bool has(const std::string& type) const {
    for (const auto& op : function.operations) {
      if (op->type == type) return narrow.values.contains(op->outputs[0]);
    }
    ADD_FAILURE() << "there is no " << type;
    return false;
  }
};

Value norm(Builder& b, Value x, Value weight) {
  return b.op("anemone.rms_norm",
              {{"x", x}, {"weight", weight}, {"epsilon", b.scalar(DType::kFp32, 1e-5)}});
}

// norm(x), of which `build` makes outputs; v[2] is a weight [4, 6, 1, 1].
Found found(int64_t columns,
            const std::function<std::vector<Value>(Builder&, Value, Value weight)>& build) {
  return Found(make_function(
      {fp32({1, 6, 1, columns}, 1), fp32({6}, 2), fp32({4, 6, 1, 1}, 3)},
      [&](Builder& b, const auto& v) { return build(b, norm(b, v[0], v[1]), v[2]); }));
}

TEST(NarrowStorage, IsForWhatNothingButProductsReads) {
  EXPECT_TRUE(found(8, [](Builder& b, Value x, Value weight) {
                return std::vector{b.conv1x1(x, weight), b.conv1x1(x, weight)};
              }).has("anemone.rms_norm"));
  EXPECT_FALSE(found(8, [](Builder& b, Value x, Value weight) {
                 return std::vector{b.conv1x1(x, weight), b.unary("exp", x)};
               }).has("anemone.rms_norm"));
  EXPECT_FALSE(found(8, [](Builder& b, Value x, Value weight) {
                 return std::vector{b.conv1x1(x, weight), x};
               }).has("anemone.rms_norm"));
}

TEST(NarrowStorage, IsNotForASingleColumnWhichIsNotRounded) {
  EXPECT_FALSE(found(1, [](Builder& b, Value x, Value weight) {
                 return std::vector{b.conv1x1(x, weight)};
               }).has("anemone.rms_norm"));
}

// A product that adds to a residual connection is one of one column as well.
TEST(NarrowStorage, IsNotForASingleColumnOfAProductThatAdds) {
  for (const int64_t columns : {1, 8}) {
    const Shape shape = {1, 6, 1, columns};
    Function f = make_function(
        {fp32(shape, 1), fp32(shape, 2), fp32({6, 6, 1, 1}, 3)}, [](Builder& b, const auto& v) {
          const Value hidden = b.op("anemone.swiglu", {{"gate", v[0]}, {"up", v[1]}});
          return std::vector{b.add(v[0], b.conv1x1(hidden, v[2]))};
        });
    optimize(f);
    EXPECT_EQ(Found(std::move(f)).has("anemone.swiglu"), columns > 1) << columns;
  }
}

TEST(NarrowStorage, IsNotForWhatAKernelMakesInFp32Only) {
  EXPECT_FALSE(found(8, [](Builder& b, Value x, Value weight) {
                 return std::vector{b.conv1x1(b.unary("exp", x), weight)};
               }).has("exp"));
}

TEST(NarrowStorage, ReachesThroughViewsAndToReadersOfThem) {
  const auto through_view = [](bool other_reader) {
    return found(8, [&](Builder& b, Value x, Value) {
      const Value matrix = b.reshape(x, {6, 8});
      std::vector<Value> outputs = {b.matmul(matrix, matrix, false, true)};
      if (other_reader) outputs.push_back(b.unary("exp", matrix));
      return outputs;
    });
  };
  EXPECT_TRUE(through_view(false).has("anemone.rms_norm"));
  EXPECT_TRUE(through_view(false).has("reshape"));
  EXPECT_FALSE(through_view(true).has("anemone.rms_norm"));
}

TEST(NarrowStorage, MakesCastsAtTheBorderFree) {
  const Found out = found(8, [](Builder& b, Value x, Value weight) {
    return std::vector{b.conv1x1(x, weight), b.cast(x, DType::kBf16)};
  });
  EXPECT_TRUE(out.has("anemone.rms_norm"));
  EXPECT_EQ(out.narrow.casts.size(), 1u);
  const Found in(make_function({fp32({1, 6, 1, 8}, 1).cast(DType::kBf16), fp32({4, 6, 1, 1}, 2)},
                               [](Builder& b, const auto& v) {
                                 return std::vector{b.conv1x1(b.cast(v[0], DType::kFp32), v[1])};
                               }));
  EXPECT_TRUE(in.has("cast"));
  EXPECT_EQ(in.narrow.casts.size(), 1u);
}

TEST(NarrowStorage, TakesHalfTheMemory) {
  const Found f = found(
      64, [](Builder& b, Value x, Value weight) { return std::vector{b.conv1x1(x, weight)}; });
  const MemoryPlan wide = plan_memory(f.function, f.kernels, {});
  const MemoryPlan narrow = plan_memory(f.function, f.kernels, {}, f.narrow);
  EXPECT_EQ(wide.arena_bytes, 6 * 64 * sizeof(float));
  EXPECT_EQ(narrow.arena_bytes, wide.arena_bytes / 2);
}

// --- results ---

Tensor rounded(const Tensor& x) {
  Tensor result(DType::kBf16, x.shape());
  for (size_t i = 0; i < x.as<float>().size(); ++i) {
    result.as<BFloat16>()[i] = to_bfloat16(x.as<float>()[i]);
  }
  return result;
}

// Output `output` of the operation, cast to bf16, is what it is in fp32, rounded: bit for bit.
void expect_rounded(const Inputs& inputs, const Build& build, size_t output = 0) {
  const Function wide = make_function(
      inputs, [&](Builder& b, const auto& v) { return std::vector{build(b, v)[output]}; });
  const Function narrow = make_function(inputs, [&](Builder& b, const auto& v) {
    return std::vector{b.cast(build(b, v)[output], DType::kBf16)};
  });
  ASSERT_EQ(Found(narrow.clone()).narrow.casts.size(), 1u) << "it is rounded afterwards";
  const NamedTensors named = name_inputs(wide, inputs);
  const Tensor expected = rounded(run_in_bf16(wide, named).at("out0"));
  for (const int threads : {1, 3}) {
    const NamedTensors actual = run_in_bf16(narrow, named, threads);
    ASSERT_EQ(actual.at("out0").dtype(), DType::kBf16);
    EXPECT_EQ(compare(actual.at("out0"), expected).max_absolute, 0) << threads << " threads";
  }
}

// Longer than what is rounded at a time.
constexpr int64_t kLong = 1043;

TEST(NarrowResults, OfNormsActivationsAndRotations) {
  const Shape shape = {1, 6, 1, kLong};
  const Inputs three = {fp32(shape, 1), fp32(shape, 2), fp32(shape, 3)};
  expect_rounded({three[0], fp32({6}, 2)},
                 [](Builder& b, const auto& v) { return std::vector{norm(b, v[0], v[1])}; });
  expect_rounded(three, [](Builder& b, const auto& v) {
    return b.ops("anemone.swiglu", {{"gate", v[0]}, {"up", v[1]}});
  });
  for (const size_t output : {0u, 1u}) {
    expect_rounded(
        three,
        [](Builder& b, const auto& v) {
          return b.ops("anemone.swiglu_backward", {{"gate", v[0]}, {"up", v[1]}, {"dy", v[2]}});
        },
        output);
  }
  const Shape table = {1, 3, 1, kLong};
  expect_rounded({three[0], fp32(table, 2), fp32(table, 3)}, [](Builder& b, const auto& v) {
    return b.ops("anemone.rope",
                 {{"x", v[0]}, {"cos", v[1]}, {"sin", v[2]}, {"inverse", b.boolean(true)}});
  });
}

TEST(NarrowResults, OfAttentionAndItsBackward) {
  constexpr int64_t kSize = 8, kSequence = 130;
  for (const int64_t kv_heads : {4, 2}) {
    const Shape q = {1, 4 * kSize, 1, 2 * kSequence}, k = {1, kv_heads * kSize, 1, 2 * kSequence};
    const Inputs inputs = {fp32(q, 1, -2, 2), fp32(k, 2, -2, 2), fp32(k, 3), fp32(q, 4)};
    const auto arguments = [&](Builder& b, const std::vector<Value>& v) {
      return std::vector<Argument>{{"q", v[0]},
                                   {"k", v[1]},
                                   {"v", v[2]},
                                   {"head_size", b.integer(kSize)},
                                   {"sequence", b.integer(kSequence)}};
    };
    expect_rounded(inputs, [&](Builder& b, const auto& v) {
      return b.ops("anemone.causal_attention", arguments(b, v));
    });
    expect_rounded(
        inputs,
        [&](Builder& b, const auto& v) {
          auto backward = arguments(b, v);
          backward.insert(backward.begin() + 3, {"dy", v[3]});
          return b.ops("anemone.causal_attention_backward", backward);
        },
        2);
  }
}

TEST(NarrowResults, OfTheLossAreRoundedOnceAndZeroWhereIgnored) {
  std::vector<int32_t> targets(kLong);
  for (size_t i = 0; i < targets.size(); ++i) {
    targets[i] = i % 5 == 0 ? -1 : static_cast<int32_t>(i % 7);
  }
  const Inputs inputs = {fp32({1, 7, 1, kLong}, 1, -3, 3), int32({kLong}, targets),
                         fp32({kLong}, 2, 2, 3), fp32({1}, 3, 1, 2)};
  expect_rounded(inputs, [](Builder& b, const auto& v) {
    return b.ops("anemone.cross_entropy_backward",
                 {{"logits", v[0]}, {"targets", v[1]}, {"log_sum_exp", v[2]}, {"dloss", v[3]}});
  });
}

// Queries and keys that are turned by rope() come in bf16, values and dy from products do not.
TEST(NarrowResults, AttentionOfThemIsThatOfItsOperandsRounded) {
  constexpr int64_t kSize = 8, kSequence = 70;
  const Shape shape = {1, 2 * kSize, 1, 2 * kSequence};
  const Inputs wide = {fp32(shape, 1, -2, 2), fp32(shape, 2, -2, 2), fp32(shape, 3),
                       fp32(shape, 4)};
  const Inputs narrow = {wide[0].tensor->cast(DType::kBf16), wide[1].tensor->cast(DType::kBf16),
                         wide[2], wide[3]};
  const auto build = [&](Builder& b, const std::vector<Value>& v) {
    const auto wide_value = [&](Value x) {
      return x->type.dtype == DType::kFp32 ? x : b.cast(x, DType::kFp32);
    };
    const Value q = wide_value(v[0]), k = wide_value(v[1]);
    std::vector<Argument> arguments = {{"q", q},
                                       {"k", k},
                                       {"v", v[2]},
                                       {"head_size", b.integer(kSize)},
                                       {"sequence", b.integer(kSequence)}};
    std::vector<Value> results = b.ops("anemone.causal_attention", arguments);
    arguments.insert(arguments.begin() + 3, {"dy", v[3]});
    for (Value x : b.ops("anemone.causal_attention_backward", arguments)) results.push_back(x);
    return results;
  };
  const Function from_fp32 = make_function(wide, build), from_bf16 = make_function(narrow, build);
  ASSERT_EQ(Found(from_bf16.clone()).narrow.casts.size(), 2u);
  const NamedTensors expected = run_in_bf16(from_fp32, name_inputs(from_fp32, wide));
  const NamedTensors actual = run_in_bf16(from_bf16, name_inputs(from_bf16, narrow));
  for (const auto& [name, tensor] : expected) {
    EXPECT_EQ(compare(actual.at(name), tensor).max_absolute, 0) << name;
  }
}

// Products of what is bf16 already, in every orientation that training has.
TEST(NarrowResults, ProductsOfThemAreThoseOfTheirOperandsRounded) {
  const Inputs wide = {fp32({1, 37, 1, 50}, 1), fp32({21, 37, 1, 1}, 2), fp32({37, 21, 1, 1}, 3)};
  const Inputs narrow = {wide[0].tensor->cast(DType::kBf16), wide[1], wide[2]};
  const auto products = [](Builder& b, Value x, const std::vector<Value>& v) {
    const Value matrix = b.reshape(x, {37, 50});
    return std::vector{b.conv1x1(x, v[1]), b.op("conv_transpose", {{"x", x}, {"weight", v[2]}}),
                       b.matmul(matrix, matrix, false, true)};
  };
  const Function from_fp32 =
      make_function(wide, [&](Builder& b, const auto& v) { return products(b, v[0], v); });
  const Function from_bf16 = make_function(narrow, [&](Builder& b, const auto& v) {
    return products(b, b.cast(v[0], DType::kFp32), v);
  });
  ASSERT_EQ(Found(from_bf16.clone()).narrow.casts.size(), 1u);
  const NamedTensors expected = run_in_bf16(from_fp32, name_inputs(from_fp32, wide));
  const NamedTensors actual = run_in_bf16(from_bf16, name_inputs(from_bf16, narrow));
  for (const auto& [name, tensor] : expected) {
    EXPECT_EQ(compare(actual.at(name), tensor).max_absolute, 0) << name;
  }
}

}  // namespace
}  // namespace anemone
