// Folders for programs on their way to the compiler.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "anemone/base/file_lock.h"

namespace anemone {

// The folder that the system sets aside for this user's temporary files.
std::filesystem::path temporary_root();

// A new folder below `root`, with a name that no other process and no other call has.
std::filesystem::path make_scratch_folder(const std::filesystem::path& root,
                                          const std::string& prefix = "anemone");

// A new folder of its own, removed with all that is in it.
class ScratchFolder {
 public:
  // As make_scratch_folder.
  explicit ScratchFolder(const std::filesystem::path& root, const std::string& prefix = "anemone")
      : path_(make_scratch_folder(root, prefix)) {}
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// A folder whose name is given, shared by everybody who knows it, in this process and in others:
// the last one removes it.
class SharedFolder {
 public:
  explicit SharedFolder(std::filesystem::path path);
  ~SharedFolder();
  SharedFolder(const SharedFolder&) = delete;
  SharedFolder& operator=(const SharedFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::optional<FileLock> lock_;  // a file beside it: shared while it is in use
};

}  // namespace anemone
