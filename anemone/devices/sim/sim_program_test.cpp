// Programs of the simulated device: what binds to what, what a run reads and writes.
#include "anemone/devices/sim/sim_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "anemone/devices/sim/testing/sim_testing.h"
#include "anemone/model/transformer.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/widen_halves.h"

namespace anemone {
namespace {

using namespace sim_testing;  // NOLINT: helpers of this folder
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Type kFour = Type::tensor(DType::kFp16, {1, 4});

// b - a and a - b, declared against the alphabet.
Function differences() {
  return parse_body("tensor<fp16, [1, 4]> b, tensor<fp16, [1, 4]> a",
                    "tensor<fp16, [1, 4]> z = sub(x = b, y = a);\n"
                    "tensor<fp16, [1, 4]> y = sub(x = a, y = b);\n",
                    "z, y");
}

// Buffers of one device.
class Program {
 public:
  explicit Program(const Function& function, const CompileOptions& options = {},
                   const Machine& machine = {})
      : sim_(machine), program_(sim_->compile(function, options)) {}

  Executable* operator->() { return program_.get(); }
  Sim& sim() { return sim_; }
  Buffer* buffer(double value, size_t least_bytes = 0) {
    buffers_.push_back(sim_->allocate(kFour, least_bytes));
    buffers_.back()->write(halves({1, 4}, {value, value, value, value}));
    return buffers_.back().get();
  }
  void run(std::vector<Binding> in, std::vector<Binding> out) { program_->bind(in, out)->run(); }
  std::string refusal(const std::vector<Binding>& in, const std::vector<Binding>& out) {
    return error_of([&] { run(in, out); });
  }

