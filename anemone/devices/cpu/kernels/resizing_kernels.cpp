// Images of another size. A row of the result is made of one row of x, or of two. Resizing of more
// than two axes and of integers that are not just moved is left to the reference kernel.
#include <algorithm>
#include <cstring>

#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/kernels/simd_resize.h"
#include "anemone/ops/resizing.h"

namespace anemone {
namespace {

constexpr size_t kGrain = 4096;  // numbers that are worth a thread

// One axis of the image, as the vector loops want it. Weights are rounded after one was taken from
// the other, so that what weighs something never weighs nothing.
struct ResizedAxis {
  size_t from = 1, to = 1;
  std::vector<int32_t> low = {0};
  std::vector<float> kept = {1}, part = {0};
  bool only_moves = true, is_identity = true;

  ResizedAxis() = default;
  ResizedAxis(const AxisTaps& taps, int64_t size)
      : from(static_cast<size_t>(size)), to(taps.low.size()), low(to), kept(to), part(to) {
    is_identity = from == to;
    for (size_t i = 0; i < to; ++i) {
      low[i] = static_cast<int32_t>(taps.low[i]);
      kept[i] = static_cast<float>(1 - taps.part[i]);
      part[i] = static_cast<float>(taps.part[i]);
      only_moves = only_moves && taps.part[i] == 0;
      is_identity = is_identity && only_moves && taps.low[i] == static_cast<int64_t>(i);
    }
  }

  void interpolate(const float* x, float* out) const {
    simd::interpolate_columns(x, from, {low.data(), kept.data(), part.data()}, out, to);
  }
};

// Rows and columns of the images, which are all that is resized.
struct ResizedPlane {
  size_t planes = 1;
  ResizedAxis rows, columns;
};

std::optional<ResizedPlane> resized_plane(const OpArgs& args) {
  const Resize r = resize_of(args);
  const Shape& x = args.shape("x");
  ResizedPlane plane;
  for (size_t axis = 0; axis < x.size(); ++axis) {
    ResizedAxis resized;
    if (axis >= r.first) resized = ResizedAxis(taps_of(r, x[axis], r.result[axis]), x[axis]);
    const bool stays = axis < r.first || resized.is_identity;
    if (axis + 2 < x.size()) {
      if (!stays) return std::nullopt;
      plane.planes *= static_cast<size_t>(x[axis]);
    } else if (stays && axis + 2 == x.size()) {
      plane.planes *= static_cast<size_t>(x[axis]);  // rows that stay are planes of one row
    } else {
      (axis + 1 == x.size() ? plane.columns : plane.rows) = resized;
    }
  }
  if (x.empty() || plane.columns.from != static_cast<size_t>(x.back())) return std::nullopt;
  return plane;
}

// Every number is one of x: of 32 bits of any type.
class MovingResize final : public Kernel {
 public:
  explicit MovingResize(ResizedPlane plane) : plane_(std::move(plane)) {}

  void run(const KernelRun& run) const override {
    const size_t rows = plane_.rows.to, width = plane_.columns.to, from = plane_.columns.from;
    run.pool.parallel_for(
        plane_.planes * rows, kGrain / width + 1, [&](size_t begin, size_t end, int) {
          for (size_t i = begin; i < end; ++i) {
            const size_t row = i % rows;
            const auto low = static_cast<size_t>(plane_.rows.low[row]);
            const float* x = run.input(0) + (i / rows * plane_.rows.from + low) * from;
            float* out = run.output() + i * width;
            if (i > begin && row > 0 && plane_.rows.low[row - 1] == plane_.rows.low[row]) {
              std::memcpy(out, out - width, width * sizeof(float));
            } else if (plane_.columns.is_identity) {
              std::memcpy(out, x, width * sizeof(float));
            } else {
              simd::pick_columns(x, from, plane_.columns.low.data(), out, width);
            }
          }
        });
  }

 private:
  ResizedPlane plane_;
};

// Rows of x with the columns of the result: the last two of them, for they are needed again.
class WideRows {
 public:
  WideRows(const ResizedAxis& columns, const float* x, float* memory, size_t stride)
      : columns_(columns), x_(x), memory_(memory), stride_(stride) {}

