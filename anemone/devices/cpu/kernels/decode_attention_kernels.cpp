// Attention of new tokens to a cache and to each other, heads in parallel.
#include <algorithm>

#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/kernels/simd.h"
#include "anemone/ops/composites.h"

namespace anemone {
namespace {

// Probabilities of one token [capacity + N], its query, and its mixed values.
size_t scratch_floats(const AttentionShape& a) {
  return static_cast<size_t>(a.sequence + a.fresh + 2 * a.head_size);
}

// One head, whose keys and values are [position, K] in the cache and [K, N] of the new tokens.
class DecodeHead {
 public:
  DecodeHead(const AttentionShape& a, const KernelRun& run, int64_t head, size_t position,
             float* scratch)
      : size_(static_cast<size_t>(a.head_size)),
        fresh_(static_cast<size_t>(a.fresh)),
        position_(position),
        scale_(static_cast<float>(a.scale)),
        window_(static_cast<size_t>(a.window)),
        q_(run.input(0) + head * a.head_size * a.fresh),
        out_(run.output() + head * a.head_size * a.fresh),
        p_(scratch),
        query_(scratch + a.sequence + a.fresh),
        mixed_(query_ + a.head_size) {
    const int64_t shared = head / a.group() * a.head_size;
    k_ = run.input(1) + shared * a.fresh;
    v_ = run.input(2) + shared * a.fresh;
    k_cache_ = run.input(3) + shared * a.sequence;
    v_cache_ = run.input(4) + shared * a.sequence;
  }

  void run() const {
    for (size_t t = 0; t < fresh_; ++t) {
      attend(t);
      mix(t);
    }
  }

 private:
  // The first token that token t sees.
  size_t first_of(size_t t) const {
    const size_t seen = position_ + t + 1;
    return window_ > 0 && seen > window_ ? seen - window_ : 0;
  }

  // Probabilities of the tokens that token t sees.
  void attend(size_t t) const {
    const size_t first = first_of(t), cached = std::min(first, position_), seen = position_ + t + 1;
    for (size_t c = 0; c < size_; ++c) query_[c] = q_[c * fresh_ + t];
    simd::matrix_vector(k_cache_ + cached * size_, position_ - cached, size_, size_, query_,
                        p_ + cached);
    simd::weighted_rows(k_, size_, t + 1, fresh_, query_, p_ + position_);
    simd::softmax_row(p_ + first, seen - first, seen - first, scale_);
  }

  void mix(size_t t) const {
    const size_t first = first_of(t), cached = std::min(first, position_);
    const float* p = p_ + position_;
    simd::weighted_rows(v_cache_ + cached * size_, position_ - cached, size_, size_, p_ + cached,
                        mixed_);
    for (size_t c = 0; c < size_; ++c) {
      float sum = 0;
      for (size_t f = first - cached; f <= t; ++f) sum += p[f] * v_[c * fresh_ + f];
      out_[c * fresh_ + t] = mixed_[c] + sum;
    }
  }

  size_t size_, fresh_, position_;
  float scale_;
  size_t window_;
  const float *q_, *k_, *v_, *k_cache_, *v_cache_;
  float *out_, *p_, *query_, *mixed_;
};

std::unique_ptr<Kernel> decode_attention(const OpArgs& args) {
  if (!all_fp32(args)) return nullptr;
  const AttentionShape a = decode_attention_shape(args);
  return kernel_of(
      [=](const KernelRun& run) {
        const int32_t position = *static_cast<const int32_t*>(run.in[5].data);
        if (position < 0 || position > a.sequence) {
          fail("decode_attention",
               fmt::format("position {} is outside the cache of {}", position, a.sequence));
        }
        const auto heads = static_cast<size_t>(a.heads);
        run.pool.parallel_for(heads, 1, [&](size_t begin, size_t end, int part) {
          float* scratch = run.scratch_floats() + static_cast<size_t>(part) * scratch_floats(a);
          for (size_t head = begin; head < end; ++head) {
            DecodeHead(a, run, static_cast<int64_t>(head), static_cast<size_t>(position), scratch)
                .run();
          }
        });
      },
      {}, 0, scratch_floats(a) * sizeof(float));
}

}  // namespace

KernelFamily decode_attention_kernels() { return {{"anemone.decode_attention", decode_attention}}; }

}  // namespace anemone
