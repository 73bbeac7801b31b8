#include "anemone/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

#include "anemone/base/error.h"

namespace anemone {
namespace fs = std::filesystem;
namespace {

// A descriptor of an ordinary file opened for reading, and its size.
struct OpenFile {
  int descriptor;
  size_t size;
};

OpenFile open_for_reading(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail_io(path.string(), "open", errno);
  struct stat info {};
  const int error = ::fstat(descriptor, &info) != 0 ? errno : S_ISDIR(info.st_mode) ? EISDIR : 0;
  if (error != 0 || !S_ISREG(info.st_mode)) {
    ::close(descriptor);
    if (error != 0) fail_io(path.string(), "read", error);
    fail(path.string(), "is not a regular file");
  }
  return {descriptor, static_cast<size_t>(info.st_size)};
}

}  // namespace

std::string read_file(const fs::path& path) {
  const MappedFile file(path);
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  const OpenFile file = open_for_reading(path);
  size_ = file.size;
  if (size_ > 0) {
    void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.descriptor, 0);
    const int error = errno;
    ::close(file.descriptor);
    if (data == MAP_FAILED) fail_io(path.string(), "map", error);
    data_ = static_cast<const std::byte*>(data);
  } else {
    ::close(file.descriptor);
  }
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

FileWriter::FileWriter(fs::path path) : path_(std::move(path)) {
  std::error_code ignored;
  // The file behind a link is replaced, not the link.
  if (fs::is_symlink(path_, ignored)) {
    const fs::path target = fs::weakly_canonical(path_, ignored);
    if (!target.empty()) path_ = target;
  }
  const bool special = fs::exists(path_, ignored) && !fs::is_regular_file(path_, ignored);
  if (!special) {
    temporary_ = path_;
    // Another process, or another thread of this one, may write the same file.
    static std::atomic<unsigned> files = 0;
    temporary_ += ".tmp" + std::to_string(::getpid()) + "-" + std::to_string(files++);
  }
  const int flags = special ? O_WRONLY : O_WRONLY | O_CREAT | O_TRUNC;
  descriptor_ = ::open((special ? path_ : temporary_).c_str(), flags | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_io(path_.string(), "write", errno);
}

FileWriter::~FileWriter() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void FileWriter::write(const void* data, size_t size) {
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(descriptor_, next, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_io(path_.string(), "write", errno);
    next += written;
    size -= static_cast<size_t>(written);
  }
}

void FileWriter::commit() {
  const bool special = temporary_.empty();
  if (!special && ::fsync(descriptor_) != 0) fail_io(path_.string(), "sync", errno);
  if (::close(std::exchange(descriptor_, -1)) != 0) fail_io(path_.string(), "close", errno);
  if (special || ::rename(temporary_.c_str(), path_.c_str()) == 0) return;
  const int error = errno;
  ::unlink(temporary_.c_str());
  fail_io(path_.string(), "replace", error);
}

void write_file(const fs::path& path, std::string_view content) {
  FileWriter writer(path);
  writer.write(content);
  writer.commit();
}

void sync_directory(const fs::path& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail_io(directory.string(), "open", errno);
  const int result = ::fsync(descriptor);
  const int error = errno;
  ::close(descriptor);
  // Some file systems cannot sync a directory and say EINVAL; there is nothing more to do then.
  if (result != 0 && error != EINVAL) fail_io(directory.string(), "sync", error);
}

void make_writable_directory(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail_io(path.string(), "create the directory", error.value());
  write_file(path / ".anemone-probe", "");
  fs::remove(path / ".anemone-probe", error);
}

}  // namespace anemone
