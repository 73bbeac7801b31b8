#include "anemone/text/parser.h"
#include "anemone/text/printer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace anemone {
namespace {

using ::testing::HasSubstr;

Error expect_error(std::string_view text) {
  try {
    parse_mil(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    return error;
  }
  ADD_FAILURE() << "no error in " << text;
  return Error(ErrorCode::kInternal, "", "");
}

// The literal of a program with one constant.
Literal parse_one(const std::string& value) {
  const Program program =
      parse_mil("func main() { int32 c = const()[val = " + value + "]; } -> (c);");
  return *constant_of(program.functions[0].outputs[0]);
}

// From the fact sheet on formats.
constexpr const char* kExample = R"(program(1.3)
[buildInfo = dict<string, string>({{"tool", "x"}})]
{
    func main<ios18>(tensor<fp16, [1, 4]> x, state<tensor<fp16, [1, 4]>> acc) {
            tensor<fp16, [1, 4]> old = read_state(input = acc)[name = string("old")];
            tensor<fp16, [1, 4]> sum = add(x = old, y = x)[name = string("sum")];
            write_state(data = sum, input = acc)[name = string("put")];
            tensor<fp16, [2, 4]> w = const()[name = string("w"), val = tensor<fp16, [2, 4]>(BLOBFILE(path = string("@model_path/weights/weight.bin"), offset = uint64(64)))];
            bool t = const()[name = string("t"), val = bool(true)];
            bool f = const()[name = string("f"), val = bool(false)];
            tensor<fp16, [1, 2]> y = matmul(transpose_x = f, transpose_y = t, x = sum, y = w)[name = string("y")];
        } -> (y);
})";

TEST(Parser, ReadsStatesBlobsAndPlaces) {
  const Program program = parse_mil(kExample);
  EXPECT_EQ(program.version, "1.3");
  ASSERT_EQ(program.attributes.size(), 1u);
  EXPECT_EQ(program.attributes[0].value.items[1].strings[0], "x");
  const Function& main = program.functions.at(0);
  EXPECT_EQ(main.opset, "ios18");
  EXPECT_EQ(main.inputs[1]->type.kind, Type::Kind::kState);
  ASSERT_EQ(main.operations.size(), 7u);
  EXPECT_TRUE(main.operations[2]->outputs.empty());
  EXPECT_EQ(main.operations[2]->where(), "7:13");
  EXPECT_EQ(main.operations[1]->where(), "6:40");
  EXPECT_EQ(main.find("sum")->location.column, 34);
  const Literal* weight = constant_of(main.find("w"));
  ASSERT_TRUE(weight->blob);
  EXPECT_EQ(weight->blob->path, "@model_path/weights/weight.bin");
  EXPECT_EQ(weight->blob->offset, 64u);
  EXPECT_EQ(weight->tensor, nullptr);
  EXPECT_EQ(main.outputs[0]->producer->find("y")->operands[0].value, main.find("w"));
}

TEST(Parser, TakesTheSpellingsOfAllDialects) {
  const Program program = parse_mil(R"(program(1.0)
    [buildInfo = dict<tensor<string, []>, tensor<string, []>>({{"coremlc-version", "3505.4.1"}})]
    { func main<CoreML8>(tensor<fp32, [1, ?]> x) [limit = fp64(4.0960000000000001e-05)] {
        tensor<int32, []> axis = const()[val = tensor<int32, []>(-1)];  // a comment
        tensor<fp32, [2, ?]> c = concat(values = (x, x), axis = axis, interleave = bool(false));
        tensor<fp32, [1, ?]> a, tensor<fp32, [1, ?]> b = split<ios17>(x = c, axis = int32(0),
            num_splits = int32(2))[name = tensor<string, []>("s")];
      } -> (a, b);
      func second() {} -> ();
    })");
  const Function& main = program.functions.at(0);
  EXPECT_EQ(main.opset, "CoreML8");
  EXPECT_EQ(main.find("axis")->type, Type::tensor(DType::kInt32));
  EXPECT_EQ(main.find("x")->type.shape, (Shape{1, kUnknownSize}));
  EXPECT_EQ(main.attributes[0].value.tensor->at(0), 4.096e-05);
  const Operation& concat = *main.operations[1];
  EXPECT_TRUE(concat.find("values")->is_tuple);
  EXPECT_EQ(concat.find("values")->operands.size(), 2u);
  EXPECT_EQ(concat.find("interleave")->operands[0].literal->tensor->at(0), 0);
  EXPECT_EQ(main.operations[2]->opset, "ios17");
  EXPECT_EQ(main.operations[2]->outputs.size(), 2u);
  EXPECT_EQ(program.functions.at(1).name, "second");
}

TEST(Parser, ReadsTheShapeAttributeOfDynamicFunctions) {
  const Program program = parse_mil(
      "program(1)\n{ func main<ios17>(tensor<fp32, [1, ?]> x) "
      "[FlexibleShapeInformation = tuple<tuple<string, dict<string, tensor<int32, [?]>>>, "
      "tuple<string, dict<string, list<tensor<int32, [2]>, ?>>>>(((\"DefaultShapes\", "
      "{{\"x\", [1, 266]}}), (\"RangeDims\", {{\"x\", [[1, 1], [2, 4000]]}})))] { } -> (x); }");
  const Literal& value = program.functions[0].attributes.at(0).value;
  const Literal& defaults = value.items[0].items[1];
  EXPECT_EQ(defaults.items[0].strings[0], "x");
  EXPECT_EQ(defaults.items[1].tensor->at(1), 266);
  EXPECT_EQ(defaults.items[1].type.shape, Shape{2});
  EXPECT_EQ(value.items[1].items[1].items[1].items[1].tensor->at(1), 4000);
}

TEST(Parser, NestedBlocksSeeWhatIsAroundThemAndPrintAsTheyWere) {
  const std::string text = R"(program(1.3)
{
    func main<ios18>(tensor<fp32, [2]> x, bool p) {
            tensor<fp32, [2]> y = cond(pred = p)[name = string("y")] {
                tensor<fp32, [2]> a = add(x = x, y = x);
            } -> (a) {
                tensor<fp32, [2]> b = while_loop(loop_vars = (x)) (tensor<fp32, [2]> v) {
                    bool c = const()[val = bool(false)];
                } -> (c) (tensor<fp32, [2]> w) {
                    tensor<fp32, [2]> z = add(x = w, y = x);
                } -> (z);
            } -> (b);
        } -> (y);
})";
  const Program program = parse_mil(text);
  const Operation& cond = *program.functions.at(0).operations.at(0);
  ASSERT_EQ(cond.blocks.size(), 2u);
  EXPECT_EQ(cond.blocks[0]->outputs[0]->name, "a");
  EXPECT_EQ(cond.blocks[1]->operations[0]->blocks[1]->inputs[0]->name, "w");
  EXPECT_EQ(print_mil(program), text);
  const Function copy = program.functions[0].clone();
  EXPECT_TRUE(structurally_equal(copy, program.functions[0]));
  // A name of one block is free in the next, and not seen behind it.
  EXPECT_EQ(parse_mil("func f(bool p) { bool y = cond(pred = p) { bool a = const(); } -> (a) "
                      "{ bool a = const(); } -> (a); } -> (y);")
                .functions[0]
                .operations[0]
                ->blocks[1]
                ->outputs[0]
                ->name,
            "a_1");
  EXPECT_THAT(expect_error("func f(bool p) { bool y = cond(pred = p) { bool a = const(); } -> (a); "
                           "bool z = identity(x = a); } -> (y);")
                  .message(),
              HasSubstr("'a' is not defined"));
}

