// What a convolution does to its results before it stores them, instead of operations of their own:
// rounding to fp16, the sum with another value, and limits (relu, relu6, clip).
#pragma once

#include <optional>
#include <string_view>
#include <unordered_set>

#include "anemone/devices/cpu/kernel.h"
#include "anemone/kernels/simd_conv.h"
#include "anemone/ops/op_args.h"

namespace anemone {

// An argument and attributes that a compiled convolution has beside MIL's.
inline constexpr std::string_view kAddend = "addend", kLimits = "limits", kRounds = "rounds",
                                  kRoundsSum = "rounds_sum";

bool has_epilogue(const OpArgs& args);

// Reads them as a kernel wants them.
class EpilogueReader {
 public:
  explicit EpilogueReader(const OpArgs& args);
  ConvFinish finish(const KernelRun& run) const;

 private:
  ConvFinish fixed_;
  std::optional<size_t> bias_, addend_;  // positions among the operands
};

// Gives convolutions the operations that follow them and read nothing else's result. Results of
// `rounded` operations are rounded to fp16; what a convolution does itself is taken out of it.
void fuse_epilogues(Function& function, std::unordered_set<const Operation*>& rounded);

}  // namespace anemone
