#include "anemone/base/scratch_folder.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>

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

fs::path make_scratch_folder(const fs::path& root, const std::string& prefix) {
  std::error_code failed;
  fs::create_directories(root, failed);
  std::string pattern = (root / (prefix + "-XXXXXX")).string();
  if (!::mkdtemp(pattern.data())) fail_io(root.string(), "make a folder in", errno);
  return pattern;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

SharedFolder::SharedFolder(fs::path path) : path_(std::move(path)) {
  std::error_code failed;
  fs::create_directories(path_.parent_path(), failed);
  lock_.emplace(path_.string() + ".lock", FileLock::Mode::kShared);
  fs::create_directories(path_, failed);
  if (failed) fail_io(path_.string(), "make", failed.value());
}

SharedFolder::~SharedFolder() {
  if (!lock_->try_upgrade()) return;
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  lock_->remove_file();
}

}  // namespace anemone
