#include "anemone/devices/ane_spec/cost_model.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "anemone/devices/ane_spec/cost_layer.h"
#include "anemone/ops/registry.h"

namespace anemone {
namespace {

double bytes_of(Value value) {
  const Type& type = value->type;
  return type.is_tensor() && is_static(type.shape) ? static_cast<double>(type.bytes()) : 0;
}

// Values that are read, and by which operation last.
class Lifetimes {
 public:
  explicit Lifetimes(const Function& function) {
    for (size_t i = 0; i < function.operations.size(); ++i) {
      for (const Argument& argument : function.operations[i]->arguments) {
        for (const Operand& operand : argument.operands) {
          if (operand.value) last_use_[root_of(operand.value)] = i;
        }
      }
    }
    // Inputs and outputs live in surfaces, constants in the program.
    for (Value value : function.inputs) elsewhere_.insert(value);
    for (Value value : function.outputs) elsewhere_.insert(root_of(value));
  }

  // Bytes of the largest set of values that are alive at once.
  double most_live(const Function& function) const {
    std::vector<double> dying(function.operations.size(), 0);
    double live = 0, most = 0;
    for (size_t i = 0; i < function.operations.size(); ++i) {
      const Operation& op = *function.operations[i];
      if (!is_free(op)) {
        for (Value output : op.outputs) {
          if (elsewhere_.contains(output)) continue;
          live += bytes_of(output);
          const auto last = last_use_.find(output);
          dying[last == last_use_.end() ? i : last->second] += bytes_of(output);
        }
      }
      most = std::max(most, live);
      live -= dying[i];
    }
    return most;
  }

 private:
  std::unordered_map<Value, size_t> last_use_;
  std::unordered_set<Value> elsewhere_;
};

// Where a program's bytes are.
struct Bytes {
  double baked = 0, weight_inputs = 0, surfaces = 0;
};

Bytes count_bytes(const Function& function, const CostValues& values) {
  Bytes bytes;
  for (const auto& op : function.operations) bytes.baked += stored_bytes(*op);
  for (Value input : function.inputs) {
    (values.is_weight_input(input) ? bytes.weight_inputs : bytes.surfaces) += bytes_of(input);
  }
  for (Value output : function.outputs) bytes.surfaces += bytes_of(output);
  return bytes;
}

// Awake the whole time, and the arithmetic busy for the time that its flops take at the peak.
double energy_mj(const ProgramTime& time, const EngineFigures& engine) {
  const double busy_us = time.flops / (engine.peak_tflops.value * 1e6);
  const double share = std::min(1.0, busy_us / time.total_us);
  const double watts =
      engine.busy_watts.value + share * (engine.full_watts.value - engine.busy_watts.value);
  return watts * time.total_us * 1e-3;
}

}  // namespace

ProgramTime predict(const Function& function, const Chip& chip,
                    const std::vector<std::string>& weight_inputs) {
  const EngineFigures& engine = chip.engine;
  const CostValues values(function, weight_inputs, engine.int8_arithmetic_gain.value > 1);
  ProgramTime time;
  double engine_us = 0, stream_start_us = 0;
  for (const auto& op : function.operations) {
    if (is_free(*op) || values.is_fused(*op)) continue;
    const Layer layer = describe_layer(*op, values);
    time.ops.push_back(time_layer(*op, layer, engine));
    engine_us += time.ops.back().us;
    time.flops += layer.flops;
    if (streams(layer, engine)) stream_start_us = engine.stream_start_us.value;
  }
  const Bytes bytes = count_bytes(function, values);
  time.weight_bytes = bytes.baked + bytes.weight_inputs;
  time.memory_bytes = time.weight_bytes + bytes.surfaces + Lifetimes(function).most_live(function);
  time.surface_us = bytes.surfaces / (engine.surface_gbs.value * 1e3);
  const double work_us = time.surface_us + stream_start_us + engine_us;
  time.total_us = std::max(engine.floor_us.value, engine.dispatch_us.value + work_us);
  time.dispatch_us = time.total_us - time.surface_us - engine_us;
  time.energy_mj = energy_mj(time, engine);
  time.compile_ms = engine.compile_ms.value + engine.compile_ms_per_mb.value * bytes.baked * 1e-6;
  time.load_ms = engine.load_ms.value;
  return time;
}

double host_ms(const Chip& chip, const HostWork& work) {
  const HostFigures& host = chip.host;
  return host.task_us.value * 1e-3 + work.gemm_flops / (host.gemm_gflops.value * 1e6) +
         work.elementwise_bytes / (host.elementwise_gbs.value * 1e6) +
         work.exponentials / (host.exponentials_per_ns.value * 1e6) +
         work.copied_bytes / (host.copy_gbs.value * 1e6);
}

}  // namespace anemone
