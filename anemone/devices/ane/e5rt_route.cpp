#include "anemone/devices/ane/e5rt_route.h"

#include <cstring>
#include <deque>

#include "anemone/devices/ane/bundle_cache.h"
#include "anemone/devices/ane/e5rt_handle.h"

namespace anemone {
namespace fs = std::filesystem;
namespace {

#define CALL(function, ...) e5_call(api_, where_, #function, api_.function, __VA_ARGS__)

constexpr uint64_t kGranule = 64;  // sizes of buffers are multiples

class E5Buffer final : public Buffer {
 public:
  E5Buffer(const EspressoApi& api, const Type& type, size_t capacity)
      : api_(api), type_(type), object_(api.buffer_object_release) {
    capacity_ = (std::max(capacity, type.bytes()) + kGranule - 1) / kGranule * kGranule;
    CALL(buffer_object_alloc, object_.out(), uint64_t{capacity_}, kE5CpuBuffer);
    CALL(buffer_object_get_data_ptr, object_.get(), &data_);
    std::memset(data_, 0, capacity_);
  }
  const Type& type() const override { return type_; }
  size_t capacity() const override { return capacity_; }
  void write(const TensorView& from) override {
    ANEMONE_CHECK(from.size() == element_count(type_.shape));
    convert(from, view());
  }
  void read(const TensorView& to) const override {
    ANEMONE_CHECK(to.size() == element_count(type_.shape));
    convert(view(), to);
  }
  TensorView map() override { return view(); }
  E5Handle handle() const { return object_.get(); }

 private:
  TensorView view() const { return {type_.dtype, type_.shape, data_}; }

  const EspressoApi& api_;
  const std::string where_ = "buffer";
  Type type_;
  size_t capacity_ = 0;
  E5Object object_;
  void* data_ = nullptr;
};

// An operation of a stream of its own, bound to buffers and encoded once.
class E5Request final : public Request {
 public:
  E5Request(const EspressoApi& api, std::string name, E5Handle function, const ProgramFiles& files,
            std::span<Buffer* const> inputs, std::span<Buffer* const> outputs)
      : api_(api),
        where_(std::move(name)),
        options_(api.precompiled_compute_op_create_options_release),
        operation_(api.execution_stream_operation_release),
        stream_(api.execution_stream_release) {
    CALL(precompiled_compute_op_create_options_create_with_program_function, options_.out(),
         function);
    CALL(precompiled_compute_op_create_options_set_operation_name, options_.get(), where_.c_str());
    CALL(precompiled_compute_op_create_options_set_allocate_intermediate_buffers, options_.get(),
         true);
    CALL(execution_stream_operation_create_precompiled_compute_operation_with_options,
         operation_.out(), options_.get());
    for (size_t i = 0; i < inputs.size(); ++i) {
      E5Object& port = ports_.emplace_back(api_.io_port_release);
      CALL(execution_stream_operation_retain_input_port, operation_.get(),
           files.inputs[i].compiled_name.c_str(), port.out());
      bind(files.inputs[i], port, inputs[i]);
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      E5Object& port = ports_.emplace_back(api_.io_port_release);
      CALL(execution_stream_operation_retain_output_port, operation_.get(),
           files.outputs[i].compiled_name.c_str(), port.out());
      bind(files.outputs[i], port, outputs[i]);
    }
    CALL(execution_stream_create, stream_.out());
    CALL(execution_stream_encode_operation, stream_.get(), operation_.get());
  }

  void run() override { CALL(execution_stream_execute_sync, stream_.get()); }

 private:
  void bind(const AnePort& port, const E5Object& handle, Buffer* buffer) {
    auto* memory = dynamic_cast<E5Buffer*>(buffer);
    if (!memory) fail(where_, "the buffer of '" + port.name + "' is another device's");
    CALL(io_port_bind_buffer_object, handle.get(), memory->handle());
  }

