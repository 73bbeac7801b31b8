// Calling methods of Objective-C from C++ through the runtime's functions.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "anemone/base/error.h"
#include "anemone/devices/ane/core_foundation_api.h"
#include "anemone/devices/ane/objc_api.h"

namespace anemone {

// Sends a message with the exact types of its arguments. An exception of the framework becomes an
// Error: on arm64 both languages share the unwinder, and it is caught as `...`.
template <typename Result, typename... Arguments>
Result objc_send(const ObjcApi& api, ObjcId receiver, const char* selector,
                 Arguments... arguments) {
  using Function = Result (*)(ObjcId, ObjcSelector, Arguments...);
  const auto function = reinterpret_cast<Function>(api.objc_msgSend);
  try {
    return function(receiver, api.sel_registerName(selector), arguments...);
  } catch (const Error&) {
    throw;
  } catch (...) {
    fail(selector, "the framework threw an exception");
  }
}

// One for each call: objects that a framework returns live until it ends.
class AutoreleasePool {
 public:
  explicit AutoreleasePool(const ObjcApi& api) : api_(api), pool_(api.objc_autoreleasePoolPush()) {}
  ~AutoreleasePool() { api_.objc_autoreleasePoolPop(pool_); }
  AutoreleasePool(const AutoreleasePool&) = delete;
  AutoreleasePool& operator=(const AutoreleasePool&) = delete;

 private:
  const ObjcApi& api_;
  void* pool_;
};

// An object that is kept past the pool.
class ObjcObjectRef {
 public:
  ObjcObjectRef() = default;
  ObjcObjectRef(const ObjcApi& api, ObjcId object)
      : api_(&api), object_(object ? api.objc_retain(object) : nullptr) {}
  ObjcObjectRef(ObjcObjectRef&& other) noexcept
      : api_(other.api_), object_(std::exchange(other.object_, nullptr)) {}
  ObjcObjectRef& operator=(ObjcObjectRef&& other) noexcept {
    std::swap(api_, other.api_);
    std::swap(object_, other.object_);
    return *this;
  }
  ~ObjcObjectRef() {
    if (!object_) return;
    const AutoreleasePool pool(*api_);  // for what the object lets go of
    api_->objc_release(object_);
  }
  ObjcId get() const { return object_; }

 private:
  const ObjcApi* api_ = nullptr;
  ObjcId object_ = nullptr;
};

// A CoreFoundation object that was created, not borrowed.
class CfObject {
 public:
  CfObject() = default;
  CfObject(const CoreFoundationApi& api, CfRef object) : api_(&api), object_(object) {}
  CfObject(CfObject&& other) noexcept
      : api_(other.api_), object_(std::exchange(other.object_, nullptr)) {}
  CfObject& operator=(CfObject&& other) noexcept {
    std::swap(api_, other.api_);
    std::swap(object_, other.object_);
    return *this;
  }
  ~CfObject() {
    if (object_) api_->CFRelease(object_);
  }
  CfRef get() const { return object_; }
  // As the Objective-C object that it is at the same time.
  ObjcId id() const { return static_cast<ObjcId>(const_cast<void*>(object_)); }

 private:
  const CoreFoundationApi* api_ = nullptr;
  CfRef object_ = nullptr;
};

}  // namespace anemone
