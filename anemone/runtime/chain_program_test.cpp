// A chain of stages bound to memory gives what one function of the whole chain gives.
#include "anemone/runtime/forward_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/autodiff/reverse_sweep.h"
#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/runtime/training_program.h"
#include "anemone/tensor/compare.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

constexpr double kTolerance = 1e-5;  // |difference| / |gradient|, fp32 over a few layers
constexpr int64_t kChannels = 5, kHidden = 7, kClasses = 3, kColumns = 9;
constexpr DType kType = DType::kFp32;

// features [1, 5, 1, 9] → y [1, 7, 1, 9]
Value first_layer(Builder& b, Value features, Value w) {
  return b.unary("relu", b.conv1x1(features, w));
}
// y = x + relu(w x), used twice with weights of its own.
Value middle_layer(Builder& b, Value x, Value w) {
  return b.add(x, b.unary("relu", b.conv1x1(x, w)));
}
std::vector<Value> last_layer(Builder& b, Value x, Value w, Value targets) {
  return b.ops("anemone.cross_entropy", {{"logits", b.conv1x1(x, w)}, {"targets", targets}});
}

const Shape kFirst = {kHidden, kChannels, 1, 1}, kMiddle = {kHidden, kHidden, 1, 1},
            kLast = {kClasses, kHidden, 1, 1}, kActivation = {1, kHidden, 1, kColumns};

StageChain small_chain() {
  StageChain chain;
  Stage first{Function("first", "ios18"), "", "y", {"w"}};
  Builder b(first.function);
  const Value features = b.input("features", kType, {1, kChannels, 1, kColumns});
  b.output("y", first_layer(b, features, b.input("w", kType, kFirst)));
  Stage middle{Function("middle", "ios18"), "x", "y", {"w"}};
  Builder m(middle.function);
  const Value x = m.input("x", kType, kActivation);
  m.output("y", middle_layer(m, x, m.input("w", kType, kMiddle)));
  Stage last{Function("last", "ios18"), "x", "loss", {"w"}};
  Builder l(last.function);
  const Value hidden = l.input("x", kType, kActivation), w = l.input("w", kType, kLast);
  const auto results = last_layer(l, hidden, w, l.input("targets", DType::kInt32, {kColumns}));
  l.output("loss", results[0]);
  l.output("log_sum_exp", results[1]);
  chain.stages.push_back(std::move(first));
  chain.stages.push_back(std::move(middle));
  chain.stages.push_back(std::move(last));
  chain.uses = {{0, "first", {"p0"}}, {1, "a", {"p1"}}, {1, "b", {"p2"}}, {2, "last", {"p3"}}};
  return chain;
}

const std::map<std::string, Shape> kParameters = {
    {"p0", kFirst}, {"p1", kMiddle}, {"p2", kMiddle}, {"p3", kLast}};

// features, targets, p0 … p3 → loss, dp0 … dp3
Function whole_chain() {
  Function f("whole", "ios18");
  Builder b(f);
  const Value features = b.input("features", kType, {1, kChannels, 1, kColumns});
  const Value targets = b.input("targets", DType::kInt32, {kColumns});
  std::vector<Value> p;
  for (const auto& [name, shape] : kParameters) p.push_back(b.input(name, kType, shape));
  const Value hidden = middle_layer(b, middle_layer(b, first_layer(b, features, p[0]), p[1]), p[2]);
  const Value loss = last_layer(b, hidden, p[3], targets)[0];
  const auto gradients = reverse_sweep(b, {{loss, b.full_like(loss, 1.0)}}, p);
  b.output("loss", loss);
  for (size_t i = 0; i < p.size(); ++i) b.output("dp" + std::to_string(i), gradients[i]);
  f.remove_unused();
  return f;
}

// The same numbers for the chain and the whole.
class Given {
 public:
  explicit Given(Device& device) {
    uint64_t seed = 1;
    for (const auto& [name, shape] : kParameters) {
      tensors[name] = random_tensor(shape, ++seed).cast(kType);
      values_[name] = device.allocate(Type::tensor(kType, shape));
      values_[name]->write(tensors[name]);
      gradients_[name] = device.allocate(Type::tensor(kType, shape));
    }
    tensors["features"] = random_tensor({1, kChannels, 1, kColumns}, ++seed).cast(kType);
    tensors["targets"] = Tensor::of<int32_t>({kColumns}, {0, 1, 2, 2, 1, 0, 0, 2, 1});
  }
  Buffer& gradient(const std::string& name) { return *gradients_.at(name); }
  ParameterLookup values() {
    return [this](const std::string& name) { return values_.at(name).get(); };
  }
  ParameterLookup gradients() {
    return [this](const std::string& name) { return gradients_.at(name).get(); };
  }
  // `factor` times the gradient of the whole.
  void expect_gradients(const NamedTensors& whole, double factor) {
    for (const auto& [name, buffer] : gradients_) {
      Tensor expected = whole.at("d" + name).clone();
      for (float& value : expected.as<float>()) value *= static_cast<float>(factor);
      EXPECT_LT(compare(buffer->map(), expected).relative_norm, kTolerance) << name;
    }
  }

