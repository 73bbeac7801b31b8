#include "anemone/report/text_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/report/plain_text.h"
#include "anemone/report/result_columns.h"

namespace anemone {
namespace {

using nlohmann::ordered_json;

std::string shown(const Cell& cell) { return clean_text(plain(cell)); }

// --- text ---

std::string padded(const std::string& text, size_t width, bool right) {
  const std::string blanks(width - std::min(width, text_width(text)), ' ');
  return right ? blanks + text : text + blanks;
}

// As wide as the widest cell, and wide enough for the groups above.
std::vector<size_t> widths_of(const Table& table) {
  std::vector<size_t> widths;
  for (size_t c = 0; c < table.columns.size(); ++c) {
    size_t width = text_width(clean_text(table.columns[c].title));
    for (const auto& row : table.rows) width = std::max(width, text_width(shown(row[c])));
    widths.push_back(width);
  }
  size_t first = 0;
  for (const TableGroup& group : table.groups) {
    size_t width = 2 * (group.columns - 1);
    for (size_t c = first; c < first + group.columns; ++c) width += widths[c];
    const size_t title = text_width(shown(group.title));
    first += group.columns;
    widths[first - 1] += title > width ? title - width : 0;
  }
  return widths;
}

std::string without_end_blanks(const std::string& line) {
  return line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
}

std::string group_line(const Table& table, const std::vector<size_t>& widths) {
  std::string line;
  size_t first = 0;
  for (const TableGroup& group : table.groups) {
    size_t width = 2 * (group.columns - 1);
    for (size_t c = first; c < first + group.columns; ++c) width += widths[c];
    line += (first == 0 ? "" : "  ") + padded(shown(group.title), width, false);
    first += group.columns;
  }
  return without_end_blanks(line);
}

std::string text_of(const Table& table) {
  const std::vector<size_t> widths = widths_of(table);
  std::string text = shown(table.caption).empty() ? "" : shown(table.caption) + "\n";
  if (!table.groups.empty()) text += group_line(table, widths);
  std::string line;
  for (size_t c = 0; c < widths.size(); ++c) {
    line += (c == 0 ? "" : "  ") +
            padded(clean_text(table.columns[c].title), widths[c], table.columns[c].right);
  }
  text += without_end_blanks(line);
  for (const auto& row : table.rows) {
    line.clear();
    for (size_t c = 0; c < widths.size(); ++c) {
      line += (c == 0 ? "" : "  ") + padded(shown(row[c]), widths[c], table.columns[c].right);
    }
    text += without_end_blanks(line);
  }
  return text;
}

std::string shows(const Plot& plot) {
  std::string text;
  for (const auto& [name, origin] : plot.shows) {
    text += (text.empty() ? "" : ", ") + plain({name, origin});
  }
  return text;
}

struct TextWriter {
  std::string operator()(const Heading& heading) const { return shown(heading.title) + "\n"; }
  std::string operator()(const Paragraph& paragraph) const {
    return clean_text(paragraph.text) + "\n";
  }
  std::string operator()(const Items& items) const {
    std::string text;
    for (const std::string& line : items.lines) text += "- " + clean_text(line) + "\n";
    return text;
  }
  std::string operator()(const Commands& commands) const {
    std::string text;
    for (const std::string& line : commands.lines) text += "  " + clean_text(line) + "\n";
    return text;
  }
  std::string operator()(const Table& table) const { return text_of(table); }
  std::string operator()(const Plot& plot) const {
    return clean_text(
               fmt::format("(a plot of the page, -o FILE.html: {}; {})", plot.title, shows(plot))) +
           "\n";
  }
};

// --- Markdown ---

std::string markdown_row(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) line += " " + cell + " |";
  return line + "\n";
}

// Markdown has one line of titles: that of the group goes before each column's.
std::vector<std::string> markdown_titles(const Table& table) {
  std::vector<std::string> titles;
  for (const TableColumn& column : table.columns) titles.push_back(escape_markdown(column.title));
  size_t column = 0;
  for (const TableGroup& group : table.groups) {
    const std::string above = escape_markdown(plain(group.title));
    for (size_t i = 0; i < group.columns; ++i, ++column) {
      if (!above.empty()) titles[column] = above + "<br>" + titles[column];
    }
  }
  return titles;
}

std::string markdown_of(const Table& table) {
  std::string text = escape_markdown(plain(table.caption));
  if (!text.empty()) text += "\n\n";
  text += markdown_row(markdown_titles(table));
  text += "|";
  for (const TableColumn& column : table.columns) text += column.right ? "---:|" : ":---|";
  text += "\n";
  for (const auto& row : table.rows) {
    std::vector<std::string> cells;
    for (const Cell& cell : row) cells.push_back(escape_markdown(plain(cell)));
    text += markdown_row(cells);
  }
  return text;
}

struct MarkdownWriter {
  std::string operator()(const Heading& heading) const {
    return "### " + escape_markdown(plain(heading.title)) + "\n";
  }
  std::string operator()(const Paragraph& paragraph) const {
    return escape_markdown(paragraph.text) + "\n";
  }
  std::string operator()(const Items& items) const {
    std::string text;
    for (const std::string& line : items.lines) text += "- " + escape_markdown(line) + "\n";
    return text;
  }
  std::string operator()(const Commands& commands) const {
    // Indented, so that no line of a command can end the block.
    std::string text;
    for (const std::string& line : commands.lines) text += "    " + clean_text(line) + "\n";
    return text;
  }
  std::string operator()(const Table& table) const { return markdown_of(table); }
  std::string operator()(const Plot& plot) const {
    return fmt::format("*Plot of the page: {}; {}.*\n", escape_markdown(plot.title),
                       escape_markdown(shows(plot)));
  }
};

template <typename Writer>
std::string written(const Document& document, const char* title, const char* section_title,
                    const Writer& writer) {
  std::string text = title + clean_text(document.title) + "\n";
  for (const Section& section : document.sections) {
    text += "\n" + std::string(section_title) + clean_text(section.title) + "\n";
    for (const DocumentPart& block : section.blocks) text += "\n" + std::visit(writer, block);
  }
  return text;
}

}  // namespace

