// lstm, gru and rnn.
#include "anemone/ops/recurrent.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "anemone/base/arithmetic.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

constexpr Param kRnn[] = {param("x", Accepts::kFloat),
                          param("initial_h", Accepts::kFloat),
                          param("weight_ih", Accepts::kFloat),
                          param("weight_hh", Accepts::kFloat),
                          optional_param("bias", Accepts::kFloat),
                          optional_const("direction", Accepts::kString),
                          optional_const("output_sequence", Accepts::kBool),
                          optional_const("activation", Accepts::kString)};
constexpr Param kGru[] = {param("x", Accepts::kFloat),
                          param("initial_h", Accepts::kFloat),
                          param("weight_ih", Accepts::kFloat),
                          param("weight_hh", Accepts::kFloat),
                          optional_param("bias", Accepts::kFloat),
                          optional_const("direction", Accepts::kString),
                          optional_const("output_sequence", Accepts::kBool),
                          optional_const("recurrent_activation", Accepts::kString),
                          optional_const("activation", Accepts::kString),
                          optional_const("reset_after", Accepts::kBool),
                          optional_param("input_bias", Accepts::kFloat)};
constexpr Param kLstm[] = {param("x", Accepts::kFloat),
                           param("initial_h", Accepts::kFloat),
                           param("initial_c", Accepts::kFloat),
                           param("weight_ih", Accepts::kFloat),
                           param("weight_hh", Accepts::kFloat),
                           optional_param("bias", Accepts::kFloat),
                           optional_param("peephole", Accepts::kFloat),
                           optional_param("weight_ih_back", Accepts::kFloat),
                           optional_param("weight_hh_back", Accepts::kFloat),
                           optional_param("bias_back", Accepts::kFloat),
                           optional_param("peephole_back", Accepts::kFloat),
                           optional_const("direction", Accepts::kString),
                           optional_const("output_sequence", Accepts::kBool),
                           optional_const("recurrent_activation", Accepts::kString),
                           optional_const("cell_activation", Accepts::kString),
                           optional_const("activation", Accepts::kString),
                           optional_const("clip", Accepts::kFloat)};

constexpr int64_t kMaxHidden = 1 << 28;  // four gates of it are a size

// Quoting .c4: a parameter that is there has this shape.
void require_shape(const OpArgs& args, const std::string& name, const Shape& shape) {
  if (!args.has(name)) return;
  args.require(args.shape(name) == shape, "{}.c4: '{}' is {}, not {}", args.op().type, name,
               to_string(args.shape(name)), to_string(shape));
}

// The weights of one direction; `suffix` is "" or "_back".
void require_weights(const OpArgs& args, const Recurrence& r, const std::string& suffix) {
  const int64_t rows = r.gates * r.hidden;
  for (const char* name : {"weight_ih", "weight_hh"}) {
    args.require(args.has(name + suffix), "{}.c4: '{}' is missing", args.op().type, name + suffix);
  }
  require_shape(args, "weight_ih" + suffix, {rows, r.inputs});
  require_shape(args, "weight_hh" + suffix, {rows, r.hidden});
  require_shape(args, "bias" + suffix, {rows});
  require_shape(args, "peephole" + suffix, {3 * r.hidden});
}

void read_direction(const OpArgs& args, Recurrence& r) {
  const std::string direction = args.text("direction", "forward");
  r.reverse = direction == "reverse";
  r.bidirectional = direction == "bidirectional" && args.op().type == "lstm";
  args.require(r.reverse || r.bidirectional || direction == "forward",
               "{}.c2: direction '{}' is not forward, reverse{}", args.op().type, direction,
               args.op().type == "lstm" ? " or bidirectional" : "");
}

double apply(GateActivation activation, double x) {
  switch (activation) {
    case GateActivation::kSigmoid:
      return 1 / (1 + std::exp(-x));
    case GateActivation::kTanh:
      return std::tanh(x);
    case GateActivation::kRelu:
      return maximum(x, 0.0);
    case GateActivation::kLinear:
      break;
  }
  return x;
}

void require_one_type(const OpArgs& args) {
  const DType dtype = args.type("x").dtype;
  for (const Argument& argument : args.op().arguments) {
    const Type& type = argument.operands[0].type();
    if (!type.is_tensor() || !is_float(type.dtype)) continue;
    args.require(type.dtype == dtype, "{}.c6: x is {} and '{}' {}", args.op().type, name(dtype),
                 argument.name, name(type.dtype));
  }
}

std::vector<Type> infer(const OpArgs& args) {
  const Recurrence r = recurrence_of(args);
  const DType dtype = args.type("x").dtype;
  const int64_t width = r.directions() * r.hidden;
  const Type state = Type::tensor(dtype, {r.batch, width});
  std::vector<Type> types = {Type::tensor(dtype, {r.whole_sequence ? r.steps : 1, r.batch, width}),
                             state};
  if (args.op().type == "lstm") types.push_back(state);
  return types;
}

std::vector<double> numbers(const TensorView& view) {
  std::vector<double> result(static_cast<size_t>(view.size()));
  for (size_t i = 0; i < result.size(); ++i) result[i] = view.at(static_cast<int64_t>(i));
  return result;
}

