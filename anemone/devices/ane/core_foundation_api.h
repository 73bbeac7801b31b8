// The part of CoreFoundation and IOSurface that this project uses, as tables of functions. Types
// and prototypes are those of Apple's public headers; strings, data, numbers, dictionaries and
// arrays are at the same time the Objective-C objects of those names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace anemone {

struct DynamicLibrary;

using CfRef = const void*;
using CfIndex = long;
using CfBoolean = unsigned char;

inline constexpr uint32_t kCfUtf8 = 0x08000100;
inline constexpr CfIndex kCfNumberInt64 = 4;

struct CoreFoundationApi {
  CfRef (*CFRetain)(CfRef) = nullptr;
  void (*CFRelease)(CfRef) = nullptr;
  CfRef (*CFStringCreateWithCString)(CfRef allocator, const char* text,
                                     uint32_t encoding) = nullptr;
  CfIndex (*CFStringGetLength)(CfRef) = nullptr;
  CfIndex (*CFStringGetMaximumSizeForEncoding)(CfIndex length, uint32_t encoding) = nullptr;
  CfBoolean (*CFStringGetCString)(CfRef, char* buffer, CfIndex size, uint32_t encoding) = nullptr;
  CfRef (*CFDataCreate)(CfRef allocator, const uint8_t* bytes, CfIndex length) = nullptr;
  CfRef (*CFNumberCreate)(CfRef allocator, CfIndex type, const void* value) = nullptr;
  CfRef (*CFDictionaryCreate)(CfRef allocator, const void** keys, const void** values,
                              CfIndex count, const void* key_callbacks,
                              const void* value_callbacks) = nullptr;
  CfRef (*CFArrayCreate)(CfRef allocator, const void** values, CfIndex count,
                         const void* callbacks) = nullptr;
  CfIndex (*CFErrorGetCode)(CfRef) = nullptr;
  CfRef (*CFErrorCopyDescription)(CfRef) = nullptr;
  // Addresses of data: with null instead, keys would be compared by address and nothing retained.
  const void* kCFTypeDictionaryKeyCallBacks = nullptr;
  const void* kCFTypeDictionaryValueCallBacks = nullptr;
  const void* kCFTypeArrayCallBacks = nullptr;
};

using IoSurfaceRef = void*;
inline constexpr uint32_t kIoSurfaceReadOnly = 1;

struct IoSurfaceApi {
  // Properties by the names "IOSurfaceWidth", "IOSurfaceHeight", "IOSurfaceBytesPerElement",
  // "IOSurfaceBytesPerRow", "IOSurfaceAllocSize", "IOSurfacePixelFormat"; null where it fails.
  IoSurfaceRef (*IOSurfaceCreate)(CfRef properties) = nullptr;
  int32_t (*IOSurfaceLock)(IoSurfaceRef, uint32_t options, uint32_t* seed) = nullptr;
  int32_t (*IOSurfaceUnlock)(IoSurfaceRef, uint32_t options, uint32_t* seed) = nullptr;
  void* (*IOSurfaceGetBaseAddress)(IoSurfaceRef) = nullptr;
  size_t (*IOSurfaceGetAllocSize)(IoSurfaceRef) = nullptr;
};

std::string load_api(const DynamicLibrary& library, CoreFoundationApi& api);
std::string load_api(const DynamicLibrary& library, IoSurfaceApi& api);

}  // namespace anemone
