#include "anemone/report/side_by_side.h"

#include <algorithm>
#include <map>
#include <span>

#include "anemone/report/result_columns.h"

namespace anemone {
namespace {

using nlohmann::ordered_json;

// More do not fit on a screen.
constexpr size_t kMostResults = 4, kMostColumns = 18;

// What all results say of one program.
struct MatchedRow {
  std::map<std::string, std::string> names;    // by field
  std::vector<const ordered_json*> of_result;  // null where a result has none
};

// Whether spreads say anything: a simulated device gives each time once.
bool has_samples(const BenchResult& result) {
  return std::any_of(result.rows.begin(), result.rows.end(),
                     [](const ordered_json& row) { return number(row, "n", 2) > 1; });
}

std::vector<Column> columns_with(const BenchResult& result, ColumnRole role) {
  std::vector<Column> columns;
  const bool samples = has_samples(result);
  for (Column& column : columns_of(result)) {
    const bool spread = column.field == "p10" || column.field == "p90" || column.field == "n";
    if (role_of(result, column) != role) continue;
    if (role == ColumnRole::kValue && spread && !samples) continue;
    columns.push_back(std::move(column));
  }
  return columns;
}

// Adds to `columns` those of `more` whose field it lacks, each behind the one that it follows
// there.
void merge(std::vector<Column>& columns, const std::vector<Column>& more) {
  size_t at = 0;
  for (const Column& column : more) {
    const auto same = std::find_if(columns.begin(), columns.end(),
                                   [&](const Column& c) { return c.field == column.field; });
    if (same == columns.end()) {
      columns.insert(columns.begin() + static_cast<long>(at), column);
      ++at;
    } else {
      at = static_cast<size_t>(same - columns.begin()) + 1;
    }
  }
}

bool agree(const std::map<std::string, std::string>& a,
           const std::map<std::string, std::string>& b) {
  return std::all_of(a.begin(), a.end(), [&](const auto& entry) {
    const auto other = b.find(entry.first);
    return other == b.end() || other->second == entry.second;
  });
}

void place(std::vector<MatchedRow>& rows, const ordered_json& row, size_t result, size_t results,
           const std::map<std::string, std::string>& names) {
  bool placed = false;
  for (MatchedRow& matched : rows) {
    if (matched.of_result[result] || !agree(names, matched.names)) continue;
    matched.of_result[result] = &row;
    matched.names.insert(names.begin(), names.end());
    placed = true;
    // One that says everything belongs to one row only.
    if (names.size() >= matched.names.size()) return;
  }
  if (placed) return;
  rows.push_back({names, std::vector<const ordered_json*>(results, nullptr)});
  rows.back().of_result[result] = &row;
}

std::vector<MatchedRow> matched_rows(std::span<const NamedResult> results) {
  std::vector<MatchedRow> rows;
  for (size_t r = 0; r < results.size(); ++r) {
    const std::vector<Column> names = columns_with(*results[r].result, ColumnRole::kName);
    for (const ordered_json& row : results[r].result->rows) {
      std::map<std::string, std::string> own;
      for (const Column& column : names) {
        const std::string text = cell(row, column);
        if (!text.empty()) own[column.field] = text;
      }
      place(rows, row, r, results.size(), own);
    }
  }
  return rows;
}

// Whether a size is the same for all that have the row, so that one column does for all.
bool shared(const std::vector<MatchedRow>& rows, const Column& column) {
  return std::all_of(rows.begin(), rows.end(), [&](const MatchedRow& row) {
    std::string seen;
    for (const ordered_json* own : row.of_result) {
      const std::string text = own ? cell(*own, column) : "";
      if (!text.empty() && !seen.empty() && text != seen) return false;
      if (!text.empty()) seen = text;
    }
    return true;
  });
}

std::string first_text(const MatchedRow& row, const Column& column) {
  for (const ordered_json* own : row.of_result) {
    if (own && !cell(*own, column).empty()) return cell(*own, column);
  }
  return "";
}

void add_group(Table& table, const std::vector<MatchedRow>& rows, const Cell& title,
               const std::vector<Column>& columns, int result) {
  if (columns.empty()) return;
  table.groups.push_back({title, columns.size()});
  for (const Column& column : columns) table.columns.push_back({column.title});
  table.rows.resize(rows.size());
  for (size_t r = 0; r < rows.size(); ++r) {
    for (const Column& column : columns) {
      const ordered_json* own =
          result < 0 ? nullptr : rows[r].of_result[static_cast<size_t>(result)];
      table.rows[r].push_back({result < 0 ? first_text(rows[r], column)
                               : own      ? cell(*own, column)
                                          : ""});
    }
  }
}

Table one_table(std::span<const NamedResult> results) {
  const std::vector<MatchedRow> rows = matched_rows(results);
  std::vector<Column> left, sizes;
  for (const NamedResult& named : results) {
    merge(left, columns_with(*named.result, ColumnRole::kName));
    merge(sizes, columns_with(*named.result, ColumnRole::kSize));
  }
  const auto differ = std::stable_partition(
      sizes.begin(), sizes.end(), [&](const Column& column) { return shared(rows, column); });
  const std::vector<Column> own_sizes(differ, sizes.end());
  left.insert(left.end(), sizes.begin(), differ);

  Table table;
  add_group(table, rows, {}, left, -1);
  for (size_t r = 0; r < results.size(); ++r) {
    std::vector<Column> columns = own_sizes;
    const auto values = columns_with(*results[r].result, ColumnRole::kValue);
    columns.insert(columns.end(), values.begin(), values.end());
    add_group(table, rows, results[r].name, columns, static_cast<int>(r));
  }
  align(table);
  return table;
}

}  // namespace

std::vector<Table> side_by_side(const std::vector<NamedResult>& results) {
  std::vector<Table> tables;
  size_t first = 0, columns = 0;
  for (size_t r = 0; r < results.size(); ++r) {
    const size_t own = columns_with(*results[r].result, ColumnRole::kValue).size();
    if (r > first && (r - first == kMostResults || columns + own > kMostColumns)) {
      tables.push_back(one_table(std::span(results).subspan(first, r - first)));
      first = r;
      columns = 0;
    }
    columns += own;
  }
  if (first < results.size()) tables.push_back(one_table(std::span(results).subspan(first)));
  return tables;
}

}  // namespace anemone
