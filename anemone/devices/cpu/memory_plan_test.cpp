#include "anemone/devices/cpu/memory_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/base/random.h"
#include "anemone/devices/cpu/testing/cpu_testing.h"
#include "anemone/ops/query.h"

namespace anemone {
namespace {

using namespace cpu_testing;  // NOLINT: helpers of this folder
using testing::HasSubstr;

// A plan with what it was made from.
struct Planned {
  Function function;
  std::unordered_map<const Operation*, std::unique_ptr<Kernel>> kernels;
  MemoryPlan plan;

  explicit Planned(Function f, const CompileOptions& options = {}) : function(std::move(f)) {
    for (const auto& op : function.operations) {
      if (op->type != "const") kernels[op.get()] = make_kernel(*op);
    }
    plan = plan_memory(function, kernels, options);
  }
  const Place& place(const std::string& name) const { return plan.places.at(function.find(name)); }
  bool same_place(const std::string& a, const std::string& b) const {
    return place(a).kind == place(b).kind && place(a).index == place(b).index &&
           place(a).offset == place(b).offset;
  }
};

constexpr int64_t kSize = 40;
const Shape kShape = {kSize};

// x [40] → y, made by `build`.
Function chain(const std::function<Value(Builder&, Value)>& build) {
  return make_function({fp32(kShape, 1)},
                       [&](Builder& b, const auto& v) { return std::vector{build(b, v[0])}; });
}

// --- no two values that are alive at the same time overlap ---

Value behind_views(Value value) {
  while (value->producer && is_view(*value->producer)) value = OpArgs(*value->producer).value("x");
  return value;
}

struct Life {
  int first = 0, last = 0;
  size_t begin = 0, end = 0;  // bytes
};

// From the definition of a value to the last use of it or its views; only those in the arena.
std::map<Value, Life> lives(const Planned& p) {
  std::map<Value, Life> result;
  for (size_t i = 0; i < p.function.operations.size(); ++i) {
    const Operation& op = *p.function.operations[i];
    const int index = static_cast<int>(i);
    for (const Argument& argument : op.arguments) {
      for (const Operand& operand : argument.operands) {
        if (!operand.value) continue;
        const auto life = result.find(behind_views(operand.value));
        if (life != result.end()) life->second.last = index;
      }
    }
    for (Value output : op.outputs) {
      const auto place = p.plan.places.find(output);
      if (behind_views(output) != output || place == p.plan.places.end()) continue;
      if (place->second.kind != Place::Kind::kArena) continue;
      const size_t offset = place->second.offset;
      result[output] = {index, index, offset, offset + output->type.bytes()};
    }
  }
  return result;
}

// Every operand of what makes `result` that is `operand` may be overwritten by it.
bool may_stand_in_for(const Planned& p, Value result, Value operand) {
  size_t position = 0;
  for (const Argument& argument : result->producer->arguments) {
    for (const Operand& given : argument.operands) {
      const size_t here = position++;
      if (given.value && behind_views(given.value) == operand &&
          !p.kernels.at(result->producer)->may_overwrite(here, 0)) {
        return false;
      }
    }
  }
  return true;
}

void expect_disjoint(const Planned& p) {
  const auto all = lives(p);
  for (const auto& [a, x] : all) {
    EXPECT_LE(x.end, p.plan.arena_bytes);
    for (const auto& [b, y] : all) {
      if (a == b || x.end <= y.begin || y.end <= x.begin) continue;
      if (x.last < y.first || y.last < x.first) continue;
      const bool replaces = (x.last == y.first && may_stand_in_for(p, b, a)) ||
                            (y.last == x.first && may_stand_in_for(p, a, b));
      EXPECT_TRUE(replaces) << a->name << " and " << b->name;
    }
  }
}

// --- random functions: element-wise, views, products, splits and joins of [n, n] matrices ---

class RandomFunction {
 public:
  explicit RandomFunction(uint64_t seed) : random_(seed), function_("random", "ios18") {}

  Function build() {
    Builder b(function_);
    for (int i = 0; i < 2; ++i) {
      values_.push_back(b.input("in" + std::to_string(i), DType::kFp32, {kEdge, kEdge}));
    }
    const auto steps = 3 + random_.below(14);
    for (uint64_t i = 0; i < steps; ++i) step(b);
    const auto outputs = 1 + random_.below(3);
    for (uint64_t i = 0; i < outputs; ++i) {
      Value value = pick();
      if (!value->producer || returned_.contains(value)) value = b.unary("identity", value);
      returned_.insert(value);
      b.output("out" + std::to_string(i), value);
    }
    return std::move(function_);
  }

