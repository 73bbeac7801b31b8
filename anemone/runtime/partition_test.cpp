// A function cut into segments computes what it computed in one piece.
#include "anemone/runtime/partition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/base/random.h"
#include "anemone/ops/evaluate.h"
#include "anemone/tensor/compare.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

using ::testing::ElementsAre;

const Side kHost = {false, ""}, kDevice = {true, ""};

// The types of the operations that take time.
std::vector<std::string> types(const Segment& segment) {
  std::vector<std::string> result;
  for (const auto& op : segment.function.operations) {
    if (op->type != "const" && op->type != "reshape") result.push_back(op->type);
  }
  return result;
}

// Runs the segments in order on one set of named values.
NamedTensors run_segments(const std::vector<Segment>& segments, const NamedTensors& inputs) {
  NamedTensors values;
  for (const auto& [name, tensor] : inputs) values[name] = tensor.clone();
  for (const Segment& segment : segments) {
    NamedTensors given;
    for (Value input : segment.function.inputs) given[input->name] = values.at(input->name).clone();
    for (auto& [name, tensor] : evaluate(segment.function, given)) {
      EXPECT_FALSE(values.contains(name)) << name << " is computed twice";
      values[name] = std::move(tensor);
    }
  }
  return values;
}

Value unary(Builder& b, const char* type, Value x) { return b.unary(type, x); }

// x → exp → tanh → sigmoid, and exp + sigmoid
Function diamond() {
  Function f("diamond", "ios18");
  Builder b(f);
  const Value x = b.input("x", DType::kFp64, {2, 3});
  const Value first = unary(b, "exp", x);
  const Value second = unary(b, "tanh", first);
  b.output("y", b.add(first, unary(b, "sigmoid", second)));
  return f;
}

TEST(Partition, OneSideIsOneSegment) {
  const Function f = diamond();
  const auto segments = partition(f, [](const Operation&) { return kDevice; });
  ASSERT_EQ(segments.size(), 1u);
  EXPECT_EQ(segments[0].side, kDevice);
  EXPECT_TRUE(structurally_equal(segments[0].function, f));
}

TEST(Partition, ARunEndsWhereTheSideChangesAndSidesMeetAgainLater) {
  const Function f = diamond();
  const auto segments =
      partition(f, [](const Operation& op) { return op.type == "tanh" ? kHost : kDevice; });
  ASSERT_EQ(segments.size(), 3u);
  EXPECT_THAT(types(segments[0]), ElementsAre("exp"));
  EXPECT_THAT(types(segments[1]), ElementsAre("tanh"));
  EXPECT_THAT(types(segments[2]), ElementsAre("sigmoid", "add"));
}

TEST(Partition, ProgramsOfDifferentNamesAreApart) {
  const Function f = diamond();
  const auto segments = partition(f, [](const Operation& op) {
    return Side{true, op.type == "sigmoid" ? "core" : ""};
  });
  ASSERT_EQ(segments.size(), 3u);
  EXPECT_EQ(segments[1].side.program, "core");
}

TEST(Partition, ViewsAndConstantsAreMadeAgainWhereTheyAreNeeded) {
  Function f("views", "ios18");
  Builder b(f);
  const Value x = b.input("x", DType::kFp64, {2, 3});
  const Value flat = b.reshape(b.unary("exp", x), {6});
  b.output("y", b.mul(b.unary("tanh", flat), 2.0));
  b.output("z", b.reshape(flat, {3, 2}));
  const auto segments =
      partition(f, [](const Operation& op) { return op.type == "exp" ? kDevice : kHost; });
  ASSERT_EQ(segments.size(), 2u);
  // The view that is returned goes with what it looks at.
  EXPECT_EQ(segments[0].function.outputs.size(), 2u);
  EXPECT_NE(segments[0].function.find("z"), nullptr);
  EXPECT_EQ(segments[1].function.outputs[0]->name, "y");
}

// Random graphs of unary and binary operations with random sides.
TEST(Partition, AnyCutComputesTheSame) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    Function f("random", "ios18");
    Builder b(f);
    std::vector<Value> values = {b.input("x", DType::kFp64, {2, 3}),
                                 b.input("w", DType::kFp64, {2, 3})};
    const auto any = [&] { return values[random.below(static_cast<uint32_t>(values.size()))]; };
    for (int i = 0; i < 14; ++i) {
      switch (random.below(4)) {
        case 0:
          values.push_back(b.unary("tanh", any()));
          break;
        case 1:
          values.push_back(b.reshape(b.reshape(any(), {6}), {2, 3}));
          break;
        default:
          values.push_back(b.add(any(), any()));
      }
    }
    b.output("y", b.unary("sigmoid", values.back()));
    b.output("z", b.unary("exp", values[values.size() / 2]));
    f.remove_unused();
    std::map<const Operation*, Side> sides;
    for (const auto& op : f.operations) {
      sides[op.get()] = {random.below(2) == 0, random.below(3) == 0 ? "apart" : ""};
    }
    const auto segments = partition(f, [&](const Operation& op) { return sides.at(&op); });
    NamedTensors inputs;
    for (Value input : f.inputs) inputs[input->name] = random_tensor({2, 3}, seed + 7);
    const NamedTensors whole = evaluate(f, inputs), cut = run_segments(segments, inputs);
    for (const auto& [name, tensor] : whole) {
      EXPECT_EQ(compare(tensor, cut.at(name)).max_absolute, 0) << name << ", seed " << seed;
    }
  }
}

}  // namespace
}  // namespace anemone
