// Operations that run on the rows of a product, and products that share a packed operand.
#include "anemone/devices/cpu/product_fusion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/devices/cpu/memory_plan.h"
#include "anemone/devices/cpu/op_recorder.h"
#include "anemone/devices/cpu/testing/cpu_testing.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder
using testing::IsEmpty;
using testing::UnorderedElementsAre;

Value swiglu(Builder& b, Value gate, Value up) {
  return b.op("anemone.swiglu", {{"gate", gate}, {"up", up}});
}

// x [1, channels, 1, columns] and as many weights [channels, channels, 1, 1] as there are.
Inputs layer(int64_t channels, int64_t columns, int weights) {
  Inputs inputs = {fp32({1, channels, 1, columns}, 1)};
  for (int i = 0; i < weights; ++i) {
    inputs.push_back(fp32({channels, channels, 1, 1}, static_cast<uint64_t>(2 + i), -0.1, 0.1));
  }
  return inputs;
}

struct Found {
  Function function;
  Kernels kernels;
  MemoryPlan plan;

  explicit Found(const Build& build, int weights = 3)
      : function(make_function(layer(16, 24, weights), build)) {
    for (const auto& op : function.operations) kernels[op.get()] = make_kernel(*op);
    plan = plan_memory(function, kernels, {}, find_narrow_storage(function, kernels));
  }
  std::vector<std::string> epilogues() const { return types(plan.fusion.epilogues); }
  // Of what the first operation of that type makes.
  const Place& place_of(const std::string& type) const {
    const auto& operations = function.operations;
    const auto op = std::find_if(operations.begin(), operations.end(),
                                 [&](const auto& op) { return op->type == type; });
    return plan.places.at((*op)->outputs[0]);
  }
  size_t packed_reuse() const { return plan.fusion.packed_reuse.size(); }

 private:
  static std::vector<std::string> types(const std::unordered_set<const Operation*>& operations) {
    std::vector<std::string> types;
    for (const Operation* op : operations) types.push_back(op->type);
    return types;
  }
};

TEST(ProductFusion, ARowWiseOperationIsTheEpilogueOfTheProductBeforeIt) {
  EXPECT_THAT(Found([](Builder& b, const auto& v) {
                const Value gate = b.conv1x1(v[0], v[1]), up = b.conv1x1(v[0], v[2]);
                return std::vector{swiglu(b, gate, up)};
              }).epilogues(),
              UnorderedElementsAre("anemone.swiglu"));
}

TEST(ProductFusion, NothingIsFusedWithAProductThatDoesNotFeedItOrRunsEarlier) {
  EXPECT_THAT(Found([](Builder& b, const auto& v) {
                const Value gate = b.conv1x1(v[0], v[1]);
                const Value other = b.conv1x1(v[0], v[2]);
                return std::vector{swiglu(b, gate, gate), other};
              }).epilogues(),
              IsEmpty());
}

// It might be written over what the product still reads.
TEST(ProductFusion, NothingIsFusedWithAProductOfItsOtherOperand) {
  EXPECT_THAT(Found([](Builder& b, const auto& v) {
                const Value gate = b.unary("exp", v[0]);
                return std::vector{swiglu(b, gate, b.conv1x1(gate, v[1]))};
              }).epilogues(),
              IsEmpty());
}

// In bf16 what the epilogue makes is too small for the place of an operand and gets one of its own.
TEST(ProductFusion, AnEpilogueIsNotWrittenToMemoryThatTheProductReads) {
  const Found found([](Builder& b, const auto& v) {
    const Value hidden = swiglu(b, v[0], b.conv1x1(b.unary("exp", v[0]), v[1]));
    return std::vector{b.conv1x1(hidden, v[2])};
  });
  ASSERT_THAT(found.epilogues(), UnorderedElementsAre("anemone.swiglu"));
  const Place &read = found.place_of("exp"), &written = found.place_of("anemone.swiglu");
  ASSERT_EQ(read.kind, Place::Kind::kArena);
  ASSERT_EQ(written.kind, Place::Kind::kArena);
  EXPECT_NE(read.offset, written.offset);
}

