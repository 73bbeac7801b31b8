// Packages: what is written is read again the same, and twice gives the same bytes.
#include "anemone/package/mlpackage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "anemone/base/file.h"
#include "anemone/base/test_directory.h"
#include "anemone/ops/evaluate.h"
#include "anemone/ops/verify.h"
#include "anemone/package/load_weights.h"
#include "anemone/programs/program_source.h"
#include "anemone/testing/op_testing.h"
#include "anemone/text/parser.h"
#include "anemone/text/printer.h"

namespace anemone {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::string_literals;

std::string bytes_of(const Program& program, ModelInfo info = {}) {
  return serialize_model(program, info);
}

ModelFile parse(const std::string& bytes) {
  return parse_model(std::as_bytes(std::span(bytes)), "m.mlmodel");
}

std::string parse_error(const std::string& bytes) {
  return error_of([&] { parse(bytes); });
}

constexpr const char* kStateful = R"(program(1.3) {
  func main<ios18>(tensor<fp16, [1, 4]> x, state<tensor<fp16, [1, 4]>> s) {
    tensor<fp16, [1, 4]> old = read_state(input = s);
    tensor<fp16, [1, 4]> y = add(x = old, y = x);
    write_state(input = s, data = y);
    bool p = const()[val = bool(true)];
    tensor<fp16, [1, 4]> z = cond(pred = p) {
      tensor<fp16, [1, 4]> a = relu(x = y);
    } -> (a) {
      tensor<fp16, [1, 4]> a = add(x = y, y = y);
    } -> (a);
    tensor<fp16, [1, 4]> i, tensor<fp16, [1, 4]> j = while_loop(loop_vars = (z, x))
      (tensor<fp16, [1, 4]> u, tensor<fp16, [1, 4]> v) { bool c = const()[val = bool(false)]; } -> (c)
      (tensor<fp16, [1, 4]> u, tensor<fp16, [1, 4]> v) { tensor<fp16, [1, 4]> w = add(x = u, y = v); } -> (w, v);
  } -> (i, j);
})";

TEST(ModelProto, HoldsBlocksAndStates) {
  const Program program = parse_mil(kStateful);
  ASSERT_THAT(verify(program), IsEmpty());
  const std::string bytes = bytes_of(program);
  const ModelFile file = parse(bytes);
  EXPECT_THAT(verify(file.program), IsEmpty());
  EXPECT_EQ(bytes_of(file.program, file.info), bytes);
  EXPECT_EQ(file.info.spec_version, 9);
  EXPECT_EQ(file.info.functions[0].states[0].name, "s");
  EXPECT_EQ(file.info.functions[0].inputs[0].type, Type::tensor(DType::kFp16, {1, 4}));
  NamedTensors inputs, states;
  inputs["x"] = Tensor::of<float>({1, 4}, {1, 2, 3, 4}).cast(DType::kFp16);
  const Function& main = file.program.functions[0];
  evaluate(main, inputs, &states);
  const NamedTensors second = evaluate(main, inputs, &states);
  EXPECT_EQ(second.at(main.outputs[0]->name).at(3), 8);
  EXPECT_EQ(states.at("s").at(3), 8);
}

// Every program of tests/programs that Core ML could hold: no composites, no dots in names.
TEST(ModelProto, TextToPackageToTextIsTheSameProgram) {
  int written = 0;
  for (const auto& entry : fs::recursive_directory_iterator(ANEMONE_SOURCE_DIR "/tests/programs")) {
    if (entry.path().extension() != ".mil") continue;
    ProgramSource source = open_program(entry.path().string());
    std::string bytes;
    try {
      load_weights(source);
      bytes = bytes_of(source.program);
    } catch (const Error&) {
      continue;
    }
    ++written;
    const ModelFile file = parse(bytes);
    EXPECT_THAT(verify(file.program), IsEmpty()) << entry.path();
    EXPECT_EQ(bytes_of(file.program, file.info), bytes) << entry.path();
    EXPECT_THAT(file.info.losses, IsEmpty()) << entry.path();
  }
  EXPECT_GE(written, 20);
}

