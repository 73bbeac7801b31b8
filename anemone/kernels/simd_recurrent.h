// A step of a recurrent layer: products with few rows and a packed matrix, and what mixes states.
// Same conventions as simd.h.
#pragma once

#include <cstdint>

namespace anemone::simd {

// A packed panel is [inner][kGateGroups][kGroupColumns]: columns of the product that lie in groups,
// which may be far from each other.
inline constexpr int64_t kGroupColumns = 16, kGateGroups = 4;
inline constexpr int64_t kGatePanel = kGroupColumns * kGateGroups;

// Where a group of columns is in the first row of the sums, and how many of them there are.
struct ColumnGroup {
  float* sums = nullptr;
  int64_t count = 0;
};

// sums += a [rows, inner] · panel
struct PanelProduct {
  const float* panel;
  int64_t inner;
  const float* a;
  int64_t a_stride, rows;
  ColumnGroup groups[kGateGroups];
  int64_t sums_stride;
};
void add_panel_product(const PanelProduct& product);

// out += a * b
void add_products(const float* a, const float* b, float* out, int64_t n);
// out = a * b + c * d
void two_products(const float* a, const float* b, const float* c, const float* d, float* out,
                  int64_t n);
// out = (1 - kept) * fresh + kept * old
void mix_states(const float* kept, const float* fresh, const float* old, float* out, int64_t n);

}  // namespace anemone::simd
