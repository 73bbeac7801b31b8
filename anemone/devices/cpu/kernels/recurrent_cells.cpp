#include "anemone/devices/cpu/kernels/recurrent_cells.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/kernels/simd.h"
#include "anemone/kernels/simd_map.h"

namespace anemone {
namespace {

void keep(const float* x, float* out, size_t n) {
  if (x != out) std::memcpy(out, x, n * sizeof(float));
}

// Zeros where there is no x.
void keep_or_clear(const float* x, float* out, size_t n) {
  if (x) return keep(x, out, n);
  std::fill_n(out, n, 0.0f);
}

// h' = activation(sums)
class Rnn final : public RecurrentCell {
 public:
  Rnn(const OpArgs& args, const Recurrence& r, const std::string& suffix)
      : RecurrentCell(args, r, suffix) {
    panels_ = {GatePanels(r.hidden, {0})};
  }
  int64_t units() const override { return panels_[0].units(); }

  void run(int, const CellStep& step, int64_t begin, int64_t end) const override {
    add_state(0, step, step.old_h, step.stride, begin, end);
    for (int64_t b = 0; b < r_.batch; ++b) {
      const float* sums = step.sums + b * r_.hidden + begin;
      outer_(sums, step.new_h + b * step.stride + begin, width(begin, end));
    }
  }
};

// Gates r, o, z. The product of o needs the state times r, of all units.
class Gru : public RecurrentCell {
 public:
  Gru(const OpArgs& args, const Recurrence& r, const std::string& suffix)
      : RecurrentCell(args, r, suffix) {
    panels_ = {GatePanels(r.hidden, {0, 2}), GatePanels(r.hidden, {1})};
  }
  int phases() const override { return 2; }
  int64_t units() const override { return panels_[1].units(); }

  void run(int phase, const CellStep& step, int64_t begin, int64_t end) const override {
    phase == 0 ? reset(step, begin, end) : renew(step, begin, end);
  }

 protected:
  float* sums(const CellStep& step, int64_t b, int64_t gate, int64_t unit) const {
    return step.sums + (3 * b + gate) * r_.hidden + unit;
  }
  void open_gates(const CellStep& step, int64_t b, int64_t begin, int64_t end) const {
    for (const int64_t gate : {0, 2}) {
      float* row = sums(step, b, gate, begin);
      inner_(row, row, width(begin, end));
    }
  }
  void mix(const CellStep& step, int64_t b, int64_t begin, int64_t end) const {
    float* fresh = sums(step, b, 1, begin);
    const int64_t state = b * step.stride + begin;
    outer_(fresh, fresh, width(begin, end));
    simd::mix_states(sums(step, b, 2, begin), fresh, step.old_h + state, step.new_h + state,
                     end - begin);
  }

 private:
  void reset(const CellStep& step, int64_t begin, int64_t end) const {
    add_state(0, step, step.old_h, step.stride, begin, end);
    for (int64_t b = 0; b < r_.batch; ++b) {
      open_gates(step, b, begin, end);
      simd::mul(sums(step, b, 0, begin), step.old_h + b * step.stride + begin,
                step.own + b * r_.hidden + begin, width(begin, end));
    }
  }
  void renew(const CellStep& step, int64_t begin, int64_t end) const {
    add_state(1, step, step.own, r_.hidden, begin, end);
    for (int64_t b = 0; b < r_.batch; ++b) mix(step, b, begin, end);
  }
};

// The product of o and its bias are weighed by r after they were made.
class GruResetAfter final : public Gru {
 public:
  using Gru::Gru;
  int phases() const override { return 1; }

  void run(int, const CellStep& step, int64_t begin, int64_t end) const override {
    const float* bias = input(step.run, bias_);
    const size_t n = width(begin, end);
    for (int64_t b = 0; b < r_.batch; ++b) {
      keep_or_clear(bias ? bias + r_.hidden + begin : nullptr, step.own + b * r_.hidden + begin, n);
    }
    add_state(0, step, step.old_h, step.stride, begin, end);
    const GateProduct product = {step.old_h, step.stride, r_.batch, step.own, r_.hidden, 0};
    panels_[1].add(product, step.packed + panels_[0].floats(), begin, end);
    for (int64_t b = 0; b < r_.batch; ++b) {
      open_gates(step, b, begin, end);
      simd::add_products(sums(step, b, 0, begin), step.own + b * r_.hidden + begin,
                         sums(step, b, 1, begin), end - begin);
      mix(step, b, begin, end);
    }
  }

