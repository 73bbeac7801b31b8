// The gradients of lstm, gru and rnn: back through time, step by step.
#include "anemone/ops/builder.h"
#include "anemone/ops/elementwise.h"
#include "anemone/ops/movement.h"
#include "anemone/ops/recurrent.h"

namespace anemone {
namespace {

Value activate(Builder& b, GateActivation activation, Value x) {
  switch (activation) {
    case GateActivation::kSigmoid:
      return b.unary("sigmoid", x);
    case GateActivation::kTanh:
      return b.unary("tanh", x);
    case GateActivation::kRelu:
      return b.unary("relu", x);
    case GateActivation::kLinear:
      break;
  }
  return x;
}

// g times the slope of the activation where its result is y.
Value times_slope(Builder& b, GateActivation activation, Value g, Value y) {
  switch (activation) {
    case GateActivation::kSigmoid:
      return b.mul(g, b.sub(y, b.mul(y, y)));
    case GateActivation::kTanh:
      return b.sub(g, b.mul(g, b.mul(y, y)));
    case GateActivation::kRelu:
      return b.mul(g, as_number(b, b.binary("greater", y, b.scalar(y->type.dtype, 0)), y));
    case GateActivation::kLinear:
      break;
  }
  return g;
}

// The sum of what is there; null where nothing is.
Value sum(Builder& b, Value x, Value y) { return !x ? y : !y ? x : b.add(x, y); }

// What a step leaves behind for the way back; all are [B, H].
struct Step {
  Value h, c;                // the states before it
  std::vector<Value> gates;  // activated, in the order of the weights
  Value new_c, shown_c;      // lstm: the state after it, and that activated
  Value held, product;       // gru: r * h, or with reset_after what r weighs
};

// The gradients of one step: of its gates before they are activated, and of the states before it.
struct StepGradient {
  std::vector<Value> gates;
  Value h, c;
};

// One direction.
class ThroughTime {
 public:
  ThroughTime(GradArgs& args, const Recurrence& r, bool is_back)
      : args_(args), b_(args.builder), r_(r), is_back_(is_back), suffix_(is_back ? "_back" : "") {
    inner_ = gate_activation(args, "recurrent_activation", "sigmoid");
    outer_ = gate_activation(args, "activation", "tanh");
    cell_ = gate_activation(args, "cell_activation", "tanh");
    reset_after_ = args.boolean("reset_after", false);
    recurrent_ = args.value("weight_hh" + suffix_);
    if (args.has("peephole" + suffix_)) peephole_ = args.value("peephole" + suffix_);
  }

  void run() {
    steps_.resize(static_cast<size_t>(r_.steps));
    gradients_.resize(steps_.size());
    take_steps();
    go_back();
  }

  // Adds the gradients of this direction's parameters; returns that of x.
  Value give(Grads& grads) {
    const Value pre = stack([&](size_t t) { return b_.concat(gradients_[t].gates, -1); });
    give_to(grads, "weight_ih" + suffix_, product_over_steps(pre, args_.value("x")));
    give_recurrent(grads, pre);
    give_biases(grads, pre);
    give_peephole(grads);
    return b_.matmul(pre, args_.value("weight_ih" + suffix_));
  }
  Value dh() const { return dh_; }
  Value dc() const { return dc_; }

 private:
  size_t time_of(size_t t) const { return r_.reverse || is_back_ ? steps_.size() - 1 - t : t; }
  bool is_gru() const { return r_.gates == 3; }
  bool is_lstm() const { return r_.gates == 4; }

  // Columns of [B, …]: gate `index`, or this direction's part of a state.
  Value columns(Value value, int64_t index) {
    return b_.slice_by_size(value, {0, index * r_.hidden}, {r_.batch, r_.hidden});
  }
  Value rows_of_gate(int64_t gate) {
    return b_.slice_by_size(recurrent_, {gate * r_.hidden, 0}, {r_.hidden, r_.hidden});
  }
  Value own(Value state) { return columns(state, is_back_ ? 1 : 0); }
  // Step `index` of [S, B, …] as [B, …].
  Value at(Value sequence, int64_t index) {
    Shape size = sequence->type.shape;
    size[0] = 1;
    const Value step = b_.slice_by_size(sequence, {index, 0, 0}, size);
    return b_.reshape(step, {size[1], size[2]});
  }
  Value peep(int64_t gate) { return b_.slice_by_size(peephole_, {gate * r_.hidden}, {r_.hidden}); }

  void take_steps() {
    Value from_x = b_.matmul(args_.value("x"), args_.value("weight_ih" + suffix_), false, true);
    if (args_.has("input_bias")) from_x = b_.add(from_x, args_.value("input_bias"));
    const std::string bias = "bias" + suffix_;
    if (args_.has(bias) && !reset_after_) from_x = b_.add(from_x, args_.value(bias));
    Value h = own(args_.value("initial_h")),
          c = is_lstm() ? own(args_.value("initial_c")) : nullptr;
    for (size_t t = 0; t < steps_.size(); ++t) {
      steps_[t].h = h;
      steps_[t].c = c;
      h = take_step(steps_[t], at(from_x, static_cast<int64_t>(time_of(t))));
      c = steps_[t].new_c;
    }
  }

