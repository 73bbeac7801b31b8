#include "anemone/devices/cpu/cpu_device.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "anemone/base/clock.h"
#include "anemone/devices/cpu/control_kernels.h"
#include "anemone/devices/cpu/cpu_request.h"
#include "anemone/devices/cpu/epilogue.h"
#include "anemone/devices/cpu/memory_plan.h"
#include "anemone/ir/walk.h"
#include "anemone/kernels/half_numerics.h"
#include "anemone/kernels/simd.h"
#include "anemone/kernels/tiles.h"
#include "anemone/ops/query.h"
#include "anemone/ops/registry.h"
#include "anemone/ops/verify.h"
#include "anemone/passes/close_blocks.h"
#include "anemone/passes/pipelines.h"
#include "anemone/passes/widen_halves.h"

namespace anemone {
namespace {

std::vector<std::pair<std::string, Type>> signature(const std::vector<Value>& values) {
  std::vector<std::pair<std::string, Type>> result;
  for (Value value : values) result.emplace_back(value->name, value->type);
  return result;
}

// What runs: a function of fp32 and the operations whose results are rounded to fp16.
struct Lowered {
  Function function;
  std::unordered_set<const Operation*> rounded = {};
};

Support cpu_support(const Operation& op) {
  const OpDef* def = find_op(op.type);
  if (!def) return {false, "unknown operation '" + op.type + "'"};
  const bool runs = is_const(op) || def->eval || def->blocks > 0;
  if (!runs) return {false, "'" + op.type + "' has no kernel"};
  return {};
}

void check_runnable(const Function& function) {
  for (Value input : function.inputs) {
    if (!input->type.is_tensor() || !is_static(input->type.shape)) {
      fail("input '" + input->name + "'", "its shape must be known to compile it");
    }
  }
  for_each_operation(function, [](const Operation& op) {
    const Support support = cpu_support(op);
    if (!support) fail(op.where(), support.reason);
    require_loaded(op);
  });
}

Lowered lower(Function function, const CpuOptions& options) {
  Lowered lowered{std::move(function)};
  close_blocks(lowered.function);
  optimize(lowered.function);
  check_runnable(lowered.function);
  if (has_halves(lowered.function)) lowered.rounded = widen_halves_between_ports(lowered.function);
  // Products of rounded operands stay as they are.
  if (!options.bf16) fuse_epilogues(lowered.function, lowered.rounded);
  return lowered;
}

std::unique_ptr<Kernel> rounded_to_half(std::unique_ptr<Kernel> kernel) {
  return over_results(std::move(kernel), [](float* x, size_t n) {
    simd::finish(x, n, {.round = true, .nan_to_zero = false});
  });
}

class CpuExecutable final : public Executable {
 public:
  CpuExecutable(ThreadPool& pool, const CpuOptions& device, Lowered lowered,
                const CompileOptions& options)
      : pool_(pool),
        device_(device),
        function_(std::move(lowered.function)),
        in_place_(options.in_place) {
    const Stopwatch watch;
    for_each_operation(function_, [&](const Operation& op) {
      kernels_[&op] = kernel_for(op);
      if (lowered.rounded.contains(&op)) kernels_[&op] = rounded_to_half(std::move(kernels_[&op]));
    });
    NarrowStorage narrow;
    if (device.bf16) narrow = find_narrow_storage(function_, kernels_);
    plan_ = plan_memory(function_, kernels_, options, std::move(narrow));
    size_t scratch = 0;
    for (const Operation* step : plan_.steps) {
      scratch = std::max(scratch, kernels_.at(step)->scratch_bytes(pool.threads()));
    }
    arena_ = AlignedBytes(plan_.arena_bytes);
    scratch_ = AlignedBytes(scratch);
    inputs_ = signature(function_.inputs);
    outputs_ = signature(function_.outputs);
    measure();
    stats_.compile_ms = watch.elapsed_ms();
  }

  const std::vector<std::pair<std::string, Type>>& inputs() const override { return inputs_; }
  const std::vector<std::pair<std::string, Type>>& outputs() const override { return outputs_; }
  const ExecutableStats& stats() const override { return stats_; }