TEST(Parser, SaysThatArgumentsAreNamed) {
  for (const char* call : {"identity(x)", "add(x = x, x)", "identity(fp32(1))", "identity((x))",
                           "identity(1)", "identity(-0x1p+0)"}) {
    const Error error =
        expect_error("func f(fp32 x) { fp32 y = " + std::string(call) + "; } -> (y);");
    EXPECT_THAT(error.what(), AllOf(HasSubstr("arguments are named"), HasSubstr(", like x = ")))
        << call;
  }
}

TEST(Parser, SkipsAByteOrderMark) {
  const Program program = parse_mil(
      "\xEF\xBB\xBF"
      "func f(fp32 x) {} -> (x);");
  EXPECT_EQ(program.functions.at(0).name, "f");
  EXPECT_EQ(expect_error("\xEF\xBB\xBF"
                         "func f(fp33 x) {} -> (x);")
                .where(),
            "1:8");
}

TEST(Parser, ReadsNumbersExactly) {
  const auto fp16 = [](const std::string& text) {
    return parse_one("fp16(" + text + ")").tensor->as<Half>()[0].bits;
  };
  EXPECT_EQ(fp16("0x1.5p-1"), 0x3940);
  EXPECT_EQ(fp16("-0x0p+0"), 0x8000);
  EXPECT_EQ(fp16("0x1p-24"), 0x0001);  // the smallest subnormal
  EXPECT_EQ(fp16("65504"), 0x7bff);
  EXPECT_EQ(fp16("-inf"), 0xfc00);
  EXPECT_EQ(fp16("nan"), 0x7e00);
  // Just above halfway between 1 and the next fp16: rounding to fp32 first would go down to 1.
  EXPECT_EQ(fp16("0x1.00200000001p+0"), 0x3c01);
  EXPECT_EQ(fp16("0x1.002p+0"), 0x3c00);
  EXPECT_EQ(parse_one("fp32(0.1)").tensor->as<float>()[0], 0.1f);
  EXPECT_EQ(parse_one("fp64(1e-320)").tensor->as<double>()[0], 1e-320);
  EXPECT_EQ(parse_one("uint64(18446744073709551615)").tensor->as<uint64_t>()[0], UINT64_MAX);
  EXPECT_EQ(parse_one("int64(-9223372036854775808)").tensor->as<int64_t>()[0], INT64_MIN);
}

