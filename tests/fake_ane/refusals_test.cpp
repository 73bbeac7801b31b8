// Programs and requests that the Neural Engine does not take, and what its compiler asks of a
// process: pauses, budgets, no forks.
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>

#include "anemone/base/error.h"
#include "anemone/tensor/tensor.h"
#include "tests/fake_ane/route_testing.h"

namespace anemone::fake_ane {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Ports of fp32: ane.c59.
constexpr const char* kRefused = R"(
func main<ios18>(tensor<fp32, [1, 4, 1, 16]> x) {
  tensor<fp32, [1, 4, 1, 16]> y = relu(x = x);
} -> (y);)";

// A conv on a width that is no multiple of 16: ane.c30.
constexpr const char* kFailsWhenRun = R"(
func main<ios18>(tensor<fp16, [1, 4, 1, 10]> x) {
  tensor<fp16, [2, 4, 1, 1]> w = const()[val = tensor<fp16, [2, 4, 1, 1]>([1, 2, 3, 4, 5, 6, 7, 8])];
  string pad_type = const()[val = string("valid")];
  tensor<int32, [2]> ones = const()[val = tensor<int32, [2]>([1, 1])];
  tensor<int32, [4]> pad = const()[val = tensor<int32, [4]>([0, 0, 0, 0])];
  int32 groups = const()[val = int32(1)];
  tensor<fp16, [1, 2, 1, 10]> y = conv(x = x, weight = w, strides = ones, pad_type = pad_type, pad = pad, dilations = ones, groups = groups);
} -> (y);)";

class Refusals : public testing::TestWithParam<RouteKind> {
 protected:
  Machine machine{GetParam()};

  bool in_memory() const { return GetParam() == RouteKind::kInMemory; }
};

TEST_P(Refusals, SayWhatTheFrameworkSays) {
  const std::string text = error_text([&] { machine.compile(kRefused, "gradients"); });
  EXPECT_THAT(text, HasSubstr("gradients: the compiler of the Neural Engine refused it: "));
  EXPECT_THAT(text, HasSubstr("ANECCompile() FAILED: err=(InvalidMILProgram)"));
  EXPECT_THAT(text, HasSubstr(in_memory() ? "code 1" : "status 11"));
  EXPECT_THAT(world().refusal, HasSubstr("ane.c59"));
}

TEST_P(Refusals, LeaveNothingInTheCache) {
  error_text([&] { machine.compile(kRefused); });
  if (!in_memory()) {
    EXPECT_THAT(entries_of(machine.cache()), IsEmpty());
  }
}

TEST_P(Refusals, MakeTheNextCompilationWait15Seconds) {
  machine.compile(kSimple);
  EXPECT_THAT(machine.waited(), IsEmpty());
  error_text([&] { machine.compile(kRefused); });
  machine.now() += 5;
  machine.compile(kWeighted);
  EXPECT_THAT(machine.waited(), ElementsAre(10));
  machine.now() += 10;
  machine.compile(times(3));
  EXPECT_THAT(machine.waited(), ElementsAre(10));
}

TEST_P(Refusals, ComeBeforeTheBudgetOfTheProcessIsSpent) {
  machine.set_budget(2);
  machine.compile(times(2));
  error_text([&] { machine.compile(kRefused); });
  EXPECT_EQ(machine.gate().left(), 0);
  const int calls = world().compiles;
  const std::string text = error_text([&] { machine.compile(times(3), "third"); });
  EXPECT_THAT(text, HasSubstr("third: this process has compiled the 2 programs that it can"));
  EXPECT_EQ(world().compiles, calls);
}

TEST_P(Refusals, AfterTheBudgetOfTheFrameworkAreThoseOfItsCompiler) {
  world().options.compile_budget = 0;
  EXPECT_THAT(error_text([&] { machine.compile(kSimple); }), HasSubstr("InvalidMILProgram"));
}

