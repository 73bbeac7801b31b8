#include "anemone/text/printer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>

#include "anemone/text/parser.h"
#include "anemone/text/value_printer.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string spell(const Literal& literal) {
  std::string text;
  append_value(text, literal, ScalarSpelling::kBare);
  return text;
}

template <typename T>
std::string spell_scalar(T value) {
  return spell(Literal::scalar(value));
}

Error expect_error(const Program& program, const PrintOptions& options) {
  try {
    print_mil(program, options);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error(ErrorCode::kInternal, "", "");
}

TEST(Printer, SpellsFloatsAsShortestHexadecimal) {
  EXPECT_EQ(spell_scalar(1.0f), "fp32(0x1p+0)");
  EXPECT_EQ(spell_scalar(-0.0f), "fp32(-0x0p+0)");
  EXPECT_EQ(spell_scalar(0x1.5p-17f), "fp32(0x1.5p-17)");
  EXPECT_EQ(spell_scalar(0.1f), "fp32(0x1.99999ap-4)");
  EXPECT_EQ(spell_scalar(0x1p-149f), "fp32(0x1p-149)");
  EXPECT_EQ(spell_scalar(5e-324), "fp64(0x1p-1074)");
  EXPECT_EQ(spell_scalar(0.1), "fp64(0x1.999999999999ap-4)");
  EXPECT_EQ(spell_scalar(-INFINITY), "fp32(-inf)");
  EXPECT_EQ(spell_scalar(Half{0x0001}), "fp16(0x1p-24)");
  EXPECT_EQ(spell_scalar(Half{0xfbff}), "fp16(-0x1.ffcp+15)");
  EXPECT_EQ(spell_scalar(BFloat16{0x3fc0}), "bf16(0x1.8p+0)");
}

TEST(Printer, SpellsOtherValues) {
  EXPECT_EQ(spell_scalar(int8_t{-128}), "int8(-128)");
  EXPECT_EQ(spell_scalar(UINT64_MAX), "uint64(18446744073709551615)");
  EXPECT_EQ(spell_scalar(true), "bool(true)");
  EXPECT_EQ(spell(Literal::of("a\"b")), R"(string("a\"b"))");
  EXPECT_EQ(spell(Literal::of(Tensor::of<int32_t>({2, 1}, {1, -2}))),
            "tensor<int32, [2, 1]>([[1], [-2]])");
  EXPECT_EQ(spell(Literal::of(Tensor(DType::kInt32, {2, 0, 3}))),
            "tensor<int32, [2, 0, 3]>([[], []])");
}

TEST(Printer, EveryFp16SurvivesTheText) {
  Tensor all(DType::kFp16, {1 << 16});
  for (size_t i = 0; i < all.as<Half>().size(); ++i) {
    const bool nan = (i & 0x7c00) == 0x7c00 && (i & 0x3ff) != 0;
    all.as<Half>()[i].bits = nan ? 0x7e00 : static_cast<uint16_t>(i);
  }
  const Literal literal = Literal::of(std::move(all));
  const Program program = parse_mil("func f() [a = " + spell(literal) + "] {} -> ();");
  EXPECT_EQ(program.functions[0].attributes[0].value, literal);
}

TEST(Printer, PackedElementsSurviveTheText) {
  for (const DType dtype :
       {DType::kUInt1, DType::kUInt2, DType::kUInt3, DType::kUInt4, DType::kUInt6, DType::kInt4}) {
    Tensor tensor(dtype, {2, 8});
    for (size_t i = 0; i < tensor.bytes(); ++i) {
      static_cast<uint8_t*>(tensor.data())[i] = static_cast<uint8_t>(37 * i + 11);
    }
    const Literal literal = Literal::of(std::move(tensor));
    const Program program = parse_mil("func f() [a = " + spell(literal) + "] {} -> ();");
    EXPECT_EQ(program.functions[0].attributes[0].value, literal) << spell(literal);
  }
}

constexpr const char* kDialectA = R"(program(1.3)
[buildInfo = dict<string, string>({{"coremlc-version", "3505.4.1"}})]
{
    func main<ios18>(tensor<fp16, [1, 4]> x) {
            int32 axis = const()[name = string("axis"), val = int32(-1)];
            tensor<fp16, [1, 4]> y = softmax(axis = axis, x = x)[name = string("y")];
        } -> (y);
})";

