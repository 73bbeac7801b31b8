// e5rt: operations, ports, buffers and streams.
#include <fmt/format.h>

#include <algorithm>

#include "tests/fake_ane/espresso.h"

namespace anemone::fake_ane {
using namespace e5;

namespace {

const std::vector<Port>& ports_of(const Operation& operation, bool inputs) {
  return inputs ? operation.program->inputs : operation.program->outputs;
}

void retain_port(E5Handle handle, const char* name, E5Handle* out, bool is_input, How how) {
  e5::Operation* operation = get<e5::Operation>(handle);
  const std::vector<Port>& ports = ports_of(*operation, is_input);
  const auto found =
      std::find_if(ports.begin(), ports.end(), [&](const Port& p) { return p.name == name; });
  if (found == ports.end()) throw Failure{1, fmt::format("no port {}", name)};
  if (IoPort* made = make<IoPort>(out, how)) {
    made->operation = operation;
    made->is_input = is_input;
    made->port = *found;
    made->needs = {operation};
  }
}

void bind(IoPort& port, BufferObject* buffer) {
  e5::Operation& operation = *port.operation;
  if (operation.encoded) world().violation("a port was bound after its operation was encoded");
  if (buffer->memory.size() * 8 < port.port.type.bytes()) {
    throw Failure{1, "the buffer is too small for " + port.port.name};
  }
  (port.is_input ? operation.inputs : operation.outputs)[port.port.name] = buffer;
}

// Memory of the buffers that are bound, in the order of the ports.
template <typename Pointer>
std::vector<Pointer> memory_of(const std::vector<Port>& ports,
                               const std::map<std::string, BufferObject*>& bound) {
  std::vector<Pointer> memory;
  for (const Port& port : ports) {
    BufferObject* buffer = bound.at(port.name);
    if (!world().living(static_cast<Tracked*>(buffer), "execution, port " + port.name)) {
      throw Failure{1, "a buffer is gone"};
    }
    memory.push_back(buffer->memory.data());
  }
  return memory;
}

void execute(const e5::Operation& operation, How how) {
  if (operation.program->fails_when_run) {
    throw Failure{11, "ANE inference operation failed: EvaluateANERequest"};
  }
  run_program(*operation.program,
              memory_of<const void*>(operation.program->inputs, operation.inputs),
              memory_of<void*>(operation.program->outputs, operation.outputs), how);
}

}  // namespace

extern "C" {

E5(precompiled_compute_op_create_options_create_with_program_function, E5Handle* out,
   E5Handle function) {
  E5_CALL(precompiled_compute_op_create_options_create_with_program_function, {
    ProgramFunction* of = get<ProgramFunction>(function);
    if (OperationOptions* made = make<OperationOptions>(out, how)) {
      made->function = of;
      made->needs = {of};
    }
  });
}
E5(precompiled_compute_op_create_options_set_operation_name, E5Handle options, const char* name) {
  E5_CALL(precompiled_compute_op_create_options_set_operation_name,
          { get<OperationOptions>(options)->name = name; });
}
E5(precompiled_compute_op_create_options_set_allocate_intermediate_buffers, E5Handle options,
   bool allocate) {
  E5_CALL(precompiled_compute_op_create_options_set_allocate_intermediate_buffers,
          { get<OperationOptions>(options)->allocates = allocate; });
}
E5(precompiled_compute_op_create_options_release, E5Handle* options) {
  return release<OperationOptions>("e5rt_precompiled_compute_op_create_options_release", options);
}

E5(execution_stream_operation_create_precompiled_compute_operation_with_options, E5Handle* out,
   E5Handle options) {
  E5_CALL(execution_stream_operation_create_precompiled_compute_operation_with_options, {
    OperationOptions* from = get<OperationOptions>(options);
    if (from->name.empty()) world().violation("an operation was made without a name");
    if (!from->allocates) world().violation("an operation was made without buffers of its own");
    if (world().loaded >= world().options.loaded_cap) throw Failure{13, "too many are loaded"};
    if (e5::Operation* made = make<e5::Operation>(out, how)) {
      made->program = from->function->program;
      made->needs = {from->function, from};
      ++world().loaded;
    }
  });
}
E5(execution_stream_operation_release, E5Handle* operation) {
  return release<e5::Operation>("e5rt_execution_stream_operation_release", operation);
}
E5(execution_stream_operation_retain_input_port, E5Handle operation, const char* name,
   E5Handle* out_port) {
  E5_CALL(execution_stream_operation_retain_input_port,
          { retain_port(operation, name, out_port, true, how); });
}
E5(execution_stream_operation_retain_output_port, E5Handle operation, const char* name,
   E5Handle* out_port) {
  E5_CALL(execution_stream_operation_retain_output_port,
          { retain_port(operation, name, out_port, false, how); });
}

E5(io_port_bind_buffer_object, E5Handle port, E5Handle buffer) {
  E5_CALL(io_port_bind_buffer_object, { bind(*get<IoPort>(port), get<BufferObject>(buffer)); });
}
E5(io_port_release, E5Handle* port) { return release<IoPort>("e5rt_io_port_release", port); }

E5(buffer_object_alloc, E5Handle* out, uint64_t bytes, uint32_t type) {
  E5_CALL(buffer_object_alloc, {
    if (type != 0) throw Failure{5, "Invalid BufferType"};
    if (bytes < 64 || bytes % 64 != 0) world().violation("a buffer is no multiple of 64 bytes");
    // What a caller does not write is not zero.
    if (BufferObject* made = make<BufferObject>(out, how)) {
      made->memory.assign(bytes / 8, 0x7e007e007e007e00);
    }
  });
}
E5(buffer_object_get_data_ptr, E5Handle buffer, void** out) {
  E5_CALL(buffer_object_get_data_ptr,
          { *out = how == How::kNull ? nullptr : get<BufferObject>(buffer)->memory.data(); });
}
E5(buffer_object_release, E5Handle* buffer) {
  return release<BufferObject>("e5rt_buffer_object_release", buffer);
}

E5(execution_stream_create, E5Handle* out) {
  E5_CALL(execution_stream_create, { make<Stream>(out, how); });
}
E5(execution_stream_encode_operation, E5Handle stream, E5Handle operation) {
  E5_CALL(execution_stream_encode_operation, {
    e5::Operation* encoded = get<e5::Operation>(operation);
    if (encoded->inputs.size() != encoded->program->inputs.size() ||
        encoded->outputs.size() != encoded->program->outputs.size()) {
      world().violation("an operation was encoded before all its ports were bound");
      throw Failure{2, "a port is not bound"};
    }
    Stream* to = get<Stream>(stream);
    to->operations.push_back(encoded);
    to->needs.push_back(encoded);
    encoded->encoded = true;
  });
}
E5(execution_stream_execute_sync, E5Handle stream) {
  E5_CALL(execution_stream_execute_sync, {
    Stream* run = get<Stream>(stream);
    if (run->operations.empty()) world().violation("a stream without operations was executed");
    for (const e5::Operation* operation : run->operations) execute(*operation, how);
  });
}
E5(execution_stream_release, E5Handle* stream) {
  return release<Stream>("e5rt_execution_stream_release", stream);
}

}  // extern "C"

}  // namespace anemone::fake_ane
