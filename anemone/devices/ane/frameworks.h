// Apple's frameworks as tables of functions, opened at run time; tests hand in tables or libraries
// of their own.
#pragma once

#include <optional>
#include <string>

#include "anemone/devices/ane/core_foundation_api.h"
#include "anemone/devices/ane/espresso_api.h"
#include "anemone/devices/ane/objc_api.h"

namespace anemone {

// A library of the system; its symbols stay valid for the life of the process.
struct DynamicLibrary {
  std::string path;
  void* handle = nullptr;

  // Null where the symbol is missing.
  void* symbol(const char* name) const;
};

// Where the frameworks are. They need not exist as files: the loader has them in its cache.
struct FrameworkPaths {
  std::string espresso, neural_engine, objc, foundation, core_foundation, io_surface;

  static FrameworkPaths of_system();
  // All in one folder under the names libfake_espresso.so and so on: tests/fake_ane.
  static FrameworkPaths of_fake(const std::string& folder);
};

// What can be called. A route whose table is absent says why.
struct Frameworks {
  std::optional<EspressoApi> espresso;
  struct InMemory {
    ObjcApi objc;
    CoreFoundationApi core_foundation;
    IoSurfaceApi io_surface;
  };
  std::optional<InMemory> in_memory;
  std::string espresso_problem, in_memory_problem;  // why it is absent, for a person
};

// Opens what is there; never throws for what is not.
Frameworks load_frameworks(const FrameworkPaths& paths);

}  // namespace anemone
