#include "anemone/data/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "anemone/base/error.h"
#include "anemone/base/random.h"
#include "anemone/base/test_directory.h"

namespace anemone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Without the sync of write_file(), which costs milliseconds.
void overwrite(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string little_endian(uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

// A file made by hand.
std::filesystem::path hand_made(const TestDirectory& dir, const std::string& header,
                                const std::string& data) {
  write_file(dir / "x.safetensors", little_endian(header.size()) + header + data);
  return dir / "x.safetensors";
}

std::string error_of(const std::filesystem::path& path) {
  try {
    SafetensorsFile{path};
  } catch (const Error& error) {
    EXPECT_THAT(error.where(), HasSubstr(path.string()));
    return error.what();
  }
  return "no error";
}

std::string error_of(const std::string& header, const std::string& data) {
  const TestDirectory dir;
  return error_of(hand_made(dir, header, data));
}

TEST(Safetensors, AHandMadeFileIsRead) {
  const TestDirectory dir;
  const SafetensorsFile file(hand_made(
      dir,
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2],"data_offsets":[4,8]},)"
      R"("a":{"dtype":"I32","shape":[],"data_offsets":[0,4]}}   )",
      std::string("\x07\x00\x00\x00\x00\x3C\x00\xC0", 8)));
  EXPECT_THAT(file.names(), ElementsAre("a", "b"));
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.read("a").at(0), 7);
  EXPECT_EQ(file.describe("b").shape, (Shape{2}));
  const Tensor b = file.read("b", DType::kFp32);
  EXPECT_EQ(b.at(0), 1.0);
  EXPECT_EQ(b.at(1), -2.0);
}

TEST(Safetensors, UnalignedTensorsAreReadAsCopiesAndNotViewed) {
  const TestDirectory dir;
  const SafetensorsFile file(hand_made(dir,
                                       R"({"u":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                       R"("f":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}  )",
                                       std::string("\x09\x00\x00\x80\x3F", 5)));
  EXPECT_EQ(file.read("f").at(0), 1.0);
  EXPECT_EQ(file.read("f", DType::kFp16).at(0), 1.0);
  EXPECT_EQ(file.view("u").at(0), 9);
  const auto address = reinterpret_cast<uintptr_t>(file.view("u").data) + 1;
  if (address % 4 != 0) {
    EXPECT_THROW(file.view("f"), Error);
  }
}

TEST(Safetensors, WritesTheBytesOfTheSpecification) {
  const TestDirectory dir;
  const Tensor x = Tensor::of<uint8_t>({2}, {5, 6});
  write_safetensors(dir / "a", {{"x", x}}, {});
  const std::string header = R"({"x":{"data_offsets":[0,2],"dtype":"U8","shape":[2]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(read_file(dir / "a"), little_endian(padded.size()) + padded + "\x05\x06");
}

TEST(Safetensors, EveryElementTypeSurvivesBitForBit) {
  const TestDirectory dir;
  Random random(1);
  std::vector<Tensor> tensors;
  std::vector<std::pair<std::string, TensorView>> list;
  for (DType dtype :
       {DType::kUInt8, DType::kInt8, DType::kInt16, DType::kUInt16, DType::kInt32, DType::kUInt32,
        DType::kInt64, DType::kUInt64, DType::kFp16, DType::kBf16, DType::kFp32, DType::kFp64}) {
    // Random bits hold NaNs with payloads.
    Tensor tensor(dtype, {7, 13});
    auto* bytes = static_cast<unsigned char*>(tensor.data());
    for (size_t i = 0; i < tensor.bytes(); ++i) bytes[i] = static_cast<uint8_t>(random.next());
    tensors.push_back(std::move(tensor));
  }
  tensors.push_back(Tensor(DType::kFp32, {2}));
  std::memcpy(tensors.back().data(), "\x01\x00\xA0\x7F\x02\x00\xC0\xFF", 8);  // sNaN, qNaN
  tensors.push_back(Tensor::of<bool>({3}, {true, false, true}));
  tensors.push_back(Tensor(DType::kFp32, {0, 4}));
  for (size_t i = 0; i < tensors.size(); ++i) list.emplace_back(std::to_string(i), tensors[i]);
  write_safetensors(dir / "a", list);

  const SafetensorsFile file(dir / "a");
  EXPECT_EQ(file.metadata().at("format"), "pt");
  for (const auto& [name, expected] : list) {
    const TensorView view = file.view(name);
    ASSERT_EQ(view.dtype, expected.dtype);
    ASSERT_EQ(view.shape, expected.shape);
    if (view.bytes() == 0) continue;
    EXPECT_EQ(std::memcmp(view.data, expected.data, view.bytes()), 0) << name;
    EXPECT_EQ(std::memcmp(file.read(name).data(), expected.data, view.bytes()), 0) << name;
  }
}

