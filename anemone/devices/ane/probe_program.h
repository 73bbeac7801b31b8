// A small program for probes: y = x * factor on [1, 64, 1, 64], with the factor baked as a weight.
#pragma once

#include <functional>

#include "anemone/devices/ane/ane_probes.h"
#include "anemone/devices/ane/surface_buffer.h"
#include "anemone/devices/ane/surface_request.h"

namespace anemone {

// The machine that is asked. Its members outlive everything that is made with it.
struct ProbeContext {
  const Frameworks::InMemory& api;
  std::filesystem::path temporary;
  CompileGate& gate;
  Dialect dialect;
};

class ProbeProgram {
 public:
  // Nothing is compiled yet. `factor` is a multiple of 1/16 below 8: products are exact.
  ProbeProgram(const ProbeContext& context, double factor);

  InMemoryModel& model() { return model_; }
  Buffer* input() { return &x_; }
  Buffer* output() { return &y_; }
  ObjcObjectRef make_request(const RequestExtras& extras = {});
  // A buffer of the size of the others that holds one number.
  std::unique_ptr<Buffer> filled(double value) const;

  // Runs it: `run` answers with why it did not work. Returns that, or which result is wrong.
  struct Run {
    std::string refused, wrong;
    double ms = 0;
  };
  Run run(const std::function<std::string()>& run);
  // The median of some more runs that have worked before.
  static double typical_ms(const std::function<std::string()>& run);

 private:
  std::string first_wrong() const;

  const Frameworks::InMemory& api_;
  double factor_;
  InMemoryModel model_;
  SurfaceBuffer x_, y_;
};

// The answer of `ask`; an Error on the way becomes `on_error` with its text.
ProbeAnswer probe(std::string asked, ProbeAnswer::Result on_error,
                  const std::function<ProbeAnswer()>& ask);

}  // namespace anemone
