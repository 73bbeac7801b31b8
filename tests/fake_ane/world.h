// The state of the fake frameworks: what they were told to do, what was called, which objects live,
// and everything that a caller did wrong. The real frameworks answer most of that with a crash.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "anemone/text/printer.h"

namespace anemone::fake_ane {

// The machine that is played.
struct Options {
  std::string chip = "m4-max";
  int macos = 26;
  std::vector<Dialect> dialects = {};    // that its compiler takes; empty: as its chip does
  std::filesystem::path temporary = {};  // where the in-memory route has its folders; empty: /tmp
  int compile_budget = 119;              // compilations of a process, then refusals
  int loaded_cap = 128;                  // programs loaded at the same time
  size_t least_surface = 49152;          // bytes; smaller ones fail
  bool first_load_fails = false;         // of the next program that is loaded, once
  bool every_quality = false;            // of service may be asked for, not 21 alone
  bool load_options_fail = false;        // programs load only without options

  // What a run leaves of its statistics when they were asked for.
  enum class Statistics : uint8_t {
    kOfRequest,   // an object in the request
    kInArray,     // the first of an array in the request
    kUntouched,   // whatever was there before
    kNil,         // nothing
    kZero,        // an object with a time of 0
    kOtherClass,  // an object of another class
  };
  Statistics statistics = Statistics::kOfRequest;
  uint64_t hardware_ns = 123456;
  bool object_of_empty_buffer = true;  // whether the class makes one
};

// What a call does instead of its work.
enum class How : uint8_t {
  kWork,
  kFail,          // a status, NO or null, with an explanation where there is room for one
  kFailSilently,  // the same without one
  kNull,          // claims success and hands out null
  kThrow,         // a C++ exception, which stands for an NSException
  kShort,         // less memory than was asked for
  kZeros,         // claims success, results are zeros
  kSwapped,       // claims success, the first two results are in each other's place
};

// What kThrow throws: nothing that the caller could know.
struct FrameworkException {};

// An object or a handle. Dead ones are kept, so that using them is found out.
struct Tracked {
  explicit Tracked(const char* kind) : kind(kind) {}
  virtual ~Tracked() = default;
  // References reached zero: give up what it holds.
  virtual void bury() {}

  const char* const kind;
  int references = 1;
};

class World {
 public:
  // Everything as at the start of a process; classes and libraries stay.
  void reset(Options options = {});
  Options options;

  // --- for tests ---
  // The call after the next `skip` ones of this function or selector.
  void fail_next(const std::string& function, How how, int skip = 0);
  // What happens to the runtime's tables. `encoding` null: the method is missing.
  void hide_class(const std::string& name) { hidden_classes_.push_back(name); }
  void change_method(const std::string& selector, const char* encoding);
  const std::vector<std::string>& violations() const { return violations_; }
  // Functions and selectors in the order of their calls.
  const std::vector<std::string>& calls() const { return calls_; }
  int count(std::string_view function) const;
  // "2 NSData, 1 e5rt buffer"; empty if nothing lives.
  std::string leaks() const;
  // That calls with one were made with, in their order.
  std::vector<uint32_t> qualities;
  // Why the compiler refused the last program: what the real one does not say.
  std::string refusal;

  // --- for the frameworks ---
  std::recursive_mutex& mutex() { return mutex_; }
  // At the start of every function. Throws where it was told to.
  How enter(const std::string& function);
  // The same for functions that give something up: they do that first, then they throw.
  How enter_release(const std::string& function);
  void violation(std::string text);

  template <typename T, typename... Arguments>
  T* make(Arguments&&... arguments) {
    auto object = std::make_unique<T>(std::forward<Arguments>(arguments)...);
    T* result = object.get();
    objects_[static_cast<Tracked*>(result)] = std::move(object);
    return result;
  }
  // Null, with a violation, for what is not a living object. `user` is for the message.
  Tracked* living(const void* object, const std::string& user);
  // The same, also for an object of another kind.
  template <typename T>
  T* living_as(const void* object, const std::string& user) {
    Tracked* tracked = living(object, user);
    T* result = dynamic_cast<T*>(tracked);
    if (tracked && !result) violation(user + " was handed a " + tracked->kind);
    return result;
  }
  void retain(Tracked* object) { ++object->references; }
  void release(Tracked* object);
  template <typename Visit>
  void for_each_living(Visit&& visit) {
    for (const auto& entry : objects_) {
      if (entry.second->references > 0) visit(*entry.second);
    }
  }

  bool is_hidden(const std::string& class_name) const;
  // Whether the method was changed, and to what.
  bool is_changed(const std::string& selector, const char*& encoding) const;

  int compiles = 0, loaded = 0;
  // Of the calling thread.
  int& locked_surfaces() { return locked_surfaces_[std::this_thread::get_id()]; }

 private:
  struct Fault {
    How how;
    int skip;
  };

  std::recursive_mutex mutex_;
  pid_t owner_ = 0;
  std::unordered_map<const void*, std::unique_ptr<Tracked>> objects_;
  std::map<std::string, Fault> faults_;
  std::vector<std::string> hidden_classes_, calls_, violations_;
  std::map<std::string, const char*> changed_methods_;
  std::map<std::thread::id, int> locked_surfaces_;
};

World& world();

}  // namespace anemone::fake_ane
