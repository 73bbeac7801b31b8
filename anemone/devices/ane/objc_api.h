// The part of the Objective-C runtime (libobjc) that calls methods, and the methods of the private
// AppleNeuralEngine.framework with their exact prototypes. objc_msgSend is never called through its
// own type: on arm64 a variadic call would put the arguments elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace anemone {

struct DynamicLibrary;

// Objects, classes and selectors of Objective-C: never dereferenced here.
struct ObjcObject;
using ObjcId = ObjcObject*;
using ObjcClass = ObjcObject*;
struct ObjcSelector_;
using ObjcSelector = const ObjcSelector_*;
struct ObjcMethod_;
using ObjcMethod = ObjcMethod_*;

struct ObjcApi {
  ObjcClass (*objc_getClass)(const char* name) = nullptr;  // null for an unknown class
  ObjcSelector (*sel_registerName)(const char* name) = nullptr;
  void (*objc_msgSend)() = nullptr;  // to be cast
  ObjcMethod (*class_getInstanceMethod)(ObjcClass, ObjcSelector) = nullptr;
  ObjcMethod (*class_getClassMethod)(ObjcClass, ObjcSelector) = nullptr;
  const char* (*method_getTypeEncoding)(ObjcMethod) = nullptr;
  void* (*objc_autoreleasePoolPush)() = nullptr;
  void (*objc_autoreleasePoolPop)(void* pool) = nullptr;
  ObjcId (*objc_retain)(ObjcId) = nullptr;
  void (*objc_release)(ObjcId) = nullptr;
  ObjcClass (*object_getClass)(ObjcId) = nullptr;
};

// A method that is called: its class, its selector, whether it is the class's own, and its type as
// the runtime encodes it without offsets: return type, self, _cmd, arguments. Where systems write
// the same type differently, the ways stand one behind the other with a | between.
struct AneMethod {
  const char *class_name, *selector;
  bool of_class;
  const char* encoding;
};

// What every program needs. BOOL is "B", unsigned int "I", an object "@", NSError** "^@",
// IOSurfaceRef a pointer.
inline constexpr AneMethod kAneMethods[] = {
    {"_ANEInMemoryModelDescriptor", "modelWithMILText:weights:optionsPlist:", true, "@@:@@@"},
    {"_ANEInMemoryModel", "inMemoryModelWithDescriptor:", true, "@@:@"},
    {"_ANEInMemoryModel", "hexStringIdentifier", false, "@@:"},
    {"_ANEInMemoryModel", "compileWithQoS:options:error:", false, "B@:I@^@"},
    {"_ANEInMemoryModel", "loadWithQoS:options:error:", false, "B@:I@^@"},
    {"_ANEInMemoryModel", "evaluateWithQoS:options:request:error:", false, "B@:I@@^@"},
    {"_ANEInMemoryModel", "unloadWithQoS:error:", false, "B@:I^@"},
    {"_ANEIOSurfaceObject", "objectWithIOSurface:", true, "@@:^{__IOSurface=}"},
    {"_ANERequest",
     "requestWithInputs:inputIndices:outputs:outputIndices:weightsBuffer:perfStats:procedureIndex:",
     true, "@@:@@@@@@@"},
};

// Everybody uses this quality of service, and it makes no measurable difference (ane.c33).
inline constexpr uint32_t kAneQos = 21;

std::string load_api(const DynamicLibrary& library, ObjcApi& api);

}  // namespace anemone
