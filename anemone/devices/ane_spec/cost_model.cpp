#include "anemone/devices/ane_spec/cost_model.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "anemone/devices/ane_spec/cost_layer.h"
#include "anemone/ir/walk.h"
#include "anemone/ops/query.h"

namespace anemone {
namespace {

double bytes_of(Value value) {
  const Type& type = value->type;
  return type.is_tensor() && is_static(type.shape) ? static_cast<double>(type.bytes()) : 0;
}

// Bytes of the largest set of values that are alive at once. Inputs and outputs live in surfaces,
// constants in the program.
double most_live_bytes(const Function& function) {
  const Uses uses(function);
  std::unordered_map<Value, size_t> last_use;  // of roots
  for_each_operation(function, [&](const Operation& op) {
    for_each_used_value(op, [&](Value value) { last_use[root_of(value)] = uses.position(&op); });
  });
  std::unordered_set<Value> elsewhere;
  for (Value output : function.outputs) elsewhere.insert(root_of(output));
  std::unordered_map<size_t, double> dying;
  double live = 0, most = 0;
  for_each_operation(function, [&](const Operation& op) {
    const size_t here = uses.position(&op);
    for (Value output : op.outputs) {
      if (costs_nothing(op) || elsewhere.contains(output)) continue;
      live += bytes_of(output);
      const auto last = last_use.find(output);
      dying[last == last_use.end() ? here : last->second] += bytes_of(output);
    }
    most = std::max(most, live);
    live -= dying[here];
  });
  return most;
}

// Where a program's bytes are.
struct Bytes {
  double baked = 0, weight_inputs = 0, surfaces = 0;
};

Bytes count_bytes(const Function& function, const CostValues& values) {
  Bytes bytes;
  walk(function, [&](const Operation& op) { bytes.baked += stored_bytes(op); });
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
  for_each_operation(function, [&](const Operation& op) {
    if (costs_nothing(op) || values.is_fused(op)) return;
    const Layer layer = describe_layer(op, values);
    time.ops.push_back(time_layer(op, layer, engine));
    engine_us += time.ops.back().us;
    time.flops += layer.flops;
    if (streams(layer, engine)) stream_start_us = engine.stream_start_us.value;
  });
  const Bytes bytes = count_bytes(function, values);
  time.weight_bytes = bytes.baked + bytes.weight_inputs;
  time.memory_bytes = time.weight_bytes + bytes.surfaces + most_live_bytes(function);
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
