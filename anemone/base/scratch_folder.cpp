#include "anemone/base/scratch_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "anemone/base/error.h"

namespace anemone {
namespace fs = std::filesystem;

fs::path temporary_root() {
#ifdef _CS_DARWIN_USER_TEMP_DIR
  char buffer[1024];
  const size_t size = ::confstr(_CS_DARWIN_USER_TEMP_DIR, buffer, sizeof(buffer));
  if (size > 0 && size <= sizeof(buffer)) return buffer;
#endif
  return fs::temp_directory_path();
}

ScratchFolder::ScratchFolder(const fs::path& root, const std::string& prefix) {
  std::error_code failed;
  fs::create_directories(root, failed);
  std::string pattern = (root / (prefix + "-XXXXXX")).string();
  if (!::mkdtemp(pattern.data())) fail_io(root.string(), "make a folder in", errno);
  path_ = pattern;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

// A lock file beside the folder: shared while somebody uses it, exclusive for whoever removes it.
// The kernel gives it up when a process dies.
SharedFolder::SharedFolder(fs::path path) : path_(std::move(path)) {
  std::error_code failed;
  fs::create_directories(path_.parent_path(), failed);
  const std::string lock_path = path_.string() + ".lock";
  lock_ = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_ < 0) fail_io(lock_path, "write", errno);
  ::flock(lock_, LOCK_SH);
  fs::create_directories(path_, failed);
  if (failed) {
    ::close(lock_);
    fail_io(path_.string(), "make", failed.value());
  }
}

SharedFolder::~SharedFolder() {
  if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
    fs::remove(path_.string() + ".lock", ignored);
  }
  ::close(lock_);
}

}  // namespace anemone
