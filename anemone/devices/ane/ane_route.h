// A way to the Neural Engine: compiles programs, allocates memory that it reads, runs them.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "anemone/devices/ane/program_files.h"
#include "anemone/devices/device.h"

namespace anemone {

// A program that is compiled and loaded.
class RouteProgram {
 public:
  virtual ~RouteProgram() = default;
  // Buffers of the route in the order of the ports of the ProgramFiles.
  virtual std::unique_ptr<Request> bind(std::span<Buffer* const> inputs,
                                        std::span<Buffer* const> outputs) = 0;
  // Why requests cannot say how long they ran on the hardware although that was asked for; empty if
  // nothing speaks against it.
  virtual std::string hardware_time_problem() const { return ""; }
};

// Thrown as Error(kInvalidInput) by compile() with this as the beginning of its message.
inline constexpr const char* kCompileRefused = "the compiler of the Neural Engine refused it";

class AneRoute {
 public:
  virtual ~AneRoute() = default;
  virtual const char* name() const = 0;  // "e5rt", "inmemory"
  // `key` tells the machine: chip and build of the system. `name` is for messages. `hardware_time`:
  // the driver shall be asked for it; that it cannot be is no reason to fail.
  virtual std::unique_ptr<RouteProgram> compile(const ProgramFiles& files, const std::string& name,
                                                const std::string& key, bool hardware_time) = 0;
  virtual std::unique_ptr<Buffer> allocate(const Type& type, size_t capacity) = 0;
};

}  // namespace anemone