TEST(ModelProto, KeepsEveryElementType) {
  const char* const kText = R"(program(1.3) { func main<ios18>(tensor<fp32, [1]> x) {
    tensor<bool, [3]> a = const()[val = tensor<bool, [3]>([true, false, true])];
    tensor<fp16, [2]> b = const()[val = tensor<fp16, [2]>([0x1p-24, -0x0p+0])];
    tensor<bf16, [1]> c = const()[val = tensor<bf16, [1]>([0x1p+0])];
    tensor<fp64, [1]> d = const()[val = tensor<fp64, [1]>([0x1.999999999999ap-4])];
    tensor<int4, [3]> e = const()[val = tensor<int4, [3]>([-8, 7, 1])];
    tensor<int8, [2]> f = const()[val = tensor<int8, [2]>([-128, 127])];
    tensor<int16, [2]> g = const()[val = tensor<int16, [2]>([-32768, 32767])];
    tensor<int64, [1]> h = const()[val = tensor<int64, [1]>([-9223372036854775807])];
    tensor<uint1, [9]> i = const()[val = tensor<uint1, [9]>([1, 0, 1, 1, 0, 0, 1, 0, 1])];
    tensor<uint3, [3]> j = const()[val = tensor<uint3, [3]>([7, 0, 5])];
    tensor<uint6, [3]> k = const()[val = tensor<uint6, [3]>([63, 0, 33])];
    tensor<uint16, [1]> l = const()[val = tensor<uint16, [1]>([65535])];
    tensor<uint32, [1]> m = const()[val = tensor<uint32, [1]>([4294967295])];
    tensor<uint64, [1]> n = const()[val = tensor<uint64, [1]>([18446744073709551615])];
    tensor<string, [2]> o = const()[val = tensor<string, [2]>(["a", ""])];
    tensor<fp32, [0]> p = const()[val = tensor<fp32, [0]>([])];
    tensor<fp32, [1]> y = relu(x = x);
  } -> (y); })";
  const Program program = parse_mil(kText);
  const Program again = parse(bytes_of(program)).program;
  const Function &before = program.functions[0], &after = again.functions[0];
  ASSERT_EQ(before.operations.size(), after.operations.size());
  for (size_t i = 0; i + 1 < before.operations.size(); ++i) {
    EXPECT_EQ(*before.operations[i]->attribute("val"), *after.operations[i]->attribute("val"))
        << before.operations[i]->outputs[0]->name;
  }
}

TEST(ModelProto, SaysWhatTheBytesAre) {
  EXPECT_THAT(parse_error("hello"), HasSubstr("no model file of Core ML"));
  // Field 500, a message of no bytes: a neural network.
  EXPECT_THAT(parse_error("\x08\x04\xa2\x1f\x00"s), HasSubstr("a neural network"));
  EXPECT_THAT(parse_error("\x08\x06"), HasSubstr("it is no ML program"));
}

TEST(ModelProto, PrintsNothingAboutDamagedNames) {
  std::string bytes =
      bytes_of(parse_mil("func main<ios16>(fp32 x) { fp32 y = relu(x = x); } -> (y);"));
  bytes.replace(bytes.find("relu"), 4, "\xff\xfe\xfd\xfc");  // not UTF-8
  testing::internal::CaptureStderr();
  EXPECT_THAT(parse_error(bytes), HasSubstr("damaged"));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(ModelProto, RefusesFieldsThatItWouldLose) {
  const std::string bytes = bytes_of(parse_mil(kStateful));
  // Field 77 at the end of the file: beside the program.
  EXPECT_THAT(parse_error(bytes + "\xea\x04\x01x"s), HasSubstr("would be lost: field 77"));
}

TEST(MlPackage, IsWrittenTwiceWithTheSameBytesAndReadBack) {
  const TestDirectory directory;
  Program program = parse_mil(R"(program(1.3) { func main<ios16>(tensor<fp32, [1, 16]> x) {
      tensor<fp32, [16]> w = const()[val = tensor<fp32, [16]>([1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16])];
      tensor<fp32, [1, 16]> y = mul(x = x, y = w);
    } -> (y); })");
  const fs::path a = directory.path() / "a.mlpackage", b = directory.path() / "b.mlpackage";
  write_mlpackage(a, program, {});
  write_mlpackage(b, program, {});
  write_mlpackage(b, program, {});  // over itself
  for (const char* file : {"Manifest.json", "Data/com.apple.CoreML/model.mlmodel",
                           "Data/com.apple.CoreML/weights/weight.bin"}) {
    EXPECT_EQ(read_file(a / file), read_file(b / file)) << file;
  }
  ProgramSource source = load_program(a.string());
  EXPECT_EQ(source.kind, ProgramSource::Kind::kPackage);
  NamedTensors inputs;
  inputs["x"] = Tensor(DType::kFp32, {1, 16});
  for (float& value : inputs["x"].as<float>()) value = 2;
  EXPECT_EQ(evaluate(source.function(), inputs).at("y").at(15), 32);
  // Nothing but the packages is left.
  EXPECT_EQ(std::distance(fs::directory_iterator(directory.path()), {}), 2);
}

