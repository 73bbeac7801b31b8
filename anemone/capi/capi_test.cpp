#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "anemone/capi/anemone.h"

namespace {

using ::testing::HasSubstr;

// z = x - y, with ports whose order in the alphabet is not the one of their declaration.
constexpr const char* kSubtract =
    "program(1.3)\n{\n func main<ios18>(tensor<fp16, [1, 4, 1, 32]> y, tensor<fp16, [1, 4, 1, 32]> "
    "x) {\n tensor<fp16, [1, 4, 1, 32]> z = sub(x = x, y = y);\n } -> (z);\n}\n";
constexpr size_t kElements = 128;

class CApi : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { ASSERT_EQ(anemone_device_open(GetParam(), 2, &device), ANEMONE_OK); }
  void TearDown() override { anemone_device_free(device); }

  anemone_program* compile(const char* text) {
    anemone_program* program = nullptr;
    EXPECT_EQ(anemone_program_compile(device, text, nullptr, 0, &program), ANEMONE_OK)
        << anemone_last_error();
    return program;
  }
  static anemone_buffer* buffer(anemone_program* program, anemone_side side, const char* port,
                                float value) {
    anemone_buffer* result = nullptr;
    EXPECT_EQ(anemone_buffer_allocate(program, side, port, &result), ANEMONE_OK);
    const std::vector<float> values(kElements, value);
    EXPECT_EQ(anemone_buffer_write(result, ANEMONE_FP32, values.data(), kElements), ANEMONE_OK);
    return result;
  }

  anemone_device* device = nullptr;
};

TEST_P(CApi, RunsAProgramOnBuffersBoundByName) {
  anemone_program* program = compile(kSubtract);
  anemone_buffer* x = buffer(program, ANEMONE_INPUT, "x", 5);
  anemone_buffer* y = buffer(program, ANEMONE_INPUT, "y", 3);
  anemone_buffer* z = buffer(program, ANEMONE_OUTPUT, "z", 0);
  const char* const names[] = {"z", "y", "x"};
  anemone_buffer* const buffers[] = {z, y, x};
  anemone_request* request = nullptr;
  ASSERT_EQ(anemone_request_bind(program, names, buffers, 3, &request), ANEMONE_OK);
  ASSERT_EQ(anemone_request_run(request), ANEMONE_OK) << anemone_last_error();
  EXPECT_GT(anemone_request_ms(request), 0);
  std::vector<float> found(kElements);
  ASSERT_EQ(anemone_buffer_read(z, ANEMONE_FP32, found.data(), kElements), ANEMONE_OK);
  EXPECT_EQ(found, std::vector<float>(kElements, 2.0f));
  // In an order that would be wrong if somebody did not keep what he needs.
  anemone_program_free(program);
  anemone_buffer_free(x);
  EXPECT_EQ(anemone_request_run(request), ANEMONE_OK);
  anemone_buffer_free(y);
  anemone_buffer_free(z);
  anemone_request_free(request);
}

TEST_P(CApi, DevicesWithoutADriverThatCountsGiveNoTimeOnTheHardware) {
  ASSERT_EQ(anemone_device_ask_hardware_time(device, 1), ANEMONE_OK);
  anemone_program* program = compile(kSubtract);
  anemone_buffer* x = buffer(program, ANEMONE_INPUT, "x", 5);
  anemone_buffer* y = buffer(program, ANEMONE_INPUT, "y", 3);
  anemone_buffer* z = buffer(program, ANEMONE_OUTPUT, "z", 0);
  const char* const names[] = {"x", "y", "z"};
  anemone_buffer* const buffers[] = {x, y, z};
  anemone_request* request = nullptr;
  ASSERT_EQ(anemone_request_bind(program, names, buffers, 3, &request), ANEMONE_OK);
  EXPECT_LT(anemone_request_hardware_ms(request), 0);
  ASSERT_EQ(anemone_request_run(request), ANEMONE_OK);
  EXPECT_GT(anemone_request_ms(request), 0);
  EXPECT_LT(anemone_request_hardware_ms(request), 0);
  anemone_request_free(request);
  for (anemone_buffer* each : buffers) anemone_buffer_free(each);
  anemone_program_free(program);
}

