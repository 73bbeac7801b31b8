// lstm, gru and rnn: the products with x of many steps at once, then step by step the products with
// the state, units split over the threads.
#include <algorithm>
#include <cstring>

#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/devices/cpu/kernels/recurrent_cells.h"
#include "anemone/kernels/gemm.h"

namespace anemone {
namespace {

// Rows of x whose products are made at once, which is to stay in the caches.
constexpr int64_t kRowsAtOnce = 256;
// Products of two numbers that are worth a thread.
constexpr int64_t kGrain = 1 << 16;

int64_t whole_lines(int64_t floats) { return (floats + 15) / 16 * 16; }

// Steps whose products with x are made at once.
struct Chunk {
  int64_t first, count;
};

// One direction: its cell, and its memory.
class Direction {
 public:
  Direction(const OpArgs& args, const Recurrence& r, bool is_back)
      : r_(r), cell_(make_cell(args, r, is_back ? "_back" : "")), is_back_(is_back) {
    const Literal* weight =
        Operation::constant(args.operand(is_back ? "weight_hh_back" : "weight_hh"));
    if (!weight || !weight->tensor) return;
    kept_ = AlignedBytes(static_cast<size_t>(cell_->packed_floats()) * sizeof(float));
    ThreadPool alone(1);
    cell_->pack(alone, weight->tensor->view().as<float>().data(), kept());
  }

  const RecurrentCell& cell() const { return *cell_; }
  int64_t column() const { return is_back_ ? r_.hidden : 0; }
  // Where step `step` reads x, and where a whole sequence has it.
  int64_t time(int64_t step) const { return is_back_ || r_.reverse ? r_.steps - 1 - step : step; }
  int64_t slot(int64_t step) const { return is_back_ ? time(step) : step; }

  int64_t chunk() const { return std::clamp<int64_t>(kRowsAtOnce / r_.batch, 1, r_.steps); }
  int64_t scratch_floats() const {
    return start_floats() + sums_floats() + own_floats() + (kept() ? 0 : cell_->packed_floats());
  }

  // The parts of its scratch.
  float* start(float* scratch) const { return scratch; }
  float* sums(float* scratch) const { return scratch + start_floats(); }
  float* own(float* scratch) const { return sums(scratch) + sums_floats(); }
  float* packed(float* scratch) const { return kept() ? kept() : own(scratch) + own_floats(); }
  float* sums_of(float* scratch, const Chunk& chunk, int64_t step) const {
    return sums(scratch) + (time(step) - first_time(chunk)) * r_.batch * r_.gates * r_.hidden;
  }

  void prepare(const KernelRun& run, float* scratch) const {
    if (!kept()) cell_->pack(run.pool, run.input(cell_->weight_hh()), packed(scratch));
  }
  // Biases and the products with x.
  void project(const KernelRun& run, float* scratch, const Chunk& chunk) const {
    const int64_t width = r_.gates * r_.hidden, rows = chunk.count * r_.batch;
    float* to = sums(scratch);
    const bool starts = cell_->begin_sums(run, start(scratch));
    if (starts) {
      for (int64_t row = 0; row < rows; ++row) {
        std::copy_n(start(scratch), width, to + row * width);
      }
    }
    const float *x = run.input(0) + first_time(chunk) * r_.batch * r_.inputs,
                *weight = run.input(cell_->weight_ih());
    Gemm g{.transpose_b = true,
           .m = rows,
           .n = width,
           .k = r_.inputs,
           .a = x,
           .a_stride = r_.inputs,
           .b = weight,
           .b_stride = r_.inputs,
           .sum = starts ? to : nullptr,
           .c = to,
           .c_stride = width};
    if (rows == 1) {
      // One vector: rows of the weight by a column.
      std::swap(g.m, g.n);
      std::swap(g.a, g.b);
      g.transpose_b = false;
      g.b_stride = g.c_stride = 1;
    }
    gemm(run.pool, g);
  }

 private:
  float* kept() const { return reinterpret_cast<float*>(kept_.data()); }
  // Where x and the sums of a chunk begin.
  int64_t first_time(const Chunk& chunk) const {
    return std::min(time(chunk.first), time(chunk.first + chunk.count - 1));
  }
  int64_t start_floats() const { return whole_lines(r_.gates * r_.hidden); }
  int64_t sums_floats() const { return whole_lines(chunk() * r_.batch * r_.gates * r_.hidden); }
  int64_t own_floats() const { return r_.gates == 3 ? whole_lines(r_.batch * r_.hidden) : 0; }

  Recurrence r_;
  std::unique_ptr<RecurrentCell> cell_;
  bool is_back_;
  AlignedBytes kept_;
};

class Recurrent final : public Kernel {
 public:
  Recurrent(const OpArgs& args, const Recurrence& r) : r_(r) {
    directions_.emplace_back(args, r, false);
    if (r.bidirectional) directions_.emplace_back(args, r, true);
    pieces_ = (r.hidden + units() - 1) / units();
    const int64_t products = r.batch * r.hidden * r.gates * std::min(units(), r.hidden);
    grain_ = static_cast<size_t>(kGrain / products + 1);
  }

