#include "anemone/base/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "anemone/base/error.h"

namespace anemone {
namespace {

// Whether the path still leads to the open file: its last holder may have removed it meanwhile.
bool is_current(int file, const std::filesystem::path& path) {
  struct stat opened, named;
  return ::fstat(file, &opened) == 0 && ::stat(path.c_str(), &named) == 0 &&
         opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
}

int lock_waiting(int file, int how) {
  int result = 0;
  do {
    result = ::flock(file, how);
  } while (result != 0 && errno == EINTR);
  return result;
}

// The locked file; -1 where `how` says not to wait and somebody else has it.
int open_locked(const std::filesystem::path& path, int how) {
  for (;;) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) fail_io(path.string(), "write", errno);
    if (lock_waiting(file, how) != 0) {
      const int reason = errno;
      ::close(file);
      if (reason == EWOULDBLOCK) return -1;
      fail_io(path.string(), "lock", reason);
    }
    if (is_current(file, path)) return file;
    ::close(file);
  }
}

}  // namespace

FileLock::FileLock(std::filesystem::path path, int file) : path_(std::move(path)), file_(file) {}

FileLock::FileLock(const std::filesystem::path& path, Mode mode)
    : FileLock(path, open_locked(path, mode == Mode::kShared ? LOCK_SH : LOCK_EX)) {}

std::optional<FileLock> FileLock::try_exclusive(const std::filesystem::path& path) {
  const int file = open_locked(path, LOCK_EX | LOCK_NB);
  if (file < 0) return std::nullopt;
  return FileLock(path, file);
}

FileLock::FileLock(FileLock&& other) noexcept
    : path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)) {}

FileLock::~FileLock() {
  if (file_ >= 0) ::close(file_);
}

bool FileLock::try_upgrade() { return lock_waiting(file_, LOCK_EX | LOCK_NB) == 0; }

void FileLock::remove_file() { ::unlink(path_.c_str()); }

}  // namespace anemone