 private:
  Sim sim_;
  std::unique_ptr<Executable> program_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
};

double first(const Buffer* buffer) {
  Tensor tensor(buffer->type().dtype, buffer->type().shape);
  buffer->read(tensor);
  return tensor.at(0);
}

// --- ports ---

TEST(SimPorts, StandInAlphabeticalOrder) {
  Program p(differences());
  EXPECT_THAT(p->inputs(), ElementsAre(std::pair("a", kFour), std::pair("b", kFour)));
  EXPECT_THAT(p->outputs(), ElementsAre(std::pair("y", kFour), std::pair("z", kFour)));
}

TEST(SimPorts, BindByNameOrInTheirOrder) {
  Program p(differences());
  Buffer *a = p.buffer(5), *b = p.buffer(7), *y = p.buffer(0), *z = p.buffer(0);
  p.run({{"b", b}, {"a", a}}, {{"z", z}, {"y", y}});
  EXPECT_EQ(first(y), -2);
  EXPECT_EQ(first(z), 2);
  p.run({{"", a}, {"", b}}, {{"", z}, {"", y}});
  EXPECT_EQ(first(z), -2);
  EXPECT_EQ(first(y), 2);
}

TEST(SimPorts, RefuseWhatDoesNotFit) {
  Program p(differences());
  Buffer *a = p.buffer(5), *y = p.buffer(0), *z = p.buffer(0);
  EXPECT_THAT(p.refusal({{"a", a}}, {{"y", y}, {"z", z}}),
              HasSubstr("input 'b' of main: nothing is bound to it"));
  EXPECT_THAT(p.refusal({{"", a}}, {{"y", y}, {"z", z}}),
              HasSubstr("input 'b' of main: nothing is bound to it"));
  EXPECT_THAT(p.refusal({{"a", a}, {"b", a}}, {{"y", y}, {"z", nullptr}}),
              HasSubstr("output 'z' of main: nothing is bound to it"));
  const auto wide = p.sim()->allocate(Type::tensor(DType::kFp16, {5}));
  EXPECT_THAT(p.refusal({{"a", a}, {"b", wide.get()}}, {{"y", y}, {"z", z}}),
              HasSubstr("it takes tensor<fp16, [1, 4]>, the buffer holds tensor<fp16, [5]>"));
  Program other(differences());
  EXPECT_THAT(p.refusal({{"a", a}, {"b", other.buffer(1)}}, {{"y", y}, {"z", z}}),
              HasSubstr("its buffer is another device's"));
}

TEST(SimPorts, ShareABufferOnlyWhereTheProgramWasCompiledForIt) {
  const Function f = one_op({{1, 4}, {1, 4}}, {1, 4}, "sub(x = a, y = b)");
  Program p(f);
  Buffer *a = p.buffer(5), *b = p.buffer(7);
  EXPECT_THAT(p.refusal({{"a", a}, {"b", b}}, {{"y", b}}),
              HasSubstr("output 'y' of main: its buffer is also that of input 'b'"));
  Program two(differences());
  Buffer *x = two.buffer(1), *y = two.buffer(0);
  EXPECT_THAT(two.refusal({{"a", x}, {"b", x}}, {{"y", y}, {"z", y}}),
              HasSubstr("output 'z' of main: its buffer is also that of output 'y'"));
  Program updating(f, {.in_place = {{"b", "y"}}, .weights = {}});
  Buffer *c = updating.buffer(5), *d = updating.buffer(7);
  updating.run({{"a", c}, {"b", d}}, {{"y", d}});
  EXPECT_EQ(first(d), -2);
  updating.run({{"a", c}, {"b", d}}, {{"y", d}});
  EXPECT_EQ(first(d), 7);
}

// --- surfaces ---

TEST(SimSurfaces, AreOfOneSizeOnEachSide) {
  Program p(differences());
  Buffer *a = p.buffer(5), *b = p.buffer(7, 60000), *y = p.buffer(0), *z = p.buffer(0);
  EXPECT_THAT(p.refusal({{"a", a}, {"b", b}}, {{"y", y}, {"z", z}}),
              AllOf(HasSubstr("input surfaces of main"), HasSubstr("0x1d"), HasSubstr("ane.c26"),
                    HasSubstr("give all of them 65536")));
  Buffer* wide = p.buffer(5, 60000);
  EXPECT_THAT(p.refusal({{"a", wide}, {"b", b}}, {{"y", y}, {"z", p.buffer(0, 70000)}}),
              HasSubstr("output surfaces of main"));
  p.run({{"a", wide}, {"b", b}}, {{"y", y}, {"z", z}});
  EXPECT_EQ(first(z), 2);
}

TEST(SimSurfaces, AreCheckedWithoutValuesToo) {
  Machine timed;
  timed.options.values = false;
  Program p(differences(), {}, timed);
  Buffer *a = p.buffer(5), *b = p.buffer(7, 60000);
  EXPECT_THAT(p.refusal({{"a", a}, {"b", b}}, {{"y", p.buffer(0)}, {"z", p.buffer(0)}}),
              HasSubstr("0x1d"));
}

// --- what a run reads ---

TEST(SimRun, SeesWhatWasWrittenOrMappedBeforeIt) {
  Program p(one_op({{1, 4}}, {1, 4}, "identity(x = a)"));
  Buffer *a = p.buffer(1), *y = p.buffer(0);
  const Binding in[] = {{"a", a}}, out[] = {{"y", y}};
  const auto request = p->bind(in, out);
  const auto result = [&] {
    request->run();
    return first(y);
  };
  EXPECT_EQ(result(), 1);
  a->write(halves({1, 4}, {2, 2, 2, 2}));
  EXPECT_EQ(result(), 2);
  const TensorView memory = a->map();
  memory.set(0, 3);
  EXPECT_EQ(result(), 3);
  memory.set(0, 4);  // through the same mapping
  EXPECT_EQ(result(), 4);
}

TEST(SimRun, TakesNoBufferForAnotherThatWasInItsPlace) {
  Program p(one_op({{1, 4}}, {1, 4}, "identity(x = a)"));
  Buffer* y = p.buffer(0);
  for (int i = 0; i < 100; ++i) {  // some of them get the memory of the one before
    const auto a = p.sim()->allocate(kFour);
    const double value = i;
    a->write(halves({1, 4}, {value, value, value, value}));
    p.run({{"a", a.get()}}, {{"y", y}});
    ASSERT_EQ(first(y), value);
  }
}

TEST(SimRun, OneProgramServesManyRequests) {
  Program p(differences());
  Buffer *a = p.buffer(5), *b = p.buffer(7), *y = p.buffer(0), *z = p.buffer(0);
  const Binding in[] = {{"a", a}, {"b", b}}, turned[] = {{"a", b}, {"b", a}};
  const Binding out[] = {{"y", y}, {"z", z}};
  const auto one = p->bind(in, out), other = p->bind(turned, out);
  for (int i = 0; i < 2; ++i) {
    one->run();
    EXPECT_EQ(first(y), -2);
    other->run();
    EXPECT_EQ(first(y), 2);
  }
}

TEST(SimRun, OutputsFeedInputsOfTheNext) {
  Program p(one_op({{1, 4}}, {1, 4}, "add(x = a, y = a)"));
  Buffer *ping = p.buffer(1), *pong = p.buffer(0);
  for (int i = 0; i < 3; ++i) {
    p.run({{"a", ping}}, {{"y", pong}});
    p.run({{"a", pong}}, {{"y", ping}});
  }
  EXPECT_EQ(first(ping), 64);
}

// --- unusual programs ---

TEST(SimRun, ConstantsAloneAreAProgram) {
  Function f("main", "ios18");
  Builder b(f);
  const Value constant = b.constant(halves({1, 4}, {1, 2, 3, 4}));
  b.output("y", b.add(constant, constant));
  b.output("z", constant);
  Program p(f);
  Buffer *y = p.buffer(0), *z = p.buffer(0);
  p.run({}, {{"y", y}, {"z", z}});
  EXPECT_EQ(first(y), 2);
  EXPECT_EQ(first(z), 1);
}

TEST(SimRun, ViewsOfInputsAreCopied) {
  const Function f =
      parse_body("tensor<fp16, [1, 4]> a",
                 "tensor<fp16, [2, 2]> y = reshape(x = a, shape = " + ints({2, 2}) + ");\n", "y");
  EXPECT_THAT(run(f, {{1, 2, 3, 4}}), ElementsAre(1, 2, 3, 4));
}

TEST(SimRun, UnusedInputsAreBoundAllTheSame) {
  const Function f = parse_body("tensor<fp16, [1, 4]> a, tensor<fp16, [1, 4]> b",
                                "tensor<fp16, [1, 4]> y = relu(x = a);\n", "y");
  EXPECT_THAT(run(f, {{1, -2, 3, 4}, {}}), ElementsAre(1, 0, 3, 4));
}

// --- weights ---

TEST(SimWeights, StayAsTheyWereCompiled) {
  const Tensor halfs = halves({1, 4}, {1, 2, 3, 4});
  const Tensor sizes = Tensor::of<int32_t>({2}, {0, 2});
  Literal weight = Literal::of(halfs.clone()), begin = Literal::of(sizes.clone());
  const auto shared_weight = weight.tensor, shared_begin = begin.tensor;
  Function f("main", "ios18");
  Builder b(f);
  const Value x = b.input("a", DType::kFp16, {1, 4});
  const Value y = b.add(x, b.constant(std::move(weight)));
  b.output("y",
           b.op("slice_by_size",
                {{"x", y}, {"begin", b.constant(std::move(begin))}, {"size", b.integers({1, 2})}}));
  Program p(f);
  const auto result = p.sim()->allocate(Type::tensor(DType::kFp16, {1, 2}));
  Buffer* a = p.buffer(10);
  shared_weight->view().set(2, 99);
  shared_begin->view().set(1, 0);
  p.run({{"a", a}}, {{"y", result.get()}});
  EXPECT_EQ(first(result.get()), 13);
}

TEST(SimWeights, FollowTheirBufferWhereTheyAreInputs) {
  Program p(one_op({{1, 4}, {1, 4}}, {1, 4}, "mul(x = a, y = b)"),
            {.in_place = {}, .weights = {"b"}});
  Buffer *a = p.buffer(3), *b = p.buffer(5), *y = p.buffer(0);
  const Binding in[] = {{"a", a}, {"b", b}}, out[] = {{"y", y}};
  const auto request = p->bind(in, out);
  request->run();
  EXPECT_EQ(first(y), 15);
  b->write(halves({1, 4}, {6, 6, 6, 6}));
  request->run();
  EXPECT_EQ(first(y), 18);
}

// --- whole layers ---

constexpr int64_t kBatch = 2, kSequence = 16, kColumns = kBatch * kSequence;

TransformerConfig grouped_config() {
  TransformerConfig config;
  config.dim = 64;
  config.hidden_dim = 96;
  config.layers = 1;
  config.heads = 4;
  config.kv_heads = 2;
  config.head_size = 16;
  config.vocab_size = 32;
  return config;
}

// Inputs that fp16 holds, weights about as large as in a model.
NamedTensors inputs_of(const Function& function) {
  NamedTensors named;
  for (Value input : function.inputs) {
    const Shape& shape = input->type.shape;
    const bool is_weight = shape[0] > 1 && shape.size() == 4;
    const double largest = is_weight ? 0.25 : 1.5;
    named[input->name] =
        random_tensor(shape, 17 + named.size(), -largest, largest).cast(DType::kFp16);
  }
  return named;
}

NamedTensors as_fp32(const NamedTensors& tensors) {
  NamedTensors result;
  for (const auto& [name, tensor] : tensors) result[name] = tensor.cast(DType::kFp32);
  return result;
}

NamedTensors on_sim(const Function& wide, const NamedTensors& inputs, const Machine& machine) {
  Function function = wide.clone();
  to_fp16(function);
  Sim sim(machine);
  return cpu_testing::Bound(*sim, function).run(inputs);
}

// In fp32, with the constants that the fp16 program has.
NamedTensors on_cpu(const Function& wide, const NamedTensors& inputs) {
  Function function = wide.clone();
  to_fp16(function);
  widen_halves(function);
  return cpu_testing::run_on_cpu(function, as_fp32(inputs));
}

std::vector<Stage> layer_stages() {
  std::vector<Stage> stages;
  stages.push_back(attention_stage(grouped_config(), {}, kBatch, kSequence).stage);
  stages.push_back(ffn_stage(grouped_config(), kColumns).stage);
  return stages;
}

// The result is rounded at its port: it is what the CPU's, moved by 1e-5 of the largest, rounds to.
TEST(SimLayers, WithoutTheEnginesNumericsAreTheCpusInFp32) {
  for (const Stage& stage : layer_stages()) {
    const NamedTensors inputs = inputs_of(stage.function);
    const NamedTensors exact = on_cpu(stage.function, inputs);
    const NamedTensors actual = on_sim(stage.function, inputs, with(kAllOff));
    for (const auto& [name, tensor] : exact) {
      double largest = 0;
      for (const double value : values(tensor)) largest = std::max(largest, std::abs(value));
      const Tensor low = tensor.clone(), high = tensor.clone();
      for (int64_t i = 0; i < tensor.size(); ++i) {
        low.view().set(i, tensor.at(i) - 1e-5 * largest);
        high.view().set(i, tensor.at(i) + 1e-5 * largest);
      }
      const Tensor least = low.cast(DType::kFp16), most = high.cast(DType::kFp16);
      for (int64_t i = 0; i < tensor.size(); ++i) {
        ASSERT_GE(actual.at(name).at(i), least.at(i)) << name;
        ASSERT_LE(actual.at(name).at(i), most.at(i)) << name;
      }
    }
  }
}

// About ten results in a row, each rounded by at most 2^-11 (5e-4) of itself, which add up as their
// root; the grid is 2^-17 beside sums of about one. Nor can all the roundings vanish.
TEST(SimLayers, WithTheEnginesNumericsAreNearTheCpus) {
  for (const Stage& stage : layer_stages()) {
    const NamedTensors inputs = inputs_of(stage.function);
    const NamedTensors exact = on_cpu(stage.function, inputs);
    for (const auto& [name, tensor] : on_sim(stage.function, inputs, {})) {
      const double error = compare(tensor.cast(DType::kFp32), exact.at(name)).relative_norm;
      EXPECT_LT(error, 3e-3) << name;
      EXPECT_GT(error, 1e-4) << name;
    }
  }
}

TEST(SimLayers, GiveTheSameBitsWithAnyNumberOfThreads) {
  for (const Stage& stage : layer_stages()) {
    const NamedTensors inputs = inputs_of(stage.function);
    const NamedTensors alone = on_sim(stage.function, inputs, {});
    for (const int threads : {2, 3}) {
      cpu_testing::expect_same(on_sim(stage.function, inputs, {.threads = threads}), alone, 0);
    }
  }
}

}  // namespace
}  // namespace anemone
