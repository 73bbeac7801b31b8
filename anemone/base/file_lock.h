// Locks between processes.
#pragma once

#include <filesystem>
#include <optional>

namespace anemone {

// Holds a lock by a file that serves only for that; it is made where it is missing. The kernel
// gives the lock up when its holder dies.
class FileLock {
 public:
  enum class Mode { kShared, kExclusive };

  // Waits. Throws Error(kIo) where the file cannot be made.
  FileLock(const std::filesystem::path& path, Mode mode);
  // Nothing where somebody else has it.
  static std::optional<FileLock> try_exclusive(const std::filesystem::path& path);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

  // From shared to exclusive, if that needs no waiting; if not, it may be lost.
  bool try_upgrade();
  // Removes the file. Only while it is held exclusively; whoever waits for it starts over.
  void remove_file();

 private:
  FileLock(std::filesystem::path path, int file);

  std::filesystem::path path_;
  int file_ = -1;
};

}  // namespace anemone
