// What the handles of e5rt stand for, and the frame of every function of it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/fake_ane/entry_points.h"
#include "tests/fake_ane/mil_compiler.h"
#include "tests/fake_ane/world.h"

namespace anemone::fake_ane::e5 {

// A status other than 0 and what e5rt_get_last_error_message says of it.
struct Failure {
  E5Status status;
  std::string message;
};

// Of the calling thread.
extern thread_local std::string last_message;

struct Handle : Tracked {
  using Tracked::Tracked;
  std::vector<Handle*> needs;  // must be released after this one
};

#define ANEMONE_HANDLE(type, name) \
  struct type : Handle {           \
    type() : Handle(name) {}
ANEMONE_HANDLE(CompilerConfig, "e5rt compiler config")
std::string cache;
};
ANEMONE_HANDLE(Compiler, "e5rt compiler")
std::string cache;
}
;
ANEMONE_HANDLE(CompilerOptions, "e5rt compiler options")
uint64_t mask = 0;
std::string segmenter;
}
;
ANEMONE_HANDLE(Library, "e5rt library")
std::shared_ptr<const CompiledProgram> program;
void bury() override { program.reset(); }
}
;
ANEMONE_HANDLE(ProgramFunction, "e5rt function")
std::shared_ptr<const CompiledProgram> program;
void bury() override { program.reset(); }
}
;
ANEMONE_HANDLE(OperationOptions, "e5rt operation options")
ProgramFunction* function = nullptr;
std::string name;
bool allocates = false;
}
;
ANEMONE_HANDLE(BufferObject, "e5rt buffer")
std::vector<uint64_t> memory;
void bury() override { memory = {}; }
}
;
ANEMONE_HANDLE(Operation, "e5rt operation")
std::shared_ptr<const CompiledProgram> program;
std::map<std::string, BufferObject*> inputs, outputs;  // bound so far
bool encoded = false;
void bury() override {
  program.reset();
  --world().loaded;
}
}
;
ANEMONE_HANDLE(IoPort, "e5rt port")
Operation* operation = nullptr;
bool is_input = false;
Port port;
}
;
ANEMONE_HANDLE(Stream, "e5rt stream")
std::vector<Operation*> operations;
}
;
#undef ANEMONE_HANDLE

// Runs `body(how)` as a function of e5rt, which counts, checks and fails as it was told to.
template <typename Body>
E5Status call(const char* function, Body&& body) {
  const std::lock_guard lock(world().mutex());
  last_message.clear();
  const How how = world().enter(function);
  if (how == How::kFail) last_message = std::string("told to fail in ") + function;
  if (how == How::kFail || how == How::kFailSilently) return 2;
  try {
    body(how);
    return 0;
  } catch (const Failure& failure) {
    last_message = failure.message;
    return failure.status;
  }
}

// E5(name, parameters) { E5_CALL(name, { body }); } is the function e5rt_<name>.
#define E5(name, ...) E5Status e5rt_##name##_of_fake(__VA_ARGS__)
#define E5_CALL(name, ...) \
  return e5::call("e5rt_" #name, [&]([[maybe_unused]] How how) -> void __VA_ARGS__)

// A new handle in `out`; null, also as the result, where success is only claimed.
template <typename T>
T* make(E5Handle* out, How how) {
  T* made = how == How::kNull ? nullptr : world().make<T>();
  if (*out) world().violation("a handle was overwritten by a new one");
  *out = static_cast<Tracked*>(made);
  return made;
}

template <typename T>
T* get(E5Handle handle) {
  const std::string user = "e5rt, " + world().calls().back();
  T* found = world().living_as<T>(handle, user);
  if (!found) throw Failure{1, "invalid handle"};
  return found;
}

template <typename T>
E5Status release(const char* function, E5Handle* handle) {
  const std::lock_guard lock(world().mutex());
  const How how = world().enter_release(function);
  if (T* object = handle ? world().living_as<T>(*handle, function) : nullptr) {
    world().for_each_living([&](Tracked& other) {
      const auto* user = dynamic_cast<Handle*>(&other);
      for (Handle* needed : user ? user->needs : std::vector<Handle*>{}) {
        if (needed != object) continue;
        world().violation(std::string(object->kind) + " was released before its " + other.kind);
      }
    });
    world().release(object);
    *handle = nullptr;
  }
  if (how == How::kThrow) throw FrameworkException{};
  return how == How::kWork ? 0 : 2;
}

}  // namespace anemone::fake_ane::e5
