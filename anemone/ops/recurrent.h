// What the recurrent operations are: sizes, directions, activations (docs/ops.md, "Recurrent").
#pragma once

#include "anemone/ops/op_def.h"

namespace anemone {

// x [S, B, I], weight_ih [gates * H, I], weight_hh [gates * H, H].
struct Recurrence {
  int64_t steps = 0, batch = 0, inputs = 0, hidden = 0;
  int64_t gates = 1;  // rnn 1, gru 3, lstm 4
  bool reverse = false, bidirectional = false, whole_sequence = false;

  int64_t directions() const { return bidirectional ? 2 : 1; }
};

// Of lstm, gru or rnn; refuses what breaks a rule.
Recurrence recurrence_of(const OpArgs& args);

enum class GateActivation : uint8_t { kSigmoid, kTanh, kRelu, kLinear };

// The activation that a parameter names.
GateActivation gate_activation(const OpArgs& args, const char* name, const char* fallback);

// The gradients, as MIL that takes the steps once more and then back.
Grads recurrent_gradient(GradArgs& args);

}  // namespace anemone