TEST(MlPackage, RefusesItemsThatLeadOut) {
  const TestDirectory directory;
  const fs::path path = directory.path() / "m.mlpackage";
  write_mlpackage(path, parse_mil("func main<ios16>(fp32 x) { fp32 y = relu(x = x); } -> (y);"),
                  {});
  std::string manifest = read_file(path / "Manifest.json");
  const std::string item = "com.apple.CoreML/model.mlmodel";
  manifest.replace(manifest.find(item), item.size(), "../../../../etc/hosts");
  write_file(path / "Manifest.json", manifest);
  EXPECT_THAT(error_of([&] { read_mlpackage(path); }), HasSubstr("leads out of the package"));
}

TEST(ProgramSource, DecidesOpenSizes) {
  const TestDirectory directory;
  const fs::path path = directory.path() / "m.mil";
  write_file(path,
             "program(1.3) { func main<ios17>(tensor<fp32, [?, 4]> x) {\n"
             "tensor<int32, [2]> s = shape(x = x);\n"
             "tensor<fp32, [?, 4]> r = relu(x = x);\n"
             "tensor<fp32, [?, ?]> y = reshape(x = r, shape = s);\n} -> (y); }");
  ProgramSource source = load_program(path.string(), {{"x", {3, 4}}});
  EXPECT_EQ(source.function().outputs[0]->type, Type::tensor(DType::kFp32, {3, 4}));
  EXPECT_THAT(error_of([&] { load_program(path.string()); }), HasSubstr("its sizes are open"));
  EXPECT_THAT(error_of([&] {
                load_program(path.string(), {{"x", {3, 5}}});
              }),
              HasSubstr("[3, 5] does not fit"));
}

TEST(ProgramSource, RefusesSizesThatTheDescriptionExcludes) {
  const TestDirectory directory;
  const fs::path path = directory.path() / "m.mil";
  const auto load = [&](const std::string& part, const Shape& shape) {
    write_file(
        path,
        "program(1.3) { func main<ios17>(tensor<fp32, [1, ?]> x) [FlexibleShapeInformation = "
        "tuple<tuple<string, dict<string, tensor<int32, [?]>>>, " +
            part + ")))] {\ntensor<fp32, [1, ?]> y = relu(x = x);\n} -> (y); }");
    load_program(path.string(), {{"x", shape}});
  };
  const std::string ranges =
      "tuple<string, dict<string, list<tensor<int32, [2]>, ?>>>>(((\"DefaultShapes\", {{\"x\", "
      "[1, 8]}}), (\"RangeDims\", {{\"x\", [[1, 1], [2, 16]]}}";
  EXPECT_NO_THROW(load(ranges, {1, 16}));
  EXPECT_THAT(error_of([&] { load(ranges, {1, 17}); }), HasSubstr("it takes 2 to 16"));
  const std::string choices =
      "tuple<string, dict<string, dict<string, tensor<int32, [?]>>>>>(((\"DefaultShapes\", "
      "{{\"x\", "
      "[1, 8]}}), (\"EnumeratedShapes\", {{\"0\", {{\"x\", [1, 8]}}}, {\"1\", {{\"x\", [1, 4]}}}}";
  EXPECT_NO_THROW(load(choices, {1, 4}));
  EXPECT_THAT(error_of([&] { load(choices, {1, 5}); }), HasSubstr("they are [1, 8], [1, 4]"));
}

}  // namespace
}  // namespace anemone