  // Of all images, counted through.
  const float* get(size_t row) {
    if (columns_.is_identity) return x_ + row * columns_.from;
    float* to = memory_ + row % 2 * stride_;
    if (held_[row % 2] != row) columns_.interpolate(x_ + row * columns_.from, to);
    held_[row % 2] = row;
    return to;
  }

 private:
  static constexpr size_t kNone = ~size_t{0};

  const ResizedAxis& columns_;
  const float* x_;
  float* memory_;
  size_t stride_, held_[2] = {kNone, kNone};
};

// What there are fewer of is made first: columns of each row of x once, or rows.
class BilinearResize final : public Kernel {
 public:
  explicit BilinearResize(ResizedPlane plane)
      : plane_(std::move(plane)), rows_first_(plane_.rows.to <= plane_.rows.from) {}

  void run(const KernelRun& run) const override {
    const size_t count = plane_.planes * plane_.rows.to, width = plane_.columns.to;
    run.pool.parallel_for(count, kGrain / width + 1, [&](size_t begin, size_t end, int thread) {
      float* memory = run.scratch_floats() + static_cast<size_t>(thread) * 2 * stride();
      WideRows wide(plane_.columns, run.input(0), memory, stride());
      for (size_t i = begin; i < end; ++i) {
        float* out = run.output() + i * width;
        rows_first_ ? make_columns(run.input(0), i, memory, out) : make_row(wide, i, out);
      }
    });
  }
  size_t scratch_bytes(int threads) const override {
    return static_cast<size_t>(threads) * 2 * stride() * sizeof(float);
  }

 private:
  size_t stride() const {
    return (std::max(plane_.columns.from, plane_.columns.to) + 15) / 16 * 16;
  }
  // The first row of x, counted through all images, that row `i` of all results is made of.
  size_t low(size_t i) const {
    const ResizedAxis& rows = plane_.rows;
    return i / rows.to * rows.from + static_cast<size_t>(rows.low[i % rows.to]);
  }
  void blend(const float* a, const float* b, size_t i, size_t width, float* out) const {
    const size_t row = i % plane_.rows.to;
    simd::blend_rows(a, b, plane_.rows.kept[row], plane_.rows.part[row], out, width);
  }
  bool is_blend(size_t i) const { return plane_.rows.part[i % plane_.rows.to] != 0; }

  void make_row(WideRows& rows, size_t i, float* out) const {
    const float* a = rows.get(low(i));
    if (is_blend(i)) return blend(a, rows.get(low(i) + 1), i, plane_.columns.to, out);
    std::memcpy(out, a, plane_.columns.to * sizeof(float));
  }

  void make_columns(const float* x, size_t i, float* memory, float* out) const {
    const ResizedAxis& columns = plane_.columns;
    const float* row = x + low(i) * columns.from;
    if (is_blend(i)) {
      float* to = columns.is_identity ? out : memory;
      blend(row, row + columns.from, i, columns.from, to);
      row = to;
    }
    if (row != out) columns.interpolate(row, out);
  }

  ResizedPlane plane_;
  bool rows_first_;
};

std::unique_ptr<Kernel> resizing(const OpArgs& args) {
  const DType dtype = args.type("x").dtype;
  if (dtype != DType::kFp32 && dtype != DType::kInt32) return nullptr;
  auto plane = resized_plane(args);
  if (!plane) return nullptr;
  if (plane->rows.only_moves && plane->columns.only_moves) {
    return std::make_unique<MovingResize>(std::move(*plane));
  }
  if (dtype != DType::kFp32) return nullptr;
  return std::make_unique<BilinearResize>(std::move(*plane));
}

}  // namespace

KernelFamily resizing_kernels() {
  return {
      {"resize", resizing},
      {"resize_bilinear", resizing},
      {"resize_nearest_neighbor", resizing},
      {"upsample_bilinear", resizing},
      {"upsample_nearest_neighbor", resizing},
  };
}

}  // namespace anemone
