// A program for another number of samples than it was written for.
#pragma once

#include "anemone/ir/program.h"

namespace anemone {

// The first size in the constant shape of every reshape becomes `to` where it is `from`: what
// converters write that saw one batch. Types stay as they were, to be inferred again. That the
// size counts samples is a guess, which the caller has to try.
void rebatch_reshapes(Function& function, int64_t from, int64_t to);

}  // namespace anemone
