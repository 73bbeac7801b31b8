# Run at every build: writes the commit of SOURCE into OUTPUT, which changes only when that does.
execute_process(COMMAND git describe --always --dirty=+ --abbrev=10 WORKING_DIRECTORY ${SOURCE}
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT commit)
  set(commit "unknown")
endif()
set(text "// Written by cmake/write_commit.cmake.
namespace anemone {
extern const char* const kCommit;
const char* const kCommit = \"${commit}\";
}  // namespace anemone
")
set(old "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} old)
endif()
if(NOT old STREQUAL text)
  file(WRITE ${OUTPUT} "${text}")
endif()
