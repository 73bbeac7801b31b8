// Runs a program on tensors of files, or on random ones.
#include <algorithm>
#include <random>

#include "anemone/base/clock.h"
#include "anemone/data/tensor_files.h"
#include "anemone/devices/all_devices.h"
#include "anemone/passes/states_to_ports.h"
#include "cli/commands.h"
#include "cli/program_options.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace fs = std::filesystem;
namespace {

struct Options {
  ProgramOptions program;
  std::vector<std::string> inputs;  // FILE, or NAME=FILE.npy
  std::string outputs;
  uint64_t seed = 0;
  int repeat = 1;
  DeviceOptions device;
  bool random = false, strict = false, hardware_time = false;
};

using Buffers = std::vector<std::unique_ptr<Buffer>>;
using NamedTensors = std::map<std::string, Tensor>;

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

// --- inputs ---

// Tensors of all files; the nameless one of a .npy file is the only input, or NAME's.
NamedTensors read_inputs(const Options& o, const std::vector<std::string>& wanted) {
  NamedTensors tensors;
  for (const std::string& given : o.inputs) {
    const size_t equals = given.find('=');
    const bool is_named = equals != std::string::npos && !fs::exists(given);
    const std::string path = is_named ? given.substr(equals + 1) : given;
    for (auto& [name, tensor] : read_tensors(path)) {
      std::string input = is_named ? given.substr(0, equals) : name;
      if (input.empty() && wanted.size() == 1) input = wanted[0];
      if (input.empty()) {
        fail(path, "the array has no name, and the program has several inputs",
             "write --inputs NAME=" + path);
      }
      tensors[input] = std::move(tensor);
    }
  }
  return tensors;
}

void fill(const Options& o, const NamedTensors& tensors, const Binding& binding) {
  const std::string name(binding.name), where = fmt::format("{}", fmt::join(o.inputs, ", "));
  const auto given = tensors.find(name);
  if (given == tensors.end()) {
    fail(where, "it has no tensor '" + name + "', an input of the program");
  }
  const Type& wanted = binding.buffer->type();
  const Tensor& tensor = given->second;
  const Type type = Type::tensor(tensor.dtype(), tensor.shape());
  if (type == wanted) return binding.buffer->write(tensor);
  if (type.shape != wanted.shape || !converts(tensor, wanted.dtype)) {
    fail(where, "tensor '" + name + "' is " + to_string(type) + ", the program takes " +
                    to_string(wanted));
  }
  binding.buffer->write(tensor.cast(wanted.dtype));
}

// Normal numbers for floats, small ones for integers.
void randomize(const Binding& binding, std::mt19937_64& generator) {
  const Type& type = binding.buffer->type();
  Tensor tensor(type.dtype, type.shape);
  std::normal_distribution<double> normal;
  std::uniform_int_distribution<int> small(0, 1);
  for (int64_t i = 0; i < tensor.size(); ++i) {
    tensor.view().set(i, is_float(type.dtype) ? normal(generator) : small(generator));
  }
  binding.buffer->write(tensor);
}

void prepare(const Options& o, const std::vector<Binding>& inputs,
             const std::vector<StatePorts>& states) {
  const auto is_state = [&](const Binding& input) {
    return std::any_of(states.begin(), states.end(),
                       [&](const StatePorts& state) { return state.input == input.name; });
  };
  std::vector<std::string> wanted;
  for (const Binding& input : inputs) {
    if (!is_state(input)) wanted.emplace_back(input.name);
  }
  if (!wanted.empty() && o.inputs.empty() && !o.random) {
    fail("--inputs", "it is needed: the program has inputs", "or --random SEED");
  }
  std::mt19937_64 generator(o.seed);
  const NamedTensors tensors = read_inputs(o, wanted);
  for (const Binding& input : inputs) {
    if (is_state(input)) {
      if (tensors.contains(std::string(input.name))) fill(o, tensors, input);
    } else if (o.random && !tensors.contains(std::string(input.name))) {
      randomize(input, generator);
    } else {
      fill(o, tensors, input);
    }
  }
}

// --- running ---

Tensor read_back(const Buffer& buffer) {
  Tensor tensor(buffer.type().dtype, buffer.type().shape);
  buffer.read(tensor);
  return tensor;
}

const Binding& find(const std::vector<Binding>& bindings, const std::string& name) {
  return *std::find_if(bindings.begin(), bindings.end(),
                       [&](const Binding& binding) { return binding.name == name; });
}

// What a run wrote is what the next one reads.
void keep_states(const std::vector<StatePorts>& states, const std::vector<Binding>& inputs,
                 const std::vector<Binding>& outputs) {
  for (const StatePorts& state : states) {
    if (state.output.empty()) continue;
    find(inputs, state.input).buffer->write(read_back(*find(outputs, state.output).buffer));
  }
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 != 0 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// Under the names that the program gives them: a state keeps its own.
void write_outputs(const Options& o, const std::vector<StatePorts>& states,
                   const std::vector<Binding>& outputs) {
  if (o.outputs.empty()) return;
  std::vector<Tensor> tensors;
  std::vector<std::pair<std::string, TensorView>> named;
  tensors.reserve(outputs.size());
  for (const Binding& output : outputs) {
    std::string name(output.name);
    for (const StatePorts& state : states) {
      if (state.output == name) name = state.input;
    }
    tensors.push_back(read_back(*output.buffer));
    named.emplace_back(std::move(name), tensors.back());
  }
  write_tensors(o.outputs, named);
}

// What the driver says of the run; where it was asked for, also that it says nothing.
std::string on_hardware(const Options& o, const Request& request) {
  if (const std::optional<double> ms = request.hardware_ms()) {
    return fmt::format(", {:.3f} ms of it on the hardware", *ms);
  }
  return o.hardware_time ? "; no driver gave a time on the hardware" : "";
}

void print_predicted_times(Device& device, Executable& executable, const std::string& hardware) {
  Simulation* simulation = device.simulation();
  const double first_ms = simulation->run_ms(executable, 0);
  const double warm_ms = simulation->run_ms(executable, first_ms);
  print(fmt::format("{}: compile {:.1f} ms, first run {:.3f} ms, then {:.3f} ms (simulated){}\n",
                    device.info().name, executable.stats().compile_ms, first_ms, warm_ms,
                    hardware));
}

void print_results(const Options& o, Device& device, Executable& executable, const Request& request,
                   const std::vector<double>& times) {
  for (const auto& [name, type] : executable.outputs()) {
    print(fmt::format("{}: {}\n", name, to_string(type)));
  }
  for (const std::string& warning : executable.stats().warnings) {
    print("warning: " + warning + "\n");
  }
  const std::string hardware = on_hardware(o, request);
  if (device.simulation()) return print_predicted_times(device, executable, hardware);
  std::string runs;
  if (times.size() > 1) {
    runs = fmt::format(" (median of {}; {:.3f} to {:.3f})", times.size(),
                       *std::min_element(times.begin(), times.end()),
                       *std::max_element(times.begin(), times.end()));
  }
  print(fmt::format("{}: compile {:.1f} ms, run {:.3f} ms{}{}\n", device.info().name,
                    executable.stats().compile_ms, median(times), runs, hardware));
}

void run(const Options& o) {
  ProgramSource source = load(o.program);
  Function& function = source.function(o.program.function);
  const std::vector<StatePorts> states = states_to_ports(function);
  ThreadPool pool(o.device.thread_count());
  const auto device =
      make_device(o.device.device, pool, {.strict = o.strict, .ane_route = o.device.ane_route});
  const auto executable = device->compile(function, {.hardware_time = o.hardware_time});
  Buffers buffers;
  const std::vector<Binding> inputs = allocate(*device, executable->inputs(), buffers);
  const std::vector<Binding> outputs = allocate(*device, executable->outputs(), buffers);
  prepare(o, inputs, states);
  const std::unique_ptr<Request> request = executable->bind(inputs, outputs);
  std::vector<double> times;
  for (int i = 0; i < o.repeat; ++i) {
    if (i > 0) keep_states(states, inputs, outputs);
    const Stopwatch watch;
    request->run();
    times.push_back(watch.elapsed_ms());
  }
  write_outputs(o, states, outputs);
  print_results(o, *device, *executable, *request, times);
}

}  // namespace

void add_run(CLI::App& app) {
  CLI::App* command = app.add_subcommand("run", "Run a MIL program or a package on tensors");
  auto o = std::make_shared<Options>();
  o->program.add_to(*command);
  command
      ->add_option("--inputs", o->inputs,
                   "Files with the inputs by name: .safetensors, .npz, .npy or NAME=FILE.npy")
      ->allow_extra_args(false);
  command->add_option("--outputs", o->outputs, "File to write: .safetensors, .npz or .npy");
  CLI::Option* random =
      command->add_option("--random", o->seed, "Random inputs from this seed where none are given");
  command
      ->add_option("--repeat", o->repeat,
                   "Runs, of which the median time is printed; states "
                   "are kept from one to the next")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_flag("--strict", o->strict, "What the hardware would get wrong is an error");
  command->add_flag("--hardware-time", o->hardware_time,
                    "ane: ask its driver how long the program ran on the engine itself");
  o->device.add_to(*command);
  command->callback([o, random] {
    o->random = random->count() > 0;
    run(*o);
  });
}

}  // namespace anemone::cli
