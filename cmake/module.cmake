# anemone_module(NAME [DEPENDS target...] [TEST_DEPENDS target...] [BENCH_DEPENDS target...])
#
# One folder = one module = one static library `anemone_NAME` made of the folder's *.cpp.
# `*_test.cpp` beside the code become the program `NAME_test`, `*_bench.cpp` become `NAME_bench`.
function(anemone_module name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;TEST_DEPENDS;BENCH_DEPENDS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cpp kernels/*.cpp)
  set(tests ${sources})
  set(benches ${sources})
  list(FILTER sources EXCLUDE REGEX "_(test|bench)\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER benches INCLUDE REGEX "_bench\\.cpp$")

  add_library(anemone_${name} STATIC ${sources})
  target_include_directories(anemone_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(anemone_${name} PUBLIC ${ARG_DEPENDS} PRIVATE anemone_flags)

  if(tests AND ANEMONE_TESTS)
    anemone_test(${name}_test SOURCES ${tests} DEPENDS anemone_${name} ${ARG_TEST_DEPENDS})
  endif()
  if(benches AND ANEMONE_BENCHMARKS)
    add_executable(${name}_bench ${benches})
    target_link_libraries(${name}_bench PRIVATE anemone_${name} ${ARG_BENCH_DEPENDS} benchmark::benchmark_main
                                                anemone_flags)
  endif()
endfunction()

# anemone_test(NAME SOURCES file... DEPENDS target...): a GoogleTest program, one ctest a case.
function(anemone_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPENDS} GTest::gtest_main GTest::gmock
                                        anemone_flags)
  target_compile_definitions(${name} PRIVATE ANEMONE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300)
endfunction()
