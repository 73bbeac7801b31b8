// Weights in packed forms: tables of values (palettes), sparse ones, scales for blocks, fp16.
// constexpr_affine_dequantize is in quantization.cpp.
#include <algorithm>
#include <bit>
#include <limits>

#include "anemone/ops/elementwise.h"
#include "anemone/ops/families.h"
#include "anemone/ops/movement.h"
#include "anemone/ops/packed.h"
#include "anemone/ops/query.h"

namespace anemone {
namespace {

constexpr Param kCast[] = {packed_param("source_val", Accepts::kFloat),
                           const_param("output_dtype", Accepts::kString)};
constexpr Param kPalette[] = {
    packed_param("indices", Accepts::kInteger), packed_param("lut", Accepts::kAny),
    optional_const("shape", Accepts::kInteger), optional_const("vector_axis", Accepts::kInteger)};
constexpr Param kSparsePalette[] = {packed_param("indices_mask", Accepts::kInteger),
                                    packed_param("indices_nonzero_data", Accepts::kInteger),
                                    packed_param("lut", Accepts::kAny),
                                    optional_const("vector_axis", Accepts::kInteger)};
constexpr Param kSparse[] = {packed_param("nonzero_data", Accepts::kAny),
                             packed_param("mask", Accepts::kInteger),
                             optional_const("shape", Accepts::kInteger)};
constexpr Param kBlocks[] = {packed_param("data", Accepts::kAny),
                             packed_param("scale", Accepts::kFloat),
                             optional_packed("offset", Accepts::kAny)};
constexpr Param kSparseBlocks[] = {
    packed_param("data_mask", Accepts::kInteger), packed_param("nonzero_data", Accepts::kAny),
    packed_param("scale", Accepts::kFloat), optional_packed("offset", Accepts::kAny)};

constexpr int64_t kMaxElements = int64_t{1} << 40;

// The parameter `shape` of the older forms, whose sizes make no more than 2^40 elements.
Shape shape_of(const OpArgs& args, std::string_view rule) {
  const Shape shape = args.integers("shape");
  int64_t count = 1;
  for (int64_t size : shape) {
    args.require(size > 0 && count <= kMaxElements / size,
                 "{}: shape {} has a size that is not positive or more than 2^40 elements", rule,
                 to_string(shape));
    count *= size;
  }
  return shape;
}

std::vector<Type> infer_cast(const OpArgs& args) {
  const std::string target = args.text("output_dtype");
  const Type& source = given_type(args, "source_val");
  args.require(source.dtype == DType::kFp16 || source.dtype == DType::kFp32,
               "constexpr_cast.c1: source_val is {}, not fp16", to_string(source));
  args.require(target == "fp32", "constexpr_cast.c2: output_dtype is {}, not fp32", target);
  return {Type::tensor(DType::kFp32, source.shape)};
}

void eval_cast(const EvalArgs& args) { convert(given_numbers(args, "source_val"), args.out()); }

// Tables for blocks of indices; each index stands for `vector` elements along `axis`.
struct Palette {
  Shape indices, blocks;
  int width = 0;  // bits of an index
  int64_t vector = 1;
  size_t axis = 0;
};

bool is_palette_size(int64_t size) {
  return size == 2 || size == 4 || size == 8 || size == 16 || size == 64 || size == 256;
}

// Of the form with `shape`: packed bytes, and one table.
Palette flat_palette(const OpArgs& args) {
  Palette p{shape_of(args, "constexpr_lut_to_dense.c1"), {}, 0};
  const Type &indices = given_type(args, "indices"), &lut = given_type(args, "lut");
  p.blocks = Shape(p.indices.size(), 1);
  args.require(lut.rank() == 1 && is_palette_size(lut.shape[0]) && lut.shape[0] != 8,
               "constexpr_lut_to_dense.c2: the table {} has not 2, 4, 16, 64 or 256 numbers",
               to_string(lut));
  p.width = std::countr_zero(static_cast<uint64_t>(lut.shape[0]));
  const int64_t bytes = (element_count(p.indices) * p.width + 7) / 8;
  args.require(indices == Type::tensor(DType::kUInt8, {bytes}),
               "constexpr_lut_to_dense.c3: indices are {}, not uint8 [{}]", to_string(indices),
               bytes);
  return p;
}

// Quoting .c2 to .c5: of indices in a tensor of `shape`, with tables in `lut`.
Palette palette_of(const OpArgs& args, const Shape& shape, DType stored) {
  const std::string& op = args.op().type;
  const Type& lut = given_type(args, "lut");
  args.require(lut.rank() == shape.size() + 2, "{}.c2: the tables {} have not the rank of {} + 2",
               op, to_string(lut), to_string(shape));
  Palette p{shape, Shape(lut.shape.begin(), lut.shape.end() - 2), bits(stored)};
  require_blocks(args, shape, p.blocks, op + ".c3");
  const int64_t size = lut.shape[shape.size()];
  args.require(p.width <= 8 && stored >= DType::kUInt1 && size == int64_t{1} << p.width,
               "{}.c4: tables of {} numbers do not go with indices of {}", op, size, name(stored));
  p.vector = lut.shape.back();
  args.require(p.vector == 1 || is_given(args, "vector_axis"),
               "{}.c5: vectors of {} need a vector_axis", op, p.vector);
  p.axis = args.axis(args.integer("vector_axis", 0), shape.size(), op + ".c5");
  args.require(
      shape[p.axis] <= std::numeric_limits<int32_t>::max() / std::max<int64_t>(1, p.vector),
      "{}.c5: axis {} becomes larger than 2^31-1", op, p.axis);
  return p;
}

Palette dense_palette(const OpArgs& args) {
  if (is_given(args, "shape")) return flat_palette(args);
  const Type& indices = given_type(args, "indices");
  return palette_of(args, indices.shape, indices.dtype);
}

Shape unpacked_shape(const Palette& p) {
  Shape shape = p.indices;
  if (!shape.empty()) shape[p.axis] *= p.vector;
  return shape;
}

std::vector<Type> infer_palette(const OpArgs& args) {
  const Palette p = dense_palette(args);
  return {Type::tensor(given_type(args, "lut").dtype, unpacked_shape(p))};
}

// Calls visit(element of the result, number of the table) for the vector of index `position`.
template <typename Visit>
void for_each_of_vector(const Palette& p, const AxisSplit& split, int64_t position, Visit&& visit) {
  const int64_t inner = position % split.inner, row = position / split.inner;
  for (int64_t i = 0; i < p.vector; ++i) visit((row * p.vector + i) * split.inner + inner, i);
}

AxisSplit axis_of(const Palette& p) {
  return p.indices.empty() ? AxisSplit{} : split_at(p.indices, p.axis);
}

void eval_palette(const EvalArgs& args) {
  const Palette p = dense_palette(args);
  const TensorView indices = given_numbers(args, "indices"), lut = given_numbers(args, "lut");
  const AxisSplit split = axis_of(p);
  if (p.vector == 1) {
    return for_each_in_blocks(p.indices, p.blocks, [&](int64_t position, int64_t block) {
      const int64_t index = bits_at(indices.data, p.width, position);
      args.out().set(position, lut.at((block << p.width) + index));
    });
  }
  for_each_in_blocks(p.indices, p.blocks, [&](int64_t position, int64_t block) {
    const int64_t index = bits_at(indices.data, p.width, position);
    const int64_t entry = ((block << p.width) + index) * p.vector;
    for_each_of_vector(p, split, position, [&](int64_t element, int64_t i) {
      args.out().set(element, lut.at(entry + i));
    });
  });
}

int64_t count_ones(const TensorView& mask, int64_t elements) {
  int64_t ones = 0;
  for (int64_t i = 0; i < elements; ++i) ones += bits_at(mask.data, 1, i);
  return ones;
}

// Quoting `rule`: as many numbers as the mask has ones. Unknown before both are loaded.
void require_ones(const OpArgs& args, const TensorView& mask, int64_t elements, int64_t numbers,
                  std::string_view rule) {
  const int64_t ones = count_ones(mask, elements);
  args.require(ones == numbers, "{}: the mask has {} ones for {} numbers", rule, ones, numbers);
}

// The shape that a mask has: its own, or `shape` for one of bytes.
Shape mask_shape(const OpArgs& args, std::string_view name) {
  const std::string& op = args.op().type;
  const Type& mask = given_type(args, name);
  if (!is_given(args, "shape")) {
    args.require(mask.dtype == DType::kUInt1 && mask.rank() > 0, "{}.c1: the mask is {}, not uint1",
                 op, to_string(mask));
    return mask.shape;
  }
  const Shape shape = shape_of(args, op + ".c1");
  const int64_t bytes = (element_count(shape) + 7) / 8;
  args.require(mask == Type::tensor(DType::kUInt8, {bytes}),
               "{}.c1: the mask is {}, not uint8 [{}]", op, to_string(mask), bytes);
  return shape;
}

// .c2: the numbers are a list, one for each one of the mask.
void check_sparse(const OpArgs& args, std::string_view mask, std::string_view data,
                  const Shape& shape) {
  const std::string rule = args.op().type + ".c2";
  const Type& numbers = given_type(args, data);
  args.require(numbers.rank() == 1, "{}: '{}' is {}, no list", rule, data, to_string(numbers));
  if (const Tensor* bits = known_numbers(args, mask)) {
    require_ones(args, *bits, element_count(shape), numbers.shape[0], rule);
  }
}

std::vector<Type> infer_sparse(const OpArgs& args) {
  const Shape shape = mask_shape(args, "mask");
  check_sparse(args, "mask", "nonzero_data", shape);
  return {Type::tensor(given_type(args, "nonzero_data").dtype, shape)};
}

// Calls visit(element, block, which one) for the ones of a mask in order.
template <typename Visit>
void for_each_one(const TensorView& mask, const Shape& shape, const Shape& blocks, Visit&& visit) {
  int64_t next = 0;
  for_each_in_blocks(shape, blocks, [&](int64_t element, int64_t block) {
    if (bits_at(mask.data, 1, element)) visit(element, block, next++);
  });
}

void eval_sparse(const EvalArgs& args) {
  const TensorView data = given_numbers(args, "nonzero_data"), mask = given_numbers(args, "mask");
  const Shape& shape = args.out().shape;
  require_ones(args, mask, element_count(shape), data.size(), "constexpr_sparse_to_dense.c2");
  for (int64_t i = 0; i < args.out().size(); ++i) packed_set(args.out(), i, 0);
  for_each_one(mask, shape, Shape(shape.size(), 1), [&](int64_t element, int64_t, int64_t next) {
    packed_set(args.out(), element, packed_at(data, next));
  });
}

// .c1 and .c2 (of the sparse form .c3 and .c4): a scale for each block of `shape`, and an offset.
void check_blocks(const OpArgs& args, const Shape& shape, DType stored, int first_rule) {
  const std::string& op = args.op().type;
  const Type& scale = given_type(args, "scale");
  require_blocks(args, shape, scale.shape, fmt::format("{}.c{}", op, first_rule));
  if (!is_given(args, "offset")) return;
  const Type& offset = given_type(args, "offset");
  args.require(offset.shape == scale.shape && (offset.dtype == stored || is_float(offset.dtype)),
               "{}.c{}: offset is {}, not {} of {} or of floats", op, first_rule + 1,
               to_string(offset), to_string(scale.shape), name(stored));
}

std::vector<Type> infer_blocks(const OpArgs& args) {
  const Type& data = given_type(args, "data");
  check_blocks(args, data.shape, data.dtype, 1);
  return {Type::tensor(given_type(args, "scale").dtype, data.shape)};
}

// scale * (stored - offset) of the block.
class Scales {
 public:
  explicit Scales(const EvalArgs& args)
      : scale_(given_numbers(args, "scale")), has_offset_(is_given(args, "offset")) {
    if (has_offset_) offset_ = given_numbers(args, "offset");
  }
  double operator()(double stored, int64_t block) const {
    return scale_.at(block) * (has_offset_ ? stored - packed_at(offset_, block) : stored);
  }
  const Shape& blocks() const { return scale_.shape; }