TEST(Safetensors, WritingRefusesWhatTheFormatLacks) {
  const TestDirectory dir;
  const Tensor x = Tensor::of<float>({1}, {1});
  const Tensor packed(DType::kInt4, {2});
  EXPECT_THROW(write_safetensors(dir / "a", {{"x", x}, {"x", x}}), Error);
  EXPECT_THROW(write_safetensors(dir / "a", {{"x", packed}}), Error);
  EXPECT_THROW(write_safetensors(dir / "a", {{"\xFF", x}}), Error);
  EXPECT_FALSE(std::filesystem::exists(dir / "a"));
}

TEST(Safetensors, DamagedHeadersSayWhatIsWrong) {
  const std::string data(8, '\0');
  const auto one = [](const std::string& fields) { return R"({"w":{)" + fields + "}}"; };
  EXPECT_THAT(error_of("{", data), HasSubstr("not JSON"));
  EXPECT_THAT(error_of("[]", data), HasSubstr("not a JSON object"));
  EXPECT_THAT(error_of("{}", data), HasSubstr("8 bytes at the end belong to no tensor"));
  EXPECT_THAT(error_of(std::string(1000, '['), data), HasSubstr("nested deeper"));
  EXPECT_THAT(error_of(one(R"("shape":[2],"data_offsets":[0,8])"), data), HasSubstr("no 'dtype'"));
  EXPECT_THAT(error_of(one(R"("dtype":"F8_E5M2","shape":[8],"data_offsets":[0,8])"), data),
              HasSubstr("\"F8_E5M2\" is not supported"));
  EXPECT_THAT(error_of(one(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"), data),
              HasSubstr("[3] of F32 needs 12 bytes, the header gives it 8"));
  EXPECT_THAT(error_of(one(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), data),
              HasSubstr("not a whole number"));
  EXPECT_THAT(
      error_of(one(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8])"), data),
      HasSubstr("more elements than any file"));
  EXPECT_THAT(error_of(one(R"("dtype":"F32","shape":[4],"data_offsets":[0,16])"), data),
              HasSubstr("outside the 8 bytes of data"));
  EXPECT_THAT(error_of(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), data),
              HasSubstr("4 bytes before it belong to no tensor"));
  EXPECT_THAT(error_of(R"({"__metadata__":{"a":1}})", ""), HasSubstr("'a' is not text"));
}

TEST(Safetensors, OverlapsAndRepeatedNamesAreRefused) {
  const std::string a = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  const std::string b = R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]})";
  EXPECT_THAT(error_of("{" + a + "," + b + "}", std::string(8, '\0')),
              HasSubstr("tensor 'b': its bytes overlap"));
  EXPECT_THAT(error_of("{" + a + "," + a + "}", std::string(8, '\0')),
              HasSubstr("key \"a\" is there twice"));
}

TEST(Safetensors, AHeaderLongerThanTheFileIsRefusedBeforeItIsRead) {
  const TestDirectory dir;
  write_file(dir / "long", little_endian(UINT64_MAX) + "{}");
  EXPECT_THAT(error_of(dir / "long"), HasSubstr("does not fit into 10 bytes"));
  write_file(dir / "short", "abc");
  EXPECT_THAT(error_of(dir / "short"), HasSubstr("3 bytes are too few"));
  EXPECT_THAT(error_of(dir / "absent"), HasSubstr("No such file"));
}

TEST(Safetensors, EveryTruncationIsAnError) {
  const TestDirectory dir;
  const Tensor x = Tensor::of<float>({2}, {1, 2});
  write_safetensors(dir / "a", {{"x", x}});
  const std::string whole = read_file(dir / "a");
  for (size_t size = 0; size < whole.size(); ++size) {
    overwrite(dir / "b", whole.substr(0, size));
    EXPECT_THROW(SafetensorsFile(dir / "b"), Error) << size;
  }
}

TEST(Safetensors, DamagedFilesAreErrorsOrTensorsNeverCrashes) {
  const TestDirectory dir;
  const Tensor x = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor y = Tensor::of<bool>({3}, {true, false, true});
  write_safetensors(dir / "a", {{"x", x}, {"y", y}});
  const std::string whole = read_file(dir / "a");
  Random random(2);
  for (int round = 0; round < 500; ++round) {
    std::string damaged = whole;
    for (uint64_t i = 1 + random.below(3); i > 0; --i) {
      damaged[random.below(damaged.size())] = static_cast<char>(random.next());
    }
    overwrite(dir / "b", damaged);
    try {
      const SafetensorsFile file(dir / "b");
      for (const std::string& name : file.names()) file.read(name, DType::kFp64);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidInput) << error.what();
    }
  }
}

TEST(Safetensors, ABoolThatIsNeitherTrueNorFalseIsAnError) {
  const TestDirectory dir;
  const SafetensorsFile file(
      hand_made(dir, R"({"m":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})", "\x01\x07"));
  EXPECT_THROW(file.read("m", DType::kFp32), Error);
  EXPECT_THROW(file.view("m"), Error);
  EXPECT_THROW(file.read("absent"), Error);
}

}  // namespace
}  // namespace anemone
