# Every library the project uses; docs/dependencies.md says why each is here.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Protobuf REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)
pkg_check_modules(HWY_CONTRIB IMPORTED_TARGET libhwy-contrib)
pkg_check_modules(SENTENCEPIECE REQUIRED IMPORTED_TARGET sentencepiece)
pkg_check_modules(LIBZIP REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)

# Homebrew keeps ICU out of the way of the system's own.
if(APPLE)
  execute_process(COMMAND brew --prefix icu4c OUTPUT_VARIABLE ICU_PREFIX ERROR_QUIET
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  list(APPEND CMAKE_PREFIX_PATH "${ICU_PREFIX}")
endif()
pkg_check_modules(ICU REQUIRED IMPORTED_TARGET icu-uc)

# Debian's libsentencepiece.so exports a protobuf of its own, older than libprotobuf.so: with both
# in one process the dynamic linker mixes them, which ends it before main(). So ours is linked
# statically and its symbols stay inside (findings/sentencepiece-exports-protobuf.sh).
add_library(anemone_protobuf INTERFACE)
if(APPLE)
  target_link_libraries(anemone_protobuf INTERFACE protobuf::libprotobuf)
else()
  find_library(PROTOBUF_ARCHIVE libprotobuf.a REQUIRED)
  target_link_libraries(anemone_protobuf INTERFACE ${PROTOBUF_ARCHIVE} Threads::Threads)
  target_link_options(anemone_protobuf INTERFACE -Wl,--exclude-libs,libprotobuf.a)
endif()

# GEMM: Accelerate where the system has it, oneDNN elsewhere.
add_library(anemone_gemm_backend INTERFACE)
if(APPLE)
  target_link_libraries(anemone_gemm_backend INTERFACE "-framework Accelerate")
  target_compile_definitions(anemone_gemm_backend INTERFACE ANEMONE_GEMM_ACCELERATE
                                                            ACCELERATE_NEW_LAPACK)
else()
  # Found by hand: Debian's CMake package for it also wants OpenCL's development files.
  find_path(DNNL_INCLUDE_DIR dnnl.h REQUIRED)
  find_library(DNNL_LIBRARY dnnl REQUIRED)
  target_include_directories(anemone_gemm_backend SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
  # It runs on libgomp; we run it single-threaded inside our own pool (gemm.cpp).
  target_link_libraries(anemone_gemm_backend INTERFACE ${DNNL_LIBRARY} gomp)
  target_compile_definitions(anemone_gemm_backend INTERFACE ANEMONE_GEMM_ONEDNN)
endif()

if(ANEMONE_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
if(ANEMONE_BENCHMARKS)
  find_package(benchmark REQUIRED)
endif()