  const EspressoApi& api_;
  const std::string where_;
  // Given up in the order opposite to this one: stream, ports, operation, options.
  E5Object options_, operation_;
  std::deque<E5Object> ports_;
  E5Object stream_;
};

class E5Program final : public RouteProgram {
 public:
  E5Program(const EspressoApi& api, std::string name, const ProgramFiles& files, E5Object library)
      : api_(api),
        where_(std::move(name)),
        library_(std::move(library)),
        function_(api.program_function_release) {
    files_.inputs = files.inputs;
    files_.outputs = files.outputs;
    CALL(program_library_retain_program_function, library_.get(), "main", function_.out());
  }
  std::unique_ptr<Request> bind(std::span<Buffer* const> inputs,
                                std::span<Buffer* const> outputs) override {
    return std::make_unique<E5Request>(api_, where_, function_.get(), files_, inputs, outputs);
  }
  std::string hardware_time_problem() const override {
    return "e5rt has no call that says it; --ane-route inmemory can be asked";
  }

 private:
  const EspressoApi& api_;
  const std::string where_;
  ProgramFiles files_;  // its ports
  E5Object library_, function_;
};

class E5rtRoute final : public AneRoute {
 public:
  E5rtRoute(const EspressoApi& api, fs::path cache, CompileGate& gate)
      : api_(api), cache_(std::move(cache)), gate_(gate) {}

  const char* name() const override { return "e5rt"; }

  std::unique_ptr<RouteProgram> compile(const ProgramFiles& files, const std::string& name,
                                        const std::string& key, bool /*hardware_time*/) override {
    gate_.require_owner(name);
    const BundleCache::Entry entry = cache_.open(files.hash() + "-" + key);
    E5Object library = reopen(entry);
    if (!library.get()) library = compile_anew(files, name, entry);
    return std::make_unique<E5Program>(api_, name, files, std::move(library));
  }

  std::unique_ptr<Buffer> allocate(const Type& type, size_t capacity) override {
    gate_.require_owner("buffer");
    return std::make_unique<E5Buffer>(api_, type, capacity);
  }

 private:
  // A bundle that is in the cache; nothing if there is none or if the framework does not take it.
  E5Object reopen(const BundleCache::Entry& entry) {
    E5Object library(api_.program_library_release);
    const fs::path bundle = entry.bundle();
    if (bundle.empty()) return library;
    try {
      if (api_.program_library_create(library.out(), bundle.c_str()) == 0) return library;
    } catch (...) {
    }
    return E5Object(api_.program_library_release);
  }

  E5Object compile_anew(const ProgramFiles& files, const std::string& where_,
                        const BundleCache::Entry& entry) {
    gate_.enter(where_);
    entry.clear();
    files.write(entry.folder());
    E5Object config(api_.e5_compiler_config_options_release), compiler(api_.e5_compiler_release);
    E5Object options(api_.e5_compiler_options_release), library(api_.program_library_release);
    CALL(e5_compiler_config_options_create, config.out());
    CALL(e5_compiler_config_options_set_cache_bundle_location, config.get(),
         entry.folder().c_str());
    CALL(e5_compiler_create_with_config, compiler.out(), config.get());
    CALL(e5_compiler_options_create, options.out());
    CALL(e5_compiler_options_set_compute_device_types_mask, options.get(), kE5NeuralEngine);
    CALL(e5_compiler_options_set_segmenter, options.get(), "graph");
    const std::string mil = (entry.folder() / ProgramFiles::kMilFile).string();
    try {
      CALL(e5_compiler_compile, compiler.get(), mil.c_str(), options.get(), library.out());
    } catch (const Error& error) {
      gate_.refused();
      throw Error(ErrorCode::kInvalidInput, where_,
                  std::string(kCompileRefused) + ": " + error.message(), error.hint());
    }
    entry.complete();
    return library;
  }

  const EspressoApi api_;
  BundleCache cache_;
  CompileGate& gate_;
};

#undef CALL

}  // namespace

std::unique_ptr<AneRoute> make_e5rt_route(const EspressoApi& api, fs::path cache,
                                          CompileGate& gate) {
  return std::make_unique<E5rtRoute>(api, std::move(cache), gate);
}

}  // namespace anemone
