// What names stand for while a program with nested blocks is read.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "anemone/ir/program.h"

namespace anemone {

class Scopes {
 public:
  explicit Scopes(Function& function) : function_(function) { enter(); }
  // A block begins, or ends: what it defined is not seen behind it.
  void enter() { names_.emplace_back(); }
  void leave() { names_.pop_back(); }

  // A new value of the function. A name that a block beside this one uses is free here, and the
  // value is called something else then; one that is visible here is kept for the verifier to
  // refuse.
  Value define(const std::string& name, Type type, Operation* producer);

  // Null for a name that is not visible here.
  Value find(const std::string& name) const;

  // All that are visible, sorted.
  std::vector<std::string_view> names() const;

 private:
  Function& function_;
  std::vector<std::unordered_map<std::string, Value>> names_;
};

// Bounds the recursion of everything that walks nested blocks.
inline constexpr int kMaxBlockDepth = 32;

}  // namespace anemone
