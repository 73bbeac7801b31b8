#include "anemone/base/file.h"

#include <gtest/gtest.h>

#include "anemone/base/error.h"
#include "anemone/base/test_directory.h"

namespace anemone {
namespace {

TEST(File, WhatIsWrittenIsRead) {
  const TestDirectory dir;
  write_file(dir / "a.txt", "hello");
  EXPECT_EQ(read_file(dir / "a.txt"), "hello");
  write_file(dir / "empty", "");
  EXPECT_EQ(read_file(dir / "empty"), "");
}

TEST(File, AnUncommittedWriteLeavesTheOldContentAndNoTemporaryFile) {
  const TestDirectory dir;
  write_file(dir / "a.txt", "old");
  {
    FileWriter writer(dir / "a.txt");
    writer.write("new");
  }
  EXPECT_EQ(read_file(dir / "a.txt"), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
}

TEST(File, ADeviceIsWrittenToAndStaysADevice) {
  write_file("/dev/null", "gone");
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
  EXPECT_THROW(read_file("/dev/null"), Error);
}

TEST(File, AWriteThroughALinkKeepsTheLink) {
  const TestDirectory dir;
  write_file(dir / "target", "old");
  std::filesystem::create_symlink(dir / "target", dir / "link");
  write_file(dir / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(dir / "link"));
  EXPECT_EQ(read_file(dir / "target"), "new");
}

TEST(File, MissingFileAndDirectoryAreNamedInTheError) {
  const TestDirectory dir;
  try {
    read_file(dir / "absent.bin");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
    EXPECT_EQ(error.where(), (dir / "absent.bin").string());
    EXPECT_EQ(error.message(), "cannot open: No such file or directory");
  }
  EXPECT_THROW(read_file(dir.path()), Error);
}

TEST(File, ADirectoryThatCannotBeMadeIsAnError) {
  const TestDirectory dir;
  write_file(dir / "file", "");
  EXPECT_THROW(make_writable_directory(dir / "file" / "sub"), Error);
  EXPECT_NO_THROW(make_writable_directory(dir / "a" / "b"));
}

}  // namespace
}  // namespace anemone
