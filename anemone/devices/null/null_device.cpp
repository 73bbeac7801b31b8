#include "anemone/devices/null/null_device.h"

#include "anemone/ir/walk.h"
#include "anemone/ops/op_def.h"

namespace anemone {
namespace {

class NullBuffer final : public Buffer {
 public:
  explicit NullBuffer(const Type& type) : type_(type) {}
  const Type& type() const override { return type_; }
  void write(const TensorView&) override {}
  void read(const TensorView&) const override {}
  TensorView map() override { return {type_.dtype, type_.shape, nullptr}; }

 private:
  Type type_;
};

class NullRequest final : public Request {
 public:
  void run() override {}
};

class NullExecutable final : public Executable {
 public:
  explicit NullExecutable(const Function& function) {
    for (Value input : function.inputs) inputs_.emplace_back(input->name, input->type);
    for (Value output : function.outputs) outputs_.emplace_back(output->name, output->type);
    walk(function, [&](const Operation& op) {
      const Cost cost = cost_of(op);
      stats_.flops += cost.flops;
      stats_.bytes += cost.bytes_read + cost.bytes_written;
      ++stats_.operations;
    });
  }
  const std::vector<std::pair<std::string, Type>>& inputs() const override { return inputs_; }
  const std::vector<std::pair<std::string, Type>>& outputs() const override { return outputs_; }
  const ExecutableStats& stats() const override { return stats_; }
  std::unique_ptr<Request> bind(std::span<const Binding>, std::span<const Binding>) override {
    return std::make_unique<NullRequest>();
  }

 private:
  std::vector<std::pair<std::string, Type>> inputs_, outputs_;
  ExecutableStats stats_;
};

class NullDevice final : public Device {
 public:
  NullDevice() {
    info_.name = "null";
    info_.description = "computes nothing";
  }
  const DeviceInfo& info() const override { return info_; }
  Support supports(const Operation&) const override { return {}; }
  std::unique_ptr<Executable> compile(const Function& function, const CompileOptions&) override {
    return std::make_unique<NullExecutable>(function);
  }
  std::unique_ptr<Buffer> allocate(const Type& type, size_t) override {
    return std::make_unique<NullBuffer>(type);
  }

 private:
  DeviceInfo info_;
};

}  // namespace

std::unique_ptr<Device> make_null_device() { return std::make_unique<NullDevice>(); }

}  // namespace anemone
