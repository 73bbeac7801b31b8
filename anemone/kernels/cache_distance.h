// How far apart the processors are that two threads run on.
#pragma once

#include "anemone/base/threads.h"

namespace anemone {

// Whether what one of the pool's two threads wrote reaches the other through a cache of both: a
// word is passed to and fro, which takes some microseconds, and again after a second, because
// threads move between processors. False where that could not be measured, and for any other number
// of threads.
bool threads_share_a_cache(ThreadPool& pool);

namespace detail {
// Nanoseconds from one thread of the pool to another, the median of some; 0 where one of them did
// not run. For at least two threads.
double hop_ns(ThreadPool& pool);
}  // namespace detail

}  // namespace anemone
