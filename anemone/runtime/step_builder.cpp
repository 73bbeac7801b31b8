#include "anemone/runtime/step_builder.h"

#include <algorithm>
#include <set>

#include "anemone/base/error.h"

namespace anemone {
namespace {

using NamedBuffers = std::map<std::string, Buffer*>;

// Where the values of one use of a stage are.
struct UsePlaces {
  NamedBuffers host, device;
};

// What all uses of a stage share within a step.
struct StageShared {
  NamedBuffers host, device;                 // by value name; device inputs by "label/name"
  std::map<std::string, size_t> copied_for;  // use that a shared host copy was made for last
  size_t last_run = 0;                       // the use whose taps are in shared buffers
  std::set<std::string> read_by_forward, read_later;  // names that parts read
};

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Surfaces of one request must be equally large (ane.c26): all of a stage are as large as this.
size_t largest_port(const StageSegment& segment) {
  size_t bytes = 0;
  for (Value output : segment.function.outputs) bytes = std::max(bytes, output->type.bytes());
  for (Value input : segment.function.inputs) {
    if (contains(segment.constants, input->name)) continue;
    bytes = std::max(bytes, input->type.bytes());
  }
  return bytes;
}

CompileOptions accumulating(const Stage& stage, const Function& function) {
  CompileOptions options;
  for (const std::string& weight : stage.weights) {
    if (!function.find("d" + weight + "_sum")) continue;
    options.in_place.emplace_back("d" + weight + "_sum", "d" + weight);
  }
  return options;
}

class StepBuilder {
 public:
  StepBuilder(const StepInputs& in, StepShared& all, Step& step)
      : in_(in), all_(all), step_(step), shared_(in.stages.size()), places_(in.chain.uses.size()) {
    for (size_t stage = 0; stage < in.stages.size(); ++stage) {
      for (const StageSegment& segment : in.stages[stage].segments) {
        has_device_ |= segment.on_device;
        auto& readers =
            is_forward(segment) ? shared_[stage].read_by_forward : shared_[stage].read_later;
        for (Value input : segment.function.inputs) readers.insert(input->name);
      }
    }
  }

  void build() {
    first_trained_ = first_trained();
    Buffer* x = nullptr;
    for (size_t use = 0; use < in_.chain.uses.size(); ++use) {
      const Stage& stage = stage_of(use);
      bind_parameters(use);
      if (x) places_[use].host[stage.data_input] = x;
      add_part(use, Part::kForward);
      shared_of(use).last_run = use;
      x = border(use, stage.data_output);
    }
    step_.loss = x;
    Buffer* dy = step_.loss_gradient = gradient_buffer(x->type(), nullptr);
    for (size_t use = in_.chain.uses.size(); use-- > 0;) {
      const Stage& stage = stage_of(use);
      places_[use].host["d" + stage.data_output] = dy;
      make_taps_again(use);
      if (!stage.data_input.empty()) {
        const std::string name = "d" + stage.data_input;
        Buffer* dx = gradient_buffer(stage.function.find(stage.data_input)->type, dy);
        places_[use].host[name] = dx;
        add_part(use, Part::kBackward);
        if (places_[use].device.contains(name)) copy_to_host(use, name, dx, Queue::kHost);
        dy = dx;
      }
      add_part(use, Part::kWeightGradient);
      bring_weight_gradients_back(use);
      if (use == first_trained_) break;  // nothing before it wants a gradient
    }
  }

 private:
  static bool is_forward(const StageSegment& segment) {
    return segment.part == Part::kForward || segment.part == Part::kRecompute;
  }

  size_t first_trained() const {
    for (size_t use = 0; use < in_.chain.uses.size(); ++use) {
      if (stage_of(use).frozen.size() < stage_of(use).weights.size()) return use;
    }
    return in_.chain.uses.size();
  }

  // Where another use of the stage has run since, and taps are shared.
  void make_taps_again(size_t use) {
    if (!in_.setup.recompute || shared_of(use).last_run == use) return;
    add_part(use, Part::kRecompute);
    shared_of(use).last_run = use;
  }

  const Stage& stage_of(size_t use) const { return in_.chain.stages[in_.chain.uses[use].stage]; }
  StageShared& shared_of(size_t use) { return shared_[in_.chain.uses[use].stage]; }

  size_t surface_bytes(size_t use) const { return all_.surface_bytes[in_.chain.uses[use].stage]; }

  // --- buffers ---

  Buffer* allocate(Device& device, const Type& type, size_t least_bytes = 0) {
    step_.buffers.push_back(device.allocate(type, least_bytes));
    return step_.buffers.back().get();
  }

  void bind_parameters(size_t use) {
    const Stage& stage = stage_of(use);
    for (size_t i = 0; i < stage.weights.size(); ++i) {
      const std::string& parameter = in_.chain.uses[use].parameters[i];
      NamedBuffers& host = places_[use].host;
      host[stage.weights[i]] = in_.values(parameter);
      if (contains(stage.frozen, stage.weights[i])) continue;
      host["d" + stage.weights[i]] = host["d" + stage.weights[i] + "_sum"] =
          in_.gradients(parameter);
    }
  }

