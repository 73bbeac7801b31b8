#include "anemone/package/load_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "anemone/base/test_directory.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;

constexpr const char* kPath = "@model_path/weights/weight.bin";

Tensor counting(Shape shape) {
  Tensor tensor(DType::kFp32, std::move(shape));
  std::iota(tensor.as<float>().begin(), tensor.as<float>().end(), 0.0f);
  return tensor;
}

Literal blob_literal(std::string path, uint64_t offset, Shape shape) {
  Literal literal;
  literal.type = Type::tensor(DType::kFp32, std::move(shape));
  literal.blob = BlobRef{std::move(path), offset};
  return literal;
}

// A constant for every literal, on lines 1, 2, …; and one add with a literal in place.
Program make_program(std::vector<Literal> constants, Literal in_place) {
  Program program;
  Function main("main", "ios18");
  int line = 0;
  for (Literal& literal : constants) {
    auto op = std::make_unique<Operation>();
    op->type = "const";
    op->location = {++line, 5};
    op->outputs = {main.add_variable("c" + std::to_string(line), literal.type, op.get())};
    op->attributes.push_back({"val", std::move(literal)});
    main.operations.push_back(std::move(op));
  }
  auto add = std::make_unique<Operation>();
  add->type = "add";
  add->arguments.emplace_back("x", main.operations[0]->outputs[0]);
  add->arguments.emplace_back("y", Operand(std::move(in_place)));
  add->outputs = {main.add_variable("sum", main.operations[0]->outputs[0]->type, add.get())};
  main.outputs = add->outputs;
  main.operations.push_back(std::move(add));
  program.functions.push_back(std::move(main));
  return program;
}

class LoadWeights : public ::testing::Test {
 protected:
  LoadWeights() { std::filesystem::create_directory(directory_ / "weights"); }

  void write_weights(const Tensor& tensor) {
    BlobWriter writer;
    writer.add(std::make_shared<const Tensor>(tensor.clone()));
    writer.write(directory_ / "weights/weight.bin");
  }

  Error refusal(const std::string& path, uint64_t offset, Shape shape) {
    Program program = make_program({Literal::of(counting({12})), blob_literal(path, offset, shape)},
                                   Literal::scalar(1.0f));
    try {
      load_weights(program, directory_.path());
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "no error";
    return Error(ErrorCode::kInternal, "", "");
  }

  TestDirectory directory_;
};

TEST_F(LoadWeights, ExternalizedConstantsComeBackBitForBit) {
  Program program = make_program({Literal::of(counting({3, 4})), Literal::of(counting({9})),
                                  Literal::of(Tensor(DType::kInt32, {100}))},
                                 Literal::of(counting({12})));
  BlobWriter writer;
  EXPECT_EQ(externalize_constants(program, writer), 2);  // not the short one, nor int32
  writer.write(directory_ / "weights/weight.bin");
  Function& main = program.functions[0];
  const Literal* first = main.operations[0]->attribute("val");
  EXPECT_EQ(first->blob, (BlobRef{kPath, 64}));
  EXPECT_NE(first->tensor, nullptr);
  EXPECT_FALSE(main.operations[1]->attribute("val")->blob);
  EXPECT_EQ(externalize_constants(program, writer), 0);

  Program loaded = make_program({blob_literal(kPath, 64, {3, 4})}, blob_literal(kPath, 192, {12}));
  load_weights(loaded, directory_.path());
  const Operation& constant = *loaded.functions[0].operations[0];
  const Operation& add = *loaded.functions[0].operations[1];
  EXPECT_EQ(constant.attribute("val")->tensor->at(11), 11);
  EXPECT_EQ(constant.attribute("val")->tensor->shape(), (Shape{3, 4}));
  EXPECT_EQ(add.find("y")->operands[0].literal->tensor->at(11), 11);
}

TEST_F(LoadWeights, OneBlobIsReadOnce) {
  write_weights(counting({12}));
  Program program = make_program({blob_literal(kPath, 64, {12}), blob_literal(kPath, 64, {12})},
                                 blob_literal(kPath, 64, {3, 4}));
  load_weights(program, directory_.path());
  const auto& operations = program.functions[0].operations;
  EXPECT_EQ(operations[0]->attribute("val")->tensor, operations[1]->attribute("val")->tensor);
}

TEST_F(LoadWeights, ErrorsNameTheOperationTheFileAndTheOffset) {
  write_weights(counting({32}));
  const Error error = refusal(kPath, 128, {32});
  EXPECT_EQ(error.where(), "2:5");
  EXPECT_THAT(error.message(),
              HasSubstr("weights of '@model_path/weights/weight.bin' at offset 128"));
  EXPECT_THAT(error.message(), HasSubstr("0xDEADBEEF"));
  EXPECT_THAT(refusal(kPath, 64, {33}).message(), HasSubstr("not the size of fp32 [33]"));
  EXPECT_THAT(refusal(kPath, 64, {int64_t{1} << 40}).message(), HasSubstr("it has 128 bytes"));
}

TEST_F(LoadWeights, AMissingFileIsAnIoErrorAtItsOperation) {
  const Error error = refusal("@model_path/weights/other.bin", 64, {12});
  EXPECT_EQ(error.code(), ErrorCode::kIo);
  EXPECT_EQ(error.where(), "2:5");
  EXPECT_THAT(error.message(), HasSubstr("other.bin"));
}

TEST_F(LoadWeights, RefusesPathsThatLeaveTheModel) {
  write_weights(counting({12}));
  for (const char* path : {"weights/weight.bin", "/etc/passwd", "@model_path/../weight.bin",
                           "@model_path/weights/../../weight.bin", "@model_path//etc/passwd"}) {
    const Error error = refusal(path, 64, {12});
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput) << path;
    EXPECT_EQ(error.where(), "2:5") << path;
  }
}

TEST_F(LoadWeights, RefusesToMultiplyAFileInMemory) {
  write_weights(counting({4096}));
  std::vector<Literal> constants;
  Shape shape = {4096};
  for (int i = 0; i < 10; ++i) {
    constants.push_back(blob_literal(kPath, 64, shape));
    shape.push_back(1);
  }
  Program program = make_program(std::move(constants), Literal::scalar(1.0f));
  EXPECT_THROW(load_weights(program, directory_.path()), Error);
}

}  // namespace
}  // namespace anemone