 private:
  static constexpr int64_t kEdge = 6;

  Value pick() { return values_[random_.below(values_.size())]; }

  void step(Builder& b) {
    static constexpr const char* kUnary[] = {"relu", "tanh", "sigmoid", "identity"};
    static constexpr const char* kBinary[] = {"add", "sub", "mul"};
    switch (random_.below(7)) {
      case 0:
        return values_.push_back(b.unary(kUnary[random_.below(4)], pick()));
      case 1:
      case 2:
        return values_.push_back(b.binary(kBinary[random_.below(3)], pick(), pick()));
      case 3:  // there and back, with something in between that may run in place
        return values_.push_back(
            b.reshape(b.unary("tanh", b.reshape(pick(), {kEdge * kEdge})), {kEdge, kEdge}));
      case 4:
        return values_.push_back(b.op("anemone.matmul_add", {{"sum", pick()},
                                                             {"x", b.mul(pick(), 0.25)},
                                                             {"y", pick()},
                                                             {"transpose_x", b.boolean(false)},
                                                             {"transpose_y", b.boolean(true)}}));
      case 5: {
        const auto halves = b.split(pick(), {2, kEdge - 2}, 0);
        return values_.push_back(b.concat({halves[1], halves[0]}, 0));
      }
      default:
        return values_.push_back(b.transpose(pick(), {1, 0}));
    }
  }

  Random random_;
  Function function_;
  std::vector<Value> values_;
  std::unordered_set<Value> returned_;
};

TEST(MemoryPlan, OfRandomFunctionsNeverOverlapsWhatIsAliveTogether) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    expect_disjoint(Planned(RandomFunction(seed).build()));
    if (testing::Test::HasFailure()) return;
  }
}

TEST(MemoryPlan, RandomFunctionsGiveWhatTheReferenceGives) {
  ThreadPool pool(2);
  const auto device = make_cpu_device(pool);
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    const Function function = RandomFunction(seed).build();
    const NamedTensors inputs = name_inputs(function, {fp32({6, 6}, seed), fp32({6, 6}, seed + 1)});
    Bound bound(*device, function);
    expect_same(bound.run(inputs), evaluate(function, inputs), 1e-4);
    expect_same(bound.run(inputs), evaluate(function, inputs), 1e-4);  // a second run is the same
    if (testing::Test::HasFailure()) return;
  }
}

// --- in place ---

TEST(MemoryPlan, AnElementwiseResultTakesThePlaceOfAnOperandThatDies) {
  const Planned p(chain([](Builder& b, Value x) {
    const Value a = b.named("a", b.unary("exp", x));
    const Value c = b.named("c", b.unary("tanh", a));
    return b.unary("relu", c);
  }));
  EXPECT_TRUE(p.same_place("a", "c"));
  EXPECT_EQ(p.place("out0").kind, Place::Kind::kOutput);
  EXPECT_EQ(p.plan.arena_bytes, 192u);  // 40 floats, up to a multiple of 64 bytes
}

TEST(MemoryPlan, ButNotOfOneThatIsReadLater) {
  const Planned p(chain([](Builder& b, Value x) {
    const Value a = b.named("a", b.unary("exp", x));
    const Value c = b.named("c", b.unary("tanh", a));
    return b.add(c, a);
  }));
  EXPECT_FALSE(p.same_place("a", "c"));
}

TEST(MemoryPlan, NorOfOneWhoseViewIsReadLater) {
  const Planned p(chain([](Builder& b, Value x) {
    const Value a = b.named("a", b.unary("exp", x));
    const Value view = b.reshape(a, {5, 8});
    const Value c = b.named("c", b.unary("tanh", a));
    return b.add(c, b.reshape(b.unary("relu", view), kShape));
  }));
  EXPECT_FALSE(p.same_place("a", "c"));
  expect_disjoint(p);
}

TEST(MemoryPlan, NorOfAnInput) {
  const Planned p(
      chain([](Builder& b, Value x) { return b.unary("relu", b.named("a", b.unary("exp", x))); }));
  EXPECT_EQ(p.place("in0").kind, Place::Kind::kInput);
  EXPECT_EQ(p.place("a").kind, Place::Kind::kArena);
}

// x x + x must not be computed over the x that the product still reads.
TEST(MemoryPlan, AnAccumulatedProductIsNotWrittenOverItsOwnFactor) {
  expect_cpu_equals_reference({fp32({5, 5}, 1)}, [](Builder& b, const auto& v) {
    const Value x = b.unary("tanh", v[0]);
    const Value y = b.op("anemone.matmul_add", {{"sum", x},
                                                {"x", x},
                                                {"y", x},
                                                {"transpose_x", b.boolean(false)},
                                                {"transpose_y", b.boolean(false)}});
    return std::vector{b.unary("exp", y)};
  });
}