  // Two gradients of a type alternate; beside a device each use has its own, so that weight
  // gradients can lag behind.
  Buffer* gradient_buffer(const Type& type, const Buffer* in_use) {
    for (Buffer* buffer : gradients_) {
      if (!has_device_ && buffer != in_use && buffer->type() == type) return buffer;
    }
    gradients_.push_back(allocate(in_.setup.host, type));
    return gradients_.back();
  }

  static Type host_type(Type type) {
    if (type.dtype == DType::kFp16) type.dtype = DType::kFp32;
    return type;
  }

  // Memory on the host for what a segment of the host computes.
  Buffer* host_output(size_t use, const StageSegment& segment, Value output) {
    const std::string& name = output->name;
    if (const auto known = places_[use].host.find(name); known != places_[use].host.end()) {
      return known->second;  // a gradient
    }
    const bool own = is_forward(segment) ? is_kept(use, name) : has_device_;
    Buffer*& slot = own ? places_[use].host[name] : shared_of(use).host[name];
    if (!slot) slot = allocate(in_.setup.host, output->type);
    return places_[use].host[name] = slot;
  }

  // Whether each use keeps a value of its forward function to itself.
  bool is_kept(size_t use, const std::string& name) {
    if (in_.setup.recompute && name != stage_of(use).data_output) return false;
    const StageShared& shared = shared_of(use);
    return shared.read_later.contains(name) || !shared.read_by_forward.contains(name);
  }

  Buffer* host_input(size_t use, Value input, Queue queue) {
    UsePlaces& places = places_[use];
    if (const auto known = places.host.find(input->name); known != places.host.end()) {
      return known->second;
    }
    if (places.device.contains(input->name)) {
      Buffer*& copy = shared_of(use).host["copy of " + input->name];
      if (!copy) copy = allocate(in_.setup.host, host_type(input->type));
      const auto made = shared_of(use).copied_for.find(input->name);
      if (made == shared_of(use).copied_for.end() || made->second != use) {
        copy_to_host(use, input->name, copy, queue);
        shared_of(use).copied_for[input->name] = use;
      }
      return copy;
    }
    Buffer*& side = step_.sides[input->name];
    if (!side) side = allocate(in_.setup.host, host_type(input->type));
    return side;
  }

  // What the stage hands on, as a buffer of the host that is this use's own.
  Buffer* border(size_t use, const std::string& name) {
    UsePlaces& places = places_[use];
    if (const auto known = places.host.find(name); known != places.host.end()) return known->second;
    const auto there = places.device.find(name);
    ANEMONE_CHECK(there != places.device.end());
    Buffer* copy = places.host[name] = allocate(in_.setup.host, host_type(there->second->type()));
    copy_to_host(use, name, copy, Queue::kHost);
    return copy;
  }

  Buffer* device_output(size_t use, const StageSegment& segment, Value output) {
    const std::string& name = output->name;
    StageShared& shared = shared_of(use);
    const bool own = segment.part == Part::kForward ? shared.read_later.contains(name) : true;
    Buffer*& slot = own ? places_[use].device[name] : shared.device[name];
    if (!slot) slot = allocate(in_.setup.device, output->type, surface_bytes(use));
    return places_[use].device[name] = slot;
  }

  Buffer* device_input(size_t use, const StageSegment& segment, Value input) {
    UsePlaces& places = places_[use];
    if (contains(segment.weights, input->name)) return weight_surface(use, input);
    if (const auto known = places.device.find(input->name); known != places.device.end()) {
      return known->second;
    }
    Buffer* from = host_input(use, input, Queue::kHost);
    StageShared& shared = shared_of(use);
    Buffer*& surface = shared.device[segment.label + "/" + input->name];
    if (!surface) surface = allocate(in_.setup.device, input->type, surface_bytes(use));
    add_copy(segment.label, from, surface, surface->type().bytes(), Queue::kHost, step_.tasks);
    return surface;
  }

  // A parameter on the device, copied there when it changes.
  Buffer* weight_surface(size_t use, Value input) {
    Buffer* from = places_[use].host.at(input->name);
    std::unique_ptr<Buffer>& surface = all_.weights[{from, surface_bytes(use)}];
    if (surface) return surface.get();
    surface = in_.setup.device.allocate(input->type, surface_bytes(use));
    const size_t event = in_.runner.name_id("weights to the device", "weights");
    const bool frozen = contains(stage_of(use).frozen, input->name);
    (frozen ? all_.frozen_copies : all_.weight_copies)
        .push_back(copy_task(event, from, surface.get(), input->type.bytes(), Queue::kHost));
    return surface.get();
  }

  // --- tasks ---

