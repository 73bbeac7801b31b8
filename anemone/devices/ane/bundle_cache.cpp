#include "anemone/devices/ane/bundle_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "anemone/base/error.h"
#include "anemone/base/file.h"

namespace anemone {
namespace fs = std::filesystem;
namespace {

constexpr const char* kComplete = "complete";

int lock_file(const fs::path& path, int how) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) fail_io(path.string(), "write", errno);
  if (::flock(file, how) == 0) return file;
  ::close(file);
  return -1;
}

uint64_t folder_bytes(const fs::path& folder) {
  uint64_t bytes = 0;
  std::error_code failed;
  for (const auto& entry : fs::recursive_directory_iterator(folder, failed)) {
    if (entry.is_regular_file(failed)) bytes += entry.file_size(failed);
  }
  return bytes;
}

}  // namespace

BundleCache::BundleCache(fs::path root, uint64_t most_bytes)
    : root_(std::move(root)), most_bytes_(most_bytes) {}

BundleCache::Entry::Entry(fs::path folder, int lock) : folder_(std::move(folder)), lock_(lock) {}

BundleCache::Entry::~Entry() { ::close(lock_); }

fs::path BundleCache::Entry::bundle() const {
  std::error_code failed;
  if (!fs::exists(folder_ / kComplete, failed)) return {};
  for (const auto& entry : fs::recursive_directory_iterator(folder_, failed)) {
    if (entry.is_directory(failed) && entry.path().extension() == ".bundle") return entry.path();
  }
  return {};
}

void BundleCache::Entry::complete() const { write_file(folder_ / kComplete, ""); }

BundleCache::Entry BundleCache::open(const std::string& key) {
  std::error_code failed;
  fs::create_directories(root_, failed);
  if (failed) fail_io(root_.string(), "make", failed.value());
  make_room(key);
  const fs::path folder = root_ / key;
  const int lock = lock_file(folder.string() + ".lock", LOCK_EX);
  if (!fs::exists(folder / kComplete, failed)) fs::remove_all(folder, failed);
  fs::create_directories(folder, failed);
  fs::last_write_time(folder, fs::file_time_type::clock::now(), failed);
  return Entry(folder, lock);
}

void BundleCache::make_room(const std::string& but) {
  struct Old {
    fs::file_time_type used;
    fs::path folder;
    uint64_t bytes;
  };
  std::vector<Old> entries;
  uint64_t all = 0;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(root_, failed)) {
    if (!entry.is_directory(failed)) continue;
    entries.push_back({entry.last_write_time(failed), entry.path(), folder_bytes(entry.path())});
    all += entries.back().bytes;
  }
  std::sort(entries.begin(), entries.end(),
            [](const Old& a, const Old& b) { return a.used < b.used; });
  for (const Old& old : entries) {
    if (all <= most_bytes_) return;
    if (old.folder.filename() == but) continue;
    const int lock = lock_file(old.folder.string() + ".lock", LOCK_EX | LOCK_NB);
    if (lock < 0) continue;  // somebody uses it
    fs::remove_all(old.folder, failed);
    ::close(lock);
    all -= old.bytes;
  }
}

fs::path default_bundle_cache() {
  const char* home = std::getenv("HOME");
  const fs::path base = home ? home : "/tmp";
#ifdef __APPLE__
  return base / "Library/Caches/anemone";
#else
  const char* cache = std::getenv("XDG_CACHE_HOME");
  return (cache && *cache ? fs::path(cache) : base / ".cache") / "anemone";
#endif
}

}  // namespace anemone
