#include "tests/fake_ane/world.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace anemone::fake_ane {

World& world() {
  static World* const the_world = [] {
    auto* made = new World;  // outlives every static of every library
    made->reset();
    return made;
  }();
  return *the_world;
}

void World::reset(Options new_options) {
  const std::lock_guard lock(mutex_);
  options = std::move(new_options);
  if (options.temporary.empty()) options.temporary = std::filesystem::temp_directory_path();
  owner_ = ::getpid();
  objects_.clear();
  faults_.clear();
  hidden_classes_.clear();
  changed_methods_.clear();
  calls_.clear();
  violations_.clear();
  refusal.clear();
  qualities.clear();
  locked_surfaces_.clear();
  compiles = loaded = 0;
}

void World::fail_next(const std::string& function, How how, int skip) {
  faults_[function] = {how, skip};
}

void World::change_method(const std::string& selector, const char* encoding) {
  changed_methods_[selector] = encoding;
}

int World::count(std::string_view function) const {
  return static_cast<int>(std::count(calls_.begin(), calls_.end(), function));
}

std::string World::leaks() const {
  std::map<std::string, int> living;
  for (const auto& entry : objects_) {
    if (entry.second->references > 0) ++living[entry.second->kind];
  }
  std::string result;
  for (const auto& [kind, number] : living) {
    result += fmt::format("{}{} {}", result.empty() ? "" : ", ", number, kind);
  }
  return result;
}

void World::violation(std::string text) { violations_.push_back(std::move(text)); }

How World::enter_release(const std::string& function) {
  calls_.push_back(function);
  if (::getpid() != owner_) violation(function + " was called in a forked process");
  if (locked_surfaces() > 0 && function.find("IOSurface") != 0) {
    violation(function + " was called while a surface was locked");
  }
  const auto fault = faults_.find(function);
  if (fault == faults_.end() || fault->second.skip-- > 0) return How::kWork;
  const How how = fault->second.how;
  faults_.erase(fault);
  return how;
}

How World::enter(const std::string& function) {
  const How how = enter_release(function);
  if (how == How::kThrow) throw FrameworkException{};
  return how;
}

Tracked* World::living(const void* object, const std::string& user) {
  const auto found = objects_.find(object);
  if (found == objects_.end()) {
    violation(user + (object ? " was handed something that is no object" : " was handed null"));
    return nullptr;
  }
  if (found->second->references > 0) return found->second.get();
  violation(fmt::format("{} was handed a {} that was released", user, found->second->kind));
  return nullptr;
}

void World::release(Tracked* object) {
  if (--object->references == 0) object->bury();
}

bool World::is_hidden(const std::string& class_name) const {
  return std::find(hidden_classes_.begin(), hidden_classes_.end(), class_name) !=
         hidden_classes_.end();
}

bool World::is_changed(const std::string& selector, const char*& encoding) const {
  const auto found = changed_methods_.find(selector);
  if (found == changed_methods_.end()) return false;
  encoding = found->second;
  return true;
}

}  // namespace anemone::fake_ane
