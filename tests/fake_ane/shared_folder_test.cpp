// The folders in which the in-memory route's programs lie: their names are given, so that threads
// and processes share them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "anemone/base/file.h"
#include "anemone/devices/ane/in_memory_route.h"
#include "tests/fake_ane/route_testing.h"

namespace anemone::fake_ane {
namespace {

namespace fs = std::filesystem;

TEST(SharedFolders, StayAsLongAsOneOfTheirUsersDoes) {
  const ScratchFolder root(fs::temp_directory_path());
  const fs::path path = root.path() / "folder";
  auto a = std::make_unique<SharedFolder>(path), b = std::make_unique<SharedFolder>(path);
  a.reset();
  EXPECT_TRUE(fs::exists(path));
  b.reset();
  EXPECT_TRUE(fs::is_empty(root.path()));
}

// Somebody who waits for the lock while the last user removes folder and lock must not end up with
// a lock that nobody else sees.
TEST(SharedFolders, AreNeverRemovedUnderAUser) {
  const ScratchFolder root(fs::temp_directory_path());
  const fs::path path = root.path() / "folder";
  std::vector<std::thread> users;
  for (int user = 0; user < 6; ++user) {
    users.emplace_back([&, user] {
      for (int round = 0; round < 400; ++round) {
        const SharedFolder folder(path);
        const fs::path file = path / std::to_string(user);
        fs::create_directory(file);
        std::this_thread::yield();
        EXPECT_TRUE(fs::exists(file));
      }
    });
  }
  for (std::thread& user : users) user.join();
  EXPECT_TRUE(fs::is_empty(root.path()));
}

constexpr const char* kSharedTemporary = "ANEMONE_TEST_SHARED_TEMPORARY";

// Run by the test below in a process of its own.
TEST(FoldersOfTwoProcesses, ChildRunsTheSameProgram) {
  const char* temporary = std::getenv(kSharedTemporary);
  if (!temporary) GTEST_SKIP() << "only as a part of AreKeptForTheOther";
  world().reset({.temporary = temporary});
  CompileGate gate;
  const ScratchFolder scratch(fs::temp_directory_path());
  const Frameworks frameworks = fake_frameworks();
  const auto route = make_in_memory_route(*frameworks.in_memory, temporary, gate);
  TestProgram program(*route, kWeighted, scratch.path(), Dialect::kA, "shared");
  EXPECT_EQ(program.run({0})[0].at(17), 2 * 17 + 1);
}

TEST(FoldersOfTwoProcesses, AreKeptForTheOther) {
  Machine machine(RouteKind::kInMemory);
  TestProgram program = machine.compile(kWeighted);
  ::setenv(kSharedTemporary, machine.temporary().c_str(), 1);
  const pid_t child = start_test("FoldersOfTwoProcesses.ChildRunsTheSameProgram");
  ::unsetenv(kSharedTemporary);
  expect_success(child);
  const auto folders = entries_of(machine.temporary());
  ASSERT_EQ(folders.size(), 1u);
  EXPECT_TRUE(fs::exists(machine.temporary() / folders[0] / "model.mil"));
}

}  // namespace
}  // namespace anemone::fake_ane
