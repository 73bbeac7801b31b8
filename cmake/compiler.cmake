# Warnings, sanitizers and ccache: one place for every flag of our own targets.
add_library(anemone_flags INTERFACE)
target_compile_options(anemone_flags INTERFACE -Wall -Wextra -Wpedantic -Werror
                                               -Wnon-virtual-dtor -Woverloaded-virtual)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Range analysis through inlined std::vector code gives false positives in GCC 12.
  target_compile_options(anemone_flags INTERFACE -Wno-array-bounds -Wno-stringop-overflow
                                                 -Wno-stringop-overread -Wno-restrict)
endif()
if(ANEMONE_SANITIZE)
  target_compile_options(anemone_flags INTERFACE -fsanitize=${ANEMONE_SANITIZE}
                                                 -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(anemone_flags INTERFACE -fsanitize=${ANEMONE_SANITIZE})
endif()

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
