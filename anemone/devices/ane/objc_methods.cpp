#include "anemone/devices/ane/objc_methods.h"

#include <fmt/format.h>

#include <string_view>

#include "anemone/base/error.h"

namespace anemone {
namespace {

// "B24@0:8I16@20^@28" without the offsets that the runtime adds.
std::string without_offsets(const char* encoding) {
  std::string result;
  for (const char* c = encoding; *c; ++c) {
    if (*c < '0' || *c > '9') result += *c;
  }
  return result;
}

// Whether `found` is one of the ways, which have a | between them.
bool is_one_of(const std::string& found, std::string_view ways) {
  while (true) {
    const size_t end = ways.find('|');
    if (ways.substr(0, end) == found) return true;
    if (end == std::string_view::npos) return false;
    ways.remove_prefix(end + 1);
  }
}

}  // namespace

void require_method(const ObjcApi& api, const AneMethod& wanted) {
  const std::string where =
      fmt::format("{}[{} {}]", wanted.of_class ? '+' : '-', wanted.class_name, wanted.selector);
  const ObjcClass type = api.objc_getClass(wanted.class_name);
  if (!type) fail(where, "this system has no such class");
  const ObjcSelector selector = api.sel_registerName(wanted.selector);
  const ObjcMethod method = wanted.of_class ? api.class_getClassMethod(type, selector)
                                            : api.class_getInstanceMethod(type, selector);
  if (!method) fail(where, "this system has no such method");
  const char* encoding = api.method_getTypeEncoding(method);
  if (!encoding) fail(where, "its type is not known");
  if (!is_one_of(without_offsets(encoding), wanted.encoding)) {
    fail(where, fmt::format("its type is {}, not {}", encoding, wanted.encoding),
         "this version of the system is not known; please report it");
  }
}

bool answers_to(const ObjcApi& api, ObjcId object, const char* selector, const char* encoding) {
  const ObjcClass type = object ? api.object_getClass(object) : nullptr;
  if (!type) return false;
  const ObjcMethod method = api.class_getInstanceMethod(type, api.sel_registerName(selector));
  const char* found = method ? api.method_getTypeEncoding(method) : nullptr;
  return found && without_offsets(found) == encoding;
}

}  // namespace anemone
