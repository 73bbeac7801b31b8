// Strings, data, numbers, arrays, dictionaries, errors and surfaces: one and the same object for
// Objective-C and for CoreFoundation.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/fake_ane/world.h"

namespace anemone::fake_ane {

struct NsString : Tracked {
  explicit NsString(std::string text) : Tracked("NSString"), text(std::move(text)) {}
  std::string text;
};

struct NsData : Tracked {
  explicit NsData(std::string bytes) : Tracked("NSData"), bytes(std::move(bytes)) {}
  void bury() override { bytes = {}; }
  std::string bytes;
};

struct NsNumber : Tracked {
  explicit NsNumber(int64_t value, bool is_bool = false)
      : Tracked("NSNumber"), value(value), is_bool(is_bool) {}
  int64_t value;
  bool is_bool;  // YES or NO
};

// Holds a reference to each member.
struct NsArray : Tracked {
  NsArray() : Tracked("NSArray") {}
  void bury() override {
    for (Tracked* member : members) world().release(member);
  }
  std::vector<Tracked*> members;
};

struct NsDictionary : Tracked {
  NsDictionary() : Tracked("NSDictionary") {}
  void bury() override {
    for (const auto& [key, value] : entries) {
      world().release(key);
      world().release(value);
    }
  }
  // The value of a string key as T; null, with a violation, for another kind or none.
  template <typename T>
  T* at(const std::string& key, const std::string& user) const {
    for (const auto& [name, value] : entries) {
      const auto* text = dynamic_cast<const NsString*>(name);
      if (text && text->text == key) return world().living_as<T>(value, user + ", " + key);
    }
    world().violation(user + " was handed a dictionary without " + key);
    return nullptr;
  }
  std::vector<std::pair<Tracked*, Tracked*>> entries;
};

struct NsError : Tracked {
  NsError(int64_t code, std::string text) : Tracked("NSError"), code(code), text(std::move(text)) {}
  int64_t code;
  std::string text;
};

inline NsError* make_error(int64_t code, std::string text) {
  return world().make<NsError>(code, std::move(text));
}

// Pages that cannot be touched unless they are locked.
struct Surface : Tracked {
  explicit Surface(size_t bytes);
  ~Surface() override;
  void bury() override;
  // Makes the pages reachable: 0 not at all, 1 for reading, 2 for everything.
  void open(int how);
  int lock_flags = -1;  // -1: not locked
  size_t bytes;         // as it says
  size_t pages = 0;     // bytes of the mapping
  void* memory = nullptr;
};

}  // namespace anemone::fake_ane
