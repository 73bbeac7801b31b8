// Results and reports as text and as Markdown.
#pragma once

#include <string>

#include "anemone/report/document.h"
#include "anemone/report/result.h"

namespace anemone {

// What was measured on what, and whether it is simulated or published.
std::string heading(const BenchResult& result);

// One result, with all its columns.
Table table_of(const BenchResult& result);
std::string text_table(const BenchResult& result);
std::string markdown_table(const BenchResult& result);

// Of plots only the titles: neither format has pictures.
std::string to_text(const Document& document);
std::string to_markdown(const Document& document);

}  // namespace anemone
