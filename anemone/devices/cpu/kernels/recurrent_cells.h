// Steps of lstm, gru and rnn, for some units of all sequences of a batch.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "anemone/devices/cpu/kernel.h"
#include "anemone/devices/cpu/kernels/gate_panels.h"
#include "anemone/ops/recurrent.h"

namespace anemone {

// What a step works on: rows of one direction, those of states `stride` apart.
struct CellStep {
  const KernelRun& run;
  const float* packed;  // recurrent weights
  float* sums;          // [B, gates * H]: biases and products with x
  float* own;           // [B, H], for the cell alone
  const float* old_h;
  float* new_h;
  float* c;
  int64_t stride;
};

class RecurrentCell {
 public:
  // `suffix` of the parameters: "" or "_back".
  RecurrentCell(const OpArgs& args, const Recurrence& r, const std::string& suffix);
  virtual ~RecurrentCell() = default;

  // A step is some phases; each needs what the one before it made of all units.
  virtual int phases() const { return 1; }
  // Units that are computed together begin at multiples of this.
  virtual int64_t units() const = 0;
  virtual void run(int phase, const CellStep& step, int64_t begin, int64_t end) const = 0;

  // What the sums of a step begin with, [gates * H]; false where that is nothing.
  virtual bool begin_sums(const KernelRun& run, float* row) const;

  int64_t packed_floats() const;
  void pack(ThreadPool& pool, const float* weight_hh, float* packed) const;

  size_t weight_ih() const { return weight_ih_; }
  size_t weight_hh() const { return weight_hh_; }

 protected:
  using Activate = void (*)(const float* x, float* out, size_t n);

  static Activate activation(const OpArgs& args, const char* name, const char* fallback);
  const float* input(const KernelRun& run, std::optional<size_t> position) const {
    return position ? run.input(*position) : nullptr;
  }
  void add_state(size_t panels, const CellStep& step, const float* a, int64_t a_stride,
                 int64_t begin, int64_t end) const;
  size_t width(int64_t begin, int64_t end) const { return static_cast<size_t>(end - begin); }

  Recurrence r_;
  size_t weight_ih_, weight_hh_;
  std::optional<size_t> bias_, input_bias_, peephole_;
  Activate inner_, outer_;
  std::vector<GatePanels> panels_;
};

std::unique_ptr<RecurrentCell> make_cell(const OpArgs& args, const Recurrence& r,
                                         const std::string& suffix);

}  // namespace anemone