TEST(MemoryPlan, AScatterIsNotWrittenOverItsOwnUpdates) {
  const Inputs inputs = {fp32({4, 3}, 1), int32({4}, {1, 2, 3, 0})};
  expect_cpu_equals_reference(inputs, [](Builder& b, const auto& v) {
    const Value x = b.unary("tanh", v[0]);
    const Value y = b.op("scatter", {{"data", x},
                                     {"indices", v[1]},
                                     {"updates", x},
                                     {"axis", b.integer(0)},
                                     {"mode", b.text("add")}});
    return std::vector{b.unary("exp", y)};
  });
}

TEST(MemoryPlan, TheSameOperandTwiceMayBeOverwritten) {
  const Planned p(chain([](Builder& b, Value x) {
    const Value a = b.named("a", b.unary("exp", x));
    return b.unary("relu", b.named("c", b.add(a, a)));
  }));
  EXPECT_TRUE(p.same_place("a", "c"));
}

// One of the results is not used: its place must not be given to the other as well.
TEST(MemoryPlan, TwoResultsOfOneOperationDoNotTakeTheSamePlace) {
  const Shape shape = {1, 5, 1, 8};
  const Planned p(make_function({fp32(shape, 1), fp32(shape, 2)}, [](Builder& b, const auto& v) {
    const Value dy = b.unary("exp", v[0]);
    const auto results =
        b.ops("anemone.swiglu_backward", {{"gate", v[0]}, {"up", v[1]}, {"dy", dy}});
    b.named("dgate", results[0]);
    return std::vector{b.unary("relu", b.named("dup", results[1]))};
  }));
  EXPECT_FALSE(p.same_place("dgate", "dup"));
}

// --- views ---

TEST(MemoryPlan, ViewsTakeNeitherTimeNorMemory) {
  const Planned p(chain([](Builder& b, Value x) {
    const Value view = b.named("view", b.reshape(x, {5, 8}));
    return b.reshape(b.named("wide", b.unary("exp", view)), kShape);
  }));
  EXPECT_EQ(p.plan.steps.size(), 1u);
  EXPECT_TRUE(p.same_place("view", "in0"));
  EXPECT_TRUE(p.same_place("wide", "out0"));
  EXPECT_EQ(p.plan.arena_bytes, 0u);
}

TEST(MemoryPlan, AReturnedViewOfAnInputOrAConstantIsCopied) {
  expect_cpu_equals_reference({fp32({6}, 1)}, [](Builder& b, const auto& v) {
    const Value constant = b.constant(fp32({4}, 2));
    return std::vector{b.reshape(v[0], {2, 3}), b.reshape(constant, {2, 2}), constant};
  });
}

TEST(MemoryPlan, AValueAndItsViewsCanAllBeReturnedInAnyOrder) {
  for (const auto& order : std::vector<std::vector<size_t>>{
           {0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}) {
    SCOPED_TRACE(std::to_string(order[0]) + std::to_string(order[1]) + std::to_string(order[2]));
    expect_cpu_equals_reference({fp32({6}, 1)}, [&](Builder& b, const auto& v) {
      const Value a = b.unary("exp", v[0]);
      const Value c = b.reshape(a, {2, 3});
      const Value d = b.reshape(c, {3, 2});
      const Value all[] = {a, c, d};
      return std::vector{all[order[0]], all[order[1]], all[order[2]]};
    });
  }
}

TEST(MemoryPlan, AReturnedValueMayStillBeRead) {
  expect_cpu_equals_reference({fp32({6}, 1)}, [](Builder& b, const auto& v) {
    const Value a = b.unary("exp", v[0]);
    const Value view = b.reshape(a, {2, 3});
    return std::vector{view, b.unary("tanh", a), b.mul(view, view)};
  });
}

TEST(MemoryPlan, AValueReturnedTwiceOrAnInputReturnedIsRefused) {
  Function twice = chain([](Builder& b, Value x) { return b.unary("exp", x); });
  twice.outputs.push_back(twice.outputs[0]);
  EXPECT_THAT(error_of([&] { Planned p(twice.clone()); }), HasSubstr("returns it twice"));
  Function input = chain([](Builder& b, Value x) { return b.unary("exp", x); });
  input.outputs.push_back(input.inputs[0]);
  EXPECT_THAT(error_of([&] { Planned p(input.clone()); }),
              HasSubstr("output 'in0': it is an input"));
}

}  // namespace
}  // namespace anemone
