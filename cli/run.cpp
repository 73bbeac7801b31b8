#include <algorithm>

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
  bool strict = false;
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

// Warnings, and the time that a simulated device predicts.
void say_more(Device& device, Executable& executable) {
  for (const std::string& warning : executable.stats().warnings) {
    print("warning: " + warning + "\n");
  }
  Simulation* simulation = device.simulation();
  if (!simulation) return;
  const double first_ms = simulation->run_ms(executable, 0);
  const double warm_ms = simulation->run_ms(executable, first_ms);
  print(fmt::format("{}: compile {:.1f} ms, first run {:.3f} ms, then {:.3f} ms (simulated)\n",
                    device.info().name, executable.stats().compile_ms, first_ms, warm_ms));
}

void run(const Options& o) {
  Program program = read_mil(o.file);
  load_weights_beside(program, o.file);
  Function* function = program.find(o.function);
  if (!function) fail(o.file, "it has no function '" + o.function + "'");
  ThreadPool pool(o.device.thread_count());
  const auto device =
      make_device(o.device.device, pool, {.strict = o.strict, .ane_route = o.device.ane_route});
  const auto executable = device->compile(*function);
  Buffers buffers;
  const std::vector<Binding> inputs = allocate(*device, executable->inputs(), buffers);
  const std::vector<Binding> outputs = allocate(*device, executable->outputs(), buffers);
  if (!inputs.empty()) {
    if (o.inputs.empty()) fail("--inputs", "it is needed: the program has inputs");
    const SafetensorsFile file(o.inputs);
    for (const Binding& input : inputs) fill(file, input);
  }
  executable->bind(inputs, outputs)->run();
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
  say_more(*device, *executable);
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
  o->device.add_to(*command);
  command->callback([o] { run(*o); });
}

}  // namespace anemone::cli
