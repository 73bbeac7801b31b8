#include "anemone/base/strict_json.h"

#include <fmt/format.h>

#include <set>
#include <vector>

#include "anemone/base/error.h"

namespace anemone {
namespace {

using Json = nlohmann::json;

// The library walks values recursively when it prints them.
constexpr int kMaxDepth = 64;
constexpr size_t kMaxQuoted = 60;

// Sees every event of a parse and refuses repeated keys and deep nesting.
class Watch {
 public:
  explicit Watch(const std::string& where) : where_(where) {}

  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    using Event = Json::parse_event_t;
    if (depth > kMaxDepth) fail(where_, fmt::format("is nested deeper than {}", kMaxDepth));
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    if (event == Event::key && !keys_.back().insert(parsed.get<std::string>()).second) {
      fail(where_, fmt::format("key {} is there twice", brief(parsed)));
    }
    return true;
  }

 private:
  const std::string& where_;
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
};

}  // namespace

Json parse_strict_json(std::string_view text, const std::string& where) {
  Watch watch(where);
  try {
    return Json::parse(text, [&](int depth, Json::parse_event_t event, Json& parsed) {
      return watch(depth, event, parsed);
    });
  } catch (const Json::parse_error& error) {
    fail(where, fmt::format("is not JSON from byte {} on", error.byte));
  } catch (const Json::exception& error) {
    fail(where, fmt::format("is not JSON: {}", error.what()));
  }
}

std::string brief(const Json& value) {
  if (value.is_structured()) return fmt::format("a JSON {}", value.type_name());
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > kMaxQuoted) text = text.substr(0, kMaxQuoted) + "...";
  return text;
}

}  // namespace anemone
