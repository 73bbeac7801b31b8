// Says everything that is wrong with a program.
#pragma once

#include <vector>

#include "anemone/ir/program.h"

namespace anemone {

// All findings in order of place: structure, unknown operations and parameters, missing ones, wrong
// types, rules of the operations, declared types that differ from the inferred ones.
std::vector<Diagnostic> verify(const Function& function);
std::vector<Diagnostic> verify(const Program& program);

// What is wrong with one operation, nested ones included, by the rules and its declared types.
std::vector<Diagnostic> verify_operation(const Operation& op);

// The output types of one operation. Throws the first rule that is broken.
std::vector<Type> infer_types(const Operation& op);

// Throws Error(kInvalidInput) with the first finding (and how many more there are), if any.
void require_valid(const Function& function);

}  // namespace anemone
