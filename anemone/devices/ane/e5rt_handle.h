// Handles of e5rt that are given back, and statuses that are looked at.
#pragma once

#include <fmt/format.h>

#include <string>
#include <type_traits>
#include <utility>

#include "anemone/base/error.h"
#include "anemone/devices/ane/espresso_api.h"

namespace anemone {

// Owns a handle. `release` is the function of the table that its kind has.
class E5Object {
 public:
  using Release = E5Status (*)(E5Handle*);

  E5Object() = default;
  explicit E5Object(Release release) : release_(release) {}
  E5Object(E5Object&& other) noexcept
      : handle_(std::exchange(other.handle_, nullptr)), release_(other.release_) {}
  E5Object& operator=(E5Object&& other) noexcept {
    std::swap(handle_, other.handle_);
    std::swap(release_, other.release_);
    return *this;
  }
  ~E5Object() {
    try {
      if (handle_) release_(&handle_);
    } catch (...) {  // nothing is left to be done about it
    }
  }

  E5Handle get() const { return handle_; }
  // Where a call writes the handle; only for an object that holds none.
  E5Handle* out() { return &handle_; }

 private:
  E5Handle handle_ = nullptr;
  Release release_ = nullptr;
};

// Whether a call that claims to have worked handed out nothing through this argument.
template <typename Argument>
bool is_empty_result(Argument argument) {
  if constexpr (std::is_same_v<Argument, void**>) return !*argument;
  return false;
}

// Calls a function of the table. A status other than 0, an exception and a result that is missing
// become an Error placed at `where` with what the framework says about it.
template <typename... Parameters, typename... Arguments>
void e5_call(const EspressoApi& api, const std::string& where, const char* name,
             E5Status (*function)(Parameters...), Arguments... arguments) {
  E5Status status = 0;
  try {
    status = function(arguments...);
  } catch (...) {
    fail(where, fmt::format("e5rt_{} threw an exception of the framework", name));
  }
  if (status == 0 && (is_empty_result(arguments) || ...)) {
    fail(where, fmt::format("e5rt_{} gave success but no result", name));
  }
  if (status == 0) return;
  const char* text = api.get_last_error_message ? api.get_last_error_message() : nullptr;
  fail(where, fmt::format("e5rt_{} gave status {}{}{}", name, status, text && *text ? ": " : "",
                          text ? text : ""));
}

}  // namespace anemone
