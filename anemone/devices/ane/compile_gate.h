// The compiler of the Neural Engine is one service for the whole machine and counts what a process
// asks of it: everything in a process goes through one gate.
#pragma once

#include <sys/types.h>

#include <functional>
#include <mutex>
#include <string>

#include "anemone/devices/ane_spec/limits.h"

namespace anemone {

class CompileGate {
 public:
  struct Options {
    int budget = ane::kCompilesPerProcess;  // programs in a process (ane.c1)
    double pause_s = 15;  // after a refused one, or the service starves everybody (ane.c20)
    // What tests replace.
    std::function<double()> now_s = {};
    std::function<void(double)> sleep_s = {};
  };

  CompileGate();
  explicit CompileGate(Options options);

  // Throws Error(kInternal) in a forked child: the frameworks do not survive a fork. To be called
  // before they are.
  void require_owner(const std::string& where) const;
  // To be called before a compilation of `program`. Waits out the pause, counts. Throws
  // Error(kInvalidInput) where the budget is spent, and as require_owner().
  void enter(const std::string& program);
  // The compilation was refused.
  void refused();

  int left() const;

 private:
  Options options_;
  pid_t owner_;
  mutable std::mutex mutex_;
  int used_ = 0;
  double closed_until_s_ = 0;
};

// The one of this process.
CompileGate& process_gate();

}  // namespace anemone
