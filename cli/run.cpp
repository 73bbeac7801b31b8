#include <algorithm>

#include "anemone/base/clock.h"
#include "anemone/data/safetensors.h"
#include "anemone/devices/all_devices.h"
#include "cli/commands.h"
#include "cli/mil_file.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace {

struct Options {
  std::string file, function = "main", inputs, outputs;
  DeviceOptions device;
  bool strict = false, hardware_time = false;
};

using Buffers = std::vector<std::unique_ptr<Buffer>>;

std::vector<Binding> allocate(Device& device,
                              const std::vector<std::pair<std::string, Type>>& ports,
                              Buffers& buffers) {
  std::vector<Binding> bindings;
  // All of one side as large as the largest: some devices want that (ane.c26).
  size_t largest = 0;
  for (const auto& [name, type] : ports) largest = std::max(largest, type.bytes());
  for (const auto& [name, type] : ports) {
    buffers.push_back(device.allocate(type, largest));
    bindings.push_back({name, buffers.back().get()});
  }
  return bindings;
}

void fill(const SafetensorsFile& file, const Binding& binding) {
  const std::string name(binding.name);
  const std::string where = file.path().string();
  if (!file.has(name)) fail(where, "it has no tensor '" + name + "', an input of the program");
  const Type& wanted = binding.buffer->type();
  const Tensor tensor = file.read(name);
  const Type given = Type::tensor(tensor.dtype(), tensor.shape());
  if (given != wanted) {
    fail(where, "tensor '" + name + "' is " + to_string(given) + ", the program takes " +
                    to_string(wanted));
  }
  binding.buffer->write(tensor);
}

Tensor read_back(const Buffer& buffer) {
  Tensor tensor(buffer.type().dtype, buffer.type().shape);
  buffer.read(tensor);
  return tensor;
}

void say_warnings(const Executable& executable) {
  for (const std::string& warning : executable.stats().warnings) {
    print("warning: " + warning + "\n");
  }
}

// What the driver says of the run; for those who asked, also that it says nothing.
std::string on_hardware(const Options& o, const Request& request) {
  if (const std::optional<double> ms = request.hardware_ms()) {
    return fmt::format(", {:.3f} ms of it on the hardware", *ms);
  }
  return o.hardware_time ? "; no driver gave a time on the hardware" : "";
}

void say_predicted_times(Device& device, Executable& executable, const std::string& hardware) {
  Simulation* simulation = device.simulation();
  const double first_ms = simulation->run_ms(executable, 0);
  const double warm_ms = simulation->run_ms(executable, first_ms);
  print(fmt::format("{}: compile {:.1f} ms, first run {:.3f} ms, then {:.3f} ms (simulated){}\n",
                    device.info().name, executable.stats().compile_ms, first_ms, warm_ms,
                    hardware));
}

void run(const Options& o) {
  Program program = read_mil(o.file);
  load_weights_beside(program, o.file);
  Function* function = program.find(o.function);
  if (!function) fail(o.file, "it has no function '" + o.function + "'");
  ThreadPool pool(o.device.thread_count());
  const auto device =
      make_device(o.device.device, pool, {.strict = o.strict, .ane_route = o.device.ane_route});
  const auto executable = device->compile(*function, {.hardware_time = o.hardware_time});
  Buffers buffers;
  const std::vector<Binding> inputs = allocate(*device, executable->inputs(), buffers);
  const std::vector<Binding> outputs = allocate(*device, executable->outputs(), buffers);
  if (!inputs.empty()) {
    if (o.inputs.empty()) fail("--inputs", "it is needed: the program has inputs");
    const SafetensorsFile file(o.inputs);
    for (const Binding& input : inputs) fill(file, input);
  }
  const std::unique_ptr<Request> request = executable->bind(inputs, outputs);
  const Stopwatch watch;
  request->run();
  const double run_ms = watch.elapsed_ms();
  std::vector<Tensor> tensors;
  std::vector<std::pair<std::string, TensorView>> named;
  for (const Binding& output : outputs) tensors.push_back(read_back(*output.buffer));
  for (size_t i = 0; i < outputs.size(); ++i) {
    named.emplace_back(std::string(outputs[i].name), tensors[i]);
  }
  write_safetensors(o.outputs, named);
  for (const Binding& output : outputs) {
    print(fmt::format("{}: {}\n", output.name, to_string(output.buffer->type())));
  }
  say_warnings(*executable);
  const std::string hardware = on_hardware(o, *request);
  if (device->simulation()) return say_predicted_times(*device, *executable, hardware);
  print(fmt::format("{}: compile {:.1f} ms, run {:.3f} ms{}\n", device->info().name,
                    executable->stats().compile_ms, run_ms, hardware));
}

}  // namespace

void add_run(CLI::App& app) {
  CLI::App* command = app.add_subcommand("run", "Run a MIL program on tensors");
  auto o = std::make_shared<Options>();
  command->add_option("file", o->file, "FILE.mil")->required();
  command->add_option("--inputs", o->inputs, "Safetensors with the inputs by name");
  command->add_option("--outputs", o->outputs, "Safetensors to write")->required();
  command->add_option("--function", o->function, "Function to run")->capture_default_str();
  command->add_flag("--strict", o->strict, "What the hardware would get wrong is an error");
  command->add_flag("--hardware-time", o->hardware_time,
                    "ane: ask its driver how long the program ran on the engine itself");
  o->device.add_to(*command);
  command->callback([o] { run(*o); });
}

}  // namespace anemone::cli
