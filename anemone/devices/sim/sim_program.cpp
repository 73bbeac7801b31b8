#include "anemone/devices/sim/sim_program.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/devices/ane_spec/admission.h"
#include "anemone/ir/walk.h"
#include "anemone/kernels/half_numerics.h"
#include "anemone/ops/query.h"
#include "anemone/passes/passes.h"
#include "anemone/passes/widen_halves.h"

namespace anemone {
namespace {

// The ports by name, and where each of the function's is among them.
Ports sorted_ports(const std::vector<Value>& values, std::vector<size_t>& order) {
  Ports ports;
  for (Value value : values) ports.emplace_back(value->name, value->type);
  std::sort(ports.begin(), ports.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (Value value : values) {
    const auto at = std::find_if(ports.begin(), ports.end(),
                                 [&](const auto& port) { return port.first == value->name; });
    order.push_back(static_cast<size_t>(at - ports.begin()));
  }
  return ports;
}

class SimRequest final : public Request {
 public:
  SimRequest(SimProgram& program, std::vector<SimBuffer*> inputs, std::vector<SimBuffer*> outputs)
      : program_(program), inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}
  void run() override { program_.run(inputs_, outputs_); }

 private:
  SimProgram& program_;
  std::vector<SimBuffer*> inputs_, outputs_;
};

}  // namespace

SimProgram::SimProgram(Function lowered, const CompileOptions& compile, std::vector<Finding> wrong,
                       const Chip& chip, ThreadPool& pool, const SimOptions& options,
                       std::shared_ptr<SimCounts> counts)
    : function_(std::move(lowered)),
      chip_(chip),
      pool_(pool),
      options_(options),
      counts_(std::move(counts)),
      in_place_(compile.in_place) {
  inputs_ = sorted_ports(function_.inputs, input_order_);
  outputs_ = sorted_ports(function_.outputs, output_order_);
  time_ = predict(function_, chip_, compile.weights);
  for (const OpTime& op : time_.ops) stats_.bytes += op.weight_bytes + op.activation_bytes;
  stats_.flops = time_.flops;
  stats_.operations = static_cast<int>(time_.ops.size());
  stats_.compile_ms = time_.compile_ms + time_.load_ms;
  for (const Finding& finding : wrong) stats_.warnings.push_back(describe(finding));
  time_.ops.clear();  // points into the function, which changes now
  if (options_.values) prepare_values(wrong);
  ++counts_->loaded;  // last: a program that was not made is not destroyed either
}

void SimProgram::prepare_values(const std::vector<Finding>& wrong) {
  unpack_weights(function_);  // rounded to fp16, as the engine does before it multiplies
  widen_halves(function_);
  if (options_.numerics.no_nan) take_nan_out_of_constants();
  make_kernels(wrong);
  plan_ = plan_memory(function_, kernels_, {});
  size_t scratch = 0;
  for (const Operation* step : plan_.steps) {
    scratch = std::max(scratch, kernels_.at(step)->scratch_bytes(pool_.threads()));
  }
  arena_ = AlignedBytes(plan_.arena_bytes);
  scratch_ = AlignedBytes(scratch);
  for (Value input : function_.inputs) {
    input_values_.emplace_back(input->type.dtype, input->type.shape);
  }
  for (Value output : function_.outputs) {
    output_values_.emplace_back(output->type.dtype, output->type.shape);
  }
  sources_.resize(input_values_.size());
  make_steps();
}

// As on entry: what is NaN becomes +infinity.
void SimProgram::take_nan_out_of_constants() {
  walk(function_, [](const Operation& op) {
    const Tensor* numbers = numbers_of_const(op);
    if (!numbers || numbers->dtype() != DType::kFp32) return;
    simd::nan_to_infinity(numbers->as<float>().data(), numbers->as<float>().size());
  });
}

void SimProgram::make_kernels(const std::vector<Finding>& wrong) {
  for_each_operation(function_, [&](Operation& op) {
    if (is_const(op)) {
      const Tensor* numbers = numbers_of_const(op);
      kernels_[&op] = kernel_of([numbers](const KernelRun& run) { convert(*numbers, run.out[0]); });
      return;
    }
    if (options_.numerics.ignored_masks) {
      std::erase_if(op.arguments, [](const Argument& a) { return a.name == "attn_mask"; });
    }
    kernels_[&op] = make_sim_kernel(op, wrong, options_.numerics);
  });
}

void SimProgram::make_steps() {
  for (const Operation* op : plan_.steps) {
    Step step{kernels_.at(op).get(), {}, {}};
    for (const Argument& argument : op->arguments) {
      for (const Operand& operand : argument.operands) {
        if (operand.value) {
          step.in.push_back(place_of(operand.value));
        } else if (operand.literal->tensor) {
          step.in.push_back(*operand.literal->tensor);
        } else {
          step.in.push_back({operand.literal->type.dtype, operand.literal->type.shape, nullptr});
        }
      }
    }
    for (Value output : op->outputs) step.out.push_back(place_of(output));
    steps_.push_back(std::move(step));
  }
}

TensorView SimProgram::place_of(Value value) const {
  const Place& place = plan_.places.at(value);
  TensorView view{value->type.dtype, value->type.shape, nullptr};
  switch (place.kind) {
    case Place::Kind::kInput:
      view.data = input_values_[place.index].data();
      break;
    case Place::Kind::kOutput:
      view.data = output_values_[place.index].data();
      break;
    case Place::Kind::kConstant:
      view.data = place.constant->tensor ? place.constant->tensor->data() : nullptr;
      break;
    case Place::Kind::kArena:
      view.data = arena_.data() + place.offset;
      break;
  }
  return view;
}

std::unique_ptr<Request> SimProgram::bind(std::span<const Binding> inputs,
                                          std::span<const Binding> outputs) {
  const PortSide in{"input", inputs_, function_.name}, out{"output", outputs_, function_.name};
  std::vector<SimBuffer*> read = buffers_of(in, inputs, *counts_);
  std::vector<SimBuffer*> written = buffers_of(out, outputs, *counts_);
  check_aliases(in, read, out, written, in_place_);
  return std::make_unique<SimRequest>(*this, std::move(read), std::move(written));
}

bool SimProgram::take_first_run() {
  if (first_runs_ == 0) return false;
  --first_runs_;
  return true;
}

void SimProgram::check_request(std::span<SimBuffer* const> buffers, const char* side) const {
  std::vector<size_t> sizes;
  for (const SimBuffer* buffer : buffers) sizes.push_back(buffer->capacity());
  const std::string problem = check_surfaces(sizes, {&chip_, options_.macos});
  if (problem.empty()) return;
  fail(fmt::format("{} surfaces of {}", side, function_.name),
       "the evaluation is refused (status 0x1d): " + problem);
}

void SimProgram::load_inputs(std::span<SimBuffer* const> inputs) {
  for (size_t i = 0; i < input_values_.size(); ++i) {
    SimBuffer* buffer = inputs[input_order_[i]];
    const int64_t contents = buffer->contents();
    if (std::exchange(sources_[i], contents) == contents) continue;
    convert(buffer->tensor(), input_values_[i]);
    if (options_.numerics.no_nan && input_values_[i].dtype() == DType::kFp32) {
      const auto values = input_values_[i].as<float>();
      simd::nan_to_infinity(values.data(), values.size());
    }
  }
}

void SimProgram::run(std::span<SimBuffer* const> inputs, std::span<SimBuffer* const> outputs) {
  check_request(inputs, "input");
  check_request(outputs, "output");
  if (!options_.values) return;
  load_inputs(inputs);
  for (const Step& step : steps_) step.kernel->run({pool_, scratch_.data(), step.in, step.out});
  for (size_t i = 0; i < output_values_.size(); ++i) {
    outputs[output_order_[i]]->write(output_values_[i]);
  }
}

}  // namespace anemone
