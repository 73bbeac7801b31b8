#include "tests/fake_ane/fake_frameworks.h"

#include "tests/fake_ane/entry_points.h"

namespace anemone::fake_ane {
namespace {

EspressoApi espresso() {
  EspressoApi api;
#define ANEMONE_FILL(name, parameters) api.name = e5rt_##name##_of_fake;
  ANEMONE_E5RT_FUNCTIONS(ANEMONE_FILL)
#undef ANEMONE_FILL
  api.get_last_error_message = e5rt_get_last_error_message_of_fake;
  return api;
}

Frameworks::InMemory in_memory() {
  CoreFoundationApi cf{CFRetain_of_fake,
                       CFRelease_of_fake,
                       CFStringCreateWithCString_of_fake,
                       CFStringGetLength_of_fake,
                       CFStringGetMaximumSizeForEncoding_of_fake,
                       CFStringGetCString_of_fake,
                       CFDataCreate_of_fake,
                       CFNumberCreate_of_fake,
                       CFDictionaryCreate_of_fake,
                       CFArrayCreate_of_fake,
                       CFErrorGetCode_of_fake,
                       CFErrorCopyDescription_of_fake,
                       &fake_ane_dictionary_keys,
                       &fake_ane_dictionary_values,
                       &fake_ane_array_values};
  return {{objc_getClass_of_fake, sel_registerName_of_fake, objc_msgSend_of_fake,
           class_getInstanceMethod_of_fake, class_getClassMethod_of_fake,
           method_getTypeEncoding_of_fake, objc_autoreleasePoolPush_of_fake,
           objc_autoreleasePoolPop_of_fake, objc_retain_of_fake, objc_release_of_fake,
           object_getClass_of_fake},
          cf,
          {IOSurfaceCreate_of_fake, IOSurfaceLock_of_fake, IOSurfaceUnlock_of_fake,
           IOSurfaceGetBaseAddress_of_fake, IOSurfaceGetAllocSize_of_fake}};
}

}  // namespace

Frameworks fake_frameworks() {
  fake_ane_open_foundation();
  fake_ane_open_neural_engine();
  return {espresso(), in_memory(), "", ""};
}

std::string library_folder() { return ANEMONE_FAKE_ANE_FOLDER; }

}  // namespace anemone::fake_ane
