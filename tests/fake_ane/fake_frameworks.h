// The fake of Apple's frameworks for tests: as tables of functions, and as libraries that are
// opened like the real ones. Both lead to the same world (world.h).
#pragma once

#include <string>

#include "anemone/devices/ane/frameworks.h"

namespace anemone::fake_ane {

// Both routes.
Frameworks fake_frameworks();

// The folder for FrameworkPaths::of_fake.
std::string library_folder();

}  // namespace anemone::fake_ane