  void run(const KernelRun& run) const override {
    if (r_.gates == 4) std::memcpy(run.output(2), run.input(2), run.out[2].bytes());
    for (size_t i = 0; i < directions_.size(); ++i) directions_[i].prepare(run, scratch(run, i));
    const int64_t length = directions_[0].chunk();
    for (int64_t first = 0; first < r_.steps; first += length) {
      const Chunk chunk = {first, std::min(length, r_.steps - first)};
      for (size_t i = 0; i < directions_.size(); ++i) {
        directions_[i].project(run, scratch(run, i), chunk);
      }
      take(run, chunk);
    }
    if (!r_.whole_sequence) std::memcpy(run.output(0), run.output(1), run.out[1].bytes());
  }

  size_t scratch_bytes(int) const override {
    int64_t floats = state_floats();
    for (const Direction& direction : directions_) floats += direction.scratch_floats();
    return static_cast<size_t>(floats) * sizeof(float);
  }

 private:
  int64_t units() const { return directions_[0].cell().units(); }
  int phases() const { return directions_[0].cell().phases(); }
  int64_t stride() const { return r_.directions() * r_.hidden; }
  int64_t state_floats() const { return whole_lines(r_.batch * stride()); }
  float* scratch(const KernelRun& run, size_t direction) const {
    float* to = run.scratch_floats() + state_floats();
    return direction == 0 ? to : to + directions_[0].scratch_floats();
  }
  // The state after so many steps: two buffers alternate, and the last one is the output.
  const float* state(const KernelRun& run, int64_t steps) const {
    return steps == 0 ? run.input(1) : new_state(run, steps);
  }
  float* new_state(const KernelRun& run, int64_t steps) const {
    return (r_.steps - steps) % 2 == 0 ? run.output(1) : run.scratch_floats();
  }

  // Directions know nothing of each other: where there are threads for them only, each has one,
  // without barriers.
  void take(const KernelRun& run, const Chunk& chunk) const {
    const auto pieces = static_cast<size_t>(pieces_);
    if (static_cast<size_t>(run.pool.threads()) <= directions_.size()) {
      run.pool.parallel_for(directions_.size(), 1, [&](size_t begin, size_t end, int) {
        for (size_t i = begin; i < end; ++i) {
          for_each_phase(chunk, [&](int64_t step, int phase) {
            run_pieces(run, chunk, step, phase, i, 0, pieces_);
          });
        }
      });
      return;
    }
    for_each_phase(chunk, [&](int64_t step, int phase) {
      run.pool.parallel_for(
          pieces * directions_.size(), grain_, [&](size_t begin, size_t end, int) {
            for (size_t i = begin / pieces; begin < end; ++i) {
              const size_t until = std::min(end, (i + 1) * pieces);
              run_pieces(run, chunk, step, phase, i, static_cast<int64_t>(begin - i * pieces),
                         static_cast<int64_t>(until - i * pieces));
              begin = until;
            }
          });
    });
  }
  template <typename Body>
  void for_each_phase(const Chunk& chunk, const Body& body) const {
    for (int64_t step = chunk.first; step < chunk.first + chunk.count; ++step) {
      for (int phase = 0; phase < phases(); ++phase) body(step, phase);
    }
  }

  void run_pieces(const KernelRun& run, const Chunk& chunk, int64_t step, int phase, size_t index,
                  int64_t begin, int64_t end) const {
    const Direction& direction = directions_[index];
    float* memory = scratch(run, index);
    const CellStep now = {run,
                          direction.packed(memory),
                          direction.sums_of(memory, chunk, step),
                          direction.own(memory),
                          state(run, step) + direction.column(),
                          new_state(run, step + 1) + direction.column(),
                          r_.gates == 4 ? run.output(2) + direction.column() : nullptr,
                          stride()};
    const int64_t unit = begin * units(), last = std::min(end * units(), r_.hidden);
    direction.cell().run(phase, now, unit, last);
    const bool is_done = phase + 1 == phases();
    if (is_done && r_.whole_sequence) store(run, direction, now, step, unit, last);
  }

  // Into the sequence.
  void store(const KernelRun& run, const Direction& direction, const CellStep& now, int64_t step,
             int64_t begin, int64_t end) const {
    float* to = run.output(0) + direction.slot(step) * r_.batch * stride() + direction.column();
    for (int64_t b = 0; b < r_.batch; ++b) {
      const int64_t at = b * stride() + begin;
      std::copy_n(now.new_h + at, end - begin, to + at);
    }
  }

  Recurrence r_;
  std::vector<Direction> directions_;
  int64_t pieces_ = 1;
  size_t grain_ = 1;
};

std::unique_ptr<Kernel> recurrent(const OpArgs& args) {
  if (!all_fp32(args) || args.type("x").dtype != DType::kFp32) return nullptr;
  return std::make_unique<Recurrent>(args, recurrence_of(args));
}

}  // namespace

KernelFamily recurrent_kernels() {
  return {{"gru", recurrent}, {"lstm", recurrent}, {"rnn", recurrent}};
}

}  // namespace anemone
