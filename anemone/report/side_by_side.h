// Several results of one benchmark in one table, rows matched by what they are of.
#pragma once

#include <vector>

#include "anemone/report/document.h"

namespace anemone {

struct NamedResult {
  Cell name;  // above its columns
  const BenchResult* result = nullptr;
};

// Every row of every result is in every table that shows the result. A row that does not say its
// probe (published ones do not) stands beside all that are otherwise the same. More results than
// stay readable side by side make several tables.
std::vector<Table> side_by_side(const std::vector<NamedResult>& results);

}  // namespace anemone
