#include "anemone/devices/cpu/control_kernels.h"

#include <cstring>

#include "anemone/devices/cpu/cpu_buffer.h"
#include "anemone/passes/close_blocks.h"

namespace anemone {
namespace {

void copy(const TensorView& from, const TensorView& to) {
  if (from.bytes() > 0) std::memcpy(to.data, from.data, from.bytes());
}

// A block, compiled and bound to memory of its own.
class BoundBlock {
 public:
  BoundBlock(const Operation& op, size_t index, const CompileBlock& compile)
      : executable_(compile(function_of_block(*op.blocks[index], op.type, ""))) {
    const std::vector<Binding> inputs = allocate(executable_->inputs(), in_);
    const std::vector<Binding> outputs = allocate(executable_->outputs(), out_);
    request_ = executable_->bind(inputs, outputs);
  }

  // Runs the block; `in` are its parameters in order.
  void run() { request_->run(); }
  TensorView in(size_t index) { return in_[index]->map(); }
  TensorView out(size_t index) { return out_[index]->map(); }
  size_t inputs() const { return in_.size(); }
  size_t outputs() const { return out_.size(); }

 private:
  using Buffers = std::vector<std::unique_ptr<CpuBuffer>>;

  static std::vector<Binding> allocate(const std::vector<std::pair<std::string, Type>>& ports,
                                       Buffers& buffers) {
    std::vector<Binding> bindings;
    for (const auto& [name, type] : ports) {
      buffers.push_back(std::make_unique<CpuBuffer>(type));
      bindings.push_back({name, buffers.back().get()});
    }
    return bindings;
  }

  std::unique_ptr<Executable> executable_;
  Buffers in_, out_;
  std::unique_ptr<Request> request_;
};

class CondKernel final : public Kernel {
 public:
  CondKernel(const Operation& op, const CompileBlock& compile)
      : yes_(op, 0, compile), no_(op, 1, compile) {}

  // Operands: pred, and what is captured.
  void run(const KernelRun& args) const override {
    BoundBlock& block = *static_cast<const bool*>(args.in[0].data) ? yes_ : no_;
    for (size_t i = 0; i < block.inputs(); ++i) copy(args.in[i + 1], block.in(i));
    block.run();
    for (size_t i = 0; i < block.outputs(); ++i) copy(block.out(i), args.out[i]);
  }

 private:
  mutable BoundBlock yes_, no_;  // runs of one executable do not overlap
};

class WhileKernel final : public Kernel {
 public:
  WhileKernel(const Operation& op, const CompileBlock& compile)
      : condition_(op, 0, compile), body_(op, 1, compile) {}

  // Operands: the variables, and what is captured.
  void run(const KernelRun& args) const override {
    for (size_t i = 0; i < condition_.inputs(); ++i) {
      copy(args.in[i], condition_.in(i));
      copy(args.in[i], body_.in(i));
    }
    for (condition_.run(); *static_cast<const bool*>(condition_.out(0).data); condition_.run()) {
      body_.run();
      for (size_t i = 0; i < body_.outputs(); ++i) {
        copy(body_.out(i), body_.in(i));
        copy(body_.out(i), condition_.in(i));
      }
    }
    for (size_t i = 0; i < args.out.size(); ++i) copy(condition_.in(i), args.out[i]);
  }

 private:
  mutable BoundBlock condition_, body_;
};

}  // namespace

std::unique_ptr<Kernel> make_control_kernel(const Operation& op, const CompileBlock& compile) {
  if (op.type == "cond") return std::make_unique<CondKernel>(op, compile);
  ANEMONE_CHECK(op.type == "while_loop");
  return std::make_unique<WhileKernel>(op, compile);
}

}  // namespace anemone
