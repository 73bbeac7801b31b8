#include "anemone/devices/ane/ane_device.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/base/clock.h"
#include "anemone/base/scratch_folder.h"
#include "anemone/devices/ane/bundle_cache.h"
#include "anemone/devices/ane/e5rt_route.h"
#include "anemone/devices/ane/in_memory_probes.h"
#include "anemone/devices/ane/in_memory_route.h"
#include "anemone/devices/ane_spec/admission.h"
#include "anemone/devices/ane_spec/cost_model.h"
#include "anemone/devices/ane_spec/limits.h"
#include "anemone/ir/walk.h"
#include "anemone/ops/builder.h"
#include "anemone/ops/query.h"
#include "anemone/ops/registry.h"
#include "anemone/ops/verify.h"

namespace anemone {
namespace {

using Ports = std::vector<std::pair<std::string, Type>>;

Dialect dialect_of(const Chip& chip) {
  if (chip.family <= AneFamily::kH15) return Dialect::kB;
  return chip.family == AneFamily::kH16 ? Dialect::kA : Dialect::kC;
}

// The chip of the machine; one that we do not know is taken for the newest that we do.
const Chip& chip_of(const HostInfo& host) {
  for (const Chip& chip : all_chips()) {
    if (chip.title == host.chip_title) return chip;
  }
  return all_chips().back();
}

std::vector<Buffer*> in_port_order(const std::vector<AnePort>& ports,
                                   std::span<const Binding> bindings, const char* side,
                                   const std::string& program) {
  std::vector<Buffer*> buffers;
  for (const AnePort& port : ports) {
    const auto found = std::find_if(bindings.begin(), bindings.end(),
                                    [&](const Binding& b) { return b.name == port.name; });
    const std::string where = fmt::format("{} '{}' of {}", side, port.name, program);
    if (found == bindings.end() || !found->buffer) fail(where, "nothing is bound to it");
    const Type& held = found->buffer->type();
    if (held.dtype != port.type.dtype ||
        element_count(held.shape) != element_count(port.type.shape)) {
      fail(where, "it takes " + to_string(port.type) + ", the buffer holds " + to_string(held));
    }
    buffers.push_back(found->buffer);
  }
  return buffers;
}

void check_sizes(std::span<Buffer* const> buffers, const char* side, const std::string& program,
                 const Target& target) {
  std::vector<size_t> sizes;
  for (const Buffer* buffer : buffers) sizes.push_back(buffer->capacity());
  const std::string problem = check_surfaces(sizes, target);
  if (!problem.empty()) fail(fmt::format("{} buffers of {}", side, program), problem);
}

class AneExecutable final : public Executable {
 public:
  AneExecutable(std::unique_ptr<RouteProgram> program, const ProgramFiles& files, std::string name,
                const Target& target, ExecutableStats stats)
      : program_(std::move(program)),
        input_ports_(files.inputs),
        output_ports_(files.outputs),
        name_(std::move(name)),
        target_(target),
        stats_(std::move(stats)) {
    for (const AnePort& port : input_ports_) inputs_.emplace_back(port.name, port.type);
    for (const AnePort& port : output_ports_) outputs_.emplace_back(port.name, port.type);
  }
  const Ports& inputs() const override { return inputs_; }
  const Ports& outputs() const override { return outputs_; }
  const ExecutableStats& stats() const override { return stats_; }

  std::unique_ptr<Request> bind(std::span<const Binding> inputs,
                                std::span<const Binding> outputs) override {
    const auto in = in_port_order(input_ports_, inputs, "input", name_);
    const auto out = in_port_order(output_ports_, outputs, "output", name_);
    check_sizes(in, "input", name_, target_);
    check_sizes(out, "output", name_, target_);
    return program_->bind(in, out);
  }

