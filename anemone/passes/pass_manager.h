// Runs passes in order, times them and tells an observer about each.
#pragma once

#include <functional>
#include <span>
#include <string_view>

#include "anemone/ir/program.h"

namespace anemone {

// One pass by name: "fold_constants". Returns whether it changed the function.
struct Pass {
  std::string_view name;
  bool (*run)(Function& function);
};

// What an observer is told after a pass.
struct PassEvent {
  std::string_view pass;
  bool changed;
  double ms;  // wall time
  const Function& function;
};
using PassObserver = std::function<void(const PassEvent& event)>;

// Runs the passes one after another. Builds with sanitizers verify the function after every pass
// that changed it and throw Error(kInternal) naming the pass that broke it.
void run_passes(Function& function, std::span<const Pass> passes,
                const PassObserver& observer = {});

}  // namespace anemone
