// The Neural Engine's device on the fake frameworks: which route it takes and why, that programs
// and training compute what the simulated engine computes, and what a person reads when it does not
// work.
#include "anemone/devices/ane/ane_device.h"

#include "anemone/base/file.h"
#include "anemone/base/random.h"
#include "anemone/checkpoint/test_weights.h"
#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/devices/sim/sim_device.h"
#include "anemone/ops/evaluate.h"
#include "anemone/ops/verify.h"
#include "anemone/passes/passes.h"
#include "anemone/selftest/selftest.h"
#include "anemone/tensor/compare.h"
#include "anemone/text/parser.h"
#include "anemone/train/trainer.h"
#include "tests/fake_ane/device/ane_device_testing.h"

namespace anemone {
namespace {
namespace fs = std::filesystem;
using fake_ane::How;
using fake_ane::world;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(AneDeviceTest, TakesE5rtFirstAndSaysSo) {
  const auto device = make_ane_device(options());
  EXPECT_EQ(route_of(*device), "e5rt");
  EXPECT_EQ(device->info().name, "ane");
  EXPECT_FALSE(device->info().simulated);
  EXPECT_EQ(device->info().float_type, DType::kFp16);
  EXPECT_THAT(device->info().description, HasSubstr("not yet run on hardware"));
}

TEST_F(AneDeviceTest, WorksThroughTheLibrariesAsWell) {
  AneOptions o = options();
  o.frameworks = load_frameworks(FrameworkPaths::of_fake(fake_ane::library_folder()));
  EXPECT_EQ(o.frameworks->espresso_problem + o.frameworks->in_memory_problem, "");
  EXPECT_EQ(route_of(*make_ane_device(o)), "e5rt");
  o.route = AneRouteChoice::kInMemory;
  EXPECT_EQ(route_of(*make_ane_device(o)), "inmemory");
}

TEST_F(AneDeviceTest, FallsBackToTheOtherRouteAndKeepsTheReason) {
  world().fail_next("e5rt_e5_compiler_compile", How::kFail);
  const auto device = make_ane_device(options());
  EXPECT_EQ(route_of(*device), "inmemory");
  EXPECT_THAT(notes_of(*device), AllOf(HasSubstr("after e5rt"), HasSubstr("refused it")));
}

TEST_F(AneDeviceTest, ARouteThatComputesWronglyIsNotTaken) {
  world().fail_next("e5rt_execution_stream_execute_sync", How::kZeros);
  const auto device = make_ane_device(options());
  EXPECT_EQ(route_of(*device), "inmemory");
  EXPECT_THAT(notes_of(*device), HasSubstr("came out as 0"));
}

TEST_F(AneDeviceTest, WithoutAnyRouteItIsUnavailableInOneLineWithBothReasons) {
  AneOptions o = options();
  o.frameworks = load_frameworks(FrameworkPaths::of_fake(folder / "nothing"));
  try {
    make_ane_device(o);
    FAIL() << "a device from nothing";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
    EXPECT_THAT(error.message(), AllOf(HasSubstr("e5rt: "), HasSubstr("inmemory: ")));
    EXPECT_EQ(error.message().find('\n'), std::string::npos);
  }
}

TEST_F(AneDeviceTest, AChosenRouteIsTheOnlyOneThatIsTried) {
  world().fail_next("e5rt_e5_compiler_compile", How::kFail);
  EXPECT_THROW(make_ane_device(options(AneRouteChoice::kE5rt)), Error);
  EXPECT_EQ(world().count("compileWithQoS:options:error:"), 0);
  EXPECT_THROW(parse_ane_route("coreml"), Error);
}

TEST_F(AneDeviceTest, AChipThatIsNotKnownIsTakenForTheNewestWithANote) {
  AneOptions o = options();
  o.host->chip_title = "Apple M9";
  world().options.chip = "m6";
  EXPECT_THAT(notes_of(*make_ane_device(o)), HasSubstr("'Apple M9' is not known"));
}

TEST_F(AneDeviceTest, WhatTheRulesRefuseNeverReachesTheCompiler) {
  const auto device = make_ane_device(options());
  const int before = world().count("e5rt_e5_compiler_compile");
  const Program program = parse_mil(
      "program(1.3)\n{\n func main<ios18>(tensor<fp16, [8, 64]> x) {\n  tensor<fp16, [8, 64]> y = "
      "cumsum(x = x, axis = int32(0));\n } -> (y);\n}\n");
  try {
    device->compile(program.functions[0]);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("ane.c13"), HasSubstr("4:")));
  }
  EXPECT_EQ(world().count("e5rt_e5_compiler_compile"), before);
}

