#include "anemone/passes/pass_manager.h"

#include "anemone/base/clock.h"
#include "anemone/base/error.h"
#include "anemone/ops/verify.h"

namespace anemone {
namespace {

#ifdef ANEMONE_VERIFY_PASSES
// What is wrong before the first pass is not a pass's fault.
class PassVerifier {
 public:
  explicit PassVerifier(const Function& function) : was_valid_(verify(function).empty()) {}

  void check(const Pass& pass, const Function& function) const {
    if (!was_valid_) return;
    const std::vector<Diagnostic> wrong = verify(function);
    if (wrong.empty()) return;
    throw Error(ErrorCode::kInternal, wrong[0].where,
                "pass " + std::string(pass.name) + " broke the program: " + wrong[0].message, "");
  }

 private:
  bool was_valid_;
};
#else
class PassVerifier {
 public:
  explicit PassVerifier(const Function&) {}
  void check(const Pass&, const Function&) const {}
};
#endif

}  // namespace

void run_passes(Function& function, std::span<const Pass> passes, const PassObserver& observer) {
  const PassVerifier verifier(function);
  for (const Pass& pass : passes) {
    const Stopwatch watch;
    const bool changed = pass.run(function);
    const double ms = watch.elapsed_ms();
    if (changed) verifier.check(pass, function);
    if (observer) observer({pass.name, changed, ms, function});
  }
}

}  // namespace anemone
