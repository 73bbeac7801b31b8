// The functions of CoreFoundation.
#include <fmt/format.h>

#include <cstring>

#include "tests/fake_ane/entry_points.h"
#include "tests/fake_ane/foundation_objects.h"

namespace anemone::fake_ane {
namespace {

CfRef ref(Tracked* object) { return object; }

void check_allocator(CfRef allocator, const char* function) {
  if (allocator) world().violation(std::string(function) + " was handed an allocator");
}

// Of a Unicode text, as CoreFoundation counts: code points above 0xffff are two.
CfIndex utf16_length(const std::string& text) {
  CfIndex length = 0;
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if ((byte & 0xc0) != 0x80) length += byte >= 0xf0 ? 2 : 1;
  }
  return length;
}

// The addresses of the callbacks: of the table, and of every library that exports them.
struct Addresses {
  const void *keys, *values, *array;
};
std::vector<Addresses>& known_addresses() {
  static auto* const known = new std::vector<Addresses>{
      {&fake_ane_dictionary_keys, &fake_ane_dictionary_values, &fake_ane_array_values}};
  return *known;
}

void check_callbacks(const void* given, const void* Addresses::*which, const char* function) {
  for (const Addresses& known : known_addresses()) {
    if (given == known.*which) return;
  }
  world().violation(std::string(function) + " was handed other callbacks: it retains nothing");
}

// The members of a collection, with a reference to each. False if one is no object.
bool retain_all(const void** values, CfIndex count, const char* function,
                std::vector<Tracked*>& result) {
  for (CfIndex i = 0; i < count; ++i) {
    Tracked* member = world().living(values[i], function);
    if (!member) return false;
    result.push_back(member);
  }
  for (Tracked* member : result) world().retain(member);
  return true;
}

}  // namespace

extern "C" {

const char fake_ane_dictionary_keys = 'k', fake_ane_dictionary_values = 'v',
           fake_ane_array_values = 'a';

void fake_ane_set_callbacks(const void* keys, const void* values, const void* array) {
  known_addresses().push_back({keys, values, array});
}

#define ENTER(name)                                                                 \
  const std::lock_guard lock(world().mutex());                                      \
  const How how = world().enter(name);                                              \
  if (how == How::kFail || how == How::kFailSilently || how == How::kNull) return { \
    }

CfRef CFRetain_of_fake(CfRef object) {
  ENTER("CFRetain");
  if (Tracked* tracked = world().living(object, "CFRetain")) world().retain(tracked);
  return object;
}

void CFRelease_of_fake(CfRef object) {
  const std::lock_guard lock(world().mutex());
  world().enter("CFRelease");
  if (Tracked* tracked = world().living(object, "CFRelease")) world().release(tracked);
}

CfRef CFStringCreateWithCString_of_fake(CfRef allocator, const char* text, uint32_t encoding) {
  ENTER("CFStringCreateWithCString");
  check_allocator(allocator, "CFStringCreateWithCString");
  if (encoding != 0x08000100) world().violation("CFStringCreateWithCString: that is not UTF-8");
  return ref(world().make<NsString>(text));
}

CfIndex CFStringGetLength_of_fake(CfRef string) {
  ENTER("CFStringGetLength");
  const auto* text = world().living_as<NsString>(string, "CFStringGetLength");
  return text ? utf16_length(text->text) : 0;
}

CfIndex CFStringGetMaximumSizeForEncoding_of_fake(CfIndex length, uint32_t encoding) {
  ENTER("CFStringGetMaximumSizeForEncoding");
  return encoding == 0x08000100 ? 3 * length : -1;
}

CfBoolean CFStringGetCString_of_fake(CfRef string, char* buffer, CfIndex size, uint32_t encoding) {
  ENTER("CFStringGetCString");
  const auto* text = world().living_as<NsString>(string, "CFStringGetCString");
  if (!text || encoding != 0x08000100) return 0;
  if (static_cast<CfIndex>(text->text.size()) + 1 > size) return 0;
  std::memcpy(buffer, text->text.c_str(), text->text.size() + 1);
  return 1;
}

CfRef CFDataCreate_of_fake(CfRef allocator, const uint8_t* bytes, CfIndex length) {
  ENTER("CFDataCreate");
  check_allocator(allocator, "CFDataCreate");
  return ref(world().make<NsData>(
      std::string(reinterpret_cast<const char*>(bytes), static_cast<size_t>(length))));
}

CfRef CFNumberCreate_of_fake(CfRef allocator, CfIndex type, const void* value) {
  ENTER("CFNumberCreate");
  check_allocator(allocator, "CFNumberCreate");
  if (type != 3 && type != 4) {
    world().violation("CFNumberCreate: that is no SInt32 and no SInt64");
    return nullptr;
  }
  int32_t small = 0;
  int64_t number = 0;
  if (type == 3) std::memcpy(&small, value, sizeof(small));
  if (type == 4) std::memcpy(&number, value, sizeof(number));
  return ref(world().make<NsNumber>(type == 3 ? small : number));
}

CfRef CFDictionaryCreate_of_fake(CfRef allocator, const void** keys, const void** values,
                                 CfIndex count, const void* key_callbacks,
                                 const void* value_callbacks) {
  ENTER("CFDictionaryCreate");
  check_allocator(allocator, "CFDictionaryCreate");
  check_callbacks(key_callbacks, &Addresses::keys, "CFDictionaryCreate");
  check_callbacks(value_callbacks, &Addresses::values, "CFDictionaryCreate");
  std::vector<Tracked*> names, members;
  if (!retain_all(keys, count, "CFDictionaryCreate", names) ||
      !retain_all(values, count, "CFDictionaryCreate", members)) {
    return nullptr;
  }
  auto* made = world().make<NsDictionary>();
  for (size_t i = 0; i < names.size(); ++i) made->entries.emplace_back(names[i], members[i]);
  return ref(made);
}

CfRef CFArrayCreate_of_fake(CfRef allocator, const void** values, CfIndex count,
                            const void* callbacks) {
  ENTER("CFArrayCreate");
  check_allocator(allocator, "CFArrayCreate");
  check_callbacks(callbacks, &Addresses::array, "CFArrayCreate");
  std::vector<Tracked*> members;
  if (!retain_all(values, count, "CFArrayCreate", members)) return nullptr;
  auto* made = world().make<NsArray>();
  made->members = std::move(members);
  return ref(made);
}

CfIndex CFErrorGetCode_of_fake(CfRef error) {
  ENTER("CFErrorGetCode");
  const auto* found = world().living_as<NsError>(error, "CFErrorGetCode");
  return found ? static_cast<CfIndex>(found->code) : 0;
}

CfRef CFErrorCopyDescription_of_fake(CfRef error) {
  ENTER("CFErrorCopyDescription");
  const auto* found = world().living_as<NsError>(error, "CFErrorCopyDescription");
  return found ? ref(world().make<NsString>(found->text)) : nullptr;
}

}  // extern "C"

}  // namespace anemone::fake_ane
