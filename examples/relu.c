/* Runs a MIL program on a device: relu(x) + 1.
 *
 *   cc relu.c -lanemone -o relu && ./relu sim:m4-max
 */
#include <stdio.h>
#include <stdlib.h>

#include "anemone/capi/anemone.h"

static const char* const kProgram =
    "program(1.3)\n"
    "{\n"
    "    func main<ios18>(tensor<fp16, [1, 4, 1, 32]> x) {\n"
    "        tensor<fp16, [1, 4, 1, 32]> positive = relu(x = x);\n"
    "        tensor<fp16, [1, 4, 1, 32]> y = add(x = positive, y = fp16(1));\n"
    "    } -> (y);\n"
    "}\n";

enum { kElements = 4 * 32 };

static void check(anemone_status status) {
  if (status == ANEMONE_OK) return;
  fprintf(stderr, "relu: %s\n", anemone_last_error());
  exit((int)status);
}

int main(int argc, char** argv) {
  anemone_device* device = NULL;
  anemone_program* program = NULL;
  anemone_buffer *x = NULL, *y = NULL;
  anemone_request* request = NULL;
  check(anemone_device_open(argc > 1 ? argv[1] : "cpu", 0, &device));
  check(anemone_program_compile(device, kProgram, NULL, 0, &program));
  check(anemone_buffer_allocate(program, ANEMONE_INPUT, "x", &x));
  check(anemone_buffer_allocate(program, ANEMONE_OUTPUT, "y", &y));

  float values[kElements];
  for (int i = 0; i < kElements; ++i) values[i] = (float)(i % 5 - 2);
  check(anemone_buffer_write(x, ANEMONE_FP32, values, kElements));

  const char* const names[] = {"x", "y"};
  anemone_buffer* const buffers[] = {x, y};
  check(anemone_request_bind(program, names, buffers, 2, &request));
  check(anemone_request_run(request));
  check(anemone_buffer_read(y, ANEMONE_FP32, values, kElements));
  printf("%s: %.0f %.0f %.0f %.0f %.0f, %.3f ms%s\n", anemone_device_description(device), values[0],
         values[1], values[2], values[3], values[4], anemone_request_ms(request),
         anemone_device_is_simulated(device) ? " (simulated)" : "");

  anemone_request_free(request);
  anemone_buffer_free(y);
  anemone_buffer_free(x);
  anemone_program_free(program);
  anemone_device_free(device);
  return 0;
}