TEST(Parser, PacksElementsSmallerThanAByte) {
  const Literal int4 = parse_one("tensor<int4, [3]>([-8, 7, -1])");
  const auto* bytes = static_cast<const uint8_t*>(int4.tensor->data());
  EXPECT_EQ(bytes[0], 0x78);
  EXPECT_EQ(bytes[1], 0x0f);
  const Literal uint3 = parse_one("tensor<uint3, [3]>([7, 0, 5])");
  bytes = static_cast<const uint8_t*>(uint3.tensor->data());
  EXPECT_EQ(bytes[0], 0x47);  // 7, 0 and the low bits of 5
  EXPECT_EQ(bytes[1], 0x01);
}

TEST(Parser, TakesNestedFlatAndEmptyLiterals) {
  EXPECT_EQ(parse_one("tensor<fp32, [2, 2]>([[1, 2], [3, 4]])"),
            parse_one("tensor<fp32, [2, 2]>([1, 2, 3, 4])"));
  EXPECT_EQ(parse_one("tensor<int32, [0]>([])").tensor->size(), 0);
  EXPECT_EQ(parse_one("tensor<int32, [2, 0, 3]>([[], []])").type.shape, (Shape{2, 0, 3}));
  EXPECT_EQ(parse_one("tensor<int32, [?, 2]>([[1, 2]])").type.shape, (Shape{1, 2}));
  EXPECT_EQ(parse_one(R"(tensor<string, [2]>(["a", "b\"c"]))").strings[1], "b\"c");
}

TEST(Parser, TakesANameDefinedTwiceAsItsFirstDefinition) {
  const Program program = parse_mil(
      "func main(fp32 x) { fp32 y = exp(x = x); fp32 y = tanh(x = x); fp32 z = abs(x = y); } "
      "-> (z);");
  const Function& main = program.functions[0];
  EXPECT_EQ(main.operations[2]->find("x")->operands[0].value->producer->type, "exp");
  ASSERT_EQ(verify_structure(main).size(), 1u);
  EXPECT_EQ(verify_structure(main)[0].message, "'y' is defined twice");
}

TEST(Parser, ReportsLineAndColumnOfUnknownDtype) {
  const Error error = expect_error("func main(tensor<fp17, [2]> x) {}");
  EXPECT_EQ(error.where(), "1:18");
  EXPECT_EQ(error.message(), "unknown type 'fp17'");
  EXPECT_EQ(error.hint(), "did you mean 'fp16'?");
}

TEST(Parser, SuggestsTheNearestDefinedName) {
  const Error error = expect_error(
      "func main(tensor<fp32, [2]> hidden) {\n  tensor<fp32, [2]> y = exp(x = hiden);\n} -> (y);");
  EXPECT_EQ(error.where(), "2:33");
  EXPECT_EQ(error.message(), "'hiden' is not defined");
  EXPECT_EQ(error.hint(), "did you mean 'hidden'?");
}

struct BadText {
  const char* text;
  const char* where;
  const char* message;
};