// Empty where the parameter is absent.
std::vector<double> numbers(const EvalArgs& args, const std::string& name) {
  return args.has(name) ? numbers(args.in(name)) : std::vector<double>{};
}

double dot(const double* a, const double* b, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

// One direction of an operation: weights, and a step from one state to the next.
class Cell {
 public:
  Cell(const EvalArgs& args, const Recurrence& r, const std::string& suffix)
      : r_(r),
        weight_(numbers(args, "weight_ih" + suffix)),
        recurrent_(numbers(args, "weight_hh" + suffix)),
        bias_(numbers(args, "bias" + suffix)),
        input_bias_(numbers(args, "input_bias")),
        peephole_(numbers(args, "peephole" + suffix)),
        gates_(static_cast<size_t>(r.gates * r.hidden)),
        own_(static_cast<size_t>(r.hidden)) {
    inner_ = args.op().type == "rnn" ? GateActivation::kTanh
                                     : gate_activation(args, "recurrent_activation", "sigmoid");
    outer_ = gate_activation(args, "activation", "tanh");
    if (r.gates == 4) cell_ = gate_activation(args, "cell_activation", "tanh");
    reset_after_ = args.boolean("reset_after", false);
    if (args.has("clip")) clip_ = args.number("clip");
  }

  // x [I], h [H] and c [H] (lstm) of one sequence of the batch.
  void step(const double* x, double* h, double* c) {
    if (r_.gates == 1) return rnn(x, h);
    r_.gates == 3 ? gru(x, h) : lstm(x, h, c);
  }

 private:
  double at(const std::vector<double>& numbers, int64_t i) const {
    return numbers.empty() ? 0 : numbers[static_cast<size_t>(i)];
  }
  double from_x(int64_t row, const double* x) const {
    return dot(&weight_[static_cast<size_t>(row * r_.inputs)], x, r_.inputs) + at(input_bias_, row);
  }
  double from_h(int64_t row, const double* h) const {
    return dot(&recurrent_[static_cast<size_t>(row * r_.hidden)], h, r_.hidden);
  }
  double gate(int64_t row, const double* x, const double* h) const {
    return from_x(row, x) + from_h(row, h) + at(bias_, row);
  }

  void rnn(const double* x, double* h) {
    for (int64_t i = 0; i < r_.hidden; ++i) gates_[static_cast<size_t>(i)] = gate(i, x, h);
    for (int64_t i = 0; i < r_.hidden; ++i) h[i] = apply(outer_, gates_[static_cast<size_t>(i)]);
  }

  // Gates r, o, z. The reset gate weighs h before the product, or with reset_after the product.
  void gru(const double* x, double* h) {
    const int64_t n = r_.hidden;
    double* gates = gates_.data();
    for (int64_t i = 0; i < n; ++i) {
      gates[i] = apply(inner_, gate(i, x, h));
      gates[2 * n + i] = apply(inner_, gate(2 * n + i, x, h));
      own_[static_cast<size_t>(i)] = reset_after_ ? h[i] : gates[i] * h[i];
    }
    for (int64_t i = 0; i < n; ++i) {
      const double from_state = from_h(n + i, own_.data());
      gates[n + i] = apply(
          outer_, from_x(n + i, x) + (reset_after_ ? gates[i] * (from_state + at(bias_, n + i))
                                                   : from_state + at(bias_, n + i)));
    }
    for (int64_t i = 0; i < n; ++i) {
      h[i] = (1 - gates[2 * n + i]) * gates[n + i] + gates[2 * n + i] * h[i];
    }
  }

  // Gates i, f, o, z; the peepholes of i and f see the old c, that of o the new one.
  void lstm(const double* x, double* h, double* c) {
    const int64_t n = r_.hidden;
    for (int64_t i = 0; i < 4 * n; ++i) gates_[static_cast<size_t>(i)] = gate(i, x, h);
    const double* g = gates_.data();
    for (int64_t i = 0; i < n; ++i) {
      const double in = apply(inner_, seen(g, i, c[i]));
      const double forget = apply(inner_, seen(g, n + i, c[i]));
      c[i] = forget * c[i] + in * apply(cell_, clipped(g[3 * n + i]));
      h[i] = apply(inner_, seen(g, 2 * n + i, c[i])) * apply(outer_, c[i]);
    }
  }

  // A gate with what its peephole sees, if there is one.
  double seen(const double* gates, int64_t row, double c) const {
    return peephole_.empty() ? gates[row] : gates[row] + at(peephole_, row) * c;
  }

  double clipped(double x) const { return clip_ > 0 ? maximum(-clip_, minimum(x, clip_)) : x; }

  Recurrence r_;
  std::vector<double> weight_, recurrent_, bias_, input_bias_, peephole_, gates_, own_;
  GateActivation inner_ = GateActivation::kSigmoid, outer_ = GateActivation::kTanh;
  GateActivation cell_ = GateActivation::kTanh;
  bool reset_after_ = false;
  double clip_ = 0;
};

// The states of one direction: columns `column` to `column` + H of [B, directions * H].
class States {
 public:
  States(const TensorView& initial, const Recurrence& r, int64_t column)
      : r_(r), column_(column), numbers_(static_cast<size_t>(r.batch * r.hidden)) {
    for (int64_t i = 0; i < r.batch * r.hidden; ++i) row(0)[i] = initial.at(place(i));
  }
  double* row(int64_t batch) { return numbers_.data() + batch * r_.hidden; }
  // Into step `step` of an output.
  void store(const TensorView& out, int64_t step) {
    const int64_t start = step * r_.batch * r_.directions() * r_.hidden;
    for (int64_t i = 0; i < r_.batch * r_.hidden; ++i) out.set(start + place(i), row(0)[i]);
  }

 private:
  int64_t place(int64_t i) const {
    return i / r_.hidden * r_.directions() * r_.hidden + column_ + i % r_.hidden;
  }

  const Recurrence& r_;
  int64_t column_;
  std::vector<double> numbers_;
};

void run_direction(const EvalArgs& args, const Recurrence& r, bool is_back) {
  Cell cell(args, r, is_back ? "_back" : "");
  const int64_t column = is_back ? r.hidden : 0;
  const bool is_lstm = r.gates == 4;
  const std::vector<double> x = numbers(args.in("x"));
  States h(args.in("initial_h"), r, column);
  States c(args.in(is_lstm ? "initial_c" : "initial_h"), r, column);
  for (int64_t t = 0; t < r.steps; ++t) {
    const int64_t time = r.reverse || is_back ? r.steps - 1 - t : t;
    for (int64_t b = 0; b < r.batch; ++b) {
      cell.step(&x[static_cast<size_t>((time * r.batch + b) * r.inputs)], h.row(b), c.row(b));
    }
    if (r.whole_sequence) h.store(args.out(0), is_back ? time : t);
  }
  if (!r.whole_sequence) h.store(args.out(0), 0);
  h.store(args.out(1), 0);
  if (is_lstm) c.store(args.out(2), 0);
}

void eval(const EvalArgs& args) {
  const Recurrence r = recurrence_of(args);
  run_direction(args, r, false);
  if (r.bidirectional) run_direction(args, r, true);
}

double flops(const OpArgs& args) {
  const Recurrence r = recurrence_of(args);
  return 2.0 * static_cast<double>(r.steps * r.batch) *
         static_cast<double>(r.directions() * r.gates * r.hidden) *
         static_cast<double>(r.inputs + r.hidden);
}

const OpDef kOps[] = {
    {.name = "rnn",
     .params = kRnn,
     .infer = infer,
     .eval = eval,
     .grad = recurrent_gradient,
     .flops = flops},
    {.name = "gru",
     .params = kGru,
     .infer = infer,
     .eval = eval,
     .grad = recurrent_gradient,
     .flops = flops},
    {.name = "lstm",
     .params = kLstm,
     .infer = infer,
     .eval = eval,
     .grad = recurrent_gradient,
     .flops = flops},
};

}  // namespace

