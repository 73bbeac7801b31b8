// Counts what a test program asks of the heap. Linking it replaces operator new.
#pragma once

#include <cstddef>

namespace anemone {

// Calls of operator new so far, on any thread.
size_t allocations();

}  // namespace anemone
