// Every function of the fake frameworks, under names of its own; the libraries give them the names
// of the real ones (forward.h), fake_frameworks.h puts them into tables.
#pragma once

#include "anemone/devices/ane/frameworks.h"

namespace anemone::fake_ane {

extern "C" {

#define ANEMONE_DECLARE(name, parameters) E5Status fake_ane_e5rt_##name parameters;
ANEMONE_E5RT_FUNCTIONS(ANEMONE_DECLARE)
#undef ANEMONE_DECLARE
const char* fake_ane_e5rt_get_last_error_message();

ObjcClass fake_ane_objc_getClass(const char* name);
ObjcSelector fake_ane_sel_registerName(const char* name);
void fake_ane_objc_msgSend();
ObjcMethod fake_ane_class_getInstanceMethod(ObjcClass, ObjcSelector);
ObjcMethod fake_ane_class_getClassMethod(ObjcClass, ObjcSelector);
const char* fake_ane_method_getTypeEncoding(ObjcMethod);
void* fake_ane_objc_autoreleasePoolPush();
void fake_ane_objc_autoreleasePoolPop(void* pool);
ObjcId fake_ane_objc_retain(ObjcId);
void fake_ane_objc_release(ObjcId);

CfRef fake_ane_CFRetain(CfRef);
void fake_ane_CFRelease(CfRef);
CfRef fake_ane_CFStringCreateWithCString(CfRef allocator, const char* text, uint32_t encoding);
CfIndex fake_ane_CFStringGetLength(CfRef);
CfIndex fake_ane_CFStringGetMaximumSizeForEncoding(CfIndex length, uint32_t encoding);
CfBoolean fake_ane_CFStringGetCString(CfRef, char* buffer, CfIndex size, uint32_t encoding);
CfRef fake_ane_CFDataCreate(CfRef allocator, const uint8_t* bytes, CfIndex length);
CfRef fake_ane_CFNumberCreate(CfRef allocator, CfIndex type, const void* value);
CfRef fake_ane_CFDictionaryCreate(CfRef allocator, const void** keys, const void** values,
                                  CfIndex count, const void* key_callbacks,
                                  const void* value_callbacks);
CfRef fake_ane_CFArrayCreate(CfRef allocator, const void** values, CfIndex count,
                             const void* callbacks);
CfIndex fake_ane_CFErrorGetCode(CfRef);
CfRef fake_ane_CFErrorCopyDescription(CfRef);

IoSurfaceRef fake_ane_IOSurfaceCreate(CfRef properties);
int32_t fake_ane_IOSurfaceLock(IoSurfaceRef, uint32_t options, uint32_t* seed);
int32_t fake_ane_IOSurfaceUnlock(IoSurfaceRef, uint32_t options, uint32_t* seed);
void* fake_ane_IOSurfaceGetBaseAddress(IoSurfaceRef);
size_t fake_ane_IOSurfaceGetAllocSize(IoSurfaceRef);

// Stand for the callback structures of CoreFoundation: only their addresses count.
extern const char fake_ane_dictionary_keys, fake_ane_dictionary_values, fake_ane_array_values;
// Those that the library exports under the real names.
void fake_ane_set_callbacks(const void* keys, const void* values, const void* array);

// What opening the libraries does.
void fake_ane_open_foundation();
void fake_ane_open_neural_engine();

}  // extern "C"

}  // namespace anemone::fake_ane
