// Files: whole reads, read-only maps, and writes that either happen or leave the old file alone.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace anemone {

// The whole file as bytes. Throws Error(kIo) naming the path.
std::string read_file(const std::filesystem::path& path);

// A file mapped read-only; the bytes live as long as the object.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// Writes through `write(bytes, size)` calls to a temporary name beside `path`, syncs it to the disk
// and renames it. Whatever fails, `path` keeps its old content and the temporary file is removed.
// Links are followed; a device or a pipe (/dev/null, /dev/stdout) is written to as it is.
class FileWriter {
 public:
  explicit FileWriter(std::filesystem::path path);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  void write(const void* data, size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  int descriptor_ = -1;
};

void write_file(const std::filesystem::path& path, std::string_view content);

// Makes what was renamed inside `directory` survive a power cut.
void sync_directory(const std::filesystem::path& directory);

// Creates the directory and its parents; throws Error(kIo) where that or writing into it fails.
void make_writable_directory(const std::filesystem::path& path);

}  // namespace anemone
