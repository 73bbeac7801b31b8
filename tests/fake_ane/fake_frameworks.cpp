#include "tests/fake_ane/fake_frameworks.h"

#include "tests/fake_ane/entry_points.h"

namespace anemone::fake_ane {
namespace {

EspressoApi espresso() {
  EspressoApi api;
#define ANEMONE_FILL(name, parameters) api.name = fake_ane_e5rt_##name;
  ANEMONE_E5RT_FUNCTIONS(ANEMONE_FILL)
#undef ANEMONE_FILL
  api.get_last_error_message = fake_ane_e5rt_get_last_error_message;
  return api;
}

Frameworks::InMemory in_memory() {
  CoreFoundationApi cf{fake_ane_CFRetain,
                       fake_ane_CFRelease,
                       fake_ane_CFStringCreateWithCString,
                       fake_ane_CFStringGetLength,
                       fake_ane_CFStringGetMaximumSizeForEncoding,
                       fake_ane_CFStringGetCString,
                       fake_ane_CFDataCreate,
                       fake_ane_CFNumberCreate,
                       fake_ane_CFDictionaryCreate,
                       fake_ane_CFArrayCreate,
                       fake_ane_CFErrorGetCode,
                       fake_ane_CFErrorCopyDescription,
                       &fake_ane_dictionary_keys,
                       &fake_ane_dictionary_values,
                       &fake_ane_array_values};
  return {{fake_ane_objc_getClass, fake_ane_sel_registerName, fake_ane_objc_msgSend,
           fake_ane_class_getInstanceMethod, fake_ane_class_getClassMethod,
           fake_ane_method_getTypeEncoding, fake_ane_objc_autoreleasePoolPush,
           fake_ane_objc_autoreleasePoolPop, fake_ane_objc_retain, fake_ane_objc_release},
          cf,
          {fake_ane_IOSurfaceCreate, fake_ane_IOSurfaceLock, fake_ane_IOSurfaceUnlock,
           fake_ane_IOSurfaceGetBaseAddress, fake_ane_IOSurfaceGetAllocSize}};
}

}  // namespace

Frameworks fake_frameworks() {
  fake_ane_open_foundation();
  fake_ane_open_neural_engine();
  return {espresso(), in_memory(), "", ""};
}

std::string library_folder() { return ANEMONE_FAKE_ANE_FOLDER; }

}  // namespace anemone::fake_ane
