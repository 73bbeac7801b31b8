// The columns of each benchmark's table.
#pragma once

#include <string>
#include <vector>

#include "anemone/report/result.h"

namespace anemone {

// A column of a table of results.
struct Column {
  std::string title;
  std::string field;  // of a row; a dot goes into an object: "components.ane"
  int decimals = 0;   // of numbers; negative: as many significant digits
};

// The columns of the published table of a benchmark, as far as any row has them.
std::vector<Column> columns_of(const BenchResult& result);

// A row's field as the column shows it; empty where the row has none.
std::string cell(const nlohmann::ordered_json& row, const Column& column);

// Names say which program a row is of, sizes follow from them and the element type, values are
// what was found out.
enum class ColumnRole : uint8_t { kName, kSize, kValue };
ColumnRole role_of(const BenchResult& result, const Column& column);

}  // namespace anemone
