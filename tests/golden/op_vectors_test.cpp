// Operations one by one against what coremltools computes for them (make_op_vectors.py): by the
// reference kernels, and by the kernels that the CPU device chooses.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "anemone/base/file.h"
#include "anemone/devices/cpu/testing/cpu_testing.h"
#include "anemone/ops/evaluate.h"
#include "anemone/ops/verify.h"
#include "anemone/text/parser.h"

namespace anemone {
namespace {

using nlohmann::json;

// ANEMONE_OP_VECTORS names another file, as --every-opset writes.
const json& vectors() {
  static const json all = [] {
    const char* other = std::getenv("ANEMONE_OP_VECTORS");
    const std::string own = std::string(ANEMONE_SOURCE_DIR) + "/tests/golden/op_vectors.json";
    return json::parse(read_file(other ? other : own));
  }();
  return all;
}

double number_of(const json& value) {
  if (!value.is_string()) return value.get<double>();
  if (value == "nan") return std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  return value == "inf" ? infinity : -infinity;
}

// ["fp32", [2, 3], [1, 2, …]]
Tensor tensor_of(const json& value) {
  const Tensor tensor(*dtype_from_name(value[0].get<std::string>()), value[1].get<Shape>());
  for (int64_t i = 0; i < tensor.size(); ++i) {
    tensor.view().set(i, number_of(value[2][static_cast<size_t>(i)]));
  }
  return tensor.clone();
}

// numpy computes in the type of the operands, in fp16 with sums in fp16 too.
double tolerance_of(DType dtype) {
  if (dtype == DType::kFp16) return 4e-3;
  return dtype == DType::kFp32 ? 3e-6 : 0;
}

bool is_near(double got, double want, DType dtype) {
  if (std::isnan(want)) return std::isnan(got);
  if (std::isinf(want)) return got == want;
  return std::abs(got - want) <= tolerance_of(dtype) * std::max(1.0, std::abs(want));
}

std::string difference(const Tensor& got, const Tensor& want) {
  if (got.dtype() != want.dtype() || got.shape() != want.shape()) {
    return std::string(name(got.dtype())) + " " + to_string(got.shape());
  }
  for (int64_t i = 0; i < want.size(); ++i) {
    if (is_near(got.at(i), want.at(i), want.dtype())) continue;
    return fmt::format("element {} is {}, not {}", i, got.at(i), want.at(i));
  }
  return "";
}

template <typename Run>
void expect_vectors(Run&& run) {
  for (const json& vector : vectors()) {
    const std::string text = vector.at("text").get<std::string>();
    try {
      const Program program = parse_mil(text);
      require_valid(program.functions.front());
      NamedTensors inputs;
      for (const auto& [name, value] : vector.at("in").items()) inputs[name] = tensor_of(value);
      const NamedTensors outputs = run(program.functions.front(), inputs);
      for (size_t i = 0; i < vector.at("out").size(); ++i) {
        const Tensor want = tensor_of(vector.at("out")[i]);
        EXPECT_EQ(difference(outputs.at("out" + std::to_string(i)), want), "") << text;
      }
    } catch (const Error& error) {
      ADD_FAILURE() << error.what() << "\n" << text;
    }
  }
}

TEST(OpVectors, AreMetByTheReferenceKernels) {
  expect_vectors([](const Function& function, const NamedTensors& inputs) {
    return evaluate(function, inputs);
  });
}

TEST(OpVectors, AreMetByTheCpuDevice) {
  expect_vectors([](const Function& function, const NamedTensors& inputs) {
    return cpu_testing::run_on_cpu(function, inputs);
  });
}

}  // namespace
}  // namespace anemone
