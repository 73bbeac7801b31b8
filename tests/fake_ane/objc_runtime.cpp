#include "tests/fake_ane/objc_runtime.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>
#include <thread>

#include "tests/fake_ane/entry_points.h"
#include "tests/fake_ane/forward.h"
#include "tests/fake_ane/foundation_objects.h"

namespace anemone::fake_ane {
namespace objc {
namespace {

struct Pool {
  uintptr_t token;
  std::vector<Tracked*> objects;
};

// Lives as long as the process, as the real one's.
struct Runtime {
  std::map<std::string, std::unique_ptr<Class>> classes;
  std::set<std::string> selectors;
  std::map<std::thread::id, std::vector<Pool>> pools;
  uintptr_t next_token = 0x1000;
};

Runtime& runtime() {
  static auto* const the_runtime = new Runtime;
  return *the_runtime;
}

std::vector<Pool>& pools() { return runtime().pools[std::this_thread::get_id()]; }

Class* class_of(const void* pointer) {
  for (const auto& entry : runtime().classes) {
    if (entry.second.get() == pointer) return entry.second.get();
  }
  return nullptr;
}

Class* find_class(const std::string& name) {
  const auto found = runtime().classes.find(name);
  return found == runtime().classes.end() || world().is_hidden(name) ? nullptr
                                                                     : found->second.get();
}

const std::string& text_of(ObjcSelector selector) {
  return *reinterpret_cast<const std::string*>(selector);
}

Method* find_method(Class* of, ObjcSelector selector, bool class_method) {
  if (!of) return nullptr;
  auto& methods = class_method ? of->class_methods : of->instance_methods;
  const auto found = methods.find(text_of(selector));
  const char* changed = "";
  const bool gone = world().is_changed(text_of(selector), changed) && !changed;
  return found == methods.end() || gone ? nullptr : &found->second;
}

How current = How::kWork;

// NO or nil. The last argument of methods that answer with a BOOL takes an NSError.
uintptr_t refuse(const Method& method, How how, const uintptr_t* slots, size_t arguments) {
  if (method.encoding.front() == 'B' && how == How::kFail && arguments > 0) {
    auto* const error = reinterpret_cast<ObjcId*>(slots[arguments - 1]);
    *error = to_id(autorelease(make_error(1, "the fake was told to fail")));
  }
  return 0;
}

uintptr_t invoke(const std::string& name, const Method& method, ObjcId receiver,
                 const uintptr_t* slots) {
  const auto arguments = static_cast<size_t>(std::count(name.begin(), name.end(), ':'));
  const bool gives_up = name.starts_with("unload");
  current = gives_up ? world().enter_release(name) : world().enter(name);
  const bool refused =
      current == How::kFail || current == How::kFailSilently || current == How::kNull;
  if (refused && !gives_up) return refuse(method, current, slots, arguments);
  const How how = current;
  const uintptr_t result = method.invoke(method.function, receiver, slots);
  if (how == How::kThrow) throw FrameworkException{};
  return refused ? refuse(method, how, slots, arguments) : result;
}

uintptr_t send(ObjcId receiver, ObjcSelector selector, const uintptr_t* slots) {
  const std::string& name = text_of(selector);
  if (!receiver) {
    world().violation("nil was sent " + name);
    return 0;
  }
  Class* type = class_of(receiver);
  const bool class_method = type != nullptr;
  if (!class_method) {
    const Tracked* object = world().living(receiver, name);
    if (!object) return 0;
    type = find_class(object->kind);
  }
  const Method* method = find_method(type, selector, class_method);
  if (!method) {
    world().violation(fmt::format("{} does not answer to {}", type ? type->name : "?", name));
    throw FrameworkException{};
  }
  return invoke(name, *method, receiver, slots);
}

}  // namespace

How current_how() { return current; }

Class& define_class(const std::string& name) {
  std::unique_ptr<Class>& slot = runtime().classes[name];
  if (!slot) slot = std::make_unique<Class>(Class{name, {}, {}});
  return *slot;
}

void require_pool(const std::string& doing) {
  if (pools().empty()) world().violation(doing + " without an autorelease pool");
}

Tracked* autorelease(Tracked* object) {
  if (!object) return nullptr;
  require_pool(std::string("an autoreleased ") + object->kind + " was returned");
  if (!pools().empty()) pools().back().objects.push_back(object);
  return object;
}

}  // namespace objc

using namespace objc;

extern "C" {

ObjcClass objc_getClass_of_fake(const char* name) {
  const std::lock_guard lock(world().mutex());
  if (world().enter("objc_getClass") != How::kWork) return nullptr;
  return reinterpret_cast<ObjcClass>(find_class(name));
}

ObjcSelector sel_registerName_of_fake(const char* name) {
  const std::lock_guard lock(world().mutex());
  world().enter("sel_registerName");
  return reinterpret_cast<ObjcSelector>(&*runtime().selectors.insert(name).first);
}

ObjcMethod class_getInstanceMethod_of_fake(ObjcClass of, ObjcSelector selector) {
  const std::lock_guard lock(world().mutex());
  if (world().enter("class_getInstanceMethod") != How::kWork) return nullptr;
  return reinterpret_cast<ObjcMethod>(find_method(class_of(of), selector, false));
}

ObjcMethod class_getClassMethod_of_fake(ObjcClass of, ObjcSelector selector) {
  const std::lock_guard lock(world().mutex());
  if (world().enter("class_getClassMethod") != How::kWork) return nullptr;
  return reinterpret_cast<ObjcMethod>(find_method(class_of(of), selector, true));
}

const char* method_getTypeEncoding_of_fake(ObjcMethod method) {
  const std::lock_guard lock(world().mutex());
  if (world().enter("method_getTypeEncoding") != How::kWork) return nullptr;
  const auto* found = reinterpret_cast<const Method*>(method);
  for (const auto& entry : runtime().classes) {
    for (const auto* methods : {&entry.second->class_methods, &entry.second->instance_methods}) {
      for (const auto& [selector, candidate] : *methods) {
        const char* changed = nullptr;
        if (&candidate == found && world().is_changed(selector, changed)) return changed;
      }
    }
  }
  return found->encoding.c_str();
}

void* objc_autoreleasePoolPush_of_fake() {
  const std::lock_guard lock(world().mutex());
  world().enter("objc_autoreleasePoolPush");
  pools().push_back({++runtime().next_token, {}});
  return reinterpret_cast<void*>(pools().back().token);
}

void objc_autoreleasePoolPop_of_fake(void* pool) {
  const std::lock_guard lock(world().mutex());
  world().enter("objc_autoreleasePoolPop");
  if (pools().empty() || pools().back().token != reinterpret_cast<uintptr_t>(pool)) {
    world().violation("an autorelease pool ended that is not the innermost of its thread");
    return;
  }
  // What goes away while the pool is emptied lands in it too.
  for (size_t i = 0; i < pools().back().objects.size(); ++i) {
    world().release(pools().back().objects[i]);
  }
  pools().pop_back();
}

ObjcId objc_retain_of_fake(ObjcId object) {
  const std::lock_guard lock(world().mutex());
  world().enter("objc_retain");
  if (Tracked* tracked = world().living(object, "objc_retain")) world().retain(tracked);
  return object;
}

void objc_release_of_fake(ObjcId object) {
  const std::lock_guard lock(world().mutex());
  world().enter("objc_release");
  if (Tracked* tracked = world().living(object, "objc_release")) world().release(tracked);
}

ObjcClass object_getClass_of_fake(ObjcId object) {
  const std::lock_guard lock(world().mutex());
  if (world().enter("object_getClass") != How::kWork) return nullptr;
  const Tracked* tracked = world().living(object, "object_getClass");
  return tracked ? reinterpret_cast<ObjcClass>(find_class(tracked->kind)) : nullptr;
}

// Called through the exact type of the method, none of which has more than nine arguments behind
// self and _cmd. Integers and pointers arrive in the same registers and slots of the stack whatever
// their type, on x86-64 and on arm64 Linux; those that were not handed in hold anything.
uintptr_t fake_ane_dispatch(ObjcId receiver, ObjcSelector selector, uintptr_t a, uintptr_t b,
                            uintptr_t c, uintptr_t d, uintptr_t e, uintptr_t f, uintptr_t g,
                            uintptr_t h, uintptr_t i) {
  const std::lock_guard lock(world().mutex());
  const uintptr_t slots[] = {a, b, c, d, e, f, g, h, i};
  return send(receiver, selector, slots);
}

}  // extern "C"

// The same under the name and the type that callers cast from.
ANEMONE_FORWARD(objc_msgSend_of_fake, fake_ane_dispatch);

}  // namespace anemone::fake_ane
