#include "anemone/devices/sim/sim_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "anemone/devices/ane_spec/admission.h"
#include "anemone/devices/ane_spec/limits.h"
#include "anemone/devices/sim/sim_program.h"
#include "anemone/ops/registry.h"
#include "anemone/ops/verify.h"

namespace anemone {
namespace {

constexpr double kShortRestMs = 100, kLongRestMs = 5000, kShortRewakeMs = 0.5;
// What starting a process, reading the checkpoint and opening the frameworks takes; a guess.
constexpr double kRestartMs = 150;

class SimDevice final : public Device, public Simulation {
 public:
  SimDevice(const Chip& chip, ThreadPool& pool, const SimOptions& options)
      : chip_(chip), pool_(pool), options_(options), counts_(std::make_shared<SimCounts>()) {
    info_.name = "sim:" + chip.name;
    info_.description =
        fmt::format("{} Neural Engine, {}, fp16, simulated", chip.title, chip.architecture);
    info_.simulated = true;
    info_.float_type = DType::kFp16;
    info_.column_multiple = ane::kColumnMultiple;
    info_.peak_tflops = chip.engine.peak_tflops.value;
  }

  const DeviceInfo& info() const override { return info_; }

  Support supports(const Operation& op) const override {
    if (!find_op(op.type)) return {false, "unknown operation '" + op.type + "'"};
    return {};
  }

  Support accepts(const Function& function) const override {
    return admissible(function, target(), options_.strict);
  }

  std::unique_ptr<Executable> compile(const Function& function,
                                      const CompileOptions& compile_options) override {
    require_valid(function);
    Admission admission = admit(function, target(), options_.strict);
    count_compilation(function.name);
    if (counts_->loaded >= options_.loaded_limit) {
      fail(function.name,
           fmt::format("{} programs are loaded, and {} holds no more (ane.c1)", counts_->loaded,
                       info_.name),
           "unload some, or share programs between layers");
    }
    auto program =
        std::make_unique<SimProgram>(std::move(admission.lowered), compile_options,
                                     std::move(admission.wrong), chip_, pool_, options_, counts_);
    awake_ = true;  // loading a program wakes the engine
    return program;
  }

  std::unique_ptr<Buffer> allocate(const Type& type, size_t least_bytes) override {
    const auto least = static_cast<int64_t>(std::max(type.bytes(), least_bytes));
    const size_t capacity = surface_bytes(Type::tensor(DType::kUInt8, {least}));
    return std::make_unique<SimBuffer>(type, capacity, options_.values, counts_);
  }

  int compiles_left() const override { return options_.compile_budget - compiled_; }
  Simulation* simulation() override { return this; }

  // --- Simulation ---

  bool values() const override { return options_.values; }

  double run_ms(Executable& executable, double now_ms) override {
    auto& program = dynamic_cast<SimProgram&>(executable);
    double ms = program.time().total_us / 1000 + rewake_ms(now_ms - last_end_ms_);
    if (program.take_first_run()) ms += chip_.engine.first_call_ms.value;
    awake_ = false;
    last_end_ms_ = now_ms + ms;
    return ms;
  }

  double host_ms(const HostWork& work) const override { return anemone::host_ms(chip_, work); }

  double recompile_ms(Executable& executable) override {
    count_compilation("program");
    dynamic_cast<SimProgram&>(executable).recompiled();
    awake_ = true;
    return executable.stats().compile_ms;
  }

  double restart_ms() override {
    compiled_ = 0;
    return kRestartMs;
  }

 private:
  Target target() const { return {&chip_, options_.macos}; }

  void count_compilation(const std::string& name) {
    if (compiles_left() <= 0) {
      fail(name,
           fmt::format("a process can compile {} programs on {}, and has (ane.c1)",
                       options_.compile_budget, info_.name),
           "weights as inputs (--pipeline dynamic) need few programs, or go on in a new process");
    }
    ++compiled_;
  }

  // An engine that rests is switched off; waking it takes the longer the longer it has rested.
  double rewake_ms(double rest_ms) const {
    if (awake_ || rest_ms < kShortRestMs) return 0;
    const double longest = chip_.engine.rewake_ms.value;
    const double part = (rest_ms - kShortRestMs) / (kLongRestMs - kShortRestMs);
    return kShortRewakeMs + (longest - kShortRewakeMs) * std::min(1.0, part * part);
  }

  const Chip chip_;
  ThreadPool& pool_;
  SimOptions options_;
  DeviceInfo info_;
  std::shared_ptr<SimCounts> counts_;
  int compiled_ = 0;
  bool awake_ = true;
  double last_end_ms_ = 0;
};

}  // namespace

std::unique_ptr<Device> make_sim_device(const Chip& chip, ThreadPool& pool,
                                        const SimOptions& options) {
  return std::make_unique<SimDevice>(chip, pool, options);
}

}  // namespace anemone
