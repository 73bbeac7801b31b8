// Between channels or batch and space: blocks of pixels that become channels, and back.
#include <limits>

#include "anemone/ops/families.h"
#include "anemone/ops/movement.h"

namespace anemone {
namespace {

constexpr Param kBlock[] = {param("x", Accepts::kAny),
                            const_param("block_size", Accepts::kInteger)};
constexpr Param kShuffle[] = {param("x", Accepts::kAny),
                              const_param("upscale_factor", Accepts::kInteger)};
constexpr Param kUnshuffle[] = {param("x", Accepts::kAny),
                                const_param("downscale_factor", Accepts::kInteger)};
constexpr Param kToBatch[] = {param("x", Accepts::kAny),
                              const_param("block_shape", Accepts::kInteger),
                              const_param("paddings", Accepts::kInteger)};
constexpr Param kFromBatch[] = {param("x", Accepts::kAny),
                                const_param("block_shape", Accepts::kInteger),
                                const_param("crops", Accepts::kInteger)};

constexpr int64_t kMaxSize = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxBlock = 65536;  // keeps products of a size and two blocks within 64 bits

// x seen in `parts`, its axes in the order `perm`, seen as `result`.
struct Rearrangement {
  Shape parts;
  std::vector<int64_t> perm;
  Shape result;
};

Shape permuted(const Shape& shape, const std::vector<int64_t>& perm) {
  Shape result;
  for (int64_t axis : perm) result.push_back(shape[static_cast<size_t>(axis)]);
  return result;
}

void copy_rearranged(const TensorView& x, const Rearrangement& r, const TensorView& out) {
  const Shape strides = row_major_strides(r.parts);
  OffsetTables tables;
  for (int64_t axis : r.perm) {
    const auto i = static_cast<size_t>(axis);
    tables.push_back(axis_offsets(0, 1, r.parts[i], strides[i]));
  }
  copy_by_tables(x, tables, {out.dtype, permuted(r.parts, r.perm), out.data});
}

Value rearranged_back(Builder& b, Value dy, const Rearrangement& r, const Shape& shape) {
  std::vector<int64_t> inverse(r.perm.size());
  for (size_t i = 0; i < r.perm.size(); ++i) {
    inverse[static_cast<size_t>(r.perm[i])] = static_cast<int64_t>(i);
  }
  return b.reshape(b.transpose(b.reshape(dy, permuted(r.parts, r.perm)), inverse), shape);
}

const Shape& image_shape(const OpArgs& args) {
  const Shape& shape = args.shape("x");
  args.require(shape.size() == 4, "{}.c1: x {} is not [N, C, H, W]", args.op().type,
               to_string(shape));
  return shape;
}

int64_t block_of(const OpArgs& args) {
  const char* name = args.op().type == "pixel_shuffle"     ? "upscale_factor"
                     : args.op().type == "pixel_unshuffle" ? "downscale_factor"
                                                           : "block_size";
  const int64_t block = args.integer(name);
  args.require(block > 0 && block <= kMaxBlock, "{}.c2: '{}' {} is not from 1 to {}",
               args.op().type, name, block, kMaxBlock);
  return block;
}

// Channels become blocks; their number is C' for each place in a block.
Rearrangement to_space(const OpArgs& args) {
  const Shape& x = image_shape(args);
  const int64_t b = block_of(args), c = x[1] / (b * b);
  args.require(x[1] % (b * b) == 0, "{}.c3: {} channels do not make blocks of {} by {}",
               args.op().type, x[1], b, b);
  const Shape result = {x[0], c, x[2] * b, x[3] * b};
  if (args.op().type == "pixel_shuffle") {
    return {{x[0], c, b, b, x[2], x[3]}, {0, 1, 4, 2, 5, 3}, result};
  }
  return {{x[0], b, b, c, x[2], x[3]}, {0, 3, 4, 1, 5, 2}, result};
}

Rearrangement to_depth(const OpArgs& args) {
  const Shape& x = image_shape(args);
  const int64_t b = block_of(args);
  args.require(x[2] % b == 0 && x[3] % b == 0, "{}.c3: {} by {} pixels do not make blocks of {}",
               args.op().type, x[2], x[3], b);
  args.require(x[1] <= kMaxSize / (b * b),
               "{}.c3: {} channels in blocks of {} are more than 2^31-1", args.op().type, x[1], b);
  const Shape result = {x[0], x[1] * b * b, x[2] / b, x[3] / b};
  const Shape parts = {x[0], x[1], x[2] / b, b, x[3] / b, b};
  if (args.op().type == "pixel_unshuffle") return {parts, {0, 1, 3, 5, 2, 4}, result};
  return {parts, {0, 3, 5, 1, 2, 4}, result};
}

Rearrangement rearrangement_of(const OpArgs& args) {
  const std::string& op = args.op().type;
  return op == "pixel_shuffle" || op == "depth_to_space" ? to_space(args) : to_depth(args);
}

std::vector<Type> infer(const OpArgs& args) {
  return {Type::tensor(args.type("x").dtype, rearrangement_of(args).result)};
}

void eval(const EvalArgs& args) {
  copy_rearranged(args.in("x"), rearrangement_of(args), args.out());
}

Grads grad(GradArgs& args) {
  return {{args.value("x"),
           rearranged_back(args.builder, args.doutput(), rearrangement_of(args), args.shape("x"))}};
}

// Blocks of space_to_batch and batch_to_space, and the border that is put on or cut off.
struct BatchBlocks {
  int64_t height = 1, width = 1;
  Shape before = {0, 0, 0, 0}, after = {0, 0, 0, 0};
};

BatchBlocks batch_blocks(const OpArgs& args, const char* border) {
  const std::string& op = args.op().type;
  const Shape blocks = args.integers("block_shape"), amounts = args.integers(border);
  args.require(blocks.size() == 2 && args.shape(border) == Shape{2, 2},
               "{}.c2: block_shape is not [2] or {} not [2, 2]", op, border);
  for (int64_t block : blocks) {
    args.require(block > 0 && block <= kMaxBlock, "{}.c2: block {} is not from 1 to {}", op, block,
                 kMaxBlock);
  }
  for (int64_t amount : amounts) args.require(amount >= 0, "{}.c2: {} is negative", op, amount);
  return {blocks[0], blocks[1], {0, 0, amounts[0], amounts[2]}, {0, 0, amounts[1], amounts[3]}};
}

struct ToBatch {
  BatchBlocks blocks;
  Shape padded;
  Rearrangement order;
};

ToBatch to_batch(const OpArgs& args) {
  const Shape& x = image_shape(args);
  ToBatch t{batch_blocks(args, "paddings"), x, {}};
  const int64_t bh = t.blocks.height, bw = t.blocks.width;
  for (size_t i : {2, 3}) t.padded[i] += t.blocks.before[i] + t.blocks.after[i];
  const int64_t h = t.padded[2] / bh, w = t.padded[3] / bw;
  args.require(t.padded[2] % bh == 0 && t.padded[3] % bw == 0 && x[0] <= kMaxSize / (bh * bw),
               "space_to_batch.c3: {} in blocks of {} by {} is no tensor", to_string(t.padded), bh,
               bw);
  t.order = {{x[0], x[1], h, bh, w, bw}, {3, 5, 0, 1, 2, 4}, {x[0] * bh * bw, x[1], h, w}};
  return t;
}

std::vector<Type> infer_to_batch(const OpArgs& args) {
  return {Type::tensor(args.type("x").dtype, to_batch(args).order.result)};
}

// Copies x into a larger tensor of zeros, or a part of a larger tensor.
void copy_inside(const TensorView& from, const Shape& before, const TensorView& to, bool pads) {
  const Shape strides = row_major_strides(from.shape);
  OffsetTables tables(from.shape.size());
  for (size_t axis = 0; axis < tables.size(); ++axis) {
    for (int64_t i = 0; i < to.shape[axis]; ++i) {
      const int64_t source = pads ? i - before[axis] : i + before[axis];
      const bool inside = source >= 0 && source < from.shape[axis];
      tables[axis].push_back(inside ? source * strides[axis] : kSkip);
    }
  }
  copy_by_tables(from, tables, to);
}

void eval_to_batch(const EvalArgs& args) {
  const ToBatch t = to_batch(args);
  const Tensor padded(args.in("x").dtype, t.padded);
  copy_inside(args.in("x"), t.blocks.before, padded, true);
  copy_rearranged(padded, t.order, args.out());
}

Grads grad_to_batch(GradArgs& args) {
  Builder& b = args.builder;
  const ToBatch t = to_batch(args);
  const Value padded = rearranged_back(b, args.doutput(), t.order, t.padded);
  return {{args.value("x"), b.slice_by_size(padded, t.blocks.before, args.shape("x"))}};
}

struct FromBatch {
  BatchBlocks blocks;
  Rearrangement order;
  Shape result;
};

FromBatch from_batch(const OpArgs& args) {
  const Shape& x = image_shape(args);
  FromBatch f{batch_blocks(args, "crops"), {}, {}};
  const int64_t bh = f.blocks.height, bw = f.blocks.width, n = x[0] / (bh * bw);
  args.require(x[0] % (bh * bw) == 0,
               "batch_to_space.c3: a batch of {} does not make blocks of {} by {}", x[0], bh, bw);
  f.order = {{bh, bw, n, x[1], x[2], x[3]}, {2, 3, 4, 0, 5, 1}, {n, x[1], x[2] * bh, x[3] * bw}};
  f.result = f.order.result;
  for (size_t i : {2, 3}) {
    f.result[i] -= f.blocks.before[i] + f.blocks.after[i];
    args.require(f.result[i] > 0, "batch_to_space.c4: nothing is left of axis {} of {}", i,
                 f.order.result[i]);
  }
  return f;
}

std::vector<Type> infer_from_batch(const OpArgs& args) {
  return {Type::tensor(args.type("x").dtype, from_batch(args).result)};
}

void eval_from_batch(const EvalArgs& args) {
  const FromBatch f = from_batch(args);
  const Tensor whole(args.in("x").dtype, f.order.result);
  copy_rearranged(args.in("x"), f.order, whole);
  copy_inside(whole, f.blocks.before, args.out(), false);
}

Grads grad_from_batch(GradArgs& args) {
  Builder& b = args.builder;
  const FromBatch f = from_batch(args);
  const Value whole = pad_with_zeros(b, args.doutput(), f.blocks.before, f.blocks.after);
  return {{args.value("x"), rearranged_back(b, whole, f.order, args.shape("x"))}};
}

constexpr OpDef rearranging(std::string_view name, std::span<const Param> params,
                            Opset since = Opset::kIos15) {
  return {
      .name = name, .params = params, .infer = infer, .eval = eval, .grad = grad, .since = since};
}

const OpDef kOps[] = {
    rearranging("depth_to_space", kBlock),
    rearranging("space_to_depth", kBlock),
    rearranging("pixel_shuffle", kShuffle),
    rearranging("pixel_unshuffle", kUnshuffle, Opset::kIos16),
    {.name = "space_to_batch",
     .params = kToBatch,
     .infer = infer_to_batch,
     .eval = eval_to_batch,
     .grad = grad_to_batch},
    {.name = "batch_to_space",
     .params = kFromBatch,
     .infer = infer_from_batch,
     .eval = eval_from_batch,
     .grad = grad_from_batch},
};

}  // namespace

std::span<const OpDef> space_ops() { return kOps; }

}  // namespace anemone
