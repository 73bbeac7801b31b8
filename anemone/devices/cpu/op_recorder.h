// Who wants to know what every operation of a CPU program takes.
#pragma once

#include <cstddef>
#include <string>

#include "anemone/ir/program.h"

namespace anemone {

class OpRecorder {
 public:
  virtual ~OpRecorder() = default;
  // A number for an operation of a program, when the program is bound.
  virtual size_t add(const std::string& program, const Operation& op) = 0;
  // Before and after each run of it. They must not allocate.
  virtual void begin(size_t id) = 0;
  virtual void end(size_t id) = 0;
  // Likewise, where another operation took so much of the time, split over the threads.
  virtual void end(size_t id, size_t other, double other_ms) = 0;
};

}  // namespace anemone
