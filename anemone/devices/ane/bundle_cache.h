// Compiled programs on disk, by a key of everything they depend on. Safe against several processes,
// and limited in size: what was not used for longest goes first.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "anemone/base/file_lock.h"

namespace anemone {

class BundleCache {
 public:
  static constexpr uint64_t kMostBytes = uint64_t{4} << 30;

  explicit BundleCache(std::filesystem::path root, uint64_t most_bytes = kMostBytes);

  // A folder of the cache, locked against other processes while it lives. What is not complete
  // when it goes is removed.
  class Entry {
   public:
    Entry(std::filesystem::path folder, FileLock lock);
    ~Entry();
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

    const std::filesystem::path& folder() const { return folder_; }
    // The compiled bundle in it; empty if there is none that is complete.
    std::filesystem::path bundle() const;
    // Marks what is in the folder as whole.
    void complete() const;
    // Empties the folder.
    void clear() const;

   private:
    std::filesystem::path folder_;
    FileLock lock_;
  };

  // Waits while another process has the same entry open. An entry that was left half made is empty.
  Entry open(const std::string& key);

 private:
  void make_room(const std::string& but);

  std::filesystem::path root_;
  uint64_t most_bytes_;
};

// ~/Library/Caches/anemone, or $XDG_CACHE_HOME, or ~/.cache elsewhere.
std::filesystem::path default_bundle_cache();

}  // namespace anemone
