#include <cstring>
#include <filesystem>
#include <new>
#include <string>
#include <vector>

#include "anemone/base/clock.h"
#include "anemone/capi/anemone.h"
#include "anemone/devices/all_devices.h"
#include "anemone/ops/verify.h"
#include "anemone/package/load_weights.h"
#include "anemone/text/parser.h"

using namespace anemone;  // NOLINT: nothing but functions of C is defined here
namespace fs = std::filesystem;

struct anemone_device {
  ThreadPool pool;
  std::unique_ptr<Device> device = nullptr;
  std::string description = {};
  double clock_ms = 0;         // of a simulation
  bool hardware_time = false;  // programs are to ask for it
};

struct anemone_program {
  std::shared_ptr<::anemone_device> device;
  std::unique_ptr<Executable> executable;
  std::string warnings;
};

struct anemone_buffer {
  std::shared_ptr<::anemone_device> device;
  std::unique_ptr<Buffer> buffer;
};

struct anemone_request {
  std::shared_ptr<::anemone_program> program;
  std::vector<std::shared_ptr<::anemone_buffer>> buffers;
  std::unique_ptr<Request> request;
  double ms = 0;
};

namespace {

// What a handle points to: whoever else needs the object keeps it too.
template <typename Object>
struct Handle {
  std::shared_ptr<Object> object;
};

template <typename Object>
const std::shared_ptr<Object>& object_of(const void* handle, const char* what) {
  if (!handle) fail(what, "it is null");
  return static_cast<const Handle<Object>*>(handle)->object;
}

template <typename Object>
Object* to_handle(std::shared_ptr<Object> object) {
  return reinterpret_cast<Object*>(new Handle<Object>{std::move(object)});
}

template <typename Object>
void free_handle(Object* handle) {
  delete reinterpret_cast<Handle<Object>*>(handle);
}

std::string& last_error() {
  thread_local std::string text;
  return text;
}

// Runs a function of the interface: no exception leaves it.
template <typename Action>
anemone_status guarded(Action&& action) {
  try {
    last_error().clear();
    action();
    return ANEMONE_OK;
  } catch (const Error& error) {
    last_error() = error.what();
    if (error.code() == ErrorCode::kUnavailable) return ANEMONE_UNAVAILABLE;
    return error.code() == ErrorCode::kInternal ? ANEMONE_INTERNAL : ANEMONE_INVALID;
  } catch (const std::bad_alloc&) {
    last_error() = "out of memory";
    return ANEMONE_INVALID;
  } catch (const std::exception& error) {
    last_error() = std::string("unexpected: ") + error.what();
    return ANEMONE_INTERNAL;
  }
}

void require(const void* pointer, const char* what) {
  if (!pointer) fail(what, "it is null");
}

constexpr std::pair<anemone_dtype, DType> kTypes[] = {
    {ANEMONE_FP16, DType::kFp16},     {ANEMONE_FP32, DType::kFp32},
    {ANEMONE_INT32, DType::kInt32},   {ANEMONE_INT8, DType::kInt8},
    {ANEMONE_UINT8, DType::kUInt8},   {ANEMONE_INT16, DType::kInt16},
    {ANEMONE_UINT16, DType::kUInt16}, {ANEMONE_BOOL, DType::kBool}};

anemone_dtype code_of(DType dtype) {
  for (const auto& [code, type] : kTypes) {
    if (type == dtype) return code;
  }
  return ANEMONE_OTHER;
}

DType dtype_of_code(anemone_dtype code) {
  for (const auto& [known, type] : kTypes) {
    if (known == code) return type;
  }
  fail("dtype", "there is none with the number " + std::to_string(code));
}

const std::vector<std::pair<std::string, Type>>& ports_of(const ::anemone_program& program,
                                                          anemone_side side) {
  if (side != ANEMONE_INPUT && side != ANEMONE_OUTPUT) {
    fail("side", std::to_string(side) + " is neither ANEMONE_INPUT nor ANEMONE_OUTPUT");
  }
  return side == ANEMONE_INPUT ? program.executable->inputs() : program.executable->outputs();
}

// The caller's memory is copied once, to where it is aligned and stays.
void load_from_memory(Program& program, const anemone_weight_file* weights, size_t count) {
  constexpr std::string_view kPrefix = "@model_path/";
  MemoryFiles files;
  for (size_t i = 0; i < count; ++i) {
    require(weights[i].name, "a weight file's name");
    require(weights[i].data, "a weight file's data");
    std::string name = weights[i].name;
    if (name.starts_with(kPrefix)) name = name.substr(kPrefix.size());
    if (name.empty() || name.find("..") != std::string::npos || fs::path(name).is_absolute()) {
      fail(weights[i].name, "it is no name below @model_path/");
    }
    const auto copy = std::make_shared<AlignedBytes>(weights[i].size);
    std::memcpy(copy->data(), weights[i].data, weights[i].size);
    files[fs::path(name).lexically_normal().string()] = {{copy, copy->data()}, weights[i].size};
  }
  load_weights(program, files);
}

Program parse_checked(const char* text) {
  Program program = parse_mil(text);
  const std::vector<Diagnostic> findings = verify(program);
  if (!findings.empty()) fail(findings[0].where, findings[0].message, findings[0].hint);
  return program;
}

TensorView elements(anemone_dtype dtype, const void* data, size_t count) {
  require(data, "memory");
  return {dtype_of_code(dtype), {static_cast<int64_t>(count)}, const_cast<void*>(data)};
}

void check_count(const Buffer& buffer, size_t count) {
  const auto wanted = static_cast<size_t>(element_count(buffer.type().shape));
  if (count == wanted) return;
  fail("buffer", std::to_string(count) + " elements were given, it has " + std::to_string(wanted));
}

}  // namespace

