// The fake as a library under the names of CoreFoundation.framework.
#include "tests/fake_ane/forward.h"

#define ANEMONE_EXPORT(name) ANEMONE_FORWARD(name, name##_of_fake)
ANEMONE_EXPORT(CFRetain);
ANEMONE_EXPORT(CFRelease);
ANEMONE_EXPORT(CFStringCreateWithCString);
ANEMONE_EXPORT(CFStringGetLength);
ANEMONE_EXPORT(CFStringGetMaximumSizeForEncoding);
ANEMONE_EXPORT(CFStringGetCString);
ANEMONE_EXPORT(CFDataCreate);
ANEMONE_EXPORT(CFNumberCreate);
ANEMONE_EXPORT(CFDictionaryCreate);
ANEMONE_EXPORT(CFArrayCreate);
ANEMONE_EXPORT(CFErrorGetCode);
ANEMONE_EXPORT(CFErrorCopyDescription);

// Data: the address of the symbol itself is what is handed to CoreFoundation.
extern "C" {
extern const char kCFTypeDictionaryKeyCallBacks, kCFTypeDictionaryValueCallBacks,
    kCFTypeArrayCallBacks;
const char kCFTypeDictionaryKeyCallBacks = 'k', kCFTypeDictionaryValueCallBacks = 'v',
           kCFTypeArrayCallBacks = 'a';
void fake_ane_set_callbacks(const void* keys, const void* values, const void* array);
}

// Tells the fake what callers of this library will hand in.
__attribute__((constructor)) static void announce() {
  fake_ane_set_callbacks(&kCFTypeDictionaryKeyCallBacks, &kCFTypeDictionaryValueCallBacks,
                         &kCFTypeArrayCallBacks);
}
