// Every program beside this file computes what NAME.json says (make_values.py, fp64), on every
// device that takes it. What a device refuses, and why, is a table: nothing is skipped in silence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "anemone/base/file.h"
#include "anemone/devices/all_devices.h"
#include "anemone/devices/cpu/testing/cpu_testing.h"
#include "anemone/devices/null/null_device.h"
#include "anemone/ops/evaluate.h"
#include "anemone/passes/passes.h"
#include "anemone/programs/program_source.h"

namespace anemone {
namespace {

namespace fs = std::filesystem;
using cpu_testing::Bound;
using nlohmann::json;
using ::testing::HasSubstr;

const fs::path kPrograms = fs::path(ANEMONE_SOURCE_DIR) / "tests/programs";
constexpr const char* kEngine = "sim:m4-max";

// Without values: its weights have 0.5 GB and are not in the tree; cli_check_test.py looks at it.
constexpr const char* kNotRun = "ane/brought_along";

// What the simulated engine refuses of fp16 programs, by the rule of docs/ane.md that its message
// names. A rule that the hardware breaks without a word (c3) counts too.
const std::map<std::string, std::string> kRefusedByEngine = {
    {"attention/built_in", "ane.c3"},
    {"conv/conv1x1_fp16", "ane.c30"},
    {"conv/conv1x1_program_1_0", "ane.c30"},
    {"conv/strided_custom_padding", "ane.c4"},
    {"elementwise/cast_to_int32", "ane.c59"},
    {"image/resizing", "ane.c13"},
    {"quantization/int8_weights_fp16", "ane.c30"},
    {"quantization/palettes_and_blocks", "ane.c13"},
    {"recurrent/lstm_both_ways", "ane.c13"},
    {"sorting/topk_and_gather", "ane.c13"},
};

std::string name_of(const fs::path& file) {
  return (file.parent_path().filename() / file.stem()).string();
}

std::vector<std::string> program_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(kPrograms)) {
    if (entry.path().extension() == ".mil") names.push_back(name_of(entry.path()));
  }
  std::sort(names.begin(), names.end());
  std::erase(names, kNotRun);
  return names;
}

json values_of(const std::string& name) {
  return json::parse(read_file(kPrograms / (name + ".json")));
}

// [[2, 3], [1, 2, …]] as the type that the program declares.
Tensor tensor_of(const json& value, DType dtype) {
  Tensor tensor(DType::kFp64, value[0].get<Shape>());
  const auto numbers = value[1].get<std::vector<double>>();
  EXPECT_EQ(std::ssize(numbers), tensor.size());
  std::copy(numbers.begin(), numbers.end(), tensor.as<double>().begin());
  return tensor.cast(dtype);
}

// Of an element, relative to its size where that is above one. The engine's own rounding, and sums
// on its grid, come on top of fp16's.
double tolerance(DType dtype, const std::string& device) {
  if (dtype == DType::kFp32) return 2e-6;
  if (dtype == DType::kFp16) return device == kEngine ? 1e-2 : 4e-3;
  return 0;
}

void expect_near(const Tensor& found, const json& expected, double allowed) {
  ASSERT_EQ(found.shape(), expected[0].get<Shape>());
  for (int64_t i = 0; i < found.size(); ++i) {
    const double want = expected[1][static_cast<size_t>(i)];
    EXPECT_NEAR(found.at(i), want, allowed * std::max(1.0, std::abs(want))) << "element " << i;
  }
}

void expect_outputs(const Function& function, const NamedTensors& found, const json& expected,
                    const std::string& device) {
  ASSERT_EQ(function.outputs.size(), expected.size());
  for (Value output : function.outputs) {
    SCOPED_TRACE(output->name);
    expect_near(found.at(output->name), expected.at(output->name),
                tolerance(output->type.dtype, device));
  }
}

NamedTensors inputs_of(const Function& function, const json& given) {
  NamedTensors inputs;
  EXPECT_EQ(function.inputs.size(), given.size());
  for (Value input : function.inputs) {
    inputs[input->name] = tensor_of(given.at(input->name), input->type.dtype);
  }
  return inputs;
}

// What the device says against the function; fails the test if it takes it.
std::string refusal(Device& device, const Function& function) {
  try {
    device.compile(function);
  } catch (const Error& error) {
    return error.what();
  }
  ADD_FAILURE() << function.name << " is taken";
  return "";
}

bool has_fp32_port(const Function& function) {
  const auto is_fp32 = [](Value port) { return port->type.dtype == DType::kFp32; };
  return std::any_of(function.inputs.begin(), function.inputs.end(), is_fp32) ||
         std::any_of(function.outputs.begin(), function.outputs.end(), is_fp32);
}

class Programs : public ::testing::TestWithParam<std::string> {
 protected:
  void expect_run(Device& device) {
    const json values = values_of(GetParam());
    const NamedTensors inputs = inputs_of(function_, values.at("in"));
    expect_outputs(function_, Bound(device, function_).run(inputs), values.at("out"),
                   device.info().name);
  }

  ThreadPool pool_{2};
  ProgramSource source_ = load_program((kPrograms / (GetParam() + ".mil")).string());
  Function& function_ = source_.function();
};

TEST_P(Programs, TheInterpreterComputesTheValues) {
  const json values = values_of(GetParam());
  expect_outputs(function_, evaluate(function_, inputs_of(function_, values.at("in"))),
                 values.at("out"), "interpreter");
}

TEST_P(Programs, TheCpuComputesTheValues) { expect_run(*make_device("cpu", pool_)); }

// Programs in fp32 are refused as they are, and computed as to_fp16() makes them.
TEST_P(Programs, TheEngineComputesTheValuesOrRefusesByItsRule) {
  const auto device = make_device(kEngine, pool_, {.strict = true});
  if (has_fp32_port(function_)) {
    EXPECT_THAT(refusal(*device, function_), HasSubstr("ane.c59:"));
    to_fp16(function_);
  }
  const auto refused = kRefusedByEngine.find(GetParam());
  if (refused == kRefusedByEngine.end()) return expect_run(*device);
  EXPECT_THAT(refusal(*device, function_), HasSubstr(refused->second + ":"));
}

// It computes nothing: outputs of the right types are all there is to see.
TEST_P(Programs, TheNullDeviceTakesThem) {
  const auto device = make_null_device();
  const NamedTensors inputs = inputs_of(function_, values_of(GetParam()).at("in"));
  const NamedTensors found = Bound(*device, function_).run(inputs);
  for (Value output : function_.outputs) {
    EXPECT_EQ(found.at(output->name).shape(), output->type.shape);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Programs, ::testing::ValuesIn(program_names()),
                         [](const ::testing::TestParamInfo<std::string>& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '/', '_');
                           return name;
                         });

TEST(ProgramTables, NameOnlyProgramsThatAreThere) {
  EXPECT_FALSE(fs::exists(kPrograms / (std::string(kNotRun) + ".json")));
  EXPECT_TRUE(fs::exists(kPrograms / (std::string(kNotRun) + ".mil")));
  for (const auto& [name, rule] : kRefusedByEngine) {
    EXPECT_TRUE(fs::exists(kPrograms / (name + ".mil"))) << name;
  }
}

}  // namespace
}  // namespace anemone
