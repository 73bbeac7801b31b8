#include "anemone/bench/measured_model.h"

#include "anemone/base/error.h"
#include "anemone/bench/training_setup.h"

namespace anemone {
namespace {

DeviceSettings recorded(DeviceSettings settings, OpTimes& ops) {
  settings.recorder = &ops;
  return settings;
}

}  // namespace

void require_cpu(const Device& device, const char* bench) {
  if (!device.info().simulated && device.info().name == "cpu") return;
  fail(bench, "it measures this machine's CPU, not " + device.info().name);
}

MeasuredModel::MeasuredModel(ThreadPool& pool, const BenchOptions& options)
    : ops(1),
      cpu(make_device("cpu", pool, recorded(options.settings, ops))),
      parameters(*cpu, weights_for(options, true, ReadAs::kStored), /*trained=*/false,
                 options.stored) {}

}  // namespace anemone