 private:
  std::unique_ptr<RouteProgram> program_;
  std::vector<AnePort> input_ports_, output_ports_;
  std::string name_;
  Target target_;
  Ports inputs_, outputs_;
  ExecutableStats stats_;
};

class AneDevice final : public Device {
 public:
  AneDevice(const AneOptions& options, std::unique_ptr<AneRoute> route, const HostInfo& host,
            const std::optional<Frameworks::InMemory>& in_memory)
      : options_(options),
        route_(std::move(route)),
        host_(host),
        chip_(chip_of(host)),
        in_memory_(in_memory) {
    const std::string title = host.chip_title.empty() ? chip_.title : host.chip_title;
    info_.name = "ane";
    info_.description =
        fmt::format("Neural Engine of {}, {}, fp16, through {}; not yet run on hardware", title,
                    chip_.architecture, route_->name());
    info_.float_type = DType::kFp16;
    info_.column_multiple = ane::kColumnMultiple;
    info_.peak_tflops = chip_.engine.peak_tflops.value;
    if (chip_.title != host.chip_title) {
      info_.notes.push_back(fmt::format("'{}' is not known: its rules and limits are taken from {}",
                                        host.chip_title, chip_.title));
    }
  }

  const DeviceInfo& info() const override { return info_; }
  void add_note(std::string note) { info_.notes.push_back(std::move(note)); }

  Support supports(const Operation& op) const override {
    if (!find_op(op.type)) return {false, "unknown operation '" + op.type + "'"};
    return {};
  }
  Support accepts(const Function& function) const override {
    return admissible(function, target(), options_.strict);
  }

  std::unique_ptr<Executable> compile(const Function& function,
                                      const CompileOptions& compile_options) override {
    require_valid(function);
    const Stopwatch watch;
    const Admission admission = admit(function, target(), options_.strict);
    const ScratchFolder scratch(temporary());
    const ProgramFiles files =
        make_program_files(admission.lowered, dialect_of(chip_), scratch.path());
    std::unique_ptr<RouteProgram> program;
    try {
      program = route_->compile(files, function.name, chip_.name + "-" + host_.os_build,
                                compile_options.hardware_time);
    } catch (const Error& error) {
      throw Error(error.code(), error.where(), error.message(),
                  error.hint().empty() ? hint(admission.lowered) : error.hint());
    }
    ExecutableStats stats = stats_of(admission, compile_options);
    stats.compile_ms = watch.elapsed_ms();
    if (const std::string problem = program->hardware_time_problem();
        compile_options.hardware_time && !problem.empty()) {
      stats.warnings.push_back("no time on the hardware: " + problem);
    }
    return std::make_unique<AneExecutable>(std::move(program), files, function.name, target(),
                                           std::move(stats));
  }

  std::unique_ptr<Buffer> allocate(const Type& type, size_t least_bytes) override {
    const auto least = static_cast<int64_t>(std::max(type.bytes(), least_bytes));
    return route_->allocate(type, surface_bytes(Type::tensor(DType::kUInt8, {least})));
  }

  int compiles_left() const override { return gate().left(); }

  // Also beside e5rt, unless that is all that may be tried.
  AneProbes* probes() override {
    if (!probes_ && in_memory_ && options_.route != AneRouteChoice::kE5rt) {
      probes_ = make_in_memory_probes({*in_memory_, temporary(), gate(), dialect_of(chip_)});
    }
    return probes_.get();
  }

 private:
  Target target() const { return {&chip_, host_.macos > 0 ? host_.macos : 26}; }
  CompileGate& gate() const { return options_.gate ? *options_.gate : process_gate(); }
  std::filesystem::path temporary() const {
    return options_.temporary.empty() ? temporary_root() : options_.temporary;
  }

  // The hardware says nothing about what is wrong; what could be, although no rule is sure.
  std::string hint(const Function& lowered) const {
    std::string rare;
    walk(lowered, [&](const Operation& op) {
      if (is_free(op) || rare.find(op.type) != std::string::npos) return;
      rare += (rare.empty() ? "" : ", ") + op.type;
    });
    return "no rule of docs/ane.md is broken; its operations are " + rare +
           "; `anemone selftest --device ane` shows what this machine accepts";
  }

  ExecutableStats stats_of(const Admission& admission, const CompileOptions& options) const {
    const ProgramTime time = predict(admission.lowered, chip_, options.weights);
    ExecutableStats stats;
    stats.flops = time.flops;
    for (const OpTime& op : time.ops) stats.bytes += op.weight_bytes + op.activation_bytes;
    stats.operations = static_cast<int>(time.ops.size());
    for (const Finding& finding : admission.wrong) stats.warnings.push_back(describe(finding));
    return stats;
  }