TEST(Printer, LaysTextOutLikeApplesCompiler) {
  EXPECT_EQ(print_mil(parse_mil(kDialectA)), kDialectA);
  EXPECT_EQ(print_mil(parse_mil(kDialectA), {.dialect = Dialect::kA}), kDialectA);
}

TEST(Printer, WritesDialectB) {
  const Program program = parse_mil(kDialectA);
  EXPECT_EQ(print_mil(program, {.dialect = Dialect::kB}), R"(program(1.0)
[buildInfo = dict<tensor<string, []>, tensor<string, []>>({{"coremlc-version", "3505.4.1"}})]
{
    func main<ios16>(tensor<fp16, [1, 4]> x) {
            tensor<int32, []> axis = const()[name = tensor<string, []>("axis"), val = tensor<int32, []>(-1)];
            tensor<fp16, [1, 4]> y = softmax(axis = axis, x = x)[name = tensor<string, []>("y")];
        } -> (y);
})");
}

TEST(Printer, DialectCDependsOnWeightFiles) {
  const std::string without = print_mil(parse_mil(kDialectA), {.dialect = Dialect::kC});
  EXPECT_THAT(without, HasSubstr("program(1.3)"));
  EXPECT_THAT(without, HasSubstr("func main<ios17>"));
  const std::string with = print_mil(
      parse_mil("func main() { tensor<fp16, [2]> w = const()[val = tensor<fp16, [2]>(BLOBFILE(path "
                "= string(\"@model_path/w.bin\"), offset = uint64(64)))]; } -> (w);"),
      {.dialect = Dialect::kC});
  EXPECT_THAT(with, HasSubstr("program(1.5)"));
  EXPECT_THAT(with, HasSubstr("func main<ios18>"));
  EXPECT_THAT(with,
              HasSubstr("BLOBFILE(path = string(\"@model_path/w.bin\"), offset = uint64(64))"));
}

TEST(Printer, DialectsAddBuildInfoAndNames) {
  const std::string text = print_mil(parse_mil("func f(fp16 x) { fp16 y = relu(x = x); } -> (y);"),
                                     {.dialect = Dialect::kA});
  EXPECT_THAT(text, HasSubstr("{\"coremlc-component-MIL\", \"3510.2.1\"}"));
  EXPECT_THAT(text, HasSubstr("fp16 y = relu(x = x)[name = string(\"y\")];"));
}

TEST(Printer, NamesLiteralsInPlaceOfArguments) {
  const Program program = parse_mil(
      "func f(tensor<fp16, [2]> x, fp16 y_axis) { tensor<fp16, [4]> y = concat(values = (x, "
      "tensor<fp16, [2]>([1, 2])), axis = int32(0)); } -> (y);");
  const std::string text = print_mil(program, {.dialect = {}, .named_constants_only = true});
  EXPECT_THAT(text, HasSubstr("int32 y_axis_1 = const()[name = string(\"y_axis_1\"), val = "
                              "int32(0)];"));
  EXPECT_THAT(text, HasSubstr("concat(values = (x, y_values_1), axis = y_axis_1)"));
  EXPECT_EQ(print_mil(parse_mil(text)), text);
  EXPECT_EQ(program.functions[0].operations.size(), 1u);  // the program itself stays
}

TEST(Printer, RefusesNamesThatCannotBeWritten) {
  Program program;
  program.functions.emplace_back("main", "ios18");
  Function& main = program.functions[0];
  main.outputs = {main.add_input("a b", Type::tensor(DType::kFp32))};
  EXPECT_THAT(expect_error(program, {}).what(), HasSubstr("\"a b\": is not a name"));
  main.outputs[0]->name = "layers.0";
  EXPECT_TRUE(structurally_equal(program, parse_mil(print_mil(program))));
  EXPECT_THAT(expect_error(program, {.dialect = Dialect::kA}).hint(), HasSubstr("rename"));
}

TEST(Printer, RefusesCompositeOperationsInDialects) {
  const Program program = parse_mil("func f(fp32 x) { fp32 y = anemone.rms_norm(x = x); } -> (y);");
  EXPECT_THAT(print_mil(program), HasSubstr("anemone.rms_norm(x = x)"));
  EXPECT_THAT(expect_error(program, {.dialect = Dialect::kC}).message(),
              HasSubstr("no operation anemone.rms_norm"));
}

}  // namespace
}  // namespace anemone
