#include "anemone/data/tensor_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/base/file.h"
#include "anemone/base/test_directory.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;
using namespace std::string_literals;

std::string error_at(const std::filesystem::path& path) {
  try {
    read_tensors(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// As numpy.save(f, numpy.asfortranarray([[1, 2, 3], [4, 5, 6]], dtype="<i4")) writes it.
std::string fortran_npy() {
  std::string header = "{'descr': '<i4', 'fortran_order': True, 'shape': (2, 3), }";
  header = header.append(117 - header.size(), ' ') + "\n";
  std::string bytes = "\x93NUMPY\x01\x00"s + "\x76\x00"s + header;
  for (const int32_t value : {1, 4, 2, 5, 3, 6}) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  return bytes;
}

TEST(TensorFiles, ReadNumpyArraysInEitherOrder) {
  const TestDirectory directory;
  write_file(directory / "a.npy", fortran_npy());
  const Tensor a = std::move(read_tensors(directory / "a.npy").at(""));
  EXPECT_EQ(a.shape(), (Shape{2, 3}));
  for (int i = 0; i < 6; ++i) EXPECT_EQ(a.at(i), i + 1);
  write_file(directory / "cut.npy", fortran_npy().substr(0, 140));
  EXPECT_THAT(error_at(directory / "cut.npy"), HasSubstr("bytes follow it"));
}

TEST(TensorFiles, ComeBackFromEveryFormatOfTheirName) {
  const TestDirectory directory;
  const Tensor half = Tensor::of<float>({2}, {1.5f, -0.0f}).cast(DType::kFp16);
  const Tensor scalar = Tensor::of<int64_t>({}, {-7});
  for (const char* name : {"t.npz", "t.safetensors", "t"}) {
    write_tensors(directory / name, {{"half", half}, {"scalar", scalar}});
    const auto tensors = read_tensors(directory / name);
    ASSERT_EQ(tensors.size(), 2u) << name;
    EXPECT_EQ(tensors.at("half").dtype(), DType::kFp16);
    EXPECT_EQ(tensors.at("half").at(0), 1.5);
    EXPECT_EQ(tensors.at("scalar").shape(), Shape{});
    EXPECT_EQ(tensors.at("scalar").at(0), -7);
  }
  write_tensors(directory / "t.npy", {{"half", half}});
  EXPECT_EQ(read_tensors(directory / "t.npy").at("").at(0), 1.5);
  EXPECT_THROW(write_tensors(directory / "u.npy", {{"a", half}, {"b", half}}), Error);
  EXPECT_THROW(write_tensors(directory / "u.npz", {{"a", half.cast(DType::kBf16)}}), Error);
  EXPECT_FALSE(std::filesystem::exists(directory / "u.npz"));
}

}  // namespace
}  // namespace anemone