  std::unique_ptr<Request> bind(std::span<const Binding> inputs,
                                std::span<const Binding> outputs) override {
    const std::vector<void*> in = resolve(inputs_, inputs, "input");
    const std::vector<void*> out = resolve(outputs_, outputs, "output");
    check_aliases(in, out);
    std::vector<CpuStep> steps;
    for (const Operation* op : plan_.steps) {
      CpuStep step{kernels_.at(op).get(), {}, {}};
      step.is_epilogue = plan_.fusion.epilogues.contains(op);
      step.reuses_packed = plan_.fusion.packed_reuse.contains(op);
      for (const Argument& argument : op->arguments) {
        for (const Operand& operand : argument.operands) {
          step.in.push_back(operand.value ? view(operand.value, in, out)
                                          : literal_view(*operand.literal));
        }
      }
      for (Value output : op->outputs) step.out.push_back(view(output, in, out));
      if (device_.recorder) step.record = device_.recorder->add(function_.name, *op);
      const bool in_place = !step.in.empty() && step.in[0].data == step.out[0].data;
      if (in_place) step.sum = sum_of(*op, inputs);
      steps.push_back(std::move(step));
    }
    std::vector<CpuBuffer*> read, written;
    for (const Binding& input : inputs) {
      CpuBuffer* buffer = dynamic_cast<CpuBuffer*>(input.buffer);
      const bool is_sum = std::any_of(steps.begin(), steps.end(),
                                      [&](const CpuStep& step) { return step.sum == buffer; });
      if (buffer && !is_sum) read.push_back(buffer);
    }
    for (const Binding& output : outputs) {
      CpuBuffer* buffer = dynamic_cast<CpuBuffer*>(output.buffer);
      const bool is_input = std::any_of(inputs.begin(), inputs.end(), [&](const Binding& input) {
        return input.buffer == output.buffer;
      });
      if (buffer && !is_input) written.push_back(buffer);
    }
    return std::make_unique<CpuRequest>(pool_, device_, scratch_.data(), std::move(steps),
                                        std::move(read), std::move(written));
  }

 private:
  // The buffer of an input that nothing but `op` reads, and that only to add to it.
  CpuBuffer* sum_of(const Operation& op, std::span<const Binding> inputs) const {
    if (!kernels_.at(&op)->adds_to_operand_0() || op.arguments.empty()) return nullptr;
    const Value sum = root_of(op.arguments[0].operands[0].value);
    const auto input = std::find(function_.inputs.begin(), function_.inputs.end(), sum);
    if (!sum || input == function_.inputs.end() || count_uses(sum) != 1) return nullptr;
    for (const Binding& binding : inputs) {
      if (binding.name == sum->name) return dynamic_cast<CpuBuffer*>(binding.buffer);
    }
    return nullptr;
  }

  // What a value is a view of.
  Value root_of(Value value) const {
    while (value && value->producer && plan_.narrow.is_free(*value->producer)) {
      value = value->producer->arguments[0].operands[0].value;
    }
    return value;
  }

  int count_uses(Value value) const {
    int uses = 0;
    for (const Operation* op : plan_.steps) {
      for (const Argument& argument : op->arguments) {
        for (const Operand& operand : argument.operands) {
          uses += root_of(operand.value) == value ? 1 : 0;
        }
      }
    }
    for (Value output : function_.outputs) uses += root_of(output) == value ? 1 : 0;
    return uses;
  }

  std::unique_ptr<Kernel> kernel_for(const Operation& op) const {
    if (is_const(op)) return copy_constant(op);
    if (op.blocks.empty()) return make_kernel(op);
    return make_control_kernel(op, [&](Function block) {
      return std::make_unique<CpuExecutable>(pool_, device_, lower(std::move(block), device_),
                                             CompileOptions{});
    });
  }

  static std::unique_ptr<Kernel> copy_constant(const Operation& op) {
    const Literal* literal = op.attribute("val");
    return kernel_of([literal](const KernelRun& args) { convert(*literal->tensor, args.out[0]); });
  }

  static TensorView literal_view(const Literal& literal) {
    if (literal.tensor) return *literal.tensor;
    return {literal.type.dtype, literal.type.shape, nullptr};
  }

  std::vector<void*> resolve(const std::vector<std::pair<std::string, Type>>& wanted,
                             std::span<const Binding> bindings, const char* kind) const {
    std::vector<void*> pointers;
    for (const auto& [name, type] : wanted) {
      const auto found =
          std::find_if(bindings.begin(), bindings.end(),
                       [&port = name](const Binding& binding) { return binding.name == port; });
      const std::string where = std::string(kind) + " '" + name + "' of " + function_.name;
      if (found == bindings.end() || !found->buffer) fail(where, "nothing is bound to it");
      const TensorView memory = found->buffer->map();
      if (memory.dtype != type.dtype || memory.size() != element_count(type.shape)) {
        fail(where, "it takes " + to_string(type) + ", the buffer holds " +
                        to_string(found->buffer->type()));
      }
      pointers.push_back(memory.data);
    }
    return pointers;
  }

