// Foreign text made harmless: for terminals, Markdown, HTML and shells.
#pragma once

#include <string>
#include <string_view>

namespace anemone {

// Valid UTF-8 without control characters: what is not becomes a space or a question mark.
std::string clean_text(std::string_view text);

// clean_text(), with dots in place of what is too much. `limit`: characters, not bytes.
std::string shortened(std::string_view text, size_t limit);

// Characters, as far as a terminal gives each of them one place.
size_t text_width(std::string_view text);

// clean_text() as HTML text or as the value of a quoted attribute.
std::string escape_html(std::string_view text);

// clean_text() without meaning to Markdown, in a table too.
std::string escape_markdown(std::string_view text);

// One word of a command line.
std::string shell_word(std::string_view text);

}  // namespace anemone
