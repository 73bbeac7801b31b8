// What machine this is, as far as the Neural Engine's compiler cares.
#pragma once

#include <string>

namespace anemone {

struct HostInfo {
  std::string chip_title;  // "Apple M4 Max"; empty where it is no Apple chip
  std::string os_build;    // "25C56"
  int macos = 0;           // major version; 0 on other systems
};

HostInfo read_host_info();

}  // namespace anemone