  // An output may share its memory with nothing but the input that it was compiled to update.
  void check_aliases(const std::vector<void*>& in, const std::vector<void*>& out) const {
    for (size_t o = 0; o < out.size(); ++o) {
      const std::string& name = outputs_[o].first;
      const std::string where = "output '" + name + "' of " + function_.name;
      for (size_t i = 0; i < in.size(); ++i) {
        const std::pair pair(inputs_[i].first, name);
        if (!out[o] || in[i] != out[o] || contains(in_place_, pair)) continue;
        fail(where, "its buffer is also that of input '" + pair.first + "'");
      }
      for (size_t other = 0; other < o; ++other) {
        if (!out[o] || out[other] != out[o]) continue;
        fail(where, "its buffer is also that of output '" + outputs_[other].first + "'");
      }
    }
  }

  static bool contains(const std::vector<std::pair<std::string, std::string>>& pairs,
                       const std::pair<std::string, std::string>& pair) {
    return std::find(pairs.begin(), pairs.end(), pair) != pairs.end();
  }

  TensorView view(Value value, const std::vector<void*>& in, const std::vector<void*>& out) const {
    const Place& place = plan_.places.at(value);
    TensorView result{plan_.narrow.dtype(value), value->type.shape, nullptr};
    switch (place.kind) {
      case Place::Kind::kInput:
        result.data = in[place.index];
        break;
      case Place::Kind::kOutput:
        result.data = out[place.index];
        break;
      case Place::Kind::kConstant:
        return {result.dtype, result.shape, literal_view(*place.constant).data};
      case Place::Kind::kArena:
        result.data = arena_.data() + place.offset;
        break;
    }
    return result;
  }

  void measure() {
    for (const Operation* op : plan_.steps) {
      const Cost cost = cost_of(*op);
      stats_.flops += cost.flops;
      stats_.bytes += cost.bytes_read + cost.bytes_written;
    }
    for_each_operation(function_, [&](const Operation& op) {
      if (const Tensor* numbers = numbers_of_const(op)) stats_.constant_bytes += numbers->bytes();
    });
    stats_.operations = static_cast<int>(plan_.steps.size());
    stats_.scratch_bytes = arena_.size() + scratch_.size();
  }

  ThreadPool& pool_;
  CpuOptions device_;
  Function function_;
  std::vector<std::pair<std::string, std::string>> in_place_;
  Kernels kernels_;
  MemoryPlan plan_;
  AlignedBytes arena_, scratch_;
  std::vector<std::pair<std::string, Type>> inputs_, outputs_;
  ExecutableStats stats_;
};

class CpuDevice final : public Device {
 public:
  CpuDevice(ThreadPool& pool, const CpuOptions& options) : pool_(pool), options_(options) {
    const std::string kernels = std::string(simd::target_name()) + " kernels, ";
    info_ = {"cpu", kernels + (options.bf16 ? "products in bf16 with fp32 sums" : "fp32"), false,
             pool.threads()};
    if (options.bf16) info_.product_type = DType::kBf16;
    if (options.bf16 && !has_bf16_instructions()) {
      info_.notes.push_back(
          "bf16 is emulated: this processor has no instructions for it; the numbers are the same, "
          "but nothing is faster than in fp32");
    }
  }

  const DeviceInfo& info() const override { return info_; }

  Support supports(const Operation& op) const override { return cpu_support(op); }

  std::unique_ptr<Executable> compile(const Function& function,
                                      const CompileOptions& options) override {
    require_valid(function);
    return std::make_unique<CpuExecutable>(pool_, options_, lower(function.clone(), options_),
                                           options);
  }

  std::unique_ptr<Buffer> adopt(Tensor tensor) override {
    return std::make_unique<CpuBuffer>(std::move(tensor));
  }
  std::unique_ptr<Buffer> allocate(const Type& type, size_t /*least_bytes*/) override {
    return std::make_unique<CpuBuffer>(type);
  }

 private:
  ThreadPool& pool_;
  CpuOptions options_;
  DeviceInfo info_;
};

}  // namespace

std::unique_ptr<Device> make_cpu_device(ThreadPool& pool, const CpuOptions& options) {
  return std::make_unique<CpuDevice>(pool, options);
}

}  // namespace anemone
