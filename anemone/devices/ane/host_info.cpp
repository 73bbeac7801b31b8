#include "anemone/devices/ane/host_info.h"

#include <cstdlib>

#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

namespace anemone {

#ifdef __APPLE__
namespace {

std::string system_string(const char* name) {
  size_t size = 0;
  if (::sysctlbyname(name, nullptr, &size, nullptr, 0) != 0 || size == 0) return "";
  std::string value(size, '\0');
  if (::sysctlbyname(name, value.data(), &size, nullptr, 0) != 0) return "";
  return value.c_str();
}

}  // namespace

HostInfo read_host_info() {
  return {system_string("machdep.cpu.brand_string"), system_string("kern.osversion"),
          std::atoi(system_string("kern.osproductversion").c_str())};
}
#else
HostInfo read_host_info() { return {}; }
#endif

}  // namespace anemone
