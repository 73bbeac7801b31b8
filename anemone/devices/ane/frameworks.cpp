#include "anemone/devices/ane/frameworks.h"

#include <dlfcn.h>

#include <stdexcept>

namespace anemone {
namespace {

// Reads one symbol after the other and remembers the first that is missing.
class Loader {
 public:
  explicit Loader(const DynamicLibrary& library) : library_(library) {}

  template <typename Function>
  void function(const char* name, Function*& slot) {
    slot = reinterpret_cast<Function*>(find(name));
  }
  void data(const char* name, const void*& slot) { slot = find(name); }

  std::string missing() const { return missing_; }

 private:
  void* find(const char* name) {
    void* symbol = library_.symbol(name);
    if (!symbol && missing_.empty()) missing_ = library_.path + " has no " + name;
    return symbol;
  }

  const DynamicLibrary& library_;
  std::string missing_;
};

// The library, or in `problem` why it cannot be opened.
DynamicLibrary open_library(const std::string& path, std::string& problem) {
  DynamicLibrary library{path, ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)};
  if (!library.handle && problem.empty()) {
    const char* reason = ::dlerror();  // names the path
    problem = reason ? reason : "cannot open " + path;
  }
  return library;
}

template <typename Api>
void fill(const std::string& path, Api& api, std::string& problem) {
  const DynamicLibrary library = open_library(path, problem);
  if (!library.handle) return;
  const std::string missing = load_api(library, api);
  if (problem.empty()) problem = missing;
}

}  // namespace

void* DynamicLibrary::symbol(const char* name) const { return ::dlsym(handle, name); }

FrameworkPaths FrameworkPaths::of_system() {
  const auto framework = [](const std::string& kind, const std::string& name) {
    return "/System/Library/" + kind + "/" + name + ".framework/" + name;
  };
  return {framework("PrivateFrameworks", "Espresso"),
          framework("PrivateFrameworks", "AppleNeuralEngine"),
          "/usr/lib/libobjc.A.dylib",
          framework("Frameworks", "Foundation"),
          framework("Frameworks", "CoreFoundation"),
          framework("Frameworks", "IOSurface")};
}

FrameworkPaths FrameworkPaths::of_fake(const std::string& folder) {
  const auto library = [&](const char* name) { return folder + "/libfake_" + name + ".so"; };
  return {library("espresso"),   library("neural_engine"),   library("objc"),
          library("foundation"), library("core_foundation"), library("io_surface")};
}

std::string load_api(const DynamicLibrary& library, EspressoApi& api) {
  Loader loader(library);
#define ANEMONE_LOAD(name, parameters) loader.function("e5rt_" #name, api.name);
  ANEMONE_E5RT_FUNCTIONS(ANEMONE_LOAD)
#undef ANEMONE_LOAD
  loader.function("e5rt_get_last_error_message", api.get_last_error_message);
  return loader.missing();
}

#define ANEMONE_LOAD(name) loader.function(#name, api.name)

std::string load_api(const DynamicLibrary& library, ObjcApi& api) {
  Loader loader(library);
  ANEMONE_LOAD(objc_getClass);
  ANEMONE_LOAD(sel_registerName);
  ANEMONE_LOAD(objc_msgSend);
  ANEMONE_LOAD(class_getInstanceMethod);
  ANEMONE_LOAD(class_getClassMethod);
  ANEMONE_LOAD(method_getTypeEncoding);
  ANEMONE_LOAD(objc_autoreleasePoolPush);
  ANEMONE_LOAD(objc_autoreleasePoolPop);
  ANEMONE_LOAD(objc_retain);
  ANEMONE_LOAD(objc_release);
  ANEMONE_LOAD(object_getClass);
  return loader.missing();
}

std::string load_api(const DynamicLibrary& library, CoreFoundationApi& api) {
  Loader loader(library);
  ANEMONE_LOAD(CFRetain);
  ANEMONE_LOAD(CFRelease);
  ANEMONE_LOAD(CFStringCreateWithCString);
  ANEMONE_LOAD(CFStringGetLength);
  ANEMONE_LOAD(CFStringGetMaximumSizeForEncoding);
  ANEMONE_LOAD(CFStringGetCString);
  ANEMONE_LOAD(CFDataCreate);
  ANEMONE_LOAD(CFNumberCreate);
  ANEMONE_LOAD(CFDictionaryCreate);
  ANEMONE_LOAD(CFArrayCreate);
  ANEMONE_LOAD(CFErrorGetCode);
  ANEMONE_LOAD(CFErrorCopyDescription);
  loader.data("kCFTypeDictionaryKeyCallBacks", api.kCFTypeDictionaryKeyCallBacks);
  loader.data("kCFTypeDictionaryValueCallBacks", api.kCFTypeDictionaryValueCallBacks);
  loader.data("kCFTypeArrayCallBacks", api.kCFTypeArrayCallBacks);
  return loader.missing();
}

std::string load_api(const DynamicLibrary& library, IoSurfaceApi& api) {
  Loader loader(library);
  ANEMONE_LOAD(IOSurfaceCreate);
  ANEMONE_LOAD(IOSurfaceLock);
  ANEMONE_LOAD(IOSurfaceUnlock);
  ANEMONE_LOAD(IOSurfaceGetBaseAddress);
  ANEMONE_LOAD(IOSurfaceGetAllocSize);
  return loader.missing();
}

#undef ANEMONE_LOAD

Frameworks load_frameworks(const FrameworkPaths& paths) {
  Frameworks result;
  EspressoApi espresso;
  fill(paths.espresso, espresso, result.espresso_problem);
  if (result.espresso_problem.empty()) result.espresso = espresso;

  // Foundation first: the classes of the Neural Engine take its strings and arrays.
  std::string& problem = result.in_memory_problem;
  open_library(paths.foundation, problem);
  Frameworks::InMemory in_memory;
  fill(paths.objc, in_memory.objc, problem);
  fill(paths.core_foundation, in_memory.core_foundation, problem);
  fill(paths.io_surface, in_memory.io_surface, problem);
  open_library(paths.neural_engine, problem);
  if (problem.empty()) result.in_memory = in_memory;
  return result;
}

}  // namespace anemone
