#include "anemone/ops/packed.h"

namespace anemone {

bool is_given(const OpArgs& args, std::string_view name) {
  return args.has(name) || args.op().attribute(name) != nullptr;
}

const Type& given_type(const OpArgs& args, std::string_view name) {
  if (args.has(name)) return args.type(name);
  const Literal* attribute = args.op().attribute(name);
  if (!attribute) args.refuse(fmt::format("{} needs parameter '{}'", args.op().type, name));
  return attribute->type;
}

TensorView given_numbers(const EvalArgs& args, std::string_view name) {
  if (args.has(name)) return args.in(name);
  const Tensor* numbers = args.constant(name);
  args.require(numbers != nullptr, "{} needs parameter '{}'", args.op().type, name);
  return *numbers;
}

uint32_t bits_at(const void* data, int width, int64_t index) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  const auto first = static_cast<size_t>(index) * static_cast<size_t>(width);
  const size_t byte = first / 8, shift = first % 8;
  uint32_t word = bytes[byte];
  if (shift + static_cast<size_t>(width) > 8) word |= uint32_t{bytes[byte + 1]} << 8;
  return (word >> shift) & ((1u << width) - 1);
}

double packed_at(const TensorView& view, int64_t index) {
  const int width = bits(view.dtype);
  if (width >= 8) return view.at(index);
  const auto stored = static_cast<int>(bits_at(view.data, width, index));
  return view.dtype == DType::kInt4 && stored > 7 ? stored - 16 : stored;
}

void packed_set(const TensorView& view, int64_t index, double value) {
  const int width = bits(view.dtype);
  if (width >= 8) return view.set(index, value);
  const auto stored = static_cast<uint32_t>(static_cast<int>(value)) & ((1u << width) - 1);
  const auto first = static_cast<size_t>(index) * static_cast<size_t>(width);
  auto* byte = static_cast<uint8_t*>(view.data) + first / 8;
  for (int bit = 0; bit < width; ++bit) {
    const size_t at = first % 8 + static_cast<size_t>(bit);
    const auto mask = static_cast<uint8_t>(1u << at % 8);
    byte[at / 8] =
        static_cast<uint8_t>((stored >> bit & 1) ? byte[at / 8] | mask : byte[at / 8] & ~mask);
  }
}

void require_blocks(const OpArgs& args, const Shape& shape, const Shape& blocks,
                    std::string_view rule) {
  bool fit = !shape.empty() && shape.size() == blocks.size();
  for (size_t i = 0; fit && i < shape.size(); ++i) {
    fit = blocks[i] > 0 && shape[i] % blocks[i] == 0;
  }
  args.require(fit, "{}: {} is not cut into equal blocks by {}", rule, to_string(shape),
               to_string(blocks));
}

std::vector<std::vector<int64_t>> block_tables(const Shape& shape, const Shape& blocks) {
  const Shape strides = row_major_strides(blocks);
  std::vector<std::vector<int64_t>> tables(shape.size());
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    const int64_t size = shape[axis] / blocks[axis];
    for (int64_t i = 0; i < shape[axis]; ++i) tables[axis].push_back(i / size * strides[axis]);
  }
  return tables;
}

}  // namespace anemone
