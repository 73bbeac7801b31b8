// The innermost loops of convolutions (conv.h), written once with Highway. Same conventions as
// simd.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace anemone {

// What happens to results before they are stored: out = limits(round(round(sum + bias) + addend)).
struct ConvFinish {
  const float* bias = nullptr;    // a number for each output channel
  const float* addend = nullptr;  // laid out as the output
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
  bool has_limits = false;
  bool rounds = false;      // sums to the nearest fp16 number
  bool rounds_sum = false;  // what the addend was added to, likewise

  ConvFinish at(int64_t channel, int64_t offset) const {
    ConvFinish there = *this;
    if (bias) there.bias += channel;
    if (addend) there.addend += offset;
    return there;
  }
};

namespace simd {

// Rows of a packed panel of weights, which is [k][kConvRows].
inline constexpr int64_t kConvRows = 8;
// Vectors of columns in a panel of the image, at most, and numbers in a vector.
inline constexpr int64_t kConvVectors = 3;
int64_t conv_lanes();

// Rows in ascending order of memory. Up to a vector beyond each is read.
void copy_rows(const float* from, int64_t from_stride, int64_t width, int64_t rows, float* to,
               int64_t to_stride);

// Some positions of a plane: to [rows, columns] = image[row * step_y + y, column * step + x], or
// `outside` it and where there is no image.
struct RowsToSplit {
  const float* image;
  int64_t height, width;
  int64_t y, step_y, rows;
  int64_t x, step, columns;
  float outside;
};
void split_rows(const RowsToSplit& rows, float* to);

// Columns that lie side by side.
struct ColumnRun {
  int64_t from, count;
};
// What a panel of the image is packed from: element (k, column) is
// image[k / taps * plane + offsets[k % taps] + from of the column].
struct PanelSource {
  const float *image, *end;  // of what may be read
  int64_t plane;
  const int64_t* offsets;
  int64_t taps;
  const ColumnRun* runs;
  size_t count;
};
// A panel [k_end - k][width]. Columns that no run fills have numbers of any value.
void pack_columns(const PanelSource& source, int64_t k, int64_t k_end, int64_t width, float* to);
// to[k * width + column] = columns[column][k] for `count` of k.
void transpose_columns(const float* const* columns, int64_t n, int64_t count, int64_t width,
                       float* to);
// Up to kConvColumns single columns, each number kConvRows times: [columns][k_end - k][kConvRows].
inline constexpr int64_t kConvColumns = 4;
void pack_single_columns(const PanelSource& source, int64_t k, int64_t k_end, float* to);

// c [rows, n] = finish(a · b), or added to c before. Panels of a lie `a_stride` apart. `vectors` of
// columns in b, or 0 for single columns. Rows of c, and of the addend, lie `stride` apart.
struct ConvTile {
  const float *a, *b;
  int64_t a_stride;
  int64_t k, rows, vectors, n;
  float* c;
  int64_t stride;
  bool adds;
  const ConvFinish* finish;  // of the first row and column; null for none
};
void conv_tile(const ConvTile& tile);

// out[i] = finish(sum over taps of weights[t] * plane[offsets[t] + i]) for n positions, at least a
// vector of them.
void depthwise(const float* plane, const int64_t* offsets, const float* weights, int64_t taps,
               const ConvFinish& finish, float* out, int64_t n);
// One row of a depthwise convolution with a channel in each lane: everything is [..][conv_lanes()].
// out[i] = finish(bias + sum of weights[k, j] * rows[k][i * step + j * dilation]). finish->bias is
// not looked at.
struct LaneRow {
  const float* rows[16];
  const float *weights, *bias;
  int64_t kernel_rows, kernel_columns, step, dilation, count;
  const ConvFinish* finish;
  float* out;
};
void depthwise_lanes(const LaneRow& row);

// x[i] = finish(x[i]) for n numbers of one channel.
void finish_conv(float* x, int64_t n, const ConvFinish& finish);
// out[i] += factor * x[i]
void add_scaled(const float* x, float factor, float* out, int64_t n);

}  // namespace simd
}  // namespace anemone