 private:
  TensorView scale_, offset_;
  bool has_offset_;
};

void eval_blocks(const EvalArgs& args) {
  const TensorView data = given_numbers(args, "data");
  const Scales scales(args);
  for_each_in_blocks(data.shape, scales.blocks(), [&](int64_t element, int64_t block) {
    args.out().set(element, scales(packed_at(data, element), block));
  });
}

std::vector<Type> infer_sparse_blocks(const OpArgs& args) {
  const Shape shape = mask_shape(args, "data_mask");
  check_sparse(args, "data_mask", "nonzero_data", shape);
  const Type& data = given_type(args, "nonzero_data");
  check_blocks(args, shape, data.dtype, 3);
  return {Type::tensor(DType::kUInt1, shape),
          Type::tensor(given_type(args, "scale").dtype, data.shape)};
}

void eval_sparse_blocks(const EvalArgs& args) {
  const TensorView mask = given_numbers(args, "data_mask");
  const TensorView data = given_numbers(args, "nonzero_data");
  const Scales scales(args);
  require_ones(args, mask, mask.size(), data.size(), args.op().type + ".c2");
  for (int64_t i = 0; i < mask.size(); ++i) packed_set(args.out(), i, packed_at(mask, i));
  for_each_one(mask, mask.shape, scales.blocks(), [&](int64_t, int64_t block, int64_t next) {
    args.out(1).set(next, scales(packed_at(data, next), block));
  });
}

Palette sparse_palette(const OpArgs& args) {
  const Shape shape = mask_shape(args, "indices_mask");
  return palette_of(args, shape, given_type(args, "indices_nonzero_data").dtype);
}

std::vector<Type> infer_sparse_palette(const OpArgs& args) {
  const Palette p = sparse_palette(args);
  const Type& data = given_type(args, "indices_nonzero_data");
  args.require(data.rank() == 1 && data.shape[0] <= std::numeric_limits<int32_t>::max(),
               "constexpr_lut_to_sparse.c6: the indices are {}, no list", to_string(data));
  if (const Tensor* mask = known_numbers(args, "indices_mask")) {
    require_ones(args, *mask, element_count(p.indices), data.shape[0],
                 "constexpr_lut_to_sparse.c6");
  }
  return {Type::tensor(DType::kUInt1, unpacked_shape(p)),
          Type::tensor(given_type(args, "lut").dtype, {data.shape[0] * p.vector})};
}

// The numbers of the result stand in the order of the mask that is unpacked along the vector axis.
void eval_sparse_palette(const EvalArgs& args) {
  const Palette p = sparse_palette(args);
  const TensorView mask = given_numbers(args, "indices_mask"), lut = given_numbers(args, "lut");
  const TensorView indices = given_numbers(args, "indices_nonzero_data");
  require_ones(args, mask, mask.size(), indices.size(), "constexpr_lut_to_sparse.c6");
  const AxisSplit split = axis_of(p);
  std::vector<std::pair<int64_t, double>> found;
  for (int64_t i = 0; i < args.out().size(); ++i) packed_set(args.out(), i, 0);
  for_each_one(mask, p.indices, p.blocks, [&](int64_t position, int64_t block, int64_t next) {
    const int64_t index = bits_at(indices.data, p.width, next);
    const int64_t entry = ((block << p.width) + index) * p.vector;
    for_each_of_vector(p, split, position, [&](int64_t element, int64_t i) {
      packed_set(args.out(), element, 1);
      found.emplace_back(element, lut.at(entry + i));
    });
  });
  std::sort(found.begin(), found.end());
  for (size_t i = 0; i < found.size(); ++i) {
    args.out(1).set(static_cast<int64_t>(i), found[i].second);
  }
}

const OpDef kOps[] = {
    {.name = "constexpr_cast",
     .params = kCast,
     .infer = infer_cast,
     .eval = eval_cast,
     .grad = zero_gradient,
     .since = Opset::kIos16,
     .traits = Trait::kConstant | Trait::kPacked},
    {.name = "constexpr_lut_to_dense",
     .params = kPalette,
     .infer = infer_palette,
     .eval = eval_palette,
     .grad = zero_gradient,
     .since = Opset::kIos16,
     .traits = Trait::kConstant | Trait::kPacked},
    {.name = "constexpr_sparse_to_dense",
     .params = kSparse,
     .infer = infer_sparse,
     .eval = eval_sparse,
     .grad = zero_gradient,
     .since = Opset::kIos16,
     .traits = Trait::kConstant | Trait::kPacked},
    {.name = "constexpr_blockwise_shift_scale",
     .params = kBlocks,
     .infer = infer_blocks,
     .eval = eval_blocks,
     .grad = zero_gradient,
     .since = Opset::kIos18,
     .traits = Trait::kConstant | Trait::kPacked},
    {.name = "constexpr_lut_to_sparse",
     .params = kSparsePalette,
     .infer = infer_sparse_palette,
     .eval = eval_sparse_palette,
     .grad = zero_gradient,
     .since = Opset::kIos18,
     .traits = Trait::kConstant | Trait::kPacked},
    {.name = "constexpr_sparse_blockwise_shift_scale",
     .params = kSparseBlocks,
     .infer = infer_sparse_blocks,
     .eval = eval_sparse_blocks,
     .grad = zero_gradient,
     .since = Opset::kIos18,
     .traits = Trait::kConstant | Trait::kPacked},
};

}  // namespace

std::span<const OpDef> palette_ops() { return kOps; }

}  // namespace anemone