  // The new h.
  Value take_step(Step& step, Value from_x) {
    if (is_gru()) return gru_step(step, from_x);
    const Value pre = b_.add(from_x, b_.matmul(step.h, recurrent_, false, true));
    if (is_lstm()) return lstm_step(step, pre);
    step.gates = {activate(b_, outer_, pre)};
    return step.gates[0];
  }

  Value gru_step(Step& step, Value from_x) {
    Value from_h = b_.matmul(step.h, recurrent_, false, true);
    if (reset_after_ && args_.has("bias")) from_h = b_.add(from_h, args_.value("bias"));
    const auto gate = [&](int64_t i) {
      return activate(b_, inner_, b_.add(columns(from_x, i), columns(from_h, i)));
    };
    const Value r = gate(0), z = gate(2);
    step.held = b_.mul(r, step.h);
    step.product = columns(from_h, 1);
    const Value from_state =
        reset_after_ ? b_.mul(r, step.product) : b_.matmul(step.held, rows_of_gate(1), false, true);
    const Value o = activate(b_, outer_, b_.add(columns(from_x, 1), from_state));
    step.gates = {r, o, z};
    return b_.add(o, b_.mul(z, b_.sub(step.h, o)));
  }

  Value lstm_step(Step& step, Value pre) {
    const auto gate = [&](int64_t i, Value c) {
      const Value own = columns(pre, i);
      return activate(b_, inner_, peephole_ ? b_.add(own, b_.mul(c, peep(i))) : own);
    };
    const Value in = gate(0, step.c), forget = gate(1, step.c);
    const Value z = activate(b_, cell_, columns(pre, 3));
    step.new_c = b_.add(b_.mul(forget, step.c), b_.mul(in, z));
    const Value out = gate(2, step.new_c);
    step.shown_c = activate(b_, outer_, step.new_c);
    step.gates = {in, forget, out, z};
    return b_.mul(out, step.shown_c);
  }

  // What reaches the h of step t from the outputs.
  Value from_outputs(size_t t) {
    const bool is_last = t + 1 == steps_.size();
    Value g = nullptr;
    if (args_.doutput(0) && (r_.whole_sequence || is_last)) {
      const size_t slot = !r_.whole_sequence ? 0 : is_back_ ? time_of(t) : t;
      g = own(at(args_.doutput(0), static_cast<int64_t>(slot)));
    }
    if (is_last && args_.doutput(1)) g = sum(b_, g, own(args_.doutput(1)));
    return g;
  }

  void go_back() {
    const Value zero = b_.full_like(steps_[0].h, 0);
    Value dh = nullptr, dc = is_lstm() && args_.doutput(2) ? own(args_.doutput(2)) : zero;
    for (size_t t = steps_.size(); t-- > 0;) {
      dh = sum(b_, dh, from_outputs(t));
      gradients_[t] = step_back(steps_[t], dh ? dh : zero, dc);
      dh = gradients_[t].h;
      dc = gradients_[t].c;
    }
    dh_ = dh;
    dc_ = dc;
  }

  StepGradient step_back(const Step& step, Value dh, Value dc) {
    if (is_gru()) return gru_back(step, dh);
    if (is_lstm()) return lstm_back(step, dh, dc);
    const Value pre = times_slope(b_, outer_, dh, step.gates[0]);
    return {{pre}, b_.matmul(pre, recurrent_), nullptr};
  }

  // h' = o + z (h - o)
  StepGradient gru_back(const Step& step, Value dh) {
    const Value r = step.gates[0], o = step.gates[1], z = step.gates[2];
    const Value dz = times_slope(b_, inner_, b_.mul(dh, b_.sub(step.h, o)), z);
    const Value kept = b_.mul(dh, z);
    const Value d_o = times_slope(b_, outer_, b_.sub(dh, kept), o);
    const Value weighed = reset_after_ ? b_.mul(d_o, r) : b_.matmul(d_o, rows_of_gate(1));
    const Value dr = times_slope(
        b_, inner_, reset_after_ ? b_.mul(d_o, step.product) : b_.mul(weighed, step.h), r);
    const Value through_o = reset_after_ ? b_.matmul(weighed, rows_of_gate(1)) : b_.mul(weighed, r);
    const Value through_gates =
        b_.add(b_.matmul(dr, rows_of_gate(0)), b_.matmul(dz, rows_of_gate(2)));
    return {{dr, d_o, dz}, b_.add(b_.add(kept, through_o), through_gates), nullptr};
  }

