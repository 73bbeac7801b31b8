// What a measurement was made on: processor, caches, system, commit, and how busy it was.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace anemone {

// What the system does not say is empty or 0.
struct MachineInfo {
  std::string cpu;     // "AMD EPYC 9B45"
  std::string os;      // "Linux 6.1.0 x86_64"
  std::string commit;  // of this program: "git describe", "+" behind it where files had changed
  std::string time;    // UTC, "2026-11-22T17:03:00Z"
  int threads = 0;     // that run at once
  int64_t memory_bytes = 0;
  // Data caches of one core, and the last level, which cores share.
  int64_t l1d_bytes = 0, l2_bytes = 0, l3_bytes = 0;
  double clock_mhz = 0;  // of one core at this moment
  double load = 0;       // processes that wanted to run over the last minute
};

MachineInfo describe_machine();

nlohmann::json to_json(const MachineInfo& machine);

}  // namespace anemone