  // All but that bias.
  bool begin_sums(const KernelRun& run, float* row) const override {
    const bool any = Gru::begin_sums(run, row);
    const float *bias = input(run, bias_), *input_bias = input(run, input_bias_);
    if (!bias) return any;
    const auto n = static_cast<size_t>(r_.hidden);
    keep_or_clear(input_bias ? input_bias + n : nullptr, row + n, n);
    return true;
  }
};

// Gates i, f, o, z; the peepholes of i and f see the old c, that of o the new one.
class Lstm final : public RecurrentCell {
 public:
  Lstm(const OpArgs& args, const Recurrence& r, const std::string& suffix)
      : RecurrentCell(args, r, suffix), cell_(activation(args, "cell_activation", "tanh")) {
    if (args.has("clip")) clip_ = static_cast<float>(args.number("clip"));
    panels_ = {GatePanels(r.hidden, {0, 1, 2, 3})};
  }
  int64_t units() const override { return panels_[0].units(); }

  void run(int, const CellStep& step, int64_t begin, int64_t end) const override {
    add_state(0, step, step.old_h, step.stride, begin, end);
    const float* peephole = input(step.run, peephole_);
    for (int64_t b = 0; b < r_.batch; ++b) {
      const int64_t state = b * step.stride + begin;
      finish(step.sums + b * 4 * r_.hidden + begin, peephole ? peephole + begin : nullptr,
             step.c + state, step.new_h + state, end - begin);
    }
  }

 private:
  // Of one sequence.
  void finish(float* i, const float* peephole, float* c, float* h, int64_t count) const {
    const int64_t next = r_.hidden;
    const auto n = static_cast<size_t>(count);
    float *f = i + next, *o = f + next, *z = o + next;
    if (peephole) {
      simd::add_products(peephole, c, i, count);
      simd::add_products(peephole + next, c, f, count);
    }
    inner_(i, i, n);
    inner_(f, f, n);
    if (clip_ > 0) simd::limit(z, -clip_, clip_, z, n);
    cell_(z, z, n);
    simd::two_products(i, z, f, c, c, count);
    if (peephole) simd::add_products(peephole + 2 * next, c, o, count);
    inner_(o, o, n);
    outer_(c, z, n);
    simd::mul(o, z, h, n);
  }

  Activate cell_;
  float clip_ = 0;
};

}  // namespace

RecurrentCell::RecurrentCell(const OpArgs& args, const Recurrence& r, const std::string& suffix)
    : r_(r),
      weight_ih_(*position_of(args.op(), "weight_ih" + suffix)),
      weight_hh_(*position_of(args.op(), "weight_hh" + suffix)),
      bias_(position_of(args.op(), "bias" + suffix)),
      input_bias_(position_of(args.op(), "input_bias")),
      peephole_(position_of(args.op(), "peephole" + suffix)),
      inner_(activation(args, "recurrent_activation", "sigmoid")),
      outer_(activation(args, "activation", "tanh")) {}

RecurrentCell::Activate RecurrentCell::activation(const OpArgs& args, const char* name,
                                                  const char* fallback) {
  switch (gate_activation(args, name, fallback)) {
    case GateActivation::kSigmoid:
      return simd::sigmoid;
    case GateActivation::kTanh:
      return simd::tanh;
    case GateActivation::kRelu:
      return simd::relu;
    case GateActivation::kLinear:
      break;
  }
  return keep;
}

bool RecurrentCell::begin_sums(const KernelRun& run, float* row) const {
  const float *bias = input(run, bias_), *input_bias = input(run, input_bias_);
  const auto n = static_cast<size_t>(r_.gates * r_.hidden);
  if (bias && input_bias) {
    simd::add(bias, input_bias, row, n);
  } else if (bias || input_bias) {
    keep(bias ? bias : input_bias, row, n);
  }
  return bias || input_bias;
}

int64_t RecurrentCell::packed_floats() const {
  int64_t total = 0;
  for (const GatePanels& panels : panels_) total += panels.floats();
  return total;
}

void RecurrentCell::pack(ThreadPool& pool, const float* weight_hh, float* packed) const {
  for (const GatePanels& panels : panels_) {
    pool.parallel_for(static_cast<size_t>(panels.count()), 1, [&](size_t begin, size_t end, int) {
      panels.pack(weight_hh, packed, static_cast<int64_t>(begin), static_cast<int64_t>(end));
    });
    packed += panels.floats();
  }
}

void RecurrentCell::add_state(size_t panels, const CellStep& step, const float* a, int64_t a_stride,
                              int64_t begin, int64_t end) const {
  const float* packed = step.packed;
  for (size_t i = 0; i < panels; ++i) packed += panels_[i].floats();
  const GateProduct product = {a, a_stride, r_.batch, step.sums, r_.gates * r_.hidden, r_.hidden};
  panels_[panels].add(product, packed, begin, end);
}

std::unique_ptr<RecurrentCell> make_cell(const OpArgs& args, const Recurrence& r,
                                         const std::string& suffix) {
  if (r.gates == 1) return std::make_unique<Rnn>(args, r, suffix);
  if (r.gates == 4) return std::make_unique<Lstm>(args, r, suffix);
  if (args.boolean("reset_after", false)) return std::make_unique<GruResetAfter>(args, r, suffix);
  return std::make_unique<Gru>(args, r, suffix);
}

}  // namespace anemone
