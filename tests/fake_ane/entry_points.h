// Every function of the fake frameworks, under names of its own; the libraries give them the names
// of the real ones (forward.h), fake_frameworks.h puts them into tables.
#pragma once

#include "anemone/devices/ane/frameworks.h"

namespace anemone::fake_ane {

extern "C" {

#define ANEMONE_DECLARE(name, parameters) E5Status e5rt_##name##_of_fake parameters;
ANEMONE_E5RT_FUNCTIONS(ANEMONE_DECLARE)
#undef ANEMONE_DECLARE
const char* e5rt_get_last_error_message_of_fake();

ObjcClass objc_getClass_of_fake(const char* name);
ObjcSelector sel_registerName_of_fake(const char* name);
void objc_msgSend_of_fake();
ObjcMethod class_getInstanceMethod_of_fake(ObjcClass, ObjcSelector);
ObjcMethod class_getClassMethod_of_fake(ObjcClass, ObjcSelector);
const char* method_getTypeEncoding_of_fake(ObjcMethod);
void* objc_autoreleasePoolPush_of_fake();
void objc_autoreleasePoolPop_of_fake(void* pool);
ObjcId objc_retain_of_fake(ObjcId);
void objc_release_of_fake(ObjcId);
ObjcClass object_getClass_of_fake(ObjcId);

CfRef CFRetain_of_fake(CfRef);
void CFRelease_of_fake(CfRef);
CfRef CFStringCreateWithCString_of_fake(CfRef allocator, const char* text, uint32_t encoding);
CfIndex CFStringGetLength_of_fake(CfRef);
CfIndex CFStringGetMaximumSizeForEncoding_of_fake(CfIndex length, uint32_t encoding);
CfBoolean CFStringGetCString_of_fake(CfRef, char* buffer, CfIndex size, uint32_t encoding);
CfRef CFDataCreate_of_fake(CfRef allocator, const uint8_t* bytes, CfIndex length);
CfRef CFNumberCreate_of_fake(CfRef allocator, CfIndex type, const void* value);
CfRef CFDictionaryCreate_of_fake(CfRef allocator, const void** keys, const void** values,
                                 CfIndex count, const void* key_callbacks,
                                 const void* value_callbacks);
CfRef CFArrayCreate_of_fake(CfRef allocator, const void** values, CfIndex count,
                            const void* callbacks);
CfIndex CFErrorGetCode_of_fake(CfRef);
CfRef CFErrorCopyDescription_of_fake(CfRef);

IoSurfaceRef IOSurfaceCreate_of_fake(CfRef properties);
int32_t IOSurfaceLock_of_fake(IoSurfaceRef, uint32_t options, uint32_t* seed);
int32_t IOSurfaceUnlock_of_fake(IoSurfaceRef, uint32_t options, uint32_t* seed);
void* IOSurfaceGetBaseAddress_of_fake(IoSurfaceRef);
size_t IOSurfaceGetAllocSize_of_fake(IoSurfaceRef);

// Stand for the callback structures of CoreFoundation: only their addresses count.
extern const char fake_ane_dictionary_keys, fake_ane_dictionary_values, fake_ane_array_values;
// Those that the library exports under the real names.
void fake_ane_set_callbacks(const void* keys, const void* values, const void* array);

// What opening the libraries does.
void fake_ane_open_foundation();
void fake_ane_open_neural_engine();

}  // extern "C"

}  // namespace anemone::fake_ane
