// Programs through both routes, by tables of functions and by libraries that are opened.
#include <future>

#include "tests/fake_ane/route_testing.h"

namespace anemone::fake_ane {
namespace {

struct Way {
  RouteKind kind;
  bool libraries;
};

class Routes : public testing::TestWithParam<Way> {
 protected:
  Machine machine{GetParam().kind, GetParam().libraries};
};

TEST_P(Routes, ComputeAProgram) {
  TestProgram program = machine.compile(kSimple);
  const Tensor y = program.run({3})[0].clone();
  EXPECT_EQ(y.at(0), 7);
  EXPECT_EQ(y.at(63), 2 * 66 + 1);
}

TEST_P(Routes, ComputeWithWeightsFromAFile) {
  TestProgram program = machine.compile(kWeighted);
  EXPECT_NE(program.files().mil_text.find("BLOBFILE"), std::string::npos);
  const Tensor y = program.run({0})[0].clone();
  EXPECT_EQ(y.at(17), 2 * 17 + 1);
  EXPECT_EQ(y.at(15), 2 * 15 + 15);
}

// z = b - 2a + c, and its parts; the names of the ports sort in another order than they are
// declared.
constexpr const char* kManyPorts = R"(
func main<ios18>(tensor<fp16, [1, 4, 1, 16]> c, tensor<fp16, [1, 4, 1, 16]> a, tensor<fp16, [1, 4, 1, 16]> b) {
  fp16 two = const()[val = fp16(2)];
  tensor<fp16, [1, 4, 1, 16]> twice = mul(x = a, y = two);
  tensor<fp16, [1, 4, 1, 16]> part = sub(x = b, y = twice);
  tensor<fp16, [1, 4, 1, 16]> last = add(x = part, y = c);
} -> (twice, last, part);)";

TEST_P(Routes, BindPortsByTheirNames) {
  TestProgram program = machine.compile(kManyPorts);
  std::vector<double> given(3);
  given[program.input("a")] = 10;
  given[program.input("b")] = 300;
  given[program.input("c")] = 7;
  const auto results = program.run(given);
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[program.output("twice")].at(5), 2 * 15);
  EXPECT_EQ(results[program.output("part")].at(5), 305 - 30);
  EXPECT_EQ(results[program.output("last")].at(5), 305 - 30 + 12);
}

TEST_P(Routes, RunAProgramWithoutInputs) {
  TestProgram program = machine.compile(R"(
func main<ios18>() {
  tensor<fp16, [1, 1, 1, 16]> w = const()[val = tensor<fp16, [1, 1, 1, 16]>([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])];
  tensor<fp16, [1, 1, 1, 16]> y = mul(x = w, y = w);
} -> (y);)");
  EXPECT_EQ(program.run({})[0].at(9), 81);
}

TEST_P(Routes, NameLiteralsThatStandInPlace) {
  TestProgram program = machine.compile(R"(
func main<ios18>(tensor<fp16, [1, 4, 1, 16]> x) {
  tensor<fp16, [1, 4, 1, 16]> y = add(x = x, y = fp16(5));
} -> (y);)");
  EXPECT_EQ(program.run({3})[0].at(0), 8);
}

TEST_P(Routes, RoundEveryOperationToFp16) {
  TestProgram program = machine.compile(kSimple);
  // 2 * 1025 + 1 = 2051 lies between 2050 and 2052, which is even in its last place.
  EXPECT_EQ(program.run({1025})[0].at(0), 2052);
}

TEST_P(Routes, KeepTwoRequestsOfOneProgramApart) {
  TestProgram program = machine.compile(kSimple);
  const auto a = program.bind(), b = program.bind();
  EXPECT_EQ(program.run(*a, {10})[0].at(0), 21);
  EXPECT_EQ(program.run(*b, {20})[0].at(0), 41);
  Tensor again(DType::kFp32, {1, 4, 1, 16});
  a->outputs[0]->read(again);
  EXPECT_EQ(again.at(0), 21);
}

TEST_P(Routes, GoOnWithARequestWhenOthersDie) {
  TestProgram program = machine.compile(kSimple);
  auto a = program.bind();
  for (int i = 0; i < 20; ++i) program.bind();
  auto b = program.bind();
  a.reset();
  EXPECT_EQ(program.run(*b, {20})[0].at(0), 41);
}

