// Methods of Foundation's classes, for what the C functions of CoreFoundation do not make or read.
#include "tests/fake_ane/neural_engine.h"

namespace anemone::fake_ane {
namespace {

ObjcId number_with_bool(ObjcId, bool value) {
  return objc::to_id(objc::autorelease(world().make<NsNumber>(value ? 1 : 0, true)));
}

uint64_t count(ObjcId self) { return reinterpret_cast<const NsArray*>(self)->members.size(); }

ObjcId object_at(ObjcId self, uint64_t index) {
  const auto& members = reinterpret_cast<const NsArray*>(self)->members;
  if (index < members.size()) return objc::to_id(members[index]);
  world().violation("objectAtIndex: is beyond the end of an array");
  return nullptr;
}

}  // namespace

void define_foundation_classes() {
  objc::define_class("NSString");
  objc::define_class("NSNumber").class_methods["numberWithBool:"] =
      objc::make_method(number_with_bool);
  objc::Class& array = objc::define_class("NSArray");
  array.instance_methods["count"] = objc::make_method(count);
  array.instance_methods["objectAtIndex:"] = objc::make_method(object_at);
}

}  // namespace anemone::fake_ane
