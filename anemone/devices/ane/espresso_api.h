// The C interface of Espresso.framework that this project uses (e5rt_*), as a table of functions
// filled at run time. None of it is documented by Apple; how well each prototype is known is in
// docs/ane-bring-up.md.
//
// Handles are opaque. Every call returns a 32-bit status, 0 for success. *_create and *_alloc have
// the new handle first, e5_compiler_compile and *_retain_* have it last. *_release takes a pointer
// to the handle, gives up the reference and writes null.
#pragma once

#include <cstdint>
#include <string>

namespace anemone {

struct DynamicLibrary;

using E5Handle = void*;
using E5Status = int32_t;

// X(name without "e5rt_", parameters)
#define ANEMONE_E5RT_FUNCTIONS(X)                                                                \
  X(e5_compiler_config_options_create, (E5Handle * out))                                         \
  X(e5_compiler_config_options_set_cache_bundle_location, (E5Handle config, const char* folder)) \
  X(e5_compiler_config_options_release, (E5Handle * config))                                     \
  X(e5_compiler_create_with_config, (E5Handle * out, E5Handle config))                           \
  X(e5_compiler_release, (E5Handle * compiler))                                                  \
  X(e5_compiler_options_create, (E5Handle * out))                                                \
  X(e5_compiler_options_set_compute_device_types_mask, (E5Handle options, uint64_t mask))        \
  X(e5_compiler_options_set_segmenter, (E5Handle options, const char* name))                     \
  X(e5_compiler_options_release, (E5Handle * options))                                           \
  X(e5_compiler_compile,                                                                         \
    (E5Handle compiler, const char* mil_path, E5Handle options, E5Handle* out_library))          \
  X(program_library_create, (E5Handle * out, const char* bundle_path))                           \
  X(program_library_retain_program_function,                                                     \
    (E5Handle library, const char* name, E5Handle* out_function))                                \
  X(program_library_release, (E5Handle * library))                                               \
  X(program_function_release, (E5Handle * function))                                             \
  X(precompiled_compute_op_create_options_create_with_program_function,                          \
    (E5Handle * out, E5Handle function))                                                         \
  X(precompiled_compute_op_create_options_set_operation_name,                                    \
    (E5Handle options, const char* name))                                                        \
  X(precompiled_compute_op_create_options_set_allocate_intermediate_buffers,                     \
    (E5Handle options, bool allocate))                                                           \
  X(precompiled_compute_op_create_options_release, (E5Handle * options))                         \
  X(execution_stream_operation_create_precompiled_compute_operation_with_options,                \
    (E5Handle * out, E5Handle options))                                                          \
  X(execution_stream_operation_release, (E5Handle * operation))                                  \
  X(execution_stream_operation_retain_input_port,                                                \
    (E5Handle operation, const char* name, E5Handle* out_port))                                  \
  X(execution_stream_operation_retain_output_port,                                               \
    (E5Handle operation, const char* name, E5Handle* out_port))                                  \
  X(io_port_bind_buffer_object, (E5Handle port, E5Handle buffer))                                \
  X(io_port_release, (E5Handle * port))                                                          \
  X(buffer_object_alloc, (E5Handle * out, uint64_t bytes, uint32_t type))                        \
  X(buffer_object_get_data_ptr, (E5Handle buffer, void** out))                                   \
  X(buffer_object_release, (E5Handle * buffer))                                                  \
  X(execution_stream_create, (E5Handle * out))                                                   \
  X(execution_stream_encode_operation, (E5Handle stream, E5Handle operation))                    \
  X(execution_stream_execute_sync, (E5Handle stream))                                            \
  X(execution_stream_release, (E5Handle * stream))

struct EspressoApi {
#define ANEMONE_MEMBER(name, parameters) E5Status(*name) parameters = nullptr;
  ANEMONE_E5RT_FUNCTIONS(ANEMONE_MEMBER)
#undef ANEMONE_MEMBER
  // Of the calling thread; may be null or empty.
  const char* (*get_last_error_message)() = nullptr;
};

// The one device that compiled programs may use: 1 would be the CPU, 2 the GPU. With several bits a
// program that the Neural Engine refuses would silently run elsewhere.
inline constexpr uint64_t kE5NeuralEngine = 4;
// A buffer that the CPU reaches through a pointer.
inline constexpr uint32_t kE5CpuBuffer = 0;

// Fills the table. Returns what is missing, empty if nothing is.
std::string load_api(const DynamicLibrary& library, EspressoApi& api);

}  // namespace anemone
