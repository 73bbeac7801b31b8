// Results as tables of text.
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

// A heading that says device and whether it is simulated or published, then the table.
std::string heading(const BenchResult& result);
std::string text_table(const BenchResult& result);
std::string markdown_table(const BenchResult& result);

}  // namespace anemone
