// What the e5rt route keeps on disk: programs that were compiled before are opened, not compiled.
#include <gmock/gmock.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "anemone/base/file.h"
#include "anemone/devices/ane/bundle_cache.h"
#include "anemone/devices/ane/e5rt_route.h"
#include "tests/fake_ane/route_testing.h"

namespace anemone::fake_ane {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// The outermost bundle in a cache with one program.
fs::path find_bundle(const fs::path& cache) {
  for (const auto& entry : fs::recursive_directory_iterator(cache)) {
    if (entry.path().extension() == ".bundle") return entry.path();
  }
  ADD_FAILURE() << "no bundle";
  return {};
}

// The folder of the one program in a cache.
fs::path only_entry(const fs::path& cache) {
  const std::vector<std::string> entries = entries_of(cache);
  EXPECT_THAT(entries, SizeIs(1));
  return cache / (entries.empty() ? "" : entries[0]);
}

TEST(Bundles, AreOpenedAgainWithoutTheCompiler) {
  Machine machine(RouteKind::kE5rt);
  machine.compile(kWeighted);
  machine.close();
  EXPECT_EQ(machine.compile(kWeighted).run({0})[0].at(17), 2 * 17 + 1);
  EXPECT_EQ(world().count("e5rt_e5_compiler_compile"), 1);
  EXPECT_EQ(machine.gate().left(), 118);
}

TEST(Bundles, NeedTheirSourceNoMore) {
  Machine machine(RouteKind::kE5rt);
  machine.compile(kWeighted);
  const fs::path folder = only_entry(machine.cache());
  fs::remove(folder / "model.mil");
  fs::remove_all(folder / "weights");
  EXPECT_EQ(machine.compile(kWeighted).run({0})[0].at(17), 2 * 17 + 1);
  EXPECT_EQ(world().compiles, 1);
}

TEST(Bundles, OfOtherProgramsAreOthers) {
  Machine machine(RouteKind::kE5rt);
  machine.compile(times(2));
  EXPECT_EQ(machine.compile(times(3)).run({5})[0].at(0), 15);
  EXPECT_EQ(world().compiles, 2);
  EXPECT_THAT(entries_of(machine.cache()), SizeIs(2));
}

TEST(Bundles, OfOtherWeightsAreOthers) {
  Machine machine(RouteKind::kE5rt);
  const TestProgram first = machine.compile(kWeighted);
  std::string mil = kWeighted;
  mil.replace(mil.find("14, 15"), 6, "14, 99");
  TestProgram second = machine.compile(mil);
  EXPECT_EQ(first.files().mil_text, second.files().mil_text);
  EXPECT_EQ(second.run({0})[0].at(15), 2 * 15 + 99);
}

TEST(Bundles, ThatAreDamagedAreCompiledAgainOnce) {
  Machine machine(RouteKind::kE5rt);
  machine.compile(kWeighted);
  fs::resize_file(find_bundle(machine.cache()) / "model.mil", 20);
  EXPECT_EQ(machine.compile(kWeighted).run({0})[0].at(17), 2 * 17 + 1);
  EXPECT_EQ(world().compiles, 2);
  machine.compile(kWeighted);
  EXPECT_EQ(world().compiles, 2);
}

TEST(Bundles, ThatAreDamagedAreGoneOnceAnotherIsMade) {
  Machine machine(RouteKind::kE5rt);
  machine.compile(kWeighted);
  const fs::path bundle = find_bundle(machine.cache());
  fs::resize_file(bundle / "model.mil", 20);
  fs::rename(bundle, bundle.parent_path() / "of-another-name.bundle");
  machine.compile(kWeighted);
  EXPECT_THAT(entries_of(only_entry(machine.cache())),
              testing::Not(testing::Contains("of-another-name.bundle")));
}

TEST(Bundles, ThatWereLeftHalfMadeAreCompiledAgain) {
  Machine machine(RouteKind::kE5rt);
  machine.compile(kWeighted);
  fs::remove(only_entry(machine.cache()) / "complete");
  EXPECT_EQ(machine.compile(kWeighted).run({0})[0].at(17), 2 * 17 + 1);
  EXPECT_EQ(world().compiles, 2);
}

TEST(Bundles, WhoseCompilationFailsLeaveNothing) {
  Machine machine(RouteKind::kE5rt);
  world().fail_next("e5rt_e5_compiler_compile", How::kFail);
  error_text([&] { machine.compile(kWeighted); });
  EXPECT_TRUE(fs::is_empty(machine.cache()));
}

TEST(Bundles, NeedACacheThatCanBeWritten) {
  Machine machine(RouteKind::kE5rt);
  write_file(machine.cache(), "a file where the folder should be");
  EXPECT_THAT(error_text([&] { machine.compile(kSimple); }), testing::HasSubstr("cache"));
}

// --- the cache alone ---

class Cache : public testing::Test {
 protected:
  ScratchFolder root{fs::temp_directory_path()};
  BundleCache cache{root.path(), 1000};

