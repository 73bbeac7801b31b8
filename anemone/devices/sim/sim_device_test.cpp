// What the simulated device refuses, counts and says; its time.
#include "anemone/devices/sim/sim_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/base/error.h"
#include "anemone/devices/ane_spec/cost_model.h"
#include "anemone/devices/sim/testing/sim_testing.h"
#include "anemone/text/parser.h"

namespace anemone {
namespace {

using namespace sim_testing;  // NOLINT: helpers of this folder
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Function small() { return one_op({{1, 4}}, {1, 4}, "relu(x = a)"); }

Error refusal(Sim& sim, const Function& function) {
  try {
    sim->compile(function);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "it was compiled";
  return Error(ErrorCode::kInternal, "", "");
}

TEST(SimDevice, SaysWhatItIsAndThatItIsSimulated) {
  Sim sim;
  EXPECT_EQ(sim->info().name, "sim:m4-max");
  EXPECT_TRUE(sim->info().simulated);
  EXPECT_EQ(sim->info().float_type, DType::kFp16);
  EXPECT_THAT(sim->info().description, HasSubstr("simulated"));
}

// --- refusals ---

TEST(SimCompile, NamesTheRuleThePlaceAndTheWayOut) {
  Sim sim;
  const Function biased =
      parse_body("tensor<fp16, [1, 4, 1, 16]> a, tensor<fp16, [2, 4, 1, 1]> w, tensor<fp16, [2]> b",
                 "  tensor<fp16, [1, 2, 1, 16]> y = conv(x = a, weight = w, bias = b);\n", "y");
  const Error error = refusal(sim, biased);
  EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(error.where(), "2:35");
  EXPECT_THAT(error.message(), HasSubstr("ane.c4"));
  EXPECT_THAT(error.message(), HasSubstr("compile refused"));
  EXPECT_THAT(error.hint(), HasSubstr("add"));
  EXPECT_THAT(sim->accepts(biased).reason, HasSubstr("2:35: ane.c4"));
  EXPECT_TRUE(sim->accepts(small()));
}

TEST(SimCompile, RefusesFp32AndSaysWhatToDeclare) {
  Sim sim;
  const Function wide =
      parse_body("tensor<fp32, [1, 4]> a", "tensor<fp32, [1, 4]> y = relu(x = a);\n", "y");
  const Error error = refusal(sim, wide);
  EXPECT_THAT(error.message(), HasSubstr("fp32"));
  EXPECT_THAT(error.hint(), HasSubstr("fp16"));
}

TEST(SimCompile, LowersCompositesFirst) {
  const Function f =
      parse_body("tensor<fp16, [1, 32, 1, 16]> a, tensor<fp16, [32]> w",
                 "tensor<fp16, [1, 32, 1, 16]> y = anemone.rms_norm(x = a, weight = w);\n", "y");
  Sim sim;
  EXPECT_GT(sim->compile(f)->stats().operations, 2);
  EXPECT_TRUE(sim->accepts(f));
}

TEST(SimCompile, WarnsOfWhatTheHardwareGetsWrongUnlessStrict) {
  const Function slice =
      one_op({{1, 4}}, {1, 2},
             "slice_by_size(x = a, begin = " + ints({0, 2}) + ", size = " + ints({1, 2}) + ")");
  const Machine m1{.chip = "m1"};
  Sim sim(m1);
  const auto program = sim->compile(slice);
  ASSERT_EQ(program->stats().warnings.size(), 1);
  EXPECT_THAT(program->stats().warnings[0], HasSubstr("ane.c42"));
  EXPECT_THAT(program->stats().warnings[0], HasSubstr("instead: "));
  Machine strict = m1;
  strict.options.strict = true;
  Sim careful(strict);
  EXPECT_THAT(refusal(careful, slice).message(), HasSubstr("ane.c42"));
  EXPECT_FALSE(careful->accepts(slice));
  EXPECT_TRUE(sim->accepts(slice));
  Sim newer;
  EXPECT_THAT(newer->compile(slice)->stats().warnings, IsEmpty());
}

TEST(SimCompile, RefusesWhatIsNotValidAndWeightsThatAreNotLoaded) {
  Sim sim;
  Function broken = small();
  broken.operations.back()->type = "relluu";
  EXPECT_THAT(refusal(sim, broken).what(), HasSubstr("did you mean 'relu'?"));
  const Function unloaded = conv({{1, 4, 1, 16}, {2, 4, 1, 1}, {1, 2, 1, 16}});
  EXPECT_THAT(refusal(sim, unloaded).what(), HasSubstr("the weights of 'w' are not loaded"));
  Machine timed;
  timed.options.values = false;
  EXPECT_GT(Sim(timed)->compile(unloaded)->stats().flops, 0);  // enough to know its time
}

// --- counts ---

TEST(SimCompile, EndsAfter119CompilationsUntilTheProcessIsRestarted) {
  Machine timed;
  timed.options.values = false;
  Sim sim(timed);
  const Function f = small();
  EXPECT_EQ(sim->compiles_left(), 119);
  for (int i = 0; i < 119; ++i) sim->compile(f);
  EXPECT_EQ(sim->compiles_left(), 0);
  const Error error = refusal(sim, f);
  EXPECT_THAT(error.message(), HasSubstr("119 programs on sim:m4-max"));
  EXPECT_THAT(error.hint(), HasSubstr("weights as inputs"));
  EXPECT_GT(sim.clock().restart_ms(), 0);
  EXPECT_EQ(sim->compiles_left(), 119);
  sim->compile(f);
}

TEST(SimCompile, ARefusedProgramIsNoCompilation) {
  Sim sim;
  refusal(sim,
          parse_body("tensor<fp32, [1, 4]> a", "tensor<fp32, [1, 4]> y = relu(x = a);\n", "y"));
  EXPECT_EQ(sim->compiles_left(), 119);
}

TEST(SimCompile, RecompilingCounts) {
  Machine few;
  few.options.compile_budget = 2;
  Sim sim(few);
  const auto program = sim->compile(small());
  EXPECT_EQ(sim.clock().recompile_ms(*program), program->stats().compile_ms);
  EXPECT_EQ(sim->compiles_left(), 0);
  EXPECT_THAT(error_of([&] { sim.clock().recompile_ms(*program); }), HasSubstr("ane.c1"));
}

TEST(SimCompile, HoldsSoManyProgramsAndCountsThoseThatGo) {
  Machine tight;
  tight.options.loaded_limit = 2;
  Sim sim(tight);
  auto first = sim->compile(small());
  const auto second = sim->compile(small());
  EXPECT_THAT(refusal(sim, small()).message(), HasSubstr("2 programs are loaded"));
  first.reset();
  sim->compile(small());
}

TEST(SimCompile, AProgramThatCouldNotBeMadeIsNotLoaded) {
  Machine tight;
  tight.options.loaded_limit = 1;
  Sim sim(tight);
  refusal(sim, conv({{1, 4, 1, 16}, {2, 4, 1, 1}, {1, 2, 1, 16}}));
  sim->compile(small());
}

TEST(SimCompile, ProgramsMayOutliveTheirDevice) {
  ThreadPool pool(1);
  auto device = make_sim_device(find_chip("m1"), pool);
  auto program = device->compile(small());
  auto buffer = device->allocate(Type::tensor(DType::kFp16, {1, 4}));
  auto result = device->allocate(Type::tensor(DType::kFp16, {1, 4}));
  device.reset();
  const Binding in[] = {{"", buffer.get()}}, out[] = {{"", result.get()}};
  program->bind(in, out)->run();
  program.reset();
}

// --- memory ---

TEST(SimBuffer, HasWholePagesFrom48KiBAndWhatIsAskedFor) {
  Sim sim;
  const Type type = Type::tensor(DType::kFp16, {1, 4});
  EXPECT_EQ(sim->allocate(type)->capacity(), 49152);
  EXPECT_EQ(sim->allocate(type, 49153)->capacity(), 65536);
  EXPECT_EQ(sim->allocate(type, 1)->capacity(), 49152);
  EXPECT_EQ(sim->allocate(Type::tensor(DType::kFp16, {1, 40000}))->capacity(), 81920);
}

TEST(SimBuffer, IsPackedFromItsFirstByteWhateverItsCapacity) {
  Sim sim;
  const auto buffer = sim->allocate(Type::tensor(DType::kFp16, {2, 2}), 1 << 20);
  buffer->write(halves({2, 2}, {1, 2, 3, 4}));
  const TensorView memory = buffer->map();
  ASSERT_EQ(memory.size(), 4);
  const auto* bits = static_cast<const uint16_t*>(memory.data);
  EXPECT_THAT(std::vector(bits, bits + 4), ElementsAre(0x3C00, 0x4000, 0x4200, 0x4400));
}

TEST(SimBuffer, WithoutValuesHasNoMemoryBehindIt) {
  Machine timed;
  timed.options.values = false;
  Sim sim(timed);
  EXPECT_FALSE(sim.clock().values());
  const Type type = Type::tensor(DType::kFp16, {1 << 20, 1 << 22});  // 8 TiB
  const auto buffer = sim->allocate(type);
  EXPECT_GE(buffer->capacity(), type.bytes());
  EXPECT_EQ(buffer->map().data, nullptr);
  buffer->write(halves({1}, {1}));
}

TEST(SimCompile, WithoutValuesTimesProgramsThatNoMemoryHolds) {
  Machine timed;
  timed.options.values = false;
  Sim sim(timed);
  const Shape wide = {64, 65536, 1, 65536};
  const Function f = one_op({wide, wide}, wide, "add(x = a, y = b)");
  const auto program = sim->compile(f);
  const Type image = Type::tensor(DType::kFp16, wide);
  const auto a = sim->allocate(image), b = sim->allocate(image), y = sim->allocate(image);
  const Binding in[] = {{"a", a.get()}, {"b", b.get()}}, out[] = {{"y", y.get()}};
  program->bind(in, out)->run();
  EXPECT_GT(sim.clock().run_ms(*program, 0), 1000);
}

// --- time ---

TEST(SimTime, IsThatOfTheCostModelAndAlwaysTheSame) {
  const Function f =
      one_op({{1, 64, 1, 64}, {64, 64, 1, 1}}, {1, 64, 1, 64}, "conv(x = a, weight = b)");
  const Chip& chip = find_chip("m1");
  Sim sim({.chip = "m1"}), twin({.chip = "m1"});
  const auto program = sim->compile(f, {.in_place = {}, .weights = {"b"}});
  const auto other = twin->compile(f, {.in_place = {}, .weights = {"b"}});
  const ProgramTime time = predict(f, chip, {"b"});
  const double warm = time.total_us / 1000;
  EXPECT_DOUBLE_EQ(program->stats().compile_ms, time.compile_ms + time.load_ms);
  const double first = sim.clock().run_ms(*program, 0);
  EXPECT_DOUBLE_EQ(first, warm + chip.engine.first_call_ms.value);
  double now = first;
  for (int i = 0; i < 3; ++i, now += warm) {
    EXPECT_DOUBLE_EQ(sim.clock().run_ms(*program, now), warm);
  }
  EXPECT_EQ(twin.clock().run_ms(*other, 0), first);
}

TEST(SimTime, TheFirstRunOfEveryCompilationTakesLonger) {
  Sim sim;
  const auto program = sim->compile(small()), other = sim->compile(small());
  const double first = sim.clock().run_ms(*program, 0);
  EXPECT_EQ(sim.clock().run_ms(*other, first), first);
  const double warm = sim.clock().run_ms(*program, 2 * first);
  EXPECT_LT(warm, first);
  sim.clock().recompile_ms(*program);
  EXPECT_EQ(sim.clock().run_ms(*program, 3 * first), first);
}

TEST(SimTime, AnEngineThatRestedTakesLongerTheLongerItDid) {
  Sim sim({.chip = "m1"});
  const auto program = sim->compile(small());
  double now = sim.clock().run_ms(*program, 0);
  const auto after = [&](double rest) {
    const double ms = sim.clock().run_ms(*program, now + rest);
    now += rest + ms;
    return ms;
  };
  const double warm = after(0);
  EXPECT_EQ(after(99), warm);
  EXPECT_NEAR(after(101), warm + 0.5, 1e-3);
  EXPECT_GT(after(2000), after(1000));
  EXPECT_NEAR(after(5000), warm + find_chip("m1").engine.rewake_ms.value, 1e-9);
  EXPECT_NEAR(after(1e6), warm + find_chip("m1").engine.rewake_ms.value, 1e-9);
  EXPECT_EQ(after(0), warm);
  const double rested = now + 5000;
  sim->compile(small());  // loading wakes it
  EXPECT_EQ(sim.clock().run_ms(*program, rested), warm);
}

TEST(SimTime, OfTheHostIsPositiveAndAddsUp) {
  Sim sim;
  const Simulation& clock = sim.clock();
  const double start = clock.host_ms({});
  EXPECT_GT(start, 0);
  HostWork all;
  double sum = 0;
  for (const HostWork& work : {HostWork{.gemm_flops = 1e9},
                               {.elementwise_bytes = 1e9},
                               {.exponentials = 1e9},
                               {.copied_bytes = 1e9}}) {
    EXPECT_GT(clock.host_ms(work), start);
    sum += clock.host_ms(work) - start;
    all += work;
  }
  EXPECT_NEAR(clock.host_ms(all), start + sum, 1e-9);
}

}  // namespace
}  // namespace anemone