  NamedTensors tensors;

 private:
  std::map<std::string, std::unique_ptr<Buffer>> values_, gradients_;
};

class TrainingProgramTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    for (const char* name : {"features", "targets"}) program.side(name).write(given.tensors[name]);
  }

  ThreadPool pool{GetParam()};
  std::unique_ptr<Device> device = make_cpu_device(pool);
  Given given{*device};
  Timeline timeline;
  TrainingProgram program{{*device, *device, find_pipeline("host"), false, false, &timeline},
                          small_chain(),
                          given.values(),
                          given.gradients()};
  NamedTensors whole = evaluate(whole_chain(), given.tensors);
};

TEST_P(TrainingProgramTest, GivesTheLossAndGradientsOfTheWhole) {
  EXPECT_NEAR(program.run(1), whole.at("loss").at(0), 1e-6);
  given.expect_gradients(whole, 1);
}

TEST_P(TrainingProgramTest, GradientsAddUpOverRuns) {
  program.run(1);
  program.run(1);
  given.expect_gradients(whole, 2);
}

TEST_P(TrainingProgramTest, TheLossScaleScalesGradientsButNotTheLoss) {
  EXPECT_NEAR(program.run(0.25f), whole.at("loss").at(0), 1e-6);
  given.expect_gradients(whole, 0.25);
}

TEST_P(TrainingProgramTest, CountsItsProgramsAndTimesItsSteps) {
  EXPECT_EQ(program.counts().total, 8);  // the first stage hands no gradient back
  EXPECT_GT(program.flops(), 0);
  program.run(1);
  int steps = 0;
  for (const TimelineTotal& total : timeline.totals()) steps += total.count;
  EXPECT_EQ(steps, 4 + 3 + 4);
}

TEST_P(TrainingProgramTest, NamesASideInputThatTheChainLacks) {
  EXPECT_THAT(error_of([&] { program.side("tokens"); }), testing::HasSubstr("side input 'tokens'"));
}

INSTANTIATE_TEST_SUITE_P(Threads, TrainingProgramTest, testing::Values(1, 2, 3));

// --- ForwardProgram ---

TEST(ForwardProgram, GivesTheLossOfTheWhole) {
  ThreadPool pool(2);
  const auto device = make_cpu_device(pool);
  Given given(*device);
  const StageChain chain = small_chain();
  ForwardProgram program(*device, chain, given.values());
  for (const char* name : {"features", "targets"}) program.side(name)->write(given.tensors[name]);
  const NamedTensors whole = evaluate(whole_chain(), given.tensors);
  for (int i = 0; i < 2; ++i) {
    program.run();
    EXPECT_NEAR(program.output().map().at(0), whole.at("loss").at(0), 1e-6);
  }
  EXPECT_EQ(program.side("nothing"), nullptr);
  EXPECT_NE(program.side("log_sum_exp"), nullptr);
}

// y = x + cache, and what goes into the cache next: a stage used three times.
StageChain caching_chain() {
  StageChain chain;
  Stage first{Function("first", "ios18"), "", "y", {"w"}};
  Builder b(first.function);
  b.output("y", b.mul(b.input("w", kType, {2}), b.input("factor", kType, {2})));
  Stage stage{Function("caching", "ios18"), "x", "y", {}};
  Builder s(stage.function);
  const Value x = s.input("x", kType, {2});
  s.output("y", s.add(x, s.input("cache", kType, {2})));
  s.output("next", s.mul(x, s.input("factor", kType, {2})));
  chain.stages.push_back(std::move(first));
  chain.stages.push_back(std::move(stage));
  chain.uses = {{0, "first", {"p"}}, {1, "a", {}}, {1, "b", {}}, {1, "c", {}}};
  return chain;
}

TEST(ForwardProgram, OwnSideBuffersAreSeparateForEveryUse) {
  ThreadPool pool(1);
  const auto device = make_cpu_device(pool);
  const auto weight = device->allocate(Type::tensor(kType, {2}));
  weight->write(Tensor::of<float>({2}, {1, 2}));
  const StageChain chain = caching_chain();
  ForwardProgram program(*device, chain, [&](const std::string&) { return weight.get(); },
                         {"cache", "next"});
  program.side("factor")->write(Tensor::of<float>({2}, {10, 10}));
  for (size_t use : {1u, 2u, 3u}) {
    const auto start = static_cast<float>(use);
    program.side("cache", use)->write(Tensor::of<float>({2}, {start, 100 * start}));
  }
  EXPECT_EQ(program.side("cache"), nullptr);
  EXPECT_EQ(program.side("cache", 0), nullptr);
  program.run();
  // y[0] is 10, then 10 + 1, 11 + 2, 13 + 3.
  EXPECT_EQ(program.output().map().at(0), 16);
  EXPECT_EQ(program.output().map().at(1), 620);
  EXPECT_EQ(program.side("next", 1)->map().at(0), 100);
  EXPECT_EQ(program.side("next", 2)->map().at(0), 110);
  EXPECT_EQ(program.side("next", 3)->map().at(0), 130);
}

}  // namespace
}  // namespace anemone