  static Task copy_task(size_t event, Buffer* from, Buffer* to, size_t bytes, Queue queue) {
    Task task;
    task.event = event;
    task.queue = queue;
    task.bytes = static_cast<double>(bytes);
    task.work.copied_bytes = task.bytes;
    task.reads = {from};
    task.writes = {to};
    task.run = [from, to] {
      const TensorView memory = from->map();
      memory.data ? to->write(memory) : from->read(to->map());
    };
    return task;
  }

  void add_copy(const std::string& label, Buffer* from, Buffer* to, size_t bytes, Queue queue,
                std::deque<Task>& tasks) {
    // Behind the step's back a copy is part of the weight gradients, not of what the host waits
    // for.
    const bool background = queue == Queue::kBackground;
    const size_t event = background ? in_.runner.name_id(label + " background copy", "dw_copy")
                                    : in_.runner.name_id(label + " copy", "io");
    tasks.push_back(copy_task(event, from, to, bytes, queue));
  }

  void copy_to_host(size_t use, const std::string& name, Buffer* to, Queue queue) {
    Buffer* from = places_[use].device.at(name);
    add_copy(stage_of(use).function.name, from, to, from->type().bytes(), queue, step_.tasks);
  }

  void add_part(size_t use, Part part) {
    const auto& segments = in_.stages[in_.chain.uses[use].stage].segments;
    for (size_t s = 0; s < segments.size(); ++s) {
      if (segments[s].part != part) continue;
      segments[s].on_device ? add_device(use, s, segments[s]) : add_host(use, s, segments[s]);
    }
  }

  // Those that the device has computed, into the sums of the host.
  void bring_weight_gradients_back(size_t use) {
    for (const std::string& weight : stage_of(use).weights) {
      const std::string name = "d" + weight;
      if (!places_[use].device.contains(name)) continue;
      copy_to_host(use, name, places_[use].host.at(name), Queue::kHost);
    }
  }

  void add_host(size_t use, size_t index, const StageSegment& segment) {
    Task task;
    task.queue =
        segment.part == Part::kWeightGradient && has_device_ ? Queue::kBackground : Queue::kHost;
    std::vector<Binding> inputs, outputs;
    for (Value input : segment.function.inputs) {
      inputs.push_back({input->name, host_input(use, input, task.queue)});
      task.reads.push_back(inputs.back().buffer);
    }
    for (Value output : segment.function.outputs) {
      outputs.push_back({output->name, host_output(use, segment, output)});
      task.writes.push_back(outputs.back().buffer);
    }
    Executable& program = *all_.host_programs[in_.chain.uses[use].stage][index];
    step_.host_requests.push_back(program.bind(inputs, outputs));
    Request* request = step_.host_requests.back().get();
    task.run = [request] { request->run(); };
    task.event = in_.runner.name_id(segment.label, segment.category);
    task.work = segment.work;
    task.flops = program.stats().flops;
    task.bytes = program.stats().bytes;
    step_.tasks.push_back(std::move(task));
  }

  void add_device(size_t use, size_t index, const StageSegment& segment) {
    step_.device_steps.push_back({use, index, {}, {}, nullptr, 0, nullptr});
    DeviceStep& device_step = step_.device_steps.back();
    Task task;
    task.queue = Queue::kDevice;
    for (Value input : segment.function.inputs) {
      if (contains(segment.constants, input->name)) continue;
      device_step.inputs.push_back({input->name, device_input(use, segment, input)});
      task.reads.push_back(device_step.inputs.back().buffer);
    }
    for (Value output : segment.function.outputs) {
      device_step.outputs.push_back({output->name, device_output(use, segment, output)});
      task.writes.push_back(device_step.outputs.back().buffer);
    }
    task.event = in_.runner.name_id(segment.label, segment.category);
    task.run = [&device_step] { device_step.request->run(); };
    step_.tasks.push_back(std::move(task));
    device_step.task = &step_.tasks.back();
  }

  const StepInputs& in_;
  StepShared& all_;
  Step& step_;
  std::vector<StageShared> shared_;
  std::vector<UsePlaces> places_;
  std::vector<Buffer*> gradients_;
  size_t first_trained_ = 0;
  bool has_device_ = false;
};

}  // namespace

int StepShared::host_program_count() const {
  int count = 0;
  for (const auto& stage : host_programs) {
    for (const auto& program : stage) count += program ? 1 : 0;
  }
  return count;
}

StepShared share_steps(const StepInputs& in) {
  StepShared shared;
  for (size_t stage = 0; stage < in.stages.size(); ++stage) {
    auto& programs = shared.host_programs.emplace_back();
    size_t& bytes = shared.surface_bytes.emplace_back(0);
    for (const StageSegment& segment : in.stages[stage].segments) {
      programs.emplace_back();
      if (segment.on_device) {
        bytes = std::max(bytes, largest_port(segment));
      } else {
        const CompileOptions options = accumulating(in.chain.stages[stage], segment.function);
        programs.back() = in.setup.host.compile(segment.function, options);
      }
    }
  }
  return shared;
}

void build_step(const StepInputs& inputs, StepShared& shared, Step& step) {
  StepBuilder(inputs, shared, step).build();
}

}  // namespace anemone
