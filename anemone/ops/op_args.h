// An operation seen through its parameters: what every rule of an op family works on.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "anemone/ir/program.h"

namespace anemone {

class OpArgs {
 public:
  explicit OpArgs(const Operation& op) : op_(op) {}

  const Operation& op() const { return op_; }
  // Whether the operation has the meaning of this opset or a later one.
  bool since(Opset opset) const { return op_.version >= opset; }
  bool has(std::string_view name) const { return op_.find(name) != nullptr; }

  // The operand of a parameter that is there; a tuple has `operands`.
  const Operand& operand(std::string_view name) const;
  const std::vector<Operand>& operands(std::string_view name) const;
  const Type& type(std::string_view name) const { return operand(name).type(); }
  const Shape& shape(std::string_view name) const { return type(name).shape; }
  // The bound value; null for a parameter that is absent or a literal in place.
  Value value(std::string_view name) const;

  // Whether two parameters may be computed with each other: they have one element type, or, from
  // ios17 on, fp16 and fp32.
  bool go_together(std::string_view name, std::string_view other) const;

  // Compile-time parameters. Without a default, an absent one is an error; one that is bound to
  // something other than a constant always is.
  int64_t integer(std::string_view name, std::optional<int64_t> fallback = {}) const;
  std::vector<int64_t> integers(std::string_view name,
                                std::optional<std::vector<int64_t>> fallback = {}) const;
  double number(std::string_view name, std::optional<double> fallback = {}) const;
  bool boolean(std::string_view name, std::optional<bool> fallback = {}) const;
  std::string text(std::string_view name, std::optional<std::string> fallback = {}) const;
  // The literal of a compile-time parameter, be it an argument or an attribute (as those of const
  // and constexpr_…); null where it is absent.
  const Literal* literal(std::string_view name) const { return literal(name, false); }
  // Its numbers, which must be loaded.
  const Tensor* constant(std::string_view name) const;

  // `axis` made non-negative, or an error that quotes `rule`.
  size_t axis(int64_t axis, size_t rank, std::string_view rule) const;

  // Throws Error(kInvalidInput) placed at this operation. Rules are numbered in docs/ops.md.
  [[noreturn]] void refuse(std::string message, std::string hint = "") const;
  template <typename... Values>
  void require(bool condition, fmt::format_string<Values...> message, Values&&... values) const {
    if (!condition) refuse(fmt::format(message, std::forward<Values>(values)...));
  }

 private:
  const Literal* literal(std::string_view name, bool required) const;

  const Operation& op_;
};

}  // namespace anemone
