// The recurrent weights of some gates, packed for the products of a step.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "anemone/kernels/simd_recurrent.h"

namespace anemone {

// What a step adds to the sums of gates: element (gate, unit) of row b lies at
// sums[b * sums_stride + gate * gate_stride + unit].
struct GateProduct {
  const float* a;  // [rows, hidden]
  int64_t a_stride, rows;
  float* sums;
  int64_t sums_stride, gate_stride;
};

// One, two or four of the gates of weight_hh [gates * hidden, hidden]. A panel has some units with
// all of these gates, so that a thread that computes a unit needs no other panel.
class GatePanels {
 public:
  GatePanels(int64_t hidden, std::vector<int64_t> gates)
      : hidden_(hidden), gates_(std::move(gates)) {}

  // Units of a panel, and panels.
  int64_t units() const { return simd::kGatePanel / static_cast<int64_t>(gates_.size()); }
  int64_t count() const { return (hidden_ + units() - 1) / units(); }
  int64_t floats() const { return count() * panel_floats(); }

  // Panels [begin, end).
  void pack(const float* weight, float* packed, int64_t begin, int64_t end) const;
  // For units from `begin`, which a panel begins with, to `end`, which one ends with.
  void add(const GateProduct& product, const float* packed, int64_t begin, int64_t end) const;

 private:
  int64_t panel_floats() const { return hidden_ * simd::kGatePanel; }
  // Of a group of a panel.
  int64_t gate(int64_t group) const { return gates_[static_cast<size_t>(group) % gates_.size()]; }
  int64_t first_unit(int64_t panel, int64_t group) const {
    return panel * units() + group / static_cast<int64_t>(gates_.size()) * simd::kGroupColumns;
  }
  int64_t units_left(int64_t unit) const {
    return std::clamp<int64_t>(hidden_ - unit, 0, simd::kGroupColumns);
  }

  int64_t hidden_;
  std::vector<int64_t> gates_;
};

}  // namespace anemone
