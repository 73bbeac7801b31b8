#include "anemone/base/error.h"

#include <cstring>
#include <utility>

namespace anemone {

Error::Error(ErrorCode code, std::string where, std::string message, std::string hint)
    : code_(code),
      where_(std::move(where)),
      message_(std::move(message)),
      hint_(std::move(hint)),
      line_(where_.empty() ? message_ : where_ + ": " + message_) {
  if (!hint_.empty()) line_ += " (" + hint_ + ")";
}

void fail(std::string where, std::string message, std::string hint) {
  throw Error(ErrorCode::kInvalidInput, std::move(where), std::move(message), std::move(hint));
}

void fail_io(std::string where, std::string_view doing, int error_number) {
  throw Error(ErrorCode::kIo, std::move(where),
              "cannot " + std::string(doing) + ": " + std::strerror(error_number));
}

void check_failed(const char* condition, const char* file, int line) {
  throw Error(ErrorCode::kInternal, std::string(file) + ":" + std::to_string(line),
              "check failed: " + std::string(condition),
              "this is a bug in Anemone, please report it");
}

}  // namespace anemone
