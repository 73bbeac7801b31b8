// Who reads the values of a function: found once, for passes and plans that ask often.
#pragma once

#include <span>
#include <unordered_map>
#include <vector>

#include "anemone/ir/program.h"

namespace anemone {

// A snapshot: it does not see what is changed afterwards. Operations of nested blocks count as the
// one that holds them.
class Uses {
 public:
  static constexpr size_t kNever = static_cast<size_t>(-1);

  explicit Uses(const Function& function);

  // The readers in order, one for every operand that is the value; null stands for the function's
  // outputs, which come last.
  std::span<Operation* const> readers(Value value) const;
  // The operation that alone reads the value, once; null where there is none.
  Operation* only_reader(Value value) const;
  // How often the value is an operand or an output.
  size_t count(Value value) const { return readers(value).size(); }
  // Where an operation stands among those of the function.
  size_t position(const Operation* op) const { return position_.at(op); }
  // The position of the last reader: the number of operations for an output, kNever for a value
  // that nothing reads.
  size_t last_use(Value value) const;

 private:
  std::unordered_map<Value, std::vector<Operation*>> readers_;
  std::unordered_map<const Operation*, size_t> position_;
};

}  // namespace anemone
