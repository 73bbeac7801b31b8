#include "anemone/devices/ane/bundle_cache.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <vector>

#include "anemone/base/error.h"
#include "anemone/base/file.h"

namespace anemone {
namespace fs = std::filesystem;
namespace {

constexpr const char* kComplete = "complete";

std::string lock_of(const fs::path& folder) { return folder.string() + ".lock"; }

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

BundleCache::Entry::Entry(fs::path folder, FileLock lock)
    : folder_(std::move(folder)), lock_(std::move(lock)) {}

BundleCache::Entry::~Entry() {
  std::error_code ignored;
  if (fs::exists(folder_ / kComplete, ignored)) return;
  fs::remove_all(folder_, ignored);
  lock_.remove_file();
}

fs::path BundleCache::Entry::bundle() const {
  std::error_code failed;
  if (!fs::exists(folder_ / kComplete, failed)) return {};
  for (const auto& entry : fs::recursive_directory_iterator(folder_, failed)) {
    if (entry.is_directory(failed) && entry.path().extension() == ".bundle") return entry.path();
  }
  return {};
}

void BundleCache::Entry::complete() const { write_file(folder_ / kComplete, ""); }

void BundleCache::Entry::clear() const {
  std::error_code failed;
  fs::remove(folder_ / kComplete, failed);  // first: what is left of the rest is not whole
  fs::remove_all(folder_, failed);
  fs::create_directories(folder_, failed);
  if (failed) fail_io(folder_.string(), "make", failed.value());
}

BundleCache::Entry BundleCache::open(const std::string& key) {
  std::error_code failed;
  fs::create_directories(root_, failed);
  if (failed) fail_io(root_.string(), "make", failed.value());
  make_room(key);
  const fs::path folder = root_ / key;
  FileLock lock(lock_of(folder), FileLock::Mode::kExclusive);
  if (!fs::exists(folder / kComplete, failed)) fs::remove_all(folder, failed);
  fs::create_directories(folder, failed);
  fs::last_write_time(folder, fs::file_time_type::clock::now(), failed);
  return Entry(folder, std::move(lock));
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
    std::optional<FileLock> lock = FileLock::try_exclusive(lock_of(old.folder));
    if (!lock) continue;  // somebody uses it
    fs::remove_all(old.folder, failed);
    lock->remove_file();
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