TEST(ProductFusion, ProductsOfOneValueReuseWhatTheFirstPacked) {
  EXPECT_EQ(Found([](Builder& b, const auto& v) {
              const Value q = b.unary("exp", b.conv1x1(v[0], v[1]));
              return std::vector{q, b.conv1x1(v[0], v[2]), b.conv1x1(v[0], v[3])};
            }).packed_reuse(),
            2u);
  EXPECT_EQ(Found([](Builder& b, const auto& v) {
              const Value first = b.conv1x1(v[0], v[1]), second = b.conv1x1(first, v[2]);
              return std::vector{b.conv1x1(v[0], v[3]), second};
            }).packed_reuse(),
            0u);
}

// Wide enough that the product tells of groups of rows, in one column and in several; whatever
// the type of the products.
TEST(ProductFusion, RunTogetherTheyGiveWhatTheyGiveAlone) {
  for (const int64_t columns : {1, 24, 1000}) {
    const Inputs inputs = layer(320, columns, 3);
    const Function f = make_function(inputs, [](Builder& b, const auto& v) {
      const Value gate = b.conv1x1(v[0], v[1]), up = b.conv1x1(v[0], v[2]);
      return std::vector{swiglu(b, gate, up), b.conv1x1(v[0], v[3])};
    });
    const Function apart = make_function(inputs, [](Builder& b, const auto& v) {
      const Value gate = b.conv1x1(v[0], v[1]), up = b.conv1x1(v[0], v[2]);
      const Value last = b.conv1x1(v[0], v[3]);
      return std::vector{swiglu(b, gate, up), last};
    });
    const NamedTensors named = name_inputs(f, inputs);
    for (const bool bf16 : {false, true}) {
      ThreadPool pool(2);
      const auto device = make_cpu_device(pool, {.bf16 = bf16});
      expect_same(Bound(*device, f).run(named), Bound(*device, apart).run(named), 0);
    }
    if (columns < 1000) expect_same(run_on_cpu(f, named, 2), evaluate(f, named), 1e-5);
  }
}

// A second run with another x, whose memory is the same; large enough for our own fp32 product.
TEST(ProductFusion, WhatIsPackedIsNotUsedForTheNextRun) {
  Inputs inputs = layer(256, 96, 2);
  const Function f = make_function(inputs, [](Builder& b, const auto& v) {
    return std::vector{b.conv1x1(v[0], v[1]), b.conv1x1(v[0], v[2])};
  });
  for (const bool bf16 : {false, true}) {
    ThreadPool pool(2);
    const auto device = make_cpu_device(pool, {.bf16 = bf16});
    Bound bound(*device, f);
    for (const uint64_t seed : {8u, 9u}) {
      inputs[0] = fp32({1, 256, 1, 96}, seed);
      const NamedTensors named = name_inputs(f, inputs);
      expect_same(bound.run(named), evaluate(f, named), bf16 ? 1e-2 : kFp32Tolerance);
    }
  }
}

class Log final : public OpRecorder {
 public:
  size_t add(const std::string& /*program*/, const Operation& op) override {
    names_.push_back(op.type);
    return names_.size() - 1;
  }
  void begin(size_t /*id*/) override {}
  void end(size_t id) override { lines.push_back(names_[id]); }
  void end(size_t id, size_t other, double other_ms) override {
    EXPECT_GT(other_ms, 0);
    lines.push_back(names_[id] + " with " + names_[other]);
  }

  std::vector<std::string> lines;

 private:
  std::vector<std::string> names_;
};

TEST(ProductFusion, ARecorderHearsOfBothAndOfWhatTheEpilogueTook) {
  const Inputs inputs = layer(32, 24, 2);
  const Function f = make_function(inputs, [](Builder& b, const auto& v) {
    const Value gate = b.conv1x1(v[0], v[1]), up = b.conv1x1(v[0], v[2]);
    return std::vector{swiglu(b, gate, up)};
  });
  ThreadPool pool(2);
  Log log;
  const auto device = make_cpu_device(pool, {.recorder = &log});
  Bound(*device, f).run(name_inputs(f, inputs));
  EXPECT_THAT(log.lines, testing::ElementsAre("conv", "conv with anemone.swiglu"));
}

}  // namespace
}  // namespace anemone
