// Questions that only the Neural Engine itself can answer, about interfaces that programs of this
// project leave alone or use in one way only. The self-test asks them.
#pragma once

#include <string>
#include <vector>

namespace anemone {

struct ProbeAnswer {
  enum class Result : uint8_t {
    kWorked,
    kNoEffect,  // refused, or nothing came of it, as published projects found
    kFailed,    // what worked for them did not, or a result is wrong
  };
  std::string asked;
  Result result = Result::kWorked;
  std::string said;  // times, or the reason
};

// Each question compiles small programs of its own and checks what they compute. What the system
// lacks or refuses is an answer; an Error is thrown only where no program can be made at all.
class AneProbes {
 public:
  virtual ~AneProbes() = default;
  // The time on the hardware, in every way in which it can be asked for.
  virtual std::vector<ProbeAnswer> statistics() = 0;
  // A program at each quality of service; says milliseconds of compiling/loading/running.
  virtual std::vector<ProbeAnswer> qualities_of_service() = 0;
  // Weights in a buffer, procedures, direct and real-time evaluation, chaining, events.
  virtual std::vector<ProbeAnswer> advanced() = 0;
};

}  // namespace anemone