extern "C" {

int anemone_api_version(void) { return ANEMONE_API_MAJOR * 1000 + ANEMONE_API_MINOR; }

const char* anemone_last_error(void) { return last_error().c_str(); }

anemone_status anemone_device_open(const char* name, int threads, anemone_device** out) {
  return guarded([&] {
    require(name, "device name");
    require(out, "out");
    *out = nullptr;
    if (threads < 0 || threads > 1024) fail("threads", "it is outside [0, 1024]");
    auto device = std::shared_ptr<::anemone_device>(
        new ::anemone_device{ThreadPool(threads > 0 ? threads : hardware_threads())});
    device->device = make_device(name, device->pool);
    device->description = device->device->info().description;
    *out = to_handle(std::move(device));
  });
}

void anemone_device_free(anemone_device* device) { free_handle(device); }

const char* anemone_device_description(const anemone_device* device) {
  return device ? object_of<::anemone_device>(device, "device")->description.c_str() : "";
}

int anemone_device_is_simulated(const anemone_device* device) {
  return device && object_of<::anemone_device>(device, "device")->device->info().simulated ? 1 : 0;
}

anemone_status anemone_device_ask_hardware_time(anemone_device* device, int on) {
  return guarded([&] { object_of<::anemone_device>(device, "device")->hardware_time = on != 0; });
}

anemone_status anemone_program_compile(anemone_device* device, const char* mil_text,
                                       const anemone_weight_file* weights, size_t weight_count,
                                       anemone_program** out) {
  return guarded([&] {
    require(mil_text, "MIL text");
    require(out, "out");
    *out = nullptr;
    if (weight_count > 0) require(weights, "weights");
    auto result = std::make_shared<::anemone_program>();
    result->device = object_of<::anemone_device>(device, "device");
    Program program = parse_checked(mil_text);
    load_from_memory(program, weights, weight_count);
    const Function* main = program.find("main");
    if (!main) fail("MIL text", "it has no function 'main'");
    result->executable =
        result->device->device->compile(*main, {.hardware_time = result->device->hardware_time});
    for (const std::string& warning : result->executable->stats().warnings) {
      result->warnings += warning + "\n";
    }
    *out = to_handle(std::move(result));
  });
}

void anemone_program_free(anemone_program* program) { free_handle(program); }

size_t anemone_program_port_count(const anemone_program* program, anemone_side side) {
  size_t count = 0;
  guarded(
      [&] { count = ports_of(*object_of<::anemone_program>(program, "program"), side).size(); });
  return count;
}

anemone_status anemone_program_port(const anemone_program* program, anemone_side side, size_t index,
                                    anemone_port* out) {
  return guarded([&] {
    require(out, "out");
    const auto& ports = ports_of(*object_of<::anemone_program>(program, "program"), side);
    if (index >= ports.size()) fail("port", "there are only " + std::to_string(ports.size()));
    const auto& [name, type] = ports[index];
    if (type.rank() > ANEMONE_MOST_AXES) fail("port '" + name + "'", "it has too many axes");
    *out = {name.c_str(), code_of(type.dtype), static_cast<int>(type.rank()), {}};
    for (size_t axis = 0; axis < type.rank(); ++axis) out->shape[axis] = type.shape[axis];
  });
}

double anemone_program_compile_ms(const anemone_program* program) {
  return program ? object_of<::anemone_program>(program, "program")->executable->stats().compile_ms
                 : 0;
}

const char* anemone_program_warnings(const anemone_program* program) {
  return program ? object_of<::anemone_program>(program, "program")->warnings.c_str() : "";
}

anemone_status anemone_buffer_allocate(anemone_program* program, anemone_side side,
                                       const char* port, anemone_buffer** out) {
  return guarded([&] {
    require(port, "port");
    require(out, "out");
    *out = nullptr;
    const auto& owner = object_of<::anemone_program>(program, "program");
    size_t largest = 0;
    const Type* wanted = nullptr;
    for (const auto& [name, type] : ports_of(*owner, side)) {
      largest = std::max(largest, type.bytes());
      if (name == port) wanted = &type;
    }
    if (!wanted) fail(port, "the program has no such port on that side");
    auto buffer = std::make_shared<::anemone_buffer>();
    buffer->device = owner->device;
    buffer->buffer = owner->device->device->allocate(*wanted, largest);
    *out = to_handle(std::move(buffer));
  });
}

void anemone_buffer_free(anemone_buffer* buffer) { free_handle(buffer); }

anemone_status anemone_buffer_write(anemone_buffer* buffer, anemone_dtype dtype, const void* from,
                                    size_t count) {
  return guarded([&] {
    Buffer& memory = *object_of<::anemone_buffer>(buffer, "buffer")->buffer;
    check_count(memory, count);
    memory.write(elements(dtype, from, count));
  });
}

anemone_status anemone_buffer_read(const anemone_buffer* buffer, anemone_dtype dtype, void* to,
                                   size_t count) {
  return guarded([&] {
    const Buffer& memory = *object_of<::anemone_buffer>(buffer, "buffer")->buffer;
    check_count(memory, count);
    memory.read(elements(dtype, to, count));
  });
}

anemone_status anemone_request_bind(anemone_program* program, const char* const* names,
                                    anemone_buffer* const* buffers, size_t count,
                                    anemone_request** out) {
  return guarded([&] {
    require(out, "out");
    *out = nullptr;
    if (count > 0) require(names, "names"), require(buffers, "buffers");
    auto result = std::make_shared<::anemone_request>();
    result->program = object_of<::anemone_program>(program, "program");
    std::vector<Binding> inputs, outputs;
    for (size_t i = 0; i < count; ++i) {
      require(names[i], "a port's name");
      result->buffers.push_back(object_of<::anemone_buffer>(buffers[i], names[i]));
      bool known = false;
      for (const anemone_side side : {anemone_side{ANEMONE_INPUT}, anemone_side{ANEMONE_OUTPUT}}) {
        for (const auto& [name, type] : ports_of(*result->program, side)) {
          if (name != names[i]) continue;
          (side == ANEMONE_INPUT ? inputs : outputs)
              .push_back({name, result->buffers.back()->buffer.get()});
          known = true;
        }
      }
      if (!known) fail(names[i], "the program has no such port");
    }
    result->request = result->program->executable->bind(inputs, outputs);
    *out = to_handle(std::move(result));
  });
}

void anemone_request_free(anemone_request* request) { free_handle(request); }

anemone_status anemone_request_run(anemone_request* request) {
  return guarded([&] {
    ::anemone_request& r = *object_of<::anemone_request>(request, "request");
    ::anemone_device& device = *r.program->device;
    const Stopwatch watch;
    r.request->run();
    r.ms = watch.elapsed_ms();
    if (Simulation* simulation = device.device->simulation()) {
      r.ms = simulation->run_ms(*r.program->executable, device.clock_ms);
      device.clock_ms += r.ms;
    }
  });
}

double anemone_request_ms(const anemone_request* request) {
  return request ? object_of<::anemone_request>(request, "request")->ms : 0;
}

double anemone_request_hardware_ms(const anemone_request* request) {
  if (!request) return -1;
  return object_of<::anemone_request>(request, "request")->request->hardware_ms().value_or(-1);
}

}  // extern "C"
