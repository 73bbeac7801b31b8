// Packed weights go to the weight file as bytes, and come back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "anemone/base/test_directory.h"
#include "anemone/package/load_weights.h"

namespace anemone {
namespace {

const Literal& attribute(Program& program, const char* name) {
  return *program.functions[0].operations[0]->attribute(name);
}

// A function that returns a packed weight of 12 numbers.
Program packed_program() {
  Program program;
  program.functions.emplace_back("main", "ios18");
  Function& function = program.functions[0];
  auto op = std::make_unique<Operation>();
  op->type = "constexpr_affine_dequantize";
  const std::vector<int8_t> numbers = {1, -1, 127, -128, 0, 5, 6, 7, 8, 9, 10, 11};
  op->attributes = {{"axis", Literal::scalar(int32_t{0})},
                    {"quantized_data", Literal::of(Tensor::of<int8_t>({2, 6}, numbers))},
                    {"scale", Literal::of(Tensor::of<float>({2}, {1, 2}).cast(DType::kFp16))},
                    {"zero_point", Literal::scalar(int8_t{0})}};
  op->outputs = {function.add_variable("w", Type::tensor(DType::kFp16, {2, 6}), op.get())};
  function.outputs = op->outputs;
  function.operations.push_back(std::move(op));
  return program;
}

TEST(PackedWeights, StandInTheFileAsInt8WithTheirCodeAndSize) {
  const TestDirectory directory;
  Program program = packed_program();
  BlobWriter writer;
  EXPECT_EQ(externalize_constants(program, writer), 1);  // two scales are too few for the file
  const auto path = directory.path() / "weight.bin";
  writer.write(path);
  ASSERT_TRUE(attribute(program, "quantized_data").blob.has_value());
  EXPECT_EQ(attribute(program, "quantized_data").blob->offset, 64);
  const std::string file = read_file(path);
  ASSERT_EQ(file.size(), 64 + 64 + 12);
  const auto word = [&](size_t at) {
    uint32_t value = 0;
    std::memcpy(&value, file.data() + at, sizeof value);
    return value;
  };
  EXPECT_EQ(word(64), 0xDEADBEEF);
  EXPECT_EQ(word(68), 4);    // int8
  EXPECT_EQ(word(72), 12);   // bytes
  EXPECT_EQ(word(80), 128);  // of the data, from the start of the file
  EXPECT_EQ(static_cast<uint8_t>(file[128 + 3]), 0x80);
}

TEST(PackedWeights, ComeBackFromTheFile) {
  const TestDirectory directory;
  Program program = packed_program();
  BlobWriter writer;
  externalize_constants(program, writer, {.path_in_program = "@model_path/weight.bin"});
  writer.write(directory.path() / "weight.bin");
  Literal& data = program.functions[0].operations[0]->attributes[1].value;
  data.tensor = nullptr;
  load_weights(program, directory.path());
  ASSERT_NE(data.tensor, nullptr);
  EXPECT_EQ(data.tensor->dtype(), DType::kInt8);
  EXPECT_EQ(data.tensor->at(3), -128);
}

}  // namespace
}  // namespace anemone