// What is wrong in the text around a program.
const BadText kBadPrograms[] = {
    {"", "1:1", "expected 'program' or 'func', found the end of the text"},
    {"module {}", "1:1", "found 'module'"},
    {"program(2.0) {}", "1:9", "unknown version '2.0'"},
    {"program(1.) {}", "1:9", "unknown version"},
    {"program(1.3) {} x", "1:17", "expected nothing after the program, found 'x'"},
    {"program(1.3) { relu }", "1:16", "expected 'func' or '}', found 'relu'"},
    {"program(1.3) [a = int32(1), a = int32(2)] {}", "1:29", "attribute 'a' is given twice"},
    {"func f() {} -> (); func f() {} -> ();", "1:25", "function 'f' is defined twice"},
    {"func f(int32) {} -> ();", "1:13", "expected the parameter's name, found ')'"},
    {"func f(int32 x {} -> ();", "1:16", "expected ',' or ')', found '{'"},
    {"func f<18>(int32 x) {} -> (x);", "1:8", "expected an opset like ios18"},
    {"func f(int32 x) {} (x);", "1:20", "expected '->', found '('"},
    {"func f(int32 x) {} -> (y);", "1:24", "'y' is not defined"},
    {"func f(int32 x) {} -> (x)", "1:26", "expected ';', found the end of the text"},
};

TEST(Parser, PlacesErrorsInPrograms) {
  for (const BadText& bad : kBadPrograms) {
    const Error error = expect_error(bad.text);
    EXPECT_EQ(error.where(), bad.where) << bad.text;
    EXPECT_THAT(error.message(), HasSubstr(bad.message)) << bad.text;
  }
}

// Statements after "func f(fp32 x) {"; they begin in column 18.
const BadText kBadStatements[] = {
    {"fp32 y exp(x = x);", "1:25", "expected '=', found 'exp'"},
    {"fp32 y = exp(x = x)", "1:37", "expected ';', found '}'"},
    {"fp32 y = exp(x = y);", "1:35", "'y' is not defined"},
    {"fp32 y = exp(x = x, x = x);", "1:38", "argument 'x' is given twice"},
    {"fp32 y = exp(x = 1);", "1:35", "expected a value's name or a typed literal, found '1'"},
    {"fp32 y = exp(x = true);", "1:35", "'true' is not defined"},
    {"fp32 y = exp(x = ((x)));", "1:36", "tuples inside tuples are not supported"},
    {"fp32 y = exp(x = x)[name = \"y\"];", "1:45", "expected a type, found '\"y\"'"},
    {"fp32 y = cond(pred = x) { } (x);", "1:46", "expected '->'"},
    {"fp32 3 = exp(x = x);", "1:23", "expected the name of the result, found '3'"},
    {"floaty = exp(x = x);", "1:18", "unknown type 'floaty'"},
};

TEST(Parser, PlacesErrorsInStatements) {
  for (const BadText& bad : kBadStatements) {
    const Error error = expect_error("func f(fp32 x) { " + std::string(bad.text) + "} -> (x);");
    EXPECT_EQ(error.where(), bad.where) << bad.text;
    EXPECT_THAT(error.message(), HasSubstr(bad.message)) << bad.text;
  }
}