  void add(const std::string& key, size_t bytes) {
    const BundleCache::Entry entry = cache.open(key);
    write_file(entry.folder() / "some.bundle", std::string(bytes, 'x'));
    entry.complete();
  }
  // As if it was used so long ago.
  void make_older(const std::string& key, int hours) {
    fs::last_write_time(root.path() / key,
                        fs::file_time_type::clock::now() - std::chrono::hours(hours));
  }
};

TEST_F(Cache, ThrowsAwayWhatWasNotUsedForLongest) {
  add("a", 400);
  add("b", 400);
  add("c", 400);
  make_older("a", 1);
  make_older("b", 3);
  make_older("c", 2);
  cache.open("a");
  EXPECT_THAT(entries_of(root.path()), ElementsAre("a", "c"));
}

TEST_F(Cache, CountsOpeningAsUse) {
  add("a", 400);
  add("b", 400);
  add("c", 400);
  make_older("a", 3);
  make_older("b", 2);
  make_older("c", 1);
  cache.open("a");  // b goes
  add("d", 400);
  cache.open("e");  // c goes
  EXPECT_THAT(entries_of(root.path()), ElementsAre("a", "d"));
}

TEST_F(Cache, EmptiesWhatWasLeftHalfMade) {
  fs::create_directories(root.path() / "a" / "half.bundle");
  const BundleCache::Entry entry = cache.open("a");
  EXPECT_TRUE(fs::is_empty(entry.folder()));
  EXPECT_TRUE(entry.bundle().empty());
}

TEST_F(Cache, KeepsWhatSomebodyHasOpen) {
  add("a", 800);
  add("b", 800);
  make_older("a", 1);
  const BundleCache::Entry in_use = BundleCache(root.path()).open("a");
  make_older("a", 1);
  cache.open("c");
  EXPECT_THAT(entries_of(root.path()), ElementsAre("a"));
}

TEST_F(Cache, LeavesNoLockFilesOfWhatIsGone) {
  add("a", 800);
  make_older("a", 1);
  add("b", 800);
  cache.open("c");
  for (const auto& entry : fs::directory_iterator(root.path())) {
    if (entry.path().extension() == ".lock") {
      EXPECT_TRUE(fs::exists(fs::path(entry.path()).replace_extension())) << entry.path();
    }
  }
}

TEST_F(Cache, LetsOneAtATimeMakeAnEntry) {
  std::atomic<int> inside = 0, most = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        const BundleCache::Entry entry = cache.open("a");  // never complete: removed each time
        most = std::max(most.load(), ++inside);
        EXPECT_TRUE(fs::is_directory(entry.folder()));
        --inside;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(most, 1);
}

// --- two processes ---

constexpr const char* kSharedCache = "ANEMONE_TEST_SHARED_CACHE";

// Run by the test below in processes of their own.
TEST(BundlesOfTwoProcesses, ChildCompiles) {
  const char* cache = std::getenv(kSharedCache);
  if (!cache) GTEST_SKIP() << "only as a part of AreMadeByOneOfThem";
  world().reset();
  CompileGate gate;
  const ScratchFolder scratch(fs::temp_directory_path());
  int right = 0;
  {
    const auto route = make_e5rt_route(*fake_frameworks().espresso, cache, gate);
    for (int factor = 2; factor < 12; ++factor) {
      TestProgram program(*route, times(factor), scratch.path(), Dialect::kA, "shared");
      right += program.run({1})[0].at(0) == factor;
    }
  }
  EXPECT_EQ(right, 10);
  EXPECT_EQ(world().violations(), std::vector<std::string>{});
  std::ofstream(fs::path(cache) / "compiles", std::ios::app) << world().compiles << "\n";
}

TEST(BundlesOfTwoProcesses, AreMadeByOneOfThem) {
  const ScratchFolder cache(fs::temp_directory_path());
  ::setenv(kSharedCache, cache.path().c_str(), 1);
  const pid_t children[] = {start_test("BundlesOfTwoProcesses.ChildCompiles"),
                            start_test("BundlesOfTwoProcesses.ChildCompiles")};
  ::unsetenv(kSharedCache);
  for (const pid_t child : children) expect_success(child);
  std::ifstream counts(cache.path() / "compiles");
  int a = -1, b = -1;
  counts >> a >> b;
  EXPECT_EQ(a + b, 10) << a << " and " << b;
}

}  // namespace
}  // namespace anemone::fake_ane