TEST_P(Refusals, OfAnEvaluationSayWhatTheFrameworkSays) {
  TestProgram program = machine.compile(kFailsWhenRun, "narrow");
  const auto bound = program.bind();
  const std::string text = error_text([&] { bound->request->run(); });
  EXPECT_THAT(text, HasSubstr("narrow: "));
  EXPECT_THAT(text, HasSubstr(in_memory() ? "status=0x1d" : "EvaluateANERequest"));
}

TEST_P(Refusals, OfOneProgramTooManyNameTheLimit) {
  world().options.loaded_cap = 1;
  TestProgram first = machine.compile(kSimple);
  const auto kept = first.bind();
  const std::string text = error_text([&] { machine.compile(kWeighted).bind(); });
  EXPECT_THAT(text, HasSubstr("too many are loaded"));
  EXPECT_EQ(first.run(*kept, {1})[0].at(0), 3);
}

TEST_P(Refusals, AwaitAForkedChildBeforeItTouchesAFramework) {
  machine.compile(kSimple);
  const size_t calls = world().calls().size();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    int wrong = 0;
    for (const char* mil : {kSimple, kWeighted}) {
      try {
        machine.compile(mil, "of a child");
        ++wrong;
      } catch (const Error& error) {
        const bool said = std::string(error.what()).find("forked process") != std::string::npos;
        if (!said || error.code() != ErrorCode::kInternal) ++wrong;
      }
    }
    try {
      machine.route().allocate(Type::tensor(DType::kFp16, {1, 4, 1, 16}), 65536);
      ++wrong;
    } catch (const Error&) {
    }
    ::_exit(wrong == 0 && world().calls().size() == calls ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST_P(Refusals, AreForBuffersOfAnotherRoute) {
  const Type type = Type::tensor(DType::kFp16, {1, 4, 1, 16});
  TestProgram program = machine.compile(kSimple, "mixed");
  struct Foreign final : Buffer {
    explicit Foreign(const Type& type) : held(type) {}
    const Type& type() const override { return held; }
    void write(const TensorView&) override {}
    void read(const TensorView&) const override {}
    TensorView map() override { return {}; }
    Type held;
  } foreign(type);
  const std::string text = error_text([&] { program.bind_to(&foreign, &foreign); });
  EXPECT_THAT(text, HasSubstr("mixed: "));
  EXPECT_THAT(text, HasSubstr("another device's"));
}

TEST_P(Refusals, AreForDialectsThatTheChipDoesNotKnow) {
  world().options.chip = "m1";
  EXPECT_THAT(error_text([&] { machine.compile(kWeighted); }), HasSubstr("InvalidMILProgram"));
  EXPECT_THAT(world().refusal, HasSubstr("m1 takes no program(1.3) of ios18"));
  machine.dialect = Dialect::kB;
  EXPECT_EQ(machine.compile(kWeighted).run({0})[0].at(17), 2 * 17 + 1);
  world().options.chip = "m5";
  error_text([&] { machine.compile(kSimple); });
  machine.dialect = Dialect::kC;
  EXPECT_EQ(machine.compile(kWeighted).run({0})[0].at(17), 2 * 17 + 1);
  EXPECT_EQ(machine.compile(kSimple).run({3})[0].at(0), 7);
}

TEST(Gate, AnswersWhileSomebodyWaits) {
  std::unique_ptr<CompileGate> gate;
  std::future<void> asked;
  bool answered = false;
  gate = std::make_unique<CompileGate>(CompileGate::Options{
      .now_s = [] { return 0.0; },
      .sleep_s =
          [&](double) {
            asked = std::async(std::launch::async, [&] { gate->left(); });
            answered = asked.wait_for(std::chrono::milliseconds(500)) == std::future_status::ready;
          }});
  gate->refused();
  gate->enter("second");
  EXPECT_TRUE(answered);
  EXPECT_EQ(gate->left(), 118);
}

INSTANTIATE_TEST_SUITE_P(Fake, Refusals, testing::Values(RouteKind::kE5rt, RouteKind::kInMemory),
                         [](const auto& kind) {
                           return kind.param == RouteKind::kE5rt ? "E5rt" : "InMemory";
                         });

}  // namespace
}  // namespace anemone::fake_ane
