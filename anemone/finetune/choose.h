// What the user names in a program: the output of the loss, and the constants to train.
#pragma once

#include <string>
#include <vector>

#include "anemone/finetune/finetune_options.h"
#include "anemone/ir/program.h"

namespace anemone {

// The value that the loss is of. Throws Error where there is none of the name, or where none is
// named and the function has several results; and for a softmax in front of cross entropy.
Value choose_output(const Function& function, const FinetuneOptions& options);

// The constants of `function`, which is cut down to the output, that match any of the patterns; in
// the order of the program. Throws Error for a pattern that matches none, and for packed weights.
// `whole`: the function before that.
std::vector<Value> choose_constants(const Function& function, const Function& whole,
                                    const std::vector<std::string>& patterns);

// How many constants of rank 1 and more could be trained.
int64_t count_trainable(const Function& function);

// "a, b and 12 more".
std::string listed(const std::vector<std::string>& names);

}  // namespace anemone
