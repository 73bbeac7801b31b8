// What only the route through _ANEInMemoryModel has: classes and methods that may differ, surfaces,
// folders that the framework names.
#include <gmock/gmock.h>

#include "anemone/base/file.h"
#include "tests/fake_ane/route_testing.h"

namespace anemone::fake_ane {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

TEST(InMemoryRoute, SaysWhichClassIsMissing) {
  for (const AneMethod& method : kAneMethods) {
    Machine machine(RouteKind::kInMemory);
    world().hide_class(method.class_name);
    const std::string text = error_text([&] { machine.route(); });
    EXPECT_THAT(text, HasSubstr(std::string("[") + method.class_name + " "));
    EXPECT_THAT(text, HasSubstr("this system has no such class"));
  }
}

TEST(InMemoryRoute, SaysWhichMethodIsMissing) {
  for (const AneMethod& method : kAneMethods) {
    Machine machine(RouteKind::kInMemory);
    world().change_method(method.selector, nullptr);
    const std::string text = error_text([&] { machine.route(); });
    EXPECT_THAT(text, HasSubstr(std::string(method.class_name) + " " + method.selector + "]"));
    EXPECT_THAT(text, HasSubstr("this system has no such method"));
  }
}

TEST(InMemoryRoute, RefusesAMethodOfAnotherType) {
  for (const AneMethod& method : kAneMethods) {
    Machine machine(RouteKind::kInMemory);
    world().change_method(method.selector, "v24@0:8q16");
    const std::string text = error_text([&] { machine.route(); });
    EXPECT_THAT(text, HasSubstr(method.selector));
    EXPECT_THAT(text, HasSubstr("its type is v24@0:8q16, not "));
  }
}

TEST(InMemoryRoute, TakesTheTypesWithTheOffsetsThatTheRuntimeWrites) {
  Machine machine(RouteKind::kInMemory);
  world().change_method("compileWithQoS:options:error:", "B36@0:8I16@20^@28");
  EXPECT_STREQ(machine.route().name(), "inmemory");
}

TEST(InMemoryRoute, SharesOneFolderAmongEqualProgramsAndTheLastRemovesIt) {
  Machine machine(RouteKind::kInMemory);
  auto a = std::make_unique<TestProgram>(machine.compile(kWeighted));
  auto b = std::make_unique<TestProgram>(machine.compile(kWeighted));
  ASSERT_THAT(entries_of(machine.temporary()), SizeIs(1));
  const auto folder = machine.temporary() / entries_of(machine.temporary())[0];
  EXPECT_THAT(entries_of(folder), ElementsAre("data", "model.mil", "net.plist", "weights"));
  a.reset();
  EXPECT_EQ(read_file(folder / "model.mil"), b->files().mil_text);
  EXPECT_EQ(b->run({0})[0].at(17), 2 * 17 + 1);
  b.reset();
  EXPECT_TRUE(std::filesystem::is_empty(machine.temporary()));
}

TEST(InMemoryRoute, TriesASecondTimeToLoad) {
  Machine machine(RouteKind::kInMemory, false, {.first_load_fails = true});
  EXPECT_EQ(machine.compile(kSimple).run({3})[0].at(0), 7);
  EXPECT_EQ(world().count("loadWithQoS:options:error:"), 2);
}

TEST(InMemoryRoute, SaysThatAProgramCompiledButCannotBeLoaded) {
  Machine machine(RouteKind::kInMemory, false, {.loaded_cap = 0});
  EXPECT_THAT(error_text([&] { machine.compile(kSimple, "late"); }),
              HasSubstr("late: it compiled but cannot be loaded: code 5: too many are loaded"));
}

TEST(InMemoryRoute, HasEvaluationsOfSmallOrUnequalSurfacesRefused) {
  Machine machine(RouteKind::kInMemory);
  const Type type = Type::tensor(DType::kFp16, {1, 4, 1, 16});
  TestProgram program = machine.compile(kSimple, "small");
  const auto small = machine.route().allocate(type, 16384);
  const auto large = machine.route().allocate(type, 49152);
  const auto request = program.bind_to(small.get(), large.get());
  const std::string text = error_text([&] { request->run(); });
  EXPECT_THAT(text, HasSubstr("small: the evaluation was refused: code 8"));
  EXPECT_THAT(text, HasSubstr("status=0x1d"));
  const auto other = machine.route().allocate(type, 49152);
  program.bind_to(other.get(), large.get())->run();
}

TEST(InMemoryRoute, RefusesASurfaceThatIsSmallerThanWanted) {
  Machine machine(RouteKind::kInMemory);
  world().fail_next("IOSurfaceCreate", How::kShort);
  const Type type = Type::tensor(DType::kFp16, {1, 4, 1, 16});
  EXPECT_THAT(error_text([&] { machine.route().allocate(type, 65536); }),
              HasSubstr("65536 bytes were wanted, 32768 allocated"));
}

TEST(InMemoryRoute, HandsOutNoMemoryOfASurfaceThatIsNotLocked) {
  Machine machine(RouteKind::kInMemory);
  const auto buffer = machine.route().allocate(Type::tensor(DType::kFp16, {1, 4, 1, 16}), 65536);
  EXPECT_EQ(buffer->map().data, nullptr);
}

TEST(InMemoryRoute, CompilesEveryProgramAgain) {
  Machine machine(RouteKind::kInMemory);
  machine.compile(kSimple);
  machine.compile(kSimple);
  EXPECT_EQ(world().compiles, 2);
  EXPECT_EQ(machine.gate().left(), 117);
}

}  // namespace
}  // namespace anemone::fake_ane
