#include "anemone/devices/cpu/cpu_request.h"

#include <atomic>
#include <utility>

#include "anemone/base/clock.h"

namespace anemone {
namespace {

// Runs an epilogue on rows of the step before it, and adds up for how long if that is wanted.
struct RowEpilogue {
  const Kernel& kernel;
  KernelRun run;
  bool timed;
  std::atomic<int64_t> nanoseconds{0};

  void run_rows(int64_t first, int64_t last) {
    const Stopwatch watch;
    kernel.run_rows(run, static_cast<size_t>(first), static_cast<size_t>(last));
    if (timed) nanoseconds.fetch_add(static_cast<int64_t>(1e6 * watch.elapsed_ms()));
  }
};

}  // namespace

CpuRequest::CpuRequest(ThreadPool& pool, const CpuOptions& options, std::byte* scratch,
                       std::vector<CpuStep> steps, std::vector<CpuBuffer*> read,
                       std::vector<CpuBuffer*> written)
    : pool_(pool),
      options_(options),
      scratch_(scratch),
      steps_(std::move(steps)),
      read_(std::move(read)),
      written_(std::move(written)) {}

void CpuRequest::run() {
  for (CpuBuffer* buffer : read_) buffer->settle();
  for (CpuBuffer* buffer : written_) buffer->take_cleared();
  for (size_t i = 0; i < steps_.size(); ++i) {
    const bool fused = i + 1 < steps_.size() && steps_[i + 1].is_epilogue;
    if (options_.recorder) options_.recorder->begin(steps_[i].record);
    fused ? run_with_epilogue(steps_[i], steps_[i + 1]) : run_step(steps_[i]);
    if (fused) ++i;
  }
}

KernelRun CpuRequest::on_memory_of(const CpuStep& step) {
  static std::atomic<uint64_t> versions{0};
  if (step.kernel->product() && !step.reuses_packed) b_version_ = ++versions;
  const bool from_zero = step.sum && step.sum->take_cleared();
  return {pool_, scratch_, step.in, step.out, options_.bf16, from_zero, {}, b_version_};
}

void CpuRequest::run_step(const CpuStep& step) {
  step.kernel->run(on_memory_of(step));
  if (options_.recorder) options_.recorder->end(step.record);
}

void CpuRequest::run_with_epilogue(const CpuStep& step, const CpuStep& after) {
  RowEpilogue epilogue{*after.kernel, on_memory_of(after), options_.recorder != nullptr};
  KernelRun run = on_memory_of(step);
  run.then = {[](void* context, int64_t first, int64_t last) {
                static_cast<RowEpilogue*>(context)->run_rows(first, last);
              },
              &epilogue};
  step.kernel->run(run);
  if (!options_.recorder) return;
  const double ms = 1e-6 * static_cast<double>(epilogue.nanoseconds) / pool_.threads();
  options_.recorder->end(step.record, after.record, ms);
}

}  // namespace anemone
