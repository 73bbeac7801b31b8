#include "anemone/base/machine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <regex>

namespace anemone {
namespace {

TEST(Machine, SaysWhatTheSystemSaysOfItself) {
  const MachineInfo machine = describe_machine();
  EXPECT_FALSE(machine.cpu.empty());
  EXPECT_FALSE(machine.os.empty());
  EXPECT_EQ(machine.threads, static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN)));
  EXPECT_GT(machine.memory_bytes, int64_t{1} << 28);
  EXPECT_TRUE(std::regex_match(machine.time, std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")))
      << machine.time;
  EXPECT_TRUE(std::regex_match(machine.commit, std::regex("unknown|.*[0-9a-f]{10,}\\+?")))
      << machine.commit;
}

TEST(Machine, CachesGrowWithTheirLevel) {
  const MachineInfo machine = describe_machine();
  if (machine.l2_bytes == 0) GTEST_SKIP() << "the system does not describe its caches";
  EXPECT_LT(machine.l1d_bytes, machine.l2_bytes);
  EXPECT_TRUE(machine.l3_bytes == 0 || machine.l2_bytes < machine.l3_bytes);
}

}  // namespace
}  // namespace anemone
