# Run by anemone_embed at build time: writes INPUT into OUTPUT as a C++ string called NAME.
# The text goes in as numbers, because compilers limit the length of string literals.
file(READ ${INPUT} digits HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${digits}")
string(REPLACE "'\\x0a'," "'\\x0a',\n" bytes "${bytes}")
file(WRITE ${OUTPUT} "// Written by cmake/write_embedded.cmake.
#include <string_view>

namespace anemone {
static const char kText[] = {
${bytes}'\\0'};
extern const std::string_view ${NAME};
const std::string_view ${NAME}(kText, sizeof kText - 1);
}  // namespace anemone
")
