// What every device offers: memory, programs compiled for it, and programs bound to memory.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "anemone/ir/walk.h"

namespace anemone {

struct Support {
  bool ok = true;
  std::string reason;  // why not

  explicit operator bool() const { return ok; }
};

struct DeviceInfo {
  std::string name = {};         // "cpu", "ane", "sim:m4-max", …
  std::string description = {};  // a person's line: model, threads, instruction set
  bool simulated = false;
  int threads = 0;                      // 0 where it means nothing
  DType float_type = DType::kFp32;      // of the programs it likes
  DType product_type = DType::kFp32;    // that operands of matrix products are rounded to
  int column_multiple = 1;              // of the columns of a sequence in those programs
  double peak_tflops = 0;               // 0: not known
  std::vector<std::string> notes = {};  // what else a person should know
  std::string unavailable = {};         // why this machine has not got it; empty for those it has
};

// Typed memory of one device.
class Buffer {
 public:
  virtual ~Buffer() = default;
  virtual const Type& type() const = 0;
  // Copies between the host and the device, converting between element types; the sizes agree.
  virtual void write(const TensorView& from) = 0;
  virtual void read(const TensorView& to) const = 0;
  // Every element becomes 0, at the latest when somebody looks: what adds to zeros that nobody has
  // written yet can as well overwrite.
  virtual void clear() {
    const Tensor zeros(type().dtype, type().shape);
    write(zeros);
  }
  // As map(), without asking for memory: the address alone.
  virtual void* host_data() { return map().data; }
  // The memory itself where the host can reach it, else a view without data.
  virtual TensorView map() = 0;
  // Bytes set aside for it, at least those of its type.
  virtual size_t capacity() const { return type().bytes(); }
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
  // What the last run took on the hardware itself, where its driver says so and was asked to
  // (CompileOptions); never predicted, never worked out from the wall clock.
  virtual std::optional<double> hardware_ms() const { return std::nullopt; }
};

struct ExecutableStats {
  double compile_ms = 0;
  double flops = 0;          // of one run
  double bytes = 0;          // read and written by its operations
  size_t scratch_bytes = 0;  // memory it holds between runs
  size_t constant_bytes = 0;
  int operations = 0;  // that cost time: no constants, no views
  // What a person should hear about this program, such as results that the hardware gets wrong.
  std::vector<std::string> warnings;
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

// Work that a host does beside a device.
struct HostWork {
  double gemm_flops = 0;
  double elementwise_bytes = 0;  // read and written by everything else
  double exponentials = 0;       // and the like: what costs more than its bytes
  double copied_bytes = 0;       // of device buffers written or read, as the device stores them

  HostWork& operator+=(const HostWork& other) {
    gemm_flops += other.gemm_flops;
    elementwise_bytes += other.elementwise_bytes;
    exponentials += other.exponentials;
    copied_bytes += other.copied_bytes;
    return *this;
  }
};

// How long things take on a machine that is only modelled.
class Simulation {
 public:
  virtual ~Simulation() = default;
  // Whether runs compute anything; if not, buffers hold nothing either.
  virtual bool values() const = 0;
  // Of one more run of a program of this device, starting at `now_ms` of the simulated clock.
  virtual double run_ms(Executable& executable, double now_ms) = 0;
  // Of the host that belongs to the device.
  virtual double host_ms(const HostWork& work) const = 0;
  // Of compiling the same program again with other weights; counts as a compilation.
  virtual double recompile_ms(Executable& executable) = 0;
  // A new process: nothing is compiled yet. Returns what starting it takes.
  virtual double restart_ms() = 0;
};

struct CompileOptions {
  // (input, output) pairs that will be bound to the same buffer: an output that updates its input.
  std::vector<std::pair<std::string, std::string>> in_place = {};
  // Inputs that hold weights: bound for many runs.
  std::vector<std::string> weights = {};
  // Asks the driver for hardware_ms() of its requests. That may cost time in every run, and where
  // it does not work the program runs without and says why among its warnings.
  bool hardware_time = false;
};

class AneProbes;  // anemone/devices/ane/ane_probes.h

class Device {
 public:
  virtual ~Device() = default;
  virtual const DeviceInfo& info() const = 0;
  virtual Support supports(const Operation& op) const = 0;
  // Whether compile() would take the function, for what is known before compiling it.
  virtual Support accepts(const Function& function) const {
    Support first;
    walk(function, [&](const Operation& op) {
      if (first) first = supports(op);
    });
    return first;
  }
  // Throws Error(kInvalidInput) for a function that is not valid or that the device refuses.
  virtual std::unique_ptr<Executable> compile(const Function& function,
                                              const CompileOptions& options = {}) = 0;
  std::unique_ptr<Buffer> allocate(const Type& type) { return allocate(type, 0); }
  // A buffer of the tensor's type that holds its elements; of borrowed memory it is read only.
  virtual std::unique_ptr<Buffer> adopt(Tensor tensor) {
    auto buffer = allocate(Type::tensor(tensor.dtype(), tensor.shape()));
    buffer->write(tensor);
    return buffer;
  }
  // With room for `least_bytes`, where requests want equal sizes.
  virtual std::unique_ptr<Buffer> allocate(const Type& type, size_t least_bytes) = 0;

  // Programs that it will still compile in this process.
  virtual int compiles_left() const { return std::numeric_limits<int>::max(); }
  // Null for a real device.
  virtual Simulation* simulation() { return nullptr; }
  // Questions about the Neural Engine's own interfaces; null for every other device.
  virtual AneProbes* probes() { return nullptr; }
};

}  // namespace anemone
