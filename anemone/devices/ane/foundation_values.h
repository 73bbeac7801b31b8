// Strings, data, numbers, arrays and dictionaries for the frameworks, and what they say back.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "anemone/devices/ane/objc_call.h"

namespace anemone {

class FoundationValues {
 public:
  explicit FoundationValues(const CoreFoundationApi& api) : api_(api) {}

  CfObject text(const std::string& text) const;
  CfObject data(std::string_view bytes) const;
  CfObject number(int64_t value) const;
  CfObject array(const std::vector<CfRef>& values) const;
  CfObject dictionary(const std::vector<std::pair<CfRef, CfRef>>& entries) const;

  // Text of a string that is borrowed; empty for null.
  std::string read(CfRef text) const;
  // "code: description" of an NSError that is borrowed; "no reason given" for null.
  std::string describe_error(CfRef error) const;

 private:
  CfObject checked(CfRef object, const char* what) const;

  const CoreFoundationApi& api_;
};

}  // namespace anemone
