// What a report shows and in which order, before it is text, Markdown or a page.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "anemone/report/plot.h"
#include "anemone/report/result.h"

namespace anemone {

// All strings in here are foreign text as it came; whoever writes a format cleans and escapes them.

// A text, with the word for where its figures come from.
struct Cell {
  std::string text;
  std::optional<Origin> origin = {};
};

// "sim:m4-max [1] (simulated)".
std::string plain(const Cell& cell);

struct TableColumn {
  std::string title;
  bool right = false;  // numbers are
};

// A title above some columns.
struct TableGroup {
  Cell title;
  size_t columns = 1;
};

struct Table {
  Cell caption;
  std::vector<TableGroup> groups;  // none, or as many columns as there are
  std::vector<TableColumn> columns;
  std::vector<std::vector<Cell>> rows;
};

// Aligns columns of numbers to the right.
void align(Table& table);

struct Heading {
  Cell title;
};
struct Paragraph {
  std::string text;
};
struct Items {
  std::vector<std::string> lines;
};
struct Commands {
  std::vector<std::string> lines;
};

using DocumentPart = std::variant<Heading, Paragraph, Items, Commands, Table, Plot>;

struct Section {
  std::string title;
  std::vector<DocumentPart> blocks;
};

struct Document {
  std::string title;
  std::vector<Section> sections;
};

}  // namespace anemone