TEST_F(AneDeviceTest, ARefusalOfTheHardwareComesWithWhatCouldBeWrong) {
  for (const AneRouteChoice route : {AneRouteChoice::kE5rt, AneRouteChoice::kInMemory}) {
    const auto device = make_ane_device(options(route));
    world().fail_next("e5rt_e5_compiler_compile", How::kFail);
    world().fail_next("compileWithQoS:options:error:", How::kFail);
    const Program program = parse_mil(
        "program(1.3)\n{\n func main<ios18>(tensor<fp16, [1, 4, 1, 32]> x) {\n  "
        "tensor<fp16, [1, 4, 1, 32]> y = tanh(x = x);\n } -> (y);\n}\n");
    try {
      device->compile(program.functions[0]);
      FAIL();
    } catch (const Error& error) {
      EXPECT_THAT(error.what(),
                  AllOf(HasSubstr("refused it"), HasSubstr("no rule"), HasSubstr("tanh")));
    }
    world().reset(world().options);
  }
}

// --- programs: what the fake computes is what the simulated engine computes in plain fp16 ---

SimOptions plain_fp16() {
  SimOptions o;
  o.compile_budget = 100000;
  o.numerics.product_grid = o.numerics.ceiling = o.numerics.ignored_masks = false;
  return o;
}

// Runs a function on random inputs; outputs by name, in fp32.
NamedTensors run_on(Device& device, const Function& function) {
  const auto executable = device.compile(function);
  std::vector<std::unique_ptr<Buffer>> buffers;
  uint64_t seed = 0;
  const auto bind = [&](const auto& ports, bool fill) {
    std::vector<Binding> bindings;
    size_t largest = 0;
    for (const auto& [name, type] : ports) largest = std::max(largest, type.bytes());
    for (const auto& [name, type] : ports) {
      buffers.push_back(device.allocate(type, largest));
      bindings.push_back({name, buffers.back().get()});
    }
    // In the order of the names, which is the same on every device.
    std::sort(bindings.begin(), bindings.end(),
              [](const Binding& a, const Binding& b) { return a.name < b.name; });
    for (const Binding& binding : bindings) {
      Tensor values(DType::kFp32, binding.buffer->type().shape);
      Random random(++seed);
      for (float& v : values.as<float>()) v = static_cast<float>(random.uniform() + 0.25);
      if (fill) binding.buffer->write(values);
    }
    return bindings;
  };
  const auto inputs = bind(executable->inputs(), true),
             outputs = bind(executable->outputs(), false);
  executable->bind(inputs, outputs)->run();
  NamedTensors results;
  for (const Binding& output : outputs) {
    Tensor values(DType::kFp32, output.buffer->type().shape);
    output.buffer->read(values);
    results[std::string(output.name)] = std::move(values);
  }
  return results;
}

