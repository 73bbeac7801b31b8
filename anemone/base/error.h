// Errors for people: what went wrong, where, and what to do about it.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace anemone {

enum class ErrorCode {
  kInvalidInput,  // what the user handed in: a file, a flag, a program
  kIo,            // the system refused: missing, unreadable, full
  kUnavailable,   // a device or library that this machine lacks
  kInternal,      // our bug
};

// `where` is a place the user can go to: "model.mil:3:14", "shard.bin, token 812", "--batch".
class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string where, std::string message, std::string hint = "");

  ErrorCode code() const { return code_; }
  const std::string& where() const { return where_; }
  const std::string& message() const { return message_; }
  const std::string& hint() const { return hint_; }

  // One line: "where: message (hint)".
  const char* what() const noexcept override { return line_.c_str(); }

 private:
  ErrorCode code_;
  std::string where_, message_, hint_, line_;
};

// Throws Error(kInvalidInput).
[[noreturn]] void fail(std::string where, std::string message, std::string hint = "");

// Throws Error(kIo); the message ends with the system's own text for `error_number`.
[[noreturn]] void fail_io(std::string where, std::string_view doing, int error_number);

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace anemone

// An invariant of our own: throws Error(kInternal) when it does not hold.
#define ANEMONE_CHECK(condition) \
  ((condition) ? void(0) : ::anemone::check_failed(#condition, __FILE__, __LINE__))
