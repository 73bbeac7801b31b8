// What every device offers: memory, programs compiled for it, and programs bound to memory.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "anemone/ir/program.h"

namespace anemone {

struct Support {
  bool ok = true;
  std::string reason;  // why not

  explicit operator bool() const { return ok; }
};

struct DeviceInfo {
  std::string name;         // "cpu", "ane", "sim:m4-max", …
  std::string description;  // a person's line: model, threads, instruction set
  bool simulated = false;
  int threads = 0;  // 0 where it means nothing
};

// Typed memory of one device.
class Buffer {
 public:
  virtual ~Buffer() = default;
  virtual const Type& type() const = 0;
  // Copies between the host and the device; the view must have the buffer's dtype and size.
  virtual void write(const TensorView& from) = 0;
  virtual void read(const TensorView& to) const = 0;
  // The memory itself where the host can reach it, else a view without data.
  virtual TensorView map() = 0;
};

struct Binding {
  std::string_view name;
  Buffer* buffer = nullptr;
};

// A program with all its inputs and outputs bound. Its executable and the buffers must outlive it.
class Request {
 public:
  virtual ~Request() = default;
  virtual void run() = 0;
};

struct ExecutableStats {
  double compile_ms = 0;
  double flops = 0;          // of one run
  double bytes = 0;          // read and written by its operations
  size_t scratch_bytes = 0;  // memory it holds between runs
  size_t constant_bytes = 0;
  int operations = 0;  // that cost time: no constants, no views
};

// A function compiled for one device. Runs of one executable must not overlap in time.
class Executable {
 public:
  virtual ~Executable() = default;
  virtual const std::vector<std::pair<std::string, Type>>& inputs() const = 0;
  virtual const std::vector<std::pair<std::string, Type>>& outputs() const = 0;
  virtual const ExecutableStats& stats() const = 0;
  // Every input and output must be bound, by name, to a buffer of the same dtype and as many
  // elements. One buffer may stand for an input and an output only where CompileOptions said so.
  virtual std::unique_ptr<Request> bind(std::span<const Binding> inputs,
                                        std::span<const Binding> outputs) = 0;
};

struct CompileOptions {
  // (input, output) pairs that will be bound to the same buffer: an output that updates its input.
  std::vector<std::pair<std::string, std::string>> in_place;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual const DeviceInfo& info() const = 0;
  virtual Support supports(const Operation& op) const = 0;
  // Throws Error(kInvalidInput) for a function that is not valid or that the device refuses.
  virtual std::unique_ptr<Executable> compile(const Function& function,
                                              const CompileOptions& options = {}) = 0;
  virtual std::unique_ptr<Buffer> allocate(const Type& type) = 0;
};

}  // namespace anemone
