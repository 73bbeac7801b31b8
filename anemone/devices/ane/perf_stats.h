// How long a run took on the hardware, where the driver says so: the objects of
// _ANEPerformanceStats. Projects disagree on whether programs like ours get a time
// (docs/ane-bring-up.md), so no part of it may stop a run, and no time is ever made up.
#pragma once

#include <optional>

#include "anemone/devices/ane/foundation_values.h"
#include "anemone/devices/ane/frameworks.h"

namespace anemone {

// A way of asking.
struct StatsRecipe {
  enum class Object : uint8_t { kNone, kFromBuffer, kFromTime, kFromParts };

  const char* name;
  bool mask;          // of the model: what the driver shall count
  bool load_options;  // the same for the daemon that loads it
  Object object;      // that the request has before it runs
};

// The first is the one that a published project got times with; the self-test tries all.
inline constexpr StatsRecipe kStatsRecipes[] = {
    {"mask, load options, object of a buffer", true, true, StatsRecipe::Object::kFromBuffer},
    {"mask, load options, object of a time", true, true, StatsRecipe::Object::kFromTime},
    {"mask, load options, object of parts", true, true, StatsRecipe::Object::kFromParts},
    {"mask, load options, no object", true, true, StatsRecipe::Object::kNone},
    {"mask, object of a buffer", true, false, StatsRecipe::Object::kFromBuffer},
    {"object of a time", false, false, StatsRecipe::Object::kFromTime},
};

class PerfStats {
 public:
  // Memory that a request lends to its objects. The framework looks at three places of each.
  struct Memory {
    void* buffers[4] = {};
    uint32_t sizes[4] = {};
  };

  // Throws Error(kInvalidInput) that names what this system lacks. Every member may throw one too;
  // callers have an autorelease pool.
  PerfStats(const Frameworks::InMemory& api, const StatsRecipe& recipe);

  // To be called before the model is loaded; returns the options to load it with.
  CfObject prepare(ObjcId model) const;
  // The model is to count nothing any more.
  void withdraw(ObjcId model) const;
  // To be called before every run: what the last one left must not be taken for the next one's.
  void attach(ObjcId request, Memory& memory) const;
  void detach(ObjcId request) const;
  // Of the run since attach(); nothing where the driver gave none.
  std::optional<double> hardware_ms(ObjcId request) const;

 private:
  uint32_t driver_mask() const;
  ObjcId make_object(Memory& memory) const;
  uint64_t nanoseconds_of(ObjcId stats) const;
  ObjcId first_of_array(ObjcId request) const;

  const Frameworks::InMemory& api_;
  FoundationValues values_;
  StatsRecipe recipe_;
  ObjcClass class_ = nullptr;
};

}  // namespace anemone
