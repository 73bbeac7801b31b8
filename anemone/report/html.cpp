#include "anemone/report/html.h"

#include <fmt/format.h>

#include "anemone/report/plain_text.h"

namespace anemone {

extern const std::string_view kPageStyle;  // page.css, built in by anemone_embed

namespace {

// A mark and the word, so that nobody has to tell colours apart.
std::string badge(Origin origin) {
  const char* word = to_string(origin);
  return fmt::format("<span class=\"origin {}\">{}</span>", word, word);
}

std::string html_of(const Cell& cell) {
  std::string html = escape_html(cell.text);
  if (cell.origin) html += (html.empty() ? "" : " ") + badge(*cell.origin);
  return html;
}

std::string paragraph(const std::string& html, const char* kind) {
  return html.empty() ? "" : fmt::format("<p class=\"{}\">{}</p>\n", kind, html);
}

// --- tables ---

// Where a group of columns begins, so that a line can be drawn there.
std::vector<bool> group_starts(const Table& table) {
  std::vector<bool> starts(table.columns.size(), false);
  size_t column = 0;
  for (const TableGroup& group : table.groups) {
    if (column > 0 && column < starts.size()) starts[column] = true;
    column += group.columns;
  }
  return starts;
}

std::string cell_open(const char* tag, bool right, bool starts) {
  const std::string kind = std::string(right ? "number" : "") + (starts ? " start" : "");
  return kind.empty() ? fmt::format("<{}>", tag) : fmt::format("<{} class=\"{}\">", tag, kind);
}

std::string head_of(const Table& table) {
  std::string html = "<thead>\n";
  if (!table.groups.empty()) {
    html += "<tr class=\"groups\">";
    for (size_t g = 0; g < table.groups.size(); ++g) {
      html += fmt::format("<th colspan=\"{}\"{}>{}</th>", table.groups[g].columns,
                          g > 0 ? " class=\"start\"" : "", html_of(table.groups[g].title));
    }
    html += "</tr>\n";
  }
  html += "<tr>";
  const std::vector<bool> starts = group_starts(table);
  for (size_t c = 0; c < table.columns.size(); ++c) {
    html += cell_open("th", table.columns[c].right, starts[c]) +
            escape_html(table.columns[c].title) + "</th>";
  }
  return html + "</tr>\n</thead>\n";
}

std::string table_html(const Table& table) {
  std::string html = paragraph(html_of(table.caption), "caption");
  html += "<div class=\"table\"><table>\n" + head_of(table) + "<tbody>\n";
  const std::vector<bool> starts = group_starts(table);
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (size_t c = 0; c < row.size(); ++c) {
      html += cell_open("td", table.columns[c].right, starts[c]) + html_of(row[c]) + "</td>";
    }
    html += "</tr>\n";
  }
  return html + "</tbody>\n</table></div>\n";
}

// --- the other blocks ---

// The mark of each origin once, with the names of its runs.
std::string whose(const Plot& plot) {
  std::string html;
  for (const Origin origin : {Origin::kMeasured, Origin::kSimulated, Origin::kPublished}) {
    std::string names;
    for (const auto& [name, of] : plot.shows) {
      if (of == origin) names += (names.empty() ? "" : ", ") + escape_html(name);
    }
    if (!names.empty()) html += " <span class=\"whose\">" + badge(origin) + " " + names + "</span>";
  }
  return html;
}

class Writer {
 public:
  explicit Writer(const Draw& draw) : draw_(draw) {}

  std::string operator()(const Heading& heading) {
    return "<h3>" + html_of(heading.title) + "</h3>\n";
  }
  std::string operator()(const Paragraph& text) {
    return paragraph(escape_html(text.text), "text");
  }
  std::string operator()(const Items& items) {
    std::string html = "<ul>\n";
    for (const std::string& line : items.lines) html += "<li>" + escape_html(line) + "</li>\n";
    return html + "</ul>\n";
  }
  std::string operator()(const Commands& commands) {
    std::string html = "<pre>";
    for (const std::string& line : commands.lines) html += escape_html(line) + "\n";
    return html + "</pre>\n";
  }
  std::string operator()(const Table& table) { return table_html(table); }
  std::string operator()(const Plot& plot) {
    const Drawing drawing = draw_(plot, fmt::format("plot{}-", ++plots_));
    const std::string title = escape_html(plot.title);
    std::string html = fmt::format("<figure>\n<figcaption><b>{}</b>", title);
    html += whose(plot) + "</figcaption>\n";
    if (drawing.svg.empty()) {
      html += paragraph(escape_html(drawing.problem), "missing");
    } else {
      html += fmt::format("<div role=\"img\" aria-label=\"{}\">{}</div>\n", title, drawing.svg);
    }
    return html + paragraph(escape_html(plot.note), "note") + "</figure>\n";
  }

 private:
  const Draw& draw_;
  int plots_ = 0;
};

// Plots that follow each other stand beside each other where there is room.
std::string section_html(const Section& section, size_t number, Writer& writer) {
  std::string html =
      fmt::format("<section id=\"s{}\">\n<h2>{}</h2>\n", number, escape_html(section.title));
  bool among_plots = false;
  for (const DocumentPart& block : section.blocks) {
    const bool plot = std::holds_alternative<Plot>(block);
    if (plot != among_plots) html += plot ? "<div class=\"plots\">\n" : "</div>\n";
    among_plots = plot;
    html += std::visit(writer, block);
  }
  return html + (among_plots ? "</div>\n" : "") + "</section>\n";
}

}  // namespace

std::string to_html(const Document& document, const Draw& draw) {
  const std::string title = escape_html(document.title);
  // Should anything foreign get past the escapes, nothing of it may run or be fetched.
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" "
      "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n<h1>{}</h1>\n<nav>",
      title, kPageStyle, title);
  for (size_t s = 0; s < document.sections.size(); ++s) {
    html += fmt::format("<a href=\"#s{}\">{}</a>", s + 1, escape_html(document.sections[s].title));
  }
  html += "</nav>\n<main>\n";
  Writer writer(draw);
  for (size_t s = 0; s < document.sections.size(); ++s) {
    html += section_html(document.sections[s], s + 1, writer);
  }
  return html + "</main>\n</body>\n</html>\n";
}

}  // namespace anemone