// Values after "func f() [a = "; they begin in column 15.
const BadText kBadValues[] = {
    {"int8(128)", "1:20", "'128' is outside the range of int8"},
    {"int4(-9)", "1:20", "outside the range of int4"},
    {"uint8(-1)", "1:21", "outside the range of uint8"},
    {"uint1(2)", "1:21", "outside the range of uint1"},
    {"int64(9223372036854775808)", "1:21", "outside the range of int64"},
    {"int32(1.0)", "1:21", "'1.0' is not a whole number of type int32"},
    {"int32(\"1\")", "1:21", "is not a whole number of type int32"},
    {"fp16(65520)", "1:20", "outside the range of fp16"},
    {"fp32(1e39)", "1:20", "outside the range of fp32"},
    {"fp32(1.5.2)", "1:20", "'1.5.2' is not a number of type fp32"},
    {"fp32(infinity)", "1:20", "is not a number of type fp32"},
    {"fp32(-infinit)", "1:20", "is not a number of type fp32"},
    {"bool(1)", "1:20", "'1' is not true or false, as bool"},
    {"string(1)", "1:22", "expected a string, found '1'"},
    {"tensor<fp32, [2]>([1])", "1:33", "the literal does not fit its type tensor<fp32, [2]>"},
    {"tensor<fp32, [2]>(1)", "1:33", "expected '[', found '1'"},
    {"tensor<fp32, [2, 2]>([[1, 2], [3]])", "1:45", "its lists differ in length"},
    {"tensor<fp32, [2, 2]>([1, [2]])", "1:40", "it mixes elements and lists"},
    {"tensor<fp32, [2, 2]>([[2], 1])", "1:42", "it mixes elements and lists"},
    {"tensor<fp32, [1]>([[1]])", "1:34", "it is nested deeper"},
    {"tensor<fp32, [3, 2]>([[1, 2, 3], [1, 2, 3]])", "1:36", "the literal is [2, 3]"},
    {"tensor<fp32, [-1]>([1])", "1:29", "expected a size or '?', found '-1'"},
    {"tensor<fp32, [99999999999999999999]>([1])", "1:29", "expected a size"},
    {"tensor<fp32, [1048576, 1048577]>([1])", "1:15", "more than 2^40 elements"},
    {"tensor<fp32, [0, 4294967296, 4294967296]>([])", "1:15", "more than 2^40 elements"},
    {"tensor<fp32, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]>([1])", "1:15",
     "more than 16 axes"},
    {"tensor<tensor, [1]>([1])", "1:22", "unknown type 'tensor'"},
    {"tensor_buffer<fp16, shape=[1]>(0)", "1:15", "tensor_buffer types are not supported"},
    {"state<fp16>(0)", "1:27", "a state has no literal value"},
    {"list<int32, 3>([1, 2])", "1:30", "the type has 3 member(s), the value 2"},
    {"tuple<int32, int32>((1))", "1:35", "the type has 2 member(s), the value 1"},
    {"tuple<int32>((1, 2))", "1:28", "the type has 1 member(s), the value 2"},
    {"dict<string, int32>({{\"a\" 1}})", "1:41", "expected ',', found '1'"},
    {"string(BLOBFILE(path = string(\"w\"), offset = uint64(64)))", "1:22",
     "a weight file cannot hold a value of type string"},
    {"tensor<fp16, [?]>(BLOBFILE(path = string(\"w\"), offset = uint64(64)))", "1:33",
     "a weight file cannot hold"},
    {"fp16(BLOBFILE(path = int32(1), offset = uint64(64)))", "1:36",
     "the path of BLOBFILE is a string, not a int32"},
    {"fp16(BLOBFILE(path = string(\"w\"), offset = int32(64)))", "1:58",
     "the offset of BLOBFILE is a uint64, not a int32"},
    {"string(\"\\q\")", "1:22", "the string has an unknown escape '\\q'"},
};

TEST(Parser, PlacesErrorsInValues) {
  for (const BadText& bad : kBadValues) {
    const Error error = expect_error("func f() [a = " + std::string(bad.text) + "] {} -> ();");
    EXPECT_EQ(error.where(), bad.where) << bad.text;
    EXPECT_THAT(error.message(), HasSubstr(bad.message)) << bad.text;
  }
}

std::string repeat(const std::string& text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

TEST(Parser, DeepNestingIsAnErrorNotAStackOverflow) {
  constexpr int kDepth = 200'000;
  for (const char* open : {"list<", "tuple<", "dict<string, ", "state<", "tensor<fp32, [1",
                           "tensor<fp32, [1]>([[[[[[", "string(BLOBFILE(path = "}) {
    EXPECT_THAT(expect_error("func f(" + repeat(open, kDepth)).what(), HasSubstr("1:")) << open;
    EXPECT_THAT(expect_error("func f() [a = " + repeat(open, kDepth)).what(), HasSubstr("1:"));
  }
  expect_error("func f() [a = tensor<fp32, [1, 1]>(" + repeat("[", kDepth));
  expect_error("func f(int32 x) { int32 y = f(x = " + repeat("(", kDepth));
  expect_error("func f(int32 x) { int32 y = f() " + repeat("{", kDepth));
  expect_error("program(1.3) " + repeat("{", kDepth));
}

TEST(Parser, EveryPrefixOfAProgramIsAnError) {
  const std::string_view text = kExample;
  for (size_t length = 0; length < text.size(); ++length) expect_error(text.substr(0, length));
}

TEST(Parser, SurvivesRandomDamage) {
  std::mt19937 random(7);
  const std::string_view alphabet = "()[]{}<>,=;?-\"\\/. \n01x9ptef\xff";
  for (int round = 0; round < 5000; ++round) {
    std::string text = kExample;
    const auto damages = 1 + random() % 4;
    for (uint32_t i = 0; i < damages; ++i) {
      const size_t place = random() % text.size();
      const size_t kind = random() % 3;
      if (kind == 0) text[place] = alphabet[random() % alphabet.size()];
      if (kind == 1) text.insert(place, 1, alphabet[random() % alphabet.size()]);
      if (kind == 2) text.erase(place, 1 + random() % 8);
    }
    try {
      parse_mil(text);
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ErrorCode::kInvalidInput) << text;
    }
  }
}

}  // namespace
}  // namespace anemone
