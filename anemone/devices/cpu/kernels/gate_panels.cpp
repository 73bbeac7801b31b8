#include "anemone/devices/cpu/kernels/gate_panels.h"

namespace anemone {

using simd::kGateGroups, simd::kGatePanel, simd::kGroupColumns;

void GatePanels::pack(const float* weight, float* packed, int64_t begin, int64_t end) const {
  for (int64_t panel = begin; panel < end; ++panel) {
    float* to = packed + panel * panel_floats();
    for (int64_t column = 0; column < kGatePanel; ++column, ++to) {
      const int64_t group = column / kGroupColumns, unit = first_unit(panel, group);
      const bool is_there = column % kGroupColumns < units_left(unit);
      const float* row = weight + (gate(group) * hidden_ + unit + column % kGroupColumns) * hidden_;
      for (int64_t k = 0; k < hidden_; ++k) to[k * kGatePanel] = is_there ? row[k] : 0;
    }
  }
}

void GatePanels::add(const GateProduct& product, const float* packed, int64_t begin,
                     int64_t end) const {
  for (int64_t panel = begin / units(); panel * units() < end; ++panel) {
    simd::PanelProduct p = {.panel = packed + panel * panel_floats(),
                            .inner = hidden_,
                            .a = product.a,
                            .a_stride = product.a_stride,
                            .rows = product.rows,
                            .groups = {},
                            .sums_stride = product.sums_stride};
    for (int64_t group = 0; group < kGateGroups; ++group) {
      const int64_t unit = first_unit(panel, group), count = units_left(unit);
      if (count == 0) continue;
      p.groups[group] = {product.sums + gate(group) * product.gate_stride + unit, count};
    }
    simd::add_panel_product(p);
  }
}

}  // namespace anemone
