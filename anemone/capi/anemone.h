/* Anemone for C and for every language that calls C: open a device, compile a MIL program, bind
 * buffers by name, run it.
 *
 * Every function that can fail returns a status; what went wrong, where and what to do is then the
 * text of anemone_last_error(), in the calling thread, until its next call. Objects belong to
 * whoever made them and are freed in any order; a program keeps its device, a request its program
 * and buffers. One device and all that was made on it may be used by one thread at a time.
 */
#ifndef ANEMONE_H
#define ANEMONE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Grows when something is added; what is there keeps its meaning within a major version. */
#define ANEMONE_API_MAJOR 1
#define ANEMONE_API_MINOR 1
/* major * 1000 + minor of the library that is loaded. */
int anemone_api_version(void);

typedef enum anemone_status {
  ANEMONE_OK = 0,
  ANEMONE_INTERNAL = 1,   /* our bug */
  ANEMONE_INVALID = 2,    /* something that was handed in */
  ANEMONE_UNAVAILABLE = 3 /* this machine lacks it */
} anemone_status;

/* Never null; empty if the last call of this thread went well. */
const char* anemone_last_error(void);

typedef struct anemone_device anemone_device;
typedef struct anemone_program anemone_program;
typedef struct anemone_buffer anemone_buffer;
typedef struct anemone_request anemone_request;

/* --- devices --- */

/* `name`: "cpu", "ane", "sim:m4-max", … `threads` of the CPU, 0 for all. */
anemone_status anemone_device_open(const char* name, int threads, anemone_device** out);
void anemone_device_free(anemone_device* device);
/* A person's line; lives as long as the device. */
const char* anemone_device_description(const anemone_device* device);
/* 1 where times are those of a model of the machine. */
int anemone_device_is_simulated(const anemone_device* device);
/* Since 1.1. With `on` 1, programs compiled from now on ask the device's driver how long they run
 * on the hardware (anemone_request_hardware_ms). Off at first: asking may cost time in every run.
 * Where it does not work programs run without and say so in their warnings. */
anemone_status anemone_device_ask_hardware_time(anemone_device* device, int on);

/* --- programs --- */

/* A file that the program's BLOBFILE names, such as "@model_path/weights/weights.bin". */
typedef struct anemone_weight_file {
  const char* name;
  const void* data;
  size_t size;
} anemone_weight_file;

/* Parses MIL text of any dialect and compiles its function `main`. */
anemone_status anemone_program_compile(anemone_device* device, const char* mil_text,
                                       const anemone_weight_file* weights, size_t weight_count,
                                       anemone_program** out);
void anemone_program_free(anemone_program* program);

/* Numbers, so that whatever another language hands over can be looked at. */
typedef int32_t anemone_side;
enum { ANEMONE_INPUT = 0, ANEMONE_OUTPUT = 1 };

typedef int32_t anemone_dtype;
enum {
  ANEMONE_FP16 = 1,
  ANEMONE_FP32 = 2,
  ANEMONE_INT32 = 3,
  ANEMONE_INT8 = 4,
  ANEMONE_UINT8 = 5,
  ANEMONE_INT16 = 6,
  ANEMONE_UINT16 = 7,
  ANEMONE_BOOL = 8,
  ANEMONE_OTHER = 0
};

#define ANEMONE_MOST_AXES 8
typedef struct anemone_port {
  const char* name; /* lives as long as the program */
  anemone_dtype dtype;
  int rank;
  int64_t shape[ANEMONE_MOST_AXES];
} anemone_port;

size_t anemone_program_port_count(const anemone_program* program, anemone_side side);
anemone_status anemone_program_port(const anemone_program* program, anemone_side side, size_t index,
                                    anemone_port* out);
/* Milliseconds that compiling took, simulated on a simulated device. */
double anemone_program_compile_ms(const anemone_program* program);
/* Warnings, a line each; empty if there are none. Lives as long as the program. */
const char* anemone_program_warnings(const anemone_program* program);

/* --- buffers --- */

/* Memory of the device for a port, zeroed. Sizes of all ports of a side agree, as the Neural Engine
 * wants it. */
anemone_status anemone_buffer_allocate(anemone_program* program, anemone_side side,
                                       const char* port, anemone_buffer** out);
void anemone_buffer_free(anemone_buffer* buffer);
/* Copies `count` elements of type `dtype`, which must be as many as the port has; converts. */
anemone_status anemone_buffer_write(anemone_buffer* buffer, anemone_dtype dtype, const void* from,
                                    size_t count);
anemone_status anemone_buffer_read(const anemone_buffer* buffer, anemone_dtype dtype, void* to,
                                   size_t count);

/* --- running --- */

/* Binds a buffer to every port, by name; names of inputs and outputs together. */
anemone_status anemone_request_bind(anemone_program* program, const char* const* names,
                                    anemone_buffer* const* buffers, size_t count,
                                    anemone_request** out);
void anemone_request_free(anemone_request* request);
anemone_status anemone_request_run(anemone_request* request);
/* Of the last run: on the wall clock, or simulated on a simulated device. */
double anemone_request_ms(const anemone_request* request);
/* Since 1.1. Milliseconds of the last run on the hardware itself, as its driver says; negative
 * where it says nothing, was not asked, or the device is simulated. */
double anemone_request_hardware_ms(const anemone_request* request);

#ifdef __cplusplus
}
#endif

#endif
