#include "anemone/devices/ane/compile_gate.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "anemone/base/error.h"

namespace anemone {
namespace {

double steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void sleep_seconds(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

}  // namespace

CompileGate::CompileGate() : CompileGate(Options{}) {}

CompileGate::CompileGate(Options options) : options_(std::move(options)), owner_(::getpid()) {
  if (!options_.now_s) options_.now_s = steady_seconds;
  if (!options_.sleep_s) options_.sleep_s = sleep_seconds;
}

void CompileGate::require_owner(const std::string& where) const {
  if (::getpid() == owner_) return;
  throw Error(ErrorCode::kInternal, where,
              "used in a forked process: the frameworks of the Neural Engine do not survive it",
              "start a new process instead");
}

void CompileGate::enter(const std::string& program) {
  require_owner(program);
  double wait = 0;
  {
    const std::lock_guard lock(mutex_);
    if (used_ >= options_.budget) {
      fail(program,
           fmt::format("this process has compiled the {} programs that it can (ane.c1)",
                       options_.budget),
           "weights as inputs (--pipeline dynamic) need few programs, or go on in a new process");
    }
    ++used_;
    wait = closed_until_s_ - options_.now_s();
  }
  if (wait > 0) options_.sleep_s(wait);
}

void CompileGate::refused() {
  const std::lock_guard lock(mutex_);
  closed_until_s_ = options_.now_s() + options_.pause_s;
}

int CompileGate::left() const {
  const std::lock_guard lock(mutex_);
  return options_.budget - used_;
}

CompileGate& process_gate() {
  static CompileGate gate;
  return gate;
}

}  // namespace anemone