GateActivation gate_activation(const OpArgs& args, const char* name, const char* fallback) {
  std::string text = args.text(name, fallback);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (text == "sigmoid") return GateActivation::kSigmoid;
  if (text == "tanh") return GateActivation::kTanh;
  if (text == "relu") return GateActivation::kRelu;
  args.require(text == "linear",
               "{}.c5: {} '{}' is not sigmoid, tanh, relu or linear (MIL gives the slopes of "
               "hard_sigmoid and scaled_tanh no values)",
               args.op().type, name, text);
  return GateActivation::kLinear;
}

Recurrence recurrence_of(const OpArgs& args) {
  const std::string& op = args.op().type;
  const Shape &x = args.shape("x"), &weight = args.shape("weight_hh");
  Recurrence r;
  args.require(x.size() == 3 && weight.size() == 2 && weight[1] <= kMaxHidden,
               "{}.c1: x {} is not [S, B, I] or weight_hh {} no matrix", op, to_string(x),
               to_string(weight));
  r.steps = x[0];
  r.batch = x[1];
  r.inputs = x[2];
  r.hidden = weight[1];
  r.gates = op == "rnn" ? 1 : op == "gru" ? 3 : 4;
  read_direction(args, r);
  r.whole_sequence = args.boolean("output_sequence", false);
  const Shape state = {r.batch, r.directions() * r.hidden};
  for (const char* name : {"initial_h", "initial_c"}) {
    args.require(!args.has(name) || args.shape(name) == state, "{}.c3: '{}' is {}, not {}", op,
                 name, to_string(args.has(name) ? args.shape(name) : state), to_string(state));
  }
  require_weights(args, r, "");
  require_shape(args, "input_bias", {r.gates * r.hidden});
  if (r.bidirectional) require_weights(args, r, "_back");
  require_one_type(args);
  for (const char* name : {"recurrent_activation", "cell_activation", "activation"}) {
    gate_activation(args, name, "tanh");
  }
  return r;
}

std::span<const OpDef> recurrent_ops() { return kOps; }

}  // namespace anemone
