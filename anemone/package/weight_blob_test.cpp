#include "anemone/package/weight_blob.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "anemone/base/test_directory.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;

template <typename T>
void put(std::string& bytes, size_t offset, T value) {
  if (bytes.size() < offset + sizeof(T)) bytes.resize(offset + sizeof(T));
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

// Header, metadata at 64, data at 128: two fp16 numbers, 1 and 2. By hand, after the format.
std::string small_file() {
  std::string bytes;
  put<uint32_t>(bytes, 0, 1);
  put<uint32_t>(bytes, 4, 2);
  put<uint32_t>(bytes, 64, 0xDEADBEEF);
  put<uint32_t>(bytes, 68, 1);
  put<uint64_t>(bytes, 72, 4);
  put<uint64_t>(bytes, 80, 128);
  put<uint16_t>(bytes, 128, 0x3c00);
  put<uint16_t>(bytes, 130, 0x4000);
  return bytes;
}

template <typename T>
std::shared_ptr<const Tensor> make(Shape shape, const std::vector<T>& values) {
  return std::make_shared<const Tensor>(Tensor::of<T>(std::move(shape), values));
}

class WeightBlob : public ::testing::Test {
 protected:
  BlobFile open(const std::string& bytes) {
    write_file(directory_ / "weight.bin", bytes);
    return BlobFile(directory_ / "weight.bin");
  }

  // The error from reading fp16 [2] at `offset`.
  std::string refusal(const std::string& bytes, uint64_t offset = 64, Shape shape = {2},
                      DType dtype = DType::kFp16) {
    try {
      open(bytes).read(offset, dtype, shape);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
      EXPECT_THAT(error.where(), HasSubstr("weight.bin"));
      return error.what();
    }
    return "no error";
  }

  TestDirectory directory_;
};

TEST_F(WeightBlob, ReadsTheBytesOfTheFormat) {
  const BlobFile file = open(small_file());
  const Tensor tensor = file.read(64, DType::kFp16, {1, 2});
  EXPECT_EQ(tensor.at(0), 1);
  EXPECT_EQ(tensor.at(1), 2);
  ASSERT_EQ(file.blobs().size(), 1u);
  EXPECT_EQ(file.blobs()[0].data_offset, 128u);
  EXPECT_EQ(file.blobs()[0].bytes, 4u);
}

TEST_F(WeightBlob, WritesExactlyTheBytesOfTheFormat) {
  Tensor halves(DType::kFp16, {2});
  halves.as<Half>()[0].bits = 0x3c00;
  halves.as<Half>()[1].bits = 0x4000;
  BlobWriter writer;
  EXPECT_EQ(writer.add(std::make_shared<const Tensor>(std::move(halves))), 64u);
  writer.write(directory_ / "weight.bin");
  EXPECT_EQ(read_file(directory_ / "weight.bin"), small_file());
}

TEST_F(WeightBlob, PutsRecordsAtMultiplesOf64AndNothingBehindTheLastByte) {
  BlobWriter writer;
  const auto bytes = make<int8_t>({65}, std::vector<int8_t>(65, -3));
  EXPECT_EQ(writer.add(bytes), 64u);
  EXPECT_EQ(writer.add(make<float>({1}, {1.5f})), 256u);  // 64 + 64 + 65 = 193, then 256
  EXPECT_EQ(writer.add(make<int32_t>({2}, {1, 2})), 384u);
  EXPECT_EQ(writer.add(bytes), 64u);  // once is enough
  writer.write(directory_ / "weight.bin");
  const BlobFile file(directory_ / "weight.bin");
  EXPECT_EQ(file.bytes(), 384u + 64 + 8);
  ASSERT_EQ(file.blobs().size(), 3u);
  EXPECT_EQ(file.blobs()[1].offset, 256u);
  EXPECT_EQ(file.blobs()[1].dtype, DType::kFp32);
  EXPECT_EQ(file.read(64, DType::kInt8, {5, 13}).at(64), -3);
  EXPECT_EQ(file.read(256, DType::kFp32, {1}).at(0), 1.5);
  EXPECT_EQ(file.read(384, DType::kInt32, {2}).at(1), 2);
  const std::string content = read_file(directory_ / "weight.bin");
  EXPECT_EQ(content.substr(193, 63), std::string(63, '\0'));
}

TEST_F(WeightBlob, CountsThePaddingBitsOfPackedElements) {
  Tensor packed(DType::kUInt3, {3});  // 9 bits in 2 bytes
  static_cast<uint8_t*>(packed.data())[1] = 1;
  BlobWriter writer;
  writer.add(std::make_shared<const Tensor>(std::move(packed)));
  writer.write(directory_ / "weight.bin");
  const BlobFile file(directory_ / "weight.bin");
  EXPECT_EQ(file.blobs()[0].bytes, 2u);
  EXPECT_EQ(file.blobs()[0].padding_bits, 7u);
  const Tensor read = file.read(64, DType::kUInt3, {3});
  EXPECT_EQ(static_cast<const uint8_t*>(read.data())[1], 1);
  // As many bytes, but not as many elements.
  EXPECT_THROW(file.read(64, DType::kUInt3, {4}), Error);
}

TEST_F(WeightBlob, OneMemoryInTwoShapesIsStoredOnce) {
  BlobWriter writer;
  const auto flat = make<float>({4}, {1, 2, 3, 4});
  const std::shared_ptr<const std::byte> memory(flat, static_cast<const std::byte*>(flat->data()));
  const uint64_t offset = writer.add(flat);
  EXPECT_EQ(writer.add(std::make_shared<const Tensor>(DType::kFp32, Shape{2, 2}, memory)), offset);
  EXPECT_NE(writer.add(std::make_shared<const Tensor>(DType::kFp32, Shape{2}, memory)), offset);
  EXPECT_EQ(writer.size(), 2u);
}

TEST_F(WeightBlob, RefusesTypesWithoutACode) {
  BlobWriter writer;
  EXPECT_THROW(writer.add(make<bool>({1}, {true})), Error);
  EXPECT_THROW(writer.add(make<double>({1}, {1})), Error);
  EXPECT_FALSE(has_blob_code(DType::kInt64));
}

TEST_F(WeightBlob, RefusesOtherFiles) {
  EXPECT_THAT(refusal(""), HasSubstr("0 bytes are too few"));
  EXPECT_THAT(refusal(std::string(63, '\0')), HasSubstr("63 bytes are too few"));
  std::string old = small_file();
  put<uint32_t>(old, 4, 1);
  EXPECT_THAT(refusal(old), HasSubstr("version 1 is another format"));
  EXPECT_THAT(refusal(std::string(200, 'x')), HasSubstr("no weight file of version 2"));
}

TEST_F(WeightBlob, RefusesWrongOffsets) {
  EXPECT_THAT(refusal(small_file(), 0), HasSubstr("the first blob's offset is 64"));
  EXPECT_THAT(refusal(small_file(), 65), HasSubstr("multiples of 64"));
  EXPECT_THAT(refusal(small_file(), 128), HasSubstr("outside the 132 bytes"));
  EXPECT_THAT(refusal(small_file(), UINT64_MAX - 63), HasSubstr("outside the 132 bytes"));
  std::string longer = small_file();
  longer.resize(300);
  EXPECT_THAT(refusal(longer, 128), HasSubstr("the mark 0xDEADBEEF is missing"));
}

TEST_F(WeightBlob, RefusesWrongMetadata) {
  const auto with = [](size_t offset, auto value) {
    std::string bytes = small_file();
    put(bytes, offset, value);
    return bytes;
  };
  EXPECT_THAT(refusal(with(64, uint32_t{0xDEADBEEE})), HasSubstr("0xDEADBEEF is missing"));
  EXPECT_THAT(refusal(with(68, uint32_t{99})), HasSubstr("unknown element type code 99"));
  EXPECT_THAT(refusal(with(68, uint32_t{4})), HasSubstr("it holds int8, not fp16"));
  EXPECT_THAT(refusal(with(68, uint32_t{16})), HasSubstr("it holds fp8, not fp16"));
  EXPECT_THAT(refusal(with(72, uint64_t{5})), HasSubstr("its 5 bytes at 128 are outside"));
  EXPECT_THAT(refusal(with(72, UINT64_MAX)), HasSubstr("are outside the 132 bytes"));
  EXPECT_THAT(refusal(with(72, uint64_t{2})), HasSubstr("it has 2 bytes, which is not the size"));
  EXPECT_THAT(refusal(with(80, uint64_t{0})), HasSubstr("its data are at 0"));
  EXPECT_THAT(refusal(with(80, uint64_t{130})), HasSubstr("its data are at 130"));
  EXPECT_THAT(refusal(with(80, UINT64_MAX - 63)), HasSubstr("are outside the 132 bytes"));
}

TEST_F(WeightBlob, RefusesOtherSizesWithoutAllocatingThem) {
  const int64_t huge = int64_t{1} << 40;
  EXPECT_THAT(refusal(small_file(), 64, {huge}), HasSubstr("it has 4 bytes"));
  EXPECT_THAT(refusal(small_file(), 64, {huge, huge}), HasSubstr("it has 4 bytes"));
  EXPECT_THAT(refusal(small_file(), 64, {-1}), HasSubstr("it has 4 bytes"));
}

TEST_F(WeightBlob, ReadsTheSecondOfTwoBlobsWhereTheHeaderCountsOne) {
  BlobWriter writer;
  writer.add(make<float>({1}, {1}));
  const uint64_t second = writer.add(make<float>({1}, {2}));
  writer.write(directory_ / "weight.bin");
  std::string bytes = read_file(directory_ / "weight.bin");
  put<uint32_t>(bytes, 0, 1);
  const BlobFile file = open(bytes);
  EXPECT_EQ(file.blobs().size(), 1u);
  EXPECT_EQ(file.read(second, DType::kFp32, {1}).at(0), 2);
}

TEST_F(WeightBlob, AnAbsurdCountEndsWithAnError) {
  std::string bytes = small_file();
  put<uint32_t>(bytes, 0, UINT32_MAX);
  EXPECT_THROW(open(bytes).blobs(), Error);
}

}  // namespace
}  // namespace anemone
