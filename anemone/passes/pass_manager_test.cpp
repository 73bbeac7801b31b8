#include "anemone/passes/pass_manager.h"

#include <gmock/gmock.h>

#include "anemone/base/error.h"
#include "anemone/ops/builder.h"
#include "anemone/passes/pipelines.h"

namespace anemone {
namespace {

using ::testing::ElementsAre;

Function doubled() {
  Function f("main", "ios18");
  Builder b(f);
  const Value x = b.input("x", DType::kFp32, {2});
  b.output("y", b.add(x, x));
  return f;
}

bool keep(Function&) { return false; }
bool rename_output(Function& function) {
  function.rename(function.outputs[0], "z");
  return true;
}
bool break_type(Function& function) {
  function.outputs[0]->type.shape = {3};
  return true;
}

TEST(PassManager, RunsPassesInOrderAndTellsWhichChangedTheProgram) {
  Function f = doubled();
  const Pass passes[] = {{"first", keep}, {"second", rename_output}};
  std::vector<std::string> seen;
  run_passes(f, passes, [&](const PassEvent& event) {
    EXPECT_GE(event.ms, 0);
    seen.push_back(std::string(event.pass) + (event.changed ? "*" : "") + " " +
                   event.function.outputs[0]->name);
  });
  EXPECT_THAT(seen, ElementsAre("first y", "second* z"));
}

TEST(PassManager, VerifyingBuildsNameThePassThatBreaksAProgram) {
#ifdef ANEMONE_VERIFY_PASSES
  Function f = doubled();
  const Pass passes[] = {{"keep", keep}, {"break_type", break_type}};
  try {
    run_passes(f, passes);
    FAIL() << "a wrong type went through";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
    EXPECT_THAT(error.message(), ::testing::HasSubstr("pass break_type broke the program"));
  }
#else
  static_cast<void>(break_type);
  GTEST_SKIP() << "only builds with sanitizers verify between passes";
#endif
}

TEST(Pipelines, AreFoundByNameAndSuggestANearOne) {
  EXPECT_EQ(find_pass_pipeline("ane").name, "ane");
  EXPECT_FALSE(find_pass_pipeline("host").passes.empty());
  try {
    find_pass_pipeline("hosts");
    FAIL() << "there is no such pipeline";
  } catch (const Error& error) {
    EXPECT_THAT(error.hint(), ::testing::HasSubstr("host"));
  }
}

}  // namespace
}  // namespace anemone
