#include "tests/fake_ane/blob_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "anemone/base/error.h"
#include "anemone/base/file.h"

namespace anemone::fake_ane {
namespace {

constexpr std::string_view kModelPath = "@model_path/";

template <typename T>
T read_at(const std::string& bytes, uint64_t offset) {
  T value{};
  if (offset + sizeof(T) > bytes.size()) fail("weights", "the file ends too early");
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

uint32_t code_of(DType dtype) {
  switch (dtype) {
    case DType::kFp16:
      return 1;
    case DType::kFp32:
      return 2;
    case DType::kUInt8:
      return 3;
    case DType::kInt8:
      return 4;
    default:
      fail("weights", "an element type that the fake does not expect in a file");
  }
}

void expect(bool holds, uint64_t offset, const char* what) {
  if (!holds) fail(fmt::format("weights, offset {}", offset), what);
}

// 64 bytes: mark, type, size, position of the data, unused bits, four words of zero.
void check_blob(const std::string& bytes, const Literal& literal) {
  const uint64_t at = literal.blob->offset;
  expect(at >= 64 && at % 64 == 0, at, "metadata are at multiples of 64");
  expect(read_at<uint32_t>(bytes, at) == 0xDEADBEEF, at, "the mark is missing");
  expect(read_at<uint32_t>(bytes, at + 4) == code_of(literal.type.dtype), at, "another type");
  expect(read_at<uint64_t>(bytes, at + 8) == literal.type.bytes(), at, "another size");
  expect(read_at<uint64_t>(bytes, at + 16) == at + 64, at, "the data are not behind it");
  for (uint64_t word = at + 24; word < at + 64; word += 8) {
    expect(read_at<uint64_t>(bytes, word) == 0, word, "not zero");
  }
  expect(at + 64 + literal.type.bytes() <= bytes.size(), at, "the data end too early");
}

void check_header(const std::string& bytes) {
  expect(read_at<uint32_t>(bytes, 0) > 0, 0, "no blob is counted");
  expect(read_at<uint32_t>(bytes, 4) == 2, 4, "another version");
  for (uint64_t word = 8; word < 64; word += 8) {
    expect(read_at<uint64_t>(bytes, word) == 0, word, "not zero");
  }
}

}  // namespace

std::vector<std::string> check_blobs(const Program& program, const std::filesystem::path& folder) {
  std::vector<std::string> files;
  for (const Function& function : program.functions) {
    for (const auto& op : function.operations) {
      for (const Attribute& attribute : op->attributes) {
        if (!attribute.value.blob) continue;
        const std::string& path = attribute.value.blob->path;
        if (!path.starts_with(kModelPath)) fail(path, "it is not below @model_path");
        const std::string file = path.substr(kModelPath.size());
        const std::string bytes = read_file(folder / file);
        check_header(bytes);
        check_blob(bytes, attribute.value);
        if (std::find(files.begin(), files.end(), file) == files.end()) files.push_back(file);
      }
    }
  }
  return files;
}

}  // namespace anemone::fake_ane
