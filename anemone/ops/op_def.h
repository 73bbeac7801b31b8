// What an operation is: one row with its parameters and five short functions.
// A family file (elementwise_unary.cpp, conv.cpp, …) holds the rows of its operations.
#pragma once

#include <span>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "anemone/ops/op_args.h"

namespace anemone {

class Builder;

// Which element types a parameter takes.
enum class Accepts : uint8_t {
  kFloat,    // fp16, bf16, fp32, fp64
  kNumber,   // floats and int32
  kInteger,  // any integer
  kByte,     // int8 and uint8
  kBool,
  kString,
  kAny,    // whatever can be stored
  kState,  // a state, which is no tensor
  kList,   // a list of strings or integers
};

struct Param {
  std::string_view name;
  Accepts accepts = Accepts::kFloat;
  // kPacked: a constant, or the result of another constexpr_… operation.
  enum class Form : uint8_t { kValue, kConst, kTuple, kPacked } form = Form::kValue;
  bool optional = false;
};

// Shorthands for the rows.
constexpr Param param(std::string_view name, Accepts accepts) { return {name, accepts}; }
constexpr Param optional_param(std::string_view name, Accepts accepts) {
  return {name, accepts, Param::Form::kValue, true};
}
constexpr Param const_param(std::string_view name, Accepts accepts) {
  return {name, accepts, Param::Form::kConst, false};
}
constexpr Param optional_const(std::string_view name, Accepts accepts) {
  return {name, accepts, Param::Form::kConst, true};
}
constexpr Param tuple_param(std::string_view name, Accepts accepts) {
  return {name, accepts, Param::Form::kTuple, false};
}

constexpr Param packed_param(std::string_view name, Accepts accepts) {
  return {name, accepts, Param::Form::kPacked, false};
}
constexpr Param optional_packed(std::string_view name, Accepts accepts) {
  return {name, accepts, Param::Form::kPacked, true};
}

// Operands and results of one operation while it is evaluated, as memory.
// Float operands share one dtype, fp32 or fp64: whoever evaluates narrower types widens them first.
class EvalArgs : public OpArgs {
 public:
  EvalArgs(const Operation& op, std::span<const TensorView> inputs,
           std::span<const TensorView> outputs)
      : OpArgs(op), inputs_(inputs), outputs_(outputs) {}

  // In the order of the operation's arguments, tuples flattened, literals included.
  const TensorView& in(std::string_view name) const;
  std::span<const TensorView> tuple(std::string_view name) const;
  const TensorView& out(size_t index = 0) const { return outputs_[index]; }

 private:
  std::span<const TensorView> inputs_, outputs_;
};

// The gradient of one operation: emits MIL that turns output gradients into input gradients.
struct GradArgs : OpArgs {
  Builder& builder;
  std::span<const Value> output_gradients;  // null where nothing flows back
  const std::unordered_set<Value>* active;  // values that a gradient is asked for

  GradArgs(const Operation& op, Builder& b, std::span<const Value> gradients,
           const std::unordered_set<Value>& active_values)
      : OpArgs(op), builder(b), output_gradients(gradients), active(&active_values) {}

  // Whether a gradient of this parameter is of use to anyone.
  bool wants(std::string_view name) const {
    return has(name) && active->contains(OpArgs::value(name));
  }
  // As OpArgs::value, but a literal in place becomes a constant.
  Value value(std::string_view name) const;

  Value output(size_t index = 0) const { return op().outputs[index]; }
  // The gradient of output `index`; null where none flows back (never for a single output).
  Value doutput(size_t index = 0) const { return output_gradients[index]; }
};

// (value, its gradient) for every operand that has one, fresh values each; the sweep adds them up.
using Grads = std::vector<std::pair<Value, Value>>;

// What passes and devices ask of an operation without knowing its name. A row may have several.
enum class Trait : uint16_t {
  kNone = 0,
  kConstant = 1 << 0,        // depends on no input: const and constexpr_…
  kPacked = 1 << 1,          // a weight in a packed form: constexpr_…
  kView = 1 << 2,            // same elements, same order, another shape: free in dense memory
  kFill = 1 << 3,            // one number everywhere: made again rather than kept
  kProduct = 1 << 4,         // sums of products of two operands, by matrices or windows
  kConvolution = 1 << 5,     // conv and conv_transpose
  kPool = 1 << 6,            // a window slides over x
  kNorm = 1 << 7,            // normalises x by statistics of its own, or the gradient of that
  kTranscendental = 1 << 8,  // takes an exponential, or something as costly, of every element
  kExact = 1 << 9,           // of fp16 numbers it makes fp16 numbers: nothing is rounded
  kSlice = 1 << 10,          // a part of x
  kSizes = 1 << 11,          // depends on the sizes of x, not on its elements
  kState = 1 << 12,          // reads or writes a state
  kReadsPacked = 1 << 13,    // takes elements smaller than a byte
};
constexpr Trait operator|(Trait a, Trait b) {
  return static_cast<Trait>(static_cast<uint16_t>(a) | static_cast<uint16_t>(b));
}
constexpr bool includes(Trait set, Trait wanted) {
  return (static_cast<uint16_t>(set) & static_cast<uint16_t>(wanted)) != 0;
}

struct OpDef {
  std::string_view name;
  std::span<const Param> params;

  // Types of the outputs; refuses what breaks a rule of the operation.
  std::vector<Type> (*infer)(const OpArgs& args) = nullptr;
  // Reference kernel: plain loops, wide accumulation. Outputs are allocated, never aliased. Null
  // for const, and for results that are no tensors.
  void (*eval)(const EvalArgs& args) = nullptr;
  // Null for operations without a gradient (comparisons, integers).
  Grads (*grad)(GradArgs& args) = nullptr;
  // Floating-point operations; null stands for none (data movement).
  double (*flops)(const OpArgs& args) = nullptr;
  // Composite operations: the same in plain MIL. Null for MIL's own.
  std::vector<Value> (*decompose)(Builder& builder, const OpArgs& args) = nullptr;
  Opset since = Opset::kIos15;  // the first opset that has it
  size_t blocks = 0;            // nested ones that it takes
  Trait traits = Trait::kNone;
};

// What running an operation once costs.
struct Cost {
  double flops = 0;
  double bytes_read = 0, bytes_written = 0;

  Cost& operator+=(const Cost& other);
};
Cost cost_of(const Operation& op);

// Bytes that a constant takes in the program, packed where it is; 0 for what is no constant, and
// for operands that are constants of their own.
double stored_bytes(const Operation& op);

// Calls `kernel` with a value of the C++ type of `dtype`, which must be one of those listed.
template <typename Kernel>
void with_float(DType dtype, Kernel&& kernel) {
  if (dtype == DType::kFp64) return kernel(double{});
  ANEMONE_CHECK(dtype == DType::kFp32);
  kernel(float{});
}
template <typename Kernel>
void with_number(DType dtype, Kernel&& kernel) {
  if (dtype == DType::kInt32) return kernel(int32_t{});
  with_float(dtype, kernel);
}

}  // namespace anemone
