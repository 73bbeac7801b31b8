#include "anemone/base/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "anemone/base/error.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;

std::string error_of(const std::function<std::string()>& work) {
  try {
    run_in_child("text.txt", work);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    return error.what();
  }
  return "no error";
}

TEST(RunInChild, GivesTheResultWhateverItsBytes) {
  EXPECT_EQ(run_in_child("here", [] { return std::string(); }), "");
  const std::string large(3 << 20, '\0');
  EXPECT_TRUE(run_in_child("here", [&] { return large + "x"; }) == large + "x");
}

TEST(RunInChild, ItsOwnMemoryIsACopy) {
  int value = 1;
  run_in_child("here", [&] {
    value = 2;
    return std::string();
  });
  EXPECT_EQ(value, 1);
}

TEST(RunInChild, ErrorsComeBackWhole) {
  EXPECT_EQ(error_of([]() -> std::string { fail("place", "message", "hint"); }),
            "place: message (hint)");
  EXPECT_EQ(error_of([]() -> std::string { throw std::bad_alloc(); }), "text.txt: out of memory");
}

TEST(RunInChild, AnEndOfTheProcessIsAnError) {
  EXPECT_THAT(error_of([]() -> std::string { std::abort(); }),
              HasSubstr("text.txt: the process that worked on it was ended by signal 6"));
  EXPECT_THAT(error_of([]() -> std::string { std::_Exit(255); }),
              HasSubstr("ended with status 255"));
  EXPECT_THAT(error_of([]() -> std::string { std::_Exit(0); }), HasSubstr("ended with status 0"));
}

TEST(RunInChild, WhatItPrintsGoesNowhere) {
  testing::internal::CaptureStderr();
  run_in_child("here", [] {
    std::fputs("noise\n", stderr);
    return std::string();
  });
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace anemone
