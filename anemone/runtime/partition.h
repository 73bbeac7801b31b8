// Cuts a function into the programs that a placement makes of it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "anemone/ir/program.h"

namespace anemone {

// Where one operation goes. Operations with equal sides can share a program.
struct Side {
  bool on_device = false;
  std::string program;

  friend bool operator==(const Side&, const Side&) = default;
};

struct Segment {
  Function function;  // ports keep the names of the values
  Side side;
};

// One segment per maximal run of operations of one side: as few as there are changes of side on the
// longest way to them. In an order in which they can run. Constants and views are made again where
// they are needed; views take the side of what they look at.
std::vector<Segment> partition(const Function& function,
                               const std::function<Side(const Operation&)>& side_of);

}  // namespace anemone
