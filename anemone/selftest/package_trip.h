// A program by way of a file: what a user's program goes through before a device sees it.
#pragma once

#include "anemone/ir/program.h"

namespace anemone {

struct PackageTrip {
  double package_mb = 0;  // all files, in MiB
  double load_ms = 0;     // opening, verifying and mapping the weights, without writing
};

// Writes `function` as a package into a folder that is removed again, and returns what load_program
// makes of it. Its weights stay mapped. Throws Error(kInvalidInput) for weights without numbers.
Function through_package(const Function& function, PackageTrip& trip);

}  // namespace anemone