  // c' = f c + i z, h' = o act(c')
  StepGradient lstm_back(const Step& step, Value dh, Value dc) {
    const Value in = step.gates[0], forget = step.gates[1], out = step.gates[2], z = step.gates[3];
    const Value d_out = times_slope(b_, inner_, b_.mul(dh, step.shown_c), out);
    dc = b_.add(dc, times_slope(b_, outer_, b_.mul(dh, out), step.shown_c));
    if (peephole_) dc = b_.add(dc, b_.mul(d_out, peep(2)));
    const Value d_in = times_slope(b_, inner_, b_.mul(dc, z), in);
    const Value d_forget = times_slope(b_, inner_, b_.mul(dc, step.c), forget);
    const Value dz = times_slope(b_, cell_, b_.mul(dc, in), z);
    Value before = b_.mul(dc, forget);
    if (peephole_) {
      before = b_.add(before, b_.add(b_.mul(d_in, peep(0)), b_.mul(d_forget, peep(1))));
    }
    const std::vector<Value> gates = {d_in, d_forget, d_out, dz};
    return {gates, b_.matmul(b_.concat(gates, -1), recurrent_), before};
  }

  // [S, B, …] in the order of time.
  template <typename Get>
  Value stack(Get&& get) {
    std::vector<Value> parts(steps_.size());
    for (size_t t = 0; t < steps_.size(); ++t) {
      parts[time_of(t)] = b_.expand_dims(get(t), {0});
    }
    return b_.concat(parts, 0);
  }
  Value as_rows(Value value) {
    return b_.reshape(value, {r_.steps * r_.batch, value->type.shape.back()});
  }
  Value product_over_steps(Value rows, Value columns) {
    return b_.matmul(as_rows(rows), as_rows(columns), true);
  }
  Value total(Value value) { return b_.reduce_sum(as_rows(value), {0}, false); }

  void give_to(Grads& grads, const std::string& name, Value gradient) {
    if (args_.wants(name)) grads.emplace_back(args_.value(name), gradient);
  }

  // What reaches the product of gate o's weights and the state, for gru.
  Value product_gradients() {
    return stack([&](size_t t) {
      const Value d_o = gradients_[t].gates[1];
      return reset_after_ ? b_.mul(d_o, steps_[t].gates[0]) : d_o;
    });
  }

  void give_recurrent(Grads& grads, Value pre) {
    if (!args_.wants("weight_hh" + suffix_)) return;
    const Value h = stack([&](size_t t) { return steps_[t].h; });
    if (!is_gru()) return give_to(grads, "weight_hh" + suffix_, product_over_steps(pre, h));
    const auto gate = [&](size_t i) {
      return product_over_steps(stack([&](size_t t) { return gradients_[t].gates[i]; }), h);
    };
    const Value held = reset_after_ ? h : stack([&](size_t t) { return steps_[t].held; });
    const Value of_o = product_over_steps(product_gradients(), held);
    give_to(grads, "weight_hh", b_.concat({gate(0), of_o, gate(2)}, 0));
  }

  void give_biases(Grads& grads, Value pre) {
    give_to(grads, "input_bias", total(pre));
    if (!reset_after_) return give_to(grads, "bias" + suffix_, total(pre));
    const auto gate = [&](size_t i) {
      return total(stack([&](size_t t) { return gradients_[t].gates[i]; }));
    };
    give_to(grads, "bias", b_.concat({gate(0), total(product_gradients()), gate(2)}, 0));
  }

  void give_peephole(Grads& grads) {
    if (!peephole_) return;
    const auto gate = [&](size_t i) {
      return total(stack([&](size_t t) {
        return b_.mul(gradients_[t].gates[i], i == 2 ? steps_[t].new_c : steps_[t].c);
      }));
    };
    give_to(grads, "peephole" + suffix_, b_.concat({gate(0), gate(1), gate(2)}, 0));
  }

  GradArgs& args_;
  Builder& b_;
  Recurrence r_;
  bool is_back_;
  std::string suffix_;
  GateActivation inner_, outer_, cell_;
  bool reset_after_;
  Value recurrent_ = nullptr, peephole_ = nullptr, dh_ = nullptr, dc_ = nullptr;
  std::vector<Step> steps_;
  std::vector<StepGradient> gradients_;
};

}  // namespace

Grads recurrent_gradient(GradArgs& args) {
  const Recurrence r = recurrence_of(args);
  args.require(!args.has("clip"), "lstm with 'clip' has no gradient");
  Builder& b = args.builder;
  Grads grads;
  ThroughTime forward(args, r, false);
  forward.run();
  Value dx = forward.give(grads), dh = forward.dh(), dc = forward.dc();
  if (r.bidirectional) {
    ThroughTime backward(args, r, true);
    backward.run();
    dx = b.add(dx, backward.give(grads));
    dh = b.concat({dh, backward.dh()}, -1);
    dc = b.concat({dc, backward.dc()}, -1);
  }
  grads.emplace_back(args.value("x"), dx);
  grads.emplace_back(args.value("initial_h"), dh);
  if (r.gates == 4) grads.emplace_back(args.value("initial_c"), dc);
  return grads;
}

}  // namespace anemone
