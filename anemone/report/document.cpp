#include "anemone/report/document.h"

#include <algorithm>

namespace anemone {
namespace {

// "12.5", "-3", "0.12 (0.11 to 0.13)"; an empty one says nothing.
bool reads_as_number(const std::string& text) {
  return text.empty() || text.find_first_of("0123456789") <= (text[0] == '-' ? 1 : 0);
}

}  // namespace

std::string plain(const Cell& cell) {
  if (!cell.origin) return cell.text;
  const std::string word = to_string(*cell.origin);
  return cell.text.empty() ? word : cell.text + " (" + word + ")";
}

void align(Table& table) {
  for (size_t c = 0; c < table.columns.size(); ++c) {
    bool any = false;
    table.columns[c].right =
        std::all_of(table.rows.begin(), table.rows.end(), [&](const auto& row) {
          any = any || !row[c].text.empty();
          return !row[c].origin && reads_as_number(row[c].text);
        });
    table.columns[c].right = table.columns[c].right && any;
  }
}

}  // namespace anemone
