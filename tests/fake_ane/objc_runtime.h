// The Objective-C runtime of the fake: classes, methods with their types, messages, pools.
#pragma once

#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "anemone/devices/ane/objc_api.h"
#include "tests/fake_ane/world.h"

// What an IOSurfaceRef points to; only its name matters, it is part of encodings.
struct IoSurfaceStruct;

namespace anemone::fake_ane::objc {

// Every object is Tracked; its kind is the name of its class.
inline ObjcId to_id(Tracked* object) { return reinterpret_cast<ObjcId>(object); }

struct Method {
  std::string encoding;
  uintptr_t (*invoke)(void* function, ObjcId self, const uintptr_t* arguments);
  void* function;
};

struct Class {
  std::string name;
  std::map<std::string, Method> class_methods, instance_methods;
};

// Made when the library that holds the class is opened; the same one for the same name.
Class& define_class(const std::string& name);

// What the method that runs was told to do instead of its work.
How current_how();

// Gives up one reference when the innermost pool ends. Without a pool that is a violation.
Tracked* autorelease(Tracked* object);
// What objects of the framework do when they go: whatever they let go of lands in a pool.
void require_pool(const std::string& doing);

// --- typed methods ---

template <typename T>
constexpr const char* code_of() {
  if constexpr (std::is_same_v<T, bool>) return "B";
  if constexpr (std::is_same_v<T, uint32_t>) return "I";
  if constexpr (std::is_same_v<T, uint64_t>) return "Q";
  if constexpr (std::is_same_v<T, int64_t>) return "q";
  if constexpr (std::is_same_v<T, void>) return "v";
  if constexpr (std::is_same_v<T, uint32_t*>) return "^I";
  if constexpr (std::is_same_v<T, void**>) return "^^v";
  if constexpr (std::is_same_v<T, ObjcId>) return "@";
  if constexpr (std::is_same_v<T, ObjcId*>) return "^@";
  if constexpr (std::is_same_v<T, IoSurfaceStruct*>) return "^{__IOSurface=}";
}

// As the runtime writes it: the size of the frame behind the result, an offset behind each
// argument.
template <typename Result, typename... Arguments>
std::string encode() {
  size_t offset = 16;
  std::string arguments;
  ((arguments += code_of<Arguments>() + std::to_string(offset), offset += sizeof(Arguments)), ...);
  return code_of<Result>() + std::to_string(offset) + "@0:8" + arguments;
}

// A register or a slot of the stack as the type that the method takes: only its low bytes count.
template <typename T>
T take(uintptr_t slot) {
  if constexpr (std::is_pointer_v<T>) return reinterpret_cast<T>(slot);
  if constexpr (std::is_same_v<T, bool>) return (slot & 0xff) != 0;
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) return static_cast<T>(slot);
}

template <typename T>
uintptr_t give(T result) {
  if constexpr (std::is_pointer_v<T>) return reinterpret_cast<uintptr_t>(result);
  if constexpr (!std::is_pointer_v<T>) return static_cast<uintptr_t>(result);
}

template <typename Result, typename... Arguments>
Method make_method(Result (*function)(ObjcId, Arguments...)) {
  return {encode<Result, Arguments...>(),
          [](void* erased, ObjcId self, [[maybe_unused]] const uintptr_t* slots) {
            const auto typed = reinterpret_cast<Result (*)(ObjcId, Arguments...)>(erased);
            return [&]<size_t... I>(std::index_sequence<I...>) {
              if constexpr (std::is_void_v<Result>) {
                typed(self, take<Arguments>(slots[I])...);
                return uintptr_t{0};
              } else {
                return give(typed(self, take<Arguments>(slots[I])...));
              }
            }
            (std::index_sequence_for<Arguments...>());
          },
          reinterpret_cast<void*>(function)};
}

}  // namespace anemone::fake_ane::objc