TEST_P(Routes, KeepWeightsAsTheyWereCompiled) {
  TestProgram program = machine.compile(kWeighted);
  for (const auto& folder : {machine.temporary(), machine.cache()}) {
    std::error_code none;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, none)) {
      if (entry.is_regular_file() && entry.path().extension() == ".bin") {
        std::filesystem::resize_file(entry.path(), 0);
      }
    }
  }
  EXPECT_EQ(program.run({0})[0].at(15), 2 * 15 + 15);
}

TEST_P(Routes, UpdateABufferInPlace) {
  TestProgram program = machine.compile(kSimple);
  auto bound = program.bind();
  EXPECT_EQ(program.run(*bound, {1})[0].at(0), 3);
  Tensor y(DType::kFp32, {1, 4, 1, 16});
  bound->outputs[0]->read(y);
  bound->inputs[0]->write(y);
  bound->request->run();
  bound->outputs[0]->read(y);
  EXPECT_EQ(y.at(0), 7);
}

// What a device must find out by itself: the framework claims success.
TEST_P(Routes, HandOutWrongValuesAsTheyCome) {
  const char* run = GetParam().kind == RouteKind::kE5rt ? "e5rt_execution_stream_execute_sync"
                                                        : "evaluateWithQoS:options:request:error:";
  TestProgram program = machine.compile(kManyPorts);
  const auto bound = program.bind();
  const auto right = program.run(*bound, {1, 2, 3});
  world().fail_next(run, How::kZeros);
  EXPECT_EQ(program.run(*bound, {1, 2, 3})[0].at(5), 0);
  world().fail_next(run, How::kSwapped);
  const auto swapped = program.run(*bound, {1, 2, 3});
  EXPECT_EQ(swapped[0].at(5), right[1].at(5));
  EXPECT_EQ(swapped[1].at(5), right[0].at(5));
}

TEST_P(Routes, AllocateAtLeastWhatTheTypeTakes) {
  const Type type = Type::tensor(DType::kFp16, {1, 64, 1, 1024});
  const auto buffer = machine.route().allocate(type, 64);
  EXPECT_GE(buffer->capacity(), type.bytes());
  Tensor ones(DType::kFp32, type.shape), back(DType::kFp32, type.shape);
  for (int64_t i = 0; i < ones.size(); ++i) ones.view().set(i, 1);
  buffer->write(ones);
  buffer->read(back);
  EXPECT_EQ(back.at(ones.size() - 1), 1);
}

TEST_P(Routes, AllocateZeros) {
  const Type type = Type::tensor(DType::kFp16, {1, 4, 1, 16});
  const auto buffer = machine.route().allocate(type, 65536);
  Tensor found(DType::kFp32, type.shape);
  found.view().set(63, 1);
  buffer->read(found);
  EXPECT_EQ(found.at(63), 0);
}

TEST_P(Routes, WorkInOtherThreadsThanTheirOwn) {
  TestProgram program = machine.compile(kSimple);
  std::vector<std::future<void>> threads;
  for (int i = 0; i < 4; ++i) {
    threads.push_back(std::async(std::launch::async, [&, i] {
      for (int round = 0; round < 10; ++round) {  // all the same program, in the same folder
        TestProgram own = machine.compile(kWeighted, "weighted");
        EXPECT_EQ(own.run({1.0 * i})[0].at(1), 2 * (i + 1) + 1);
      }
    }));
  }
  for (std::future<void>& thread : threads) thread.get();
  EXPECT_EQ(program.run({3})[0].at(0), 7);
}

std::string way_name(const testing::TestParamInfo<Way>& way) {
  return std::string(way.param.kind == RouteKind::kE5rt ? "E5rt" : "InMemory") +
         (way.param.libraries ? "Libraries" : "Tables");
}

INSTANTIATE_TEST_SUITE_P(Fake, Routes,
                         testing::Values(Way{RouteKind::kE5rt, false}, Way{RouteKind::kE5rt, true},
                                         Way{RouteKind::kInMemory, false},
                                         Way{RouteKind::kInMemory, true}),
                         way_name);

}  // namespace
}  // namespace anemone::fake_ane
