// A process on a fake Mac, for tests of the Neural Engine's device.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/base/test_directory.h"
#include "anemone/base/threads.h"
#include "anemone/devices/ane/ane_device.h"
#include "tests/fake_ane/fake_frameworks.h"
#include "tests/fake_ane/world.h"

namespace anemone {

// When it goes, nothing may live and nothing may have been done wrong.
class AneDeviceTest : public testing::Test {
 protected:
  AneDeviceTest() {
    fake_ane::Options machine;
    machine.temporary = folder / "temporary";
    machine.compile_budget = 1000;
    fake_ane::world().reset(machine);
  }
  ~AneDeviceTest() override {
    EXPECT_THAT(fake_ane::world().violations(), testing::IsEmpty());
    EXPECT_EQ(fake_ane::world().leaks(), "");
    const std::filesystem::path temporary = folder / "temporary";
    EXPECT_TRUE(!std::filesystem::exists(temporary) || std::filesystem::is_empty(temporary))
        << "folders are left";
  }

  AneOptions options(AneRouteChoice route = AneRouteChoice::kAuto) {
    AneOptions o;
    o.route = route;
    o.frameworks = fake_ane::fake_frameworks();
    o.host = HostInfo{"Apple M4 Max", "25C56", 26};
    o.cache = folder / "cache";
    o.temporary = folder / "temporary";
    o.gate = &gate;
    return o;
  }
  std::string route_of(const Device& device) {
    const bool e5rt = device.info().description.find("through e5rt") != std::string::npos;
    return e5rt ? "e5rt" : "inmemory";
  }
  std::string notes_of(const Device& device) {
    std::string notes;
    for (const std::string& note : device.info().notes) notes += note + "\n";
    return notes;
  }

  TestDirectory folder;
  CompileGate gate{
      {.budget = 1000, .pause_s = 15, .now_s = [] { return 0.0; }, .sleep_s = [](double) {}}};
  ThreadPool pool{2};
};

}  // namespace anemone
