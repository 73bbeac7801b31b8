# Warnings, sanitizers and ccache: one place for every flag of our own targets.
add_library(anemone_flags INTERFACE)
target_compile_options(anemone_flags INTERFACE -Wall -Wextra -Wpedantic -Wnon-virtual-dtor
                                               -Woverloaded-virtual)
# Held to GCC 12 and Clang 14; a compiler of tomorrow must not fail on a warning we cannot know.
if(APPLE)
  option(ANEMONE_WERROR "Warnings are errors" OFF)
else()
  option(ANEMONE_WERROR "Warnings are errors" ON)
endif()
if(ANEMONE_WERROR)
  target_compile_options(anemone_flags INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Range analysis through inlined std::vector code gives false positives in GCC 12.
  target_compile_options(anemone_flags INTERFACE -Wno-array-bounds -Wno-stringop-overflow
                                                 -Wno-stringop-overread -Wno-restrict)
endif()
if(ANEMONE_SANITIZE)
  target_compile_options(anemone_flags INTERFACE -fsanitize=${ANEMONE_SANITIZE}
                                                 -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(anemone_flags INTERFACE -fsanitize=${ANEMONE_SANITIZE})
  # Slow builds also verify programs between passes (passes/pass_manager.h).
  target_compile_definitions(anemone_flags INTERFACE ANEMONE_VERIFY_PASSES)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
