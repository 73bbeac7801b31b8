#include "anemone/base/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "anemone/base/threads.h"

#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

namespace anemone {

extern const char* const kCommit;  // written by cmake/write_commit.cmake

namespace {

#ifdef __APPLE__
std::string system_string(const char* name) {
  char value[256] = {};
  size_t size = sizeof value - 1;
  return ::sysctlbyname(name, value, &size, nullptr, 0) == 0 ? value : "";
}

int64_t system_number(const char* name) {
  int64_t value = 0;
  size_t size = sizeof value;
  return ::sysctlbyname(name, &value, &size, nullptr, 0) == 0 ? value : 0;
}

// The performance cores are what work runs on. Apple's chips name no last level of their own.
void read_processor(MachineInfo& machine) {
  machine.cpu = system_string("machdep.cpu.brand_string");
  machine.memory_bytes = system_number("hw.memsize");
  machine.l1d_bytes = system_number("hw.perflevel0.l1dcachesize");
  machine.l2_bytes = system_number("hw.perflevel0.l2cachesize");
}
#else
// The value behind "key :" of the first such line.
std::string field_of(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(':');
    if (!line.starts_with(key) || colon == std::string::npos) continue;
    const size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

// "32768K" → bytes.
int64_t bytes_of(const std::string& text) {
  char* end = nullptr;
  const int64_t number = std::strtoll(text.c_str(), &end, 10);
  return number * (*end == 'K' ? 1024 : *end == 'M' ? 1024 * 1024 : 1);
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

void read_caches(MachineInfo& machine) {
  int64_t* const levels[] = {&machine.l1d_bytes, &machine.l2_bytes, &machine.l3_bytes};
  for (int index = 0; index < 8; ++index) {
    const std::string folder =
        "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    const int level = std::atoi(first_line(folder + "level").c_str());
    if (level < 1 || level > 3 || first_line(folder + "type") == "Instruction") continue;
    *levels[level - 1] = bytes_of(first_line(folder + "size"));
  }
}

void read_processor(MachineInfo& machine) {
  machine.cpu = field_of("/proc/cpuinfo", "model name");
  machine.clock_mhz = std::atof(field_of("/proc/cpuinfo", "cpu MHz").c_str());
  machine.memory_bytes = ::sysconf(_SC_PHYS_PAGES) * ::sysconf(_SC_PAGE_SIZE);
  read_caches(machine);
}
#endif

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

}  // namespace

MachineInfo describe_machine() {
  MachineInfo machine;
  read_processor(machine);
  utsname system{};
  if (::uname(&system) == 0) {
    machine.os = std::string(system.sysname) + " " + system.release + " " + system.machine;
  }
  machine.commit = kCommit;
  machine.time = utc_now();
  machine.threads = hardware_threads();
  double loads[1] = {};
  if (::getloadavg(loads, 1) == 1) machine.load = loads[0];
  return machine;
}

nlohmann::json to_json(const MachineInfo& m) {
  return {{"cpu", m.cpu},
          {"os", m.os},
          {"commit", m.commit},
          {"time", m.time},
          {"threads", m.threads},
          {"memory_bytes", m.memory_bytes},
          {"l1d_bytes", m.l1d_bytes},
          {"l2_bytes", m.l2_bytes},
          {"l3_bytes", m.l3_bytes},
          {"clock_mhz", m.clock_mhz},
          {"load", m.load}};
}

}  // namespace anemone