  AneOptions options_;
  std::unique_ptr<AneRoute> route_;
  HostInfo host_;
  const Chip& chip_;
  std::optional<Frameworks::InMemory> in_memory_;
  std::unique_ptr<AneProbes> probes_;
  DeviceInfo info_;
};

// --- choosing a route ---

// y = relu(x) on [1, 64, 1, 64].
Function probe_program() {
  Function function("probe", "ios18");
  Builder b(function);
  b.output("y", b.unary("relu", b.input("x", DType::kFp16, {1, 64, 1, 64})));
  return function;
}

// Runs the probe; empty if the device computes it right, else what it does instead.
std::string probe(AneDevice& device) {
  const auto program = device.compile(probe_program(), {});
  const Type type = program->inputs()[0].second;
  const auto x = device.allocate(type, 0), y = device.allocate(type, 0);
  Tensor given(DType::kFp32, type.shape), found(DType::kFp32, type.shape);
  for (int64_t i = 0; i < given.size(); ++i) given.view().set(i, static_cast<double>(i % 7) - 3);
  x->write(given);
  const Binding in{"x", x.get()}, out{"y", y.get()};
  program->bind({&in, 1}, {&out, 1})->run();
  y->read(found);
  for (int64_t i = 0; i < given.size(); ++i) {
    const double wanted = std::max(given.at(i), 0.0);
    if (found.at(i) != wanted) {
      return fmt::format("relu({}) came out as {}", given.at(i), found.at(i));
    }
  }
  return "";
}

std::unique_ptr<AneRoute> open_route(AneRouteChoice choice, const Frameworks& frameworks,
                                     const AneOptions& options) {
  CompileGate& gate = options.gate ? *options.gate : process_gate();
  if (choice == AneRouteChoice::kE5rt) {
    if (!frameworks.espresso) fail("e5rt", frameworks.espresso_problem);
    return make_e5rt_route(*frameworks.espresso,
                           options.cache.empty() ? default_bundle_cache() : options.cache, gate);
  }
  if (!frameworks.in_memory) fail("inmemory", frameworks.in_memory_problem);
  return make_in_memory_route(*frameworks.in_memory,
                              options.temporary.empty() ? temporary_root() : options.temporary,
                              gate);
}

// A device that has shown that it computes; null, with the reason in `problems`, if it does not.
std::unique_ptr<AneDevice> try_route(AneRouteChoice choice, const Frameworks& frameworks,
                                     const AneOptions& options, const HostInfo& host,
                                     std::string& problems) {
  const char* name = choice == AneRouteChoice::kE5rt ? "e5rt" : "inmemory";
  std::string problem;
  try {
    auto device = std::make_unique<AneDevice>(options, open_route(choice, frameworks, options),
                                              host, frameworks.in_memory);
    problem = probe(*device);
    if (problem.empty()) return device;
  } catch (const Error& error) {
    problem = error.message();
  }
  problems += fmt::format("{}{}: {}", problems.empty() ? "" : "; ", name, problem);
  return nullptr;
}

}  // namespace

AneRouteChoice parse_ane_route(const std::string& word) {
  if (word == "auto") return AneRouteChoice::kAuto;
  if (word == "e5rt") return AneRouteChoice::kE5rt;
  if (word == "inmemory") return AneRouteChoice::kInMemory;
  fail("--ane-route", "there is no route '" + word + "'", "auto, e5rt and inmemory are known");
}

std::unique_ptr<Device> make_ane_device(const AneOptions& options) {
  const HostInfo host = options.host ? *options.host : read_host_info();
  if (!options.frameworks && host.macos == 0) {
    throw Error(ErrorCode::kUnavailable, "--device ane",
                "the Neural Engine is reached through macOS, and this is another system",
                "sim:m4-max stands in for one (`anemone devices`)");
  }
  const Frameworks frameworks =
      options.frameworks ? *options.frameworks : load_frameworks(FrameworkPaths::of_system());
  std::vector<AneRouteChoice> choices = {options.route};
  if (options.route == AneRouteChoice::kAuto) {
    choices = {AneRouteChoice::kE5rt, AneRouteChoice::kInMemory};
  }
  std::string problems;
  for (const AneRouteChoice choice : choices) {
    if (auto device = try_route(choice, frameworks, options, host, problems)) {
      device->add_note(problems.empty() ? "the first route that was tried" : "after " + problems);
      return device;
    }
  }
  throw Error(ErrorCode::kUnavailable, "--device ane",
              "there is no Neural Engine that we can reach: " + problems,
              "sim:m4-max stands in for one (`anemone devices`)");
}

}  // namespace anemone
