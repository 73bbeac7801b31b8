// How many samples one run of a function takes.
#pragma once

#include "anemone/devices/device.h"
#include "anemone/finetune/samples.h"
#include "anemone/ir/program.h"

namespace anemone {

// Decides the sizes of the function, whose inputs are all of `samples` under their names and become
// of their types, and returns the samples of a run. That is `wanted` where the first sizes of its
// inputs are open; where they are fixed, if the function can be inferred again with `wanted` and
// then computes for each sample what it computed before, which is tried on `host`; else it is the
// size that they have, or 1 where a whole input is one sample. Throws Error where `wanted` is no
// multiple of that, and for samples whose shapes or types do not fit.
int64_t decide_batch(Function& function, Samples& samples, int64_t wanted, Device& host);

}  // namespace anemone
