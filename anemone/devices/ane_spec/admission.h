// The way of a function to the compiler of a Neural Engine: lowered, and held against the rules.
#pragma once

#include "anemone/devices/ane_spec/rules.h"
#include "anemone/devices/device.h"

namespace anemone {

struct Admission {
  Function lowered;
  std::vector<Finding> wrong;  // what the hardware would silently get wrong; points into `lowered`
};

// Throws Error that names rule, place and work-around for what the hardware would refuse, and with
// `strict` also for what it would get wrong.
Admission admit(const Function& function, const Target& target, bool strict);

// Whether admit() would throw, and what.
Support admissible(const Function& function, const Target& target, bool strict);

// One line: place, rule, what is wrong, what to do instead.
std::string describe(const Finding& finding);

}  // namespace anemone