TEST_P(CApi, DescribesPorts) {
  anemone_program* program = compile(kSubtract);
  EXPECT_EQ(anemone_program_port_count(program, ANEMONE_INPUT), 2u);
  EXPECT_EQ(anemone_program_port_count(program, ANEMONE_OUTPUT), 1u);
  anemone_port port{};
  ASSERT_EQ(anemone_program_port(program, ANEMONE_OUTPUT, 0, &port), ANEMONE_OK);
  EXPECT_STREQ(port.name, "z");
  EXPECT_EQ(port.dtype, ANEMONE_FP16);
  EXPECT_EQ(port.rank, 4);
  EXPECT_EQ(port.shape[1], 4);
  EXPECT_EQ(port.shape[3], 32);
  EXPECT_EQ(anemone_program_port(program, ANEMONE_OUTPUT, 1, &port), ANEMONE_INVALID);
  anemone_program_free(program);
}

TEST_P(CApi, RefusalsSayWhatAndWhere) {
  anemone_program* program = nullptr;
  EXPECT_EQ(anemone_program_compile(device, "program(1.3) {", nullptr, 0, &program),
            ANEMONE_INVALID);
  EXPECT_THAT(anemone_last_error(), HasSubstr("1:"));
  EXPECT_EQ(program, nullptr);
  EXPECT_EQ(anemone_program_compile(device, nullptr, nullptr, 0, &program), ANEMONE_INVALID);
  EXPECT_EQ(anemone_program_compile(nullptr, kSubtract, nullptr, 0, &program), ANEMONE_INVALID);
  program = compile(kSubtract);
  anemone_buffer* x = nullptr;
  EXPECT_EQ(anemone_buffer_allocate(program, ANEMONE_INPUT, "w", &x), ANEMONE_INVALID);
  EXPECT_THAT(anemone_last_error(), HasSubstr("w"));
  x = buffer(program, ANEMONE_INPUT, "x", 1);
  const float few[3] = {};
  EXPECT_EQ(anemone_buffer_write(x, ANEMONE_FP32, few, 3), ANEMONE_INVALID);
  EXPECT_THAT(anemone_last_error(), HasSubstr("3 elements were given, it has 128"));
  EXPECT_EQ(anemone_buffer_write(x, 77, few, kElements), ANEMONE_INVALID);
  EXPECT_EQ(anemone_program_port_count(program, 5), 0u);
  EXPECT_THAT(anemone_last_error(), HasSubstr("5 is neither"));
  const char* const names[] = {"x"};
  anemone_request* request = nullptr;
  EXPECT_EQ(anemone_request_bind(program, names, &x, 1, &request), ANEMONE_INVALID);
  EXPECT_THAT(anemone_last_error(), HasSubstr("nothing is bound to it"));
  anemone_buffer_free(x);
  anemone_program_free(program);
}

TEST_P(CApi, WeightFilesMustStayBelowTheModelPath) {
  anemone_program* program = nullptr;
  const anemone_weight_file outside = {"@model_path/../w.bin", "x", 1};
  EXPECT_EQ(anemone_program_compile(device, kSubtract, &outside, 1, &program), ANEMONE_INVALID);
  EXPECT_THAT(anemone_last_error(), HasSubstr("no name below @model_path/"));
}

INSTANTIATE_TEST_SUITE_P(Devices, CApi, testing::Values("cpu", "sim:m4-max"), [](const auto& info) {
  return info.param == std::string("cpu") ? "Cpu" : "Sim";
});

TEST(CApiDevice, UnknownAndUnavailableOnesAreDifferentStatuses) {
  anemone_device* device = nullptr;
  EXPECT_EQ(anemone_device_open("gpu", 0, &device), ANEMONE_INVALID);
  EXPECT_EQ(device, nullptr);
#ifndef __APPLE__
  EXPECT_EQ(anemone_device_open("ane", 0, &device), ANEMONE_UNAVAILABLE);
  EXPECT_THAT(anemone_last_error(), HasSubstr("macOS"));
#endif
}

TEST(CApiDevice, ErrorsBelongToTheirThread) {
  anemone_device* device = nullptr;
  anemone_device_open("gpu", 0, &device);
  std::thread([] { EXPECT_STREQ(anemone_last_error(), ""); }).join();
  EXPECT_STRNE(anemone_last_error(), "");
}

TEST(CApiDevice, NullIsNeverFollowed) {
  anemone_device_free(nullptr);
  anemone_program_free(nullptr);
  anemone_buffer_free(nullptr);
  anemone_request_free(nullptr);
  EXPECT_EQ(anemone_request_run(nullptr), ANEMONE_INVALID);
  EXPECT_EQ(anemone_program_port_count(nullptr, ANEMONE_INPUT), 0u);
  EXPECT_EQ(anemone_request_hardware_ms(nullptr), -1);
  EXPECT_EQ(anemone_device_ask_hardware_time(nullptr, 1), ANEMONE_INVALID);
  EXPECT_EQ(anemone_api_version(), 1001);
}

}  // namespace
