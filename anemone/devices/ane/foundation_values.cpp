#include "anemone/devices/ane/foundation_values.h"

namespace anemone {

CfObject FoundationValues::checked(CfRef object, const char* what) const {
  if (!object) fail("CoreFoundation", std::string("it made no ") + what);
  return {api_, object};
}

CfObject FoundationValues::text(const std::string& text) const {
  return checked(api_.CFStringCreateWithCString(nullptr, text.c_str(), kCfUtf8), "string");
}

CfObject FoundationValues::data(std::string_view bytes) const {
  const auto* first = reinterpret_cast<const uint8_t*>(bytes.data());
  return checked(api_.CFDataCreate(nullptr, first, static_cast<CfIndex>(bytes.size())), "data");
}

CfObject FoundationValues::number(int64_t value) const {
  return checked(api_.CFNumberCreate(nullptr, kCfNumberInt64, &value), "number");
}

CfObject FoundationValues::array(const std::vector<CfRef>& values) const {
  return checked(
      api_.CFArrayCreate(nullptr, const_cast<const void**>(values.data()),
                         static_cast<CfIndex>(values.size()), api_.kCFTypeArrayCallBacks),
      "array");
}

CfObject FoundationValues::dictionary(const std::vector<std::pair<CfRef, CfRef>>& entries) const {
  std::vector<const void*> keys, values;
  for (const auto& [key, value] : entries) {
    keys.push_back(key);
    values.push_back(value);
  }
  return checked(api_.CFDictionaryCreate(
                     nullptr, keys.data(), values.data(), static_cast<CfIndex>(keys.size()),
                     api_.kCFTypeDictionaryKeyCallBacks, api_.kCFTypeDictionaryValueCallBacks),
                 "dictionary");
}

std::string FoundationValues::read(CfRef text) const {
  if (!text) return "";
  const CfIndex most =
      api_.CFStringGetMaximumSizeForEncoding(api_.CFStringGetLength(text), kCfUtf8) + 1;
  std::string result(static_cast<size_t>(most), '\0');
  if (!api_.CFStringGetCString(text, result.data(), most, kCfUtf8)) return "";
  return result.c_str();
}

std::string FoundationValues::describe_error(CfRef error) const {
  if (!error) return "no reason given";
  const CfObject description(api_, api_.CFErrorCopyDescription(error));
  return fmt::format("code {}: {}", api_.CFErrorGetCode(error), read(description.get()));
}

}  // namespace anemone
