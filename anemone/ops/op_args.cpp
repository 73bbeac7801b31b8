#include "anemone/ops/op_args.h"

#include <cmath>

namespace anemone {

void OpArgs::refuse(std::string message, std::string hint) const {
  fail(op_.where(), std::move(message), std::move(hint));
}

const std::vector<Operand>& OpArgs::operands(std::string_view name) const {
  const Argument* argument = op_.find(name);
  if (!argument) refuse(fmt::format("{} needs parameter '{}'", op_.type, name));
  return argument->operands;
}

const Operand& OpArgs::operand(std::string_view name) const {
  const std::vector<Operand>& all = operands(name);
  require(all.size() == 1, "{}: parameter '{}' takes one value, not a tuple", op_.type, name);
  return all[0];
}

Value OpArgs::value(std::string_view name) const {
  return has(name) ? operand(name).value : nullptr;
}

bool OpArgs::go_together(std::string_view name, std::string_view other) const {
  const auto is_mixed = [](DType a, DType b) { return a == DType::kFp16 && b == DType::kFp32; };
  const DType a = type(name).dtype, b = type(other).dtype;
  return a == b || (since(Opset::kIos17) && (is_mixed(a, b) || is_mixed(b, a)));
}

const Literal* OpArgs::literal(std::string_view name, bool required) const {
  if (!has(name)) {
    if (const Literal* attribute = op_.attribute(name)) return attribute;
    require(!required, "{} needs parameter '{}'", op_.type, name);
    return nullptr;
  }
  const Literal* found = Operation::constant(operand(name));
  require(found != nullptr, "{}: parameter '{}' must be a constant", op_.type, name);
  return found;
}

const Tensor* OpArgs::constant(std::string_view name) const {
  const Literal* found = literal(name, false);
  if (!found) return nullptr;
  require(found->tensor != nullptr,
          "{}: the numbers of '{}' are in a weight file that is not loaded", op_.type, name);
  return found->tensor.get();
}

std::vector<int64_t> OpArgs::integers(std::string_view name,
                                      std::optional<std::vector<int64_t>> fallback) const {
  const Tensor* tensor = constant(name);
  if (!tensor) {
    require(fallback.has_value(), "{} needs parameter '{}'", op_.type, name);
    return *fallback;
  }
  require(is_integer(tensor->dtype()) || tensor->dtype() == DType::kBool,
          "{}: parameter '{}' takes integers, not {}", op_.type, name,
          anemone::name(tensor->dtype()));
  std::vector<int64_t> values(static_cast<size_t>(tensor->size()));
  for (size_t i = 0; i < values.size(); ++i) {
    // Within 32 bits, so that no rule's arithmetic overflows.
    const double value = tensor->at(static_cast<int64_t>(i));
    require(std::abs(value) <= 0x1p31, "{}: parameter '{}' holds {}, beyond 32 bits", op_.type,
            name, value);
    values[i] = static_cast<int64_t>(value);
  }
  return values;
}

int64_t OpArgs::integer(std::string_view name, std::optional<int64_t> fallback) const {
  if (fallback && !literal(name, false)) return *fallback;
  const std::vector<int64_t> values = integers(name);
  require(values.size() == 1, "{}: parameter '{}' takes one integer, not {}", op_.type, name,
          values.size());
  return values[0];
}

double OpArgs::number(std::string_view name, std::optional<double> fallback) const {
  if (fallback && !literal(name, false)) return *fallback;
  const Tensor* tensor = constant(name);
  require(tensor != nullptr, "{} needs parameter '{}'", op_.type, name);
  require(tensor->size() == 1, "{}: parameter '{}' takes one number, not {}", op_.type, name,
          tensor->size());
  return tensor->at(0);
}

bool OpArgs::boolean(std::string_view name, std::optional<bool> fallback) const {
  return number(name, fallback ? std::optional<double>(*fallback) : std::nullopt) != 0;
}

std::string OpArgs::text(std::string_view name, std::optional<std::string> fallback) const {
  const Literal* found = literal(name, !fallback.has_value());
  if (!found) return *fallback;
  require(found->strings.size() == 1, "{}: parameter '{}' takes a string", op_.type, name);
  return found->strings[0];
}

size_t OpArgs::axis(int64_t axis, size_t rank, std::string_view rule) const {
  const int64_t normal = normalize_axis(axis, rank);
  require(normal >= 0, "{}: axis {} is outside rank {}", rule, axis, rank);
  return static_cast<size_t>(normal);
}

}  // namespace anemone