std::string heading(const BenchResult& result) {
  const auto cpu = result.machine.find("cpu");
  std::string text = fmt::format("{} on {}", result.benchmark, result.label());
  if (!result.description.empty()) text += ": " + result.description;
  const auto values = result.settings.find("values");
  if (values != result.settings.end() && *values == "off") {
    text += "; values off: times only, nothing computed or checked";
  }
  if (result.published()) return text + "; source: " + result.source;
  if (cpu != result.machine.end() && cpu->is_string() && !result.simulated) {
    text += fmt::format("; {}, commit {}", cpu->get<std::string>(),
                        result.machine.value("commit", "unknown"));
  }
  return text;
}

Table table_of(const BenchResult& result) {
  const std::vector<Column> columns = columns_of(result);
  Table table;
  table.caption.text = heading(result);
  for (const Column& column : columns) table.columns.push_back({column.title});
  for (const ordered_json& row : result.rows) {
    table.rows.emplace_back();
    for (const Column& column : columns) table.rows.back().push_back({cell(row, column)});
  }
  align(table);
  return table;
}

std::string text_table(const BenchResult& result) { return text_of(table_of(result)); }

std::string markdown_table(const BenchResult& result) {
  Table table = table_of(result);
  const std::string title = "### " + escape_markdown(table.caption.text) + "\n\n";
  table.caption = {};
  return title + markdown_of(table);
}

std::string to_text(const Document& document) { return written(document, "", "== ", TextWriter{}); }

std::string to_markdown(const Document& document) {
  return written(document, "# ", "## ", MarkdownWriter{});
}

}  // namespace anemone