TEST_F(AneDeviceTest, TheProgramsOfTheTestSuiteComputeAsTheTwinDoesThroughBothRoutes) {
  const auto twin = make_sim_device(find_chip("m4-max"), pool, plain_fp16());
  for (const AneRouteChoice route : {AneRouteChoice::kE5rt, AneRouteChoice::kInMemory}) {
    const auto device = make_ane_device(options(route));
    int ran = 0;
    for (const auto& entry :
         fs::recursive_directory_iterator(fs::path(ANEMONE_SOURCE_DIR) / "tests/programs")) {
      if (entry.path().extension() != ".mil") continue;
      SCOPED_TRACE(entry.path().filename());
      Program program = parse_mil(read_file(entry.path()));
      Function& function = program.functions[0];
      to_fp16(function);
      if (!verify(program).empty() || !twin->accepts(function)) continue;
      NamedTensors expected;
      try {
        expected = run_on(*twin, function);
      } catch (const Error&) {
        continue;  // weights that are not there
      }
      world().refusal.clear();
      NamedTensors found;
      try {
        found = run_on(*device, function);
      } catch (const Error& error) {
        ADD_FAILURE() << error.what() << "\n" << world().refusal;
        continue;
      }
      for (const auto& [name, tensor] : expected) {
        EXPECT_LT(compare(found.at(name), tensor).relative_norm, 2e-3) << name;
      }
      ++ran;
    }
    EXPECT_GE(ran, 5);
  }
}

// --- training ---

class AneTraining : public AneDeviceTest {
 protected:
  AneTraining() {
    std::string bytes;
    Random random(1);
    for (int i = 0; i < 600; ++i) {
      bytes += static_cast<char>((static_cast<uint32_t>(i) + random.below(3)) % 96);
      bytes += '\0';
    }
    write_file(folder / "data.bin", bytes);
  }

  std::vector<double> losses(Device& device, const char* pipeline) {
    TrainerState state;
    TrainOptions& o = state.options;
    o.data = (folder / "data.bin").string();
    o.order = Order::kSequential;
    o.steps = 3;
    o.batch = 1;
    o.sequence = 24;  // in columns padded to 32
    o.learning_rate = 3e-3;
    const auto host = make_cpu_device(pool);
    Trainer trainer({device, *host, pool, find_pipeline(pipeline), nullptr}, state,
                    initial_weights(engine_sized_config(), 5));
    EXPECT_THAT(trainer.program().notes(), IsEmpty());
    std::vector<double> result;
    while (!trainer.done()) result.push_back(trainer.update().loss);
    return result;
  }
};

TEST_F(AneTraining, LossesAreThoseOfTheTwinThroughBothRoutesAndEveryPipeline) {
  for (const char* pipeline : {"static", "static-ane", "dynamic"}) {
    const auto twin = make_sim_device(find_chip("m4-max"), pool, plain_fp16());
    const std::vector<double> expected = losses(*twin, pipeline);
    for (const AneRouteChoice route : {AneRouteChoice::kE5rt, AneRouteChoice::kInMemory}) {
      SCOPED_TRACE(std::string(pipeline) +
                   (route == AneRouteChoice::kE5rt ? " e5rt" : " inmemory"));
      const auto device = make_ane_device(options(route));
      const std::vector<double> found = losses(*device, pipeline);
      // Both round every result to fp16; sums before that differ in their order alone.
      for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-3) << i;
    }
  }
}

TEST_F(AneTraining, AnEvaluationThatFailsStopsTheRunWithTheReason) {
  for (const AneRouteChoice route : {AneRouteChoice::kE5rt, AneRouteChoice::kInMemory}) {
    const auto device = make_ane_device(options(route));
    world().fail_next("e5rt_execution_stream_execute_sync", How::kFail, 3);
    world().fail_next("evaluateWithQoS:options:request:error:", How::kFail, 3);
    EXPECT_THROW(losses(*device, "dynamic"), Error);
    world().fail_next("e5rt_execution_stream_execute_sync", How::kWork);
    world().fail_next("evaluateWithQoS:options:request:error:", How::kWork);
  }
}

TEST_F(AneDeviceTest, TheSelftestRunsThroughBothRoutes) {
  for (const AneRouteChoice route : {AneRouteChoice::kE5rt, AneRouteChoice::kInMemory}) {
    const auto device = make_ane_device(options(route));
    for (const char* name : {"inmem_basic", "port_order", "causal_mask", "grouped_heads",
                             "runtime_weights", "compile_budget"}) {
      const SelftestResult result = run_selftest(find_selftest(name), *device);
      EXPECT_EQ(result.outcome.verdict, Verdict::kPass) << name << ": " << result.outcome.notes;
    }
  }
}

}  // namespace
}  // namespace anemone
