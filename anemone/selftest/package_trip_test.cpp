#include "anemone/selftest/package_trip.h"

#include <gtest/gtest.h>

#include "anemone/ops/builder.h"
#include "anemone/ops/evaluate.h"

namespace anemone {
namespace {

// y = W x with 32 x 32 weights 0, 1, 2, … and x = (1, 0, …): the first column, 0, 32, 64, …
TEST(PackageTrip, APackageComputesWhatTheProgramDidAndItsSizeIsThatOfItsWeights) {
  Function function("selftest", "ios18");
  Builder b(function);
  Tensor weight(DType::kFp32, {32, 32, 1, 1});
  for (int64_t i = 0; i < weight.size(); ++i) weight.view().set(i, static_cast<double>(i));
  const Value x = b.input("x0", DType::kFp32, {1, 32, 1, 1});
  b.output("y0", b.conv1x1(x, b.constant(std::move(weight), "w0")));

  PackageTrip trip;
  const Function read = through_package(function, trip);
  EXPECT_EQ(read.name, "selftest");
  // 4 KiB of weights, a manifest and the program.
  EXPECT_GT(trip.package_mb, 4.0 / 1024);
  EXPECT_LT(trip.package_mb, 12.0 / 1024);
  EXPECT_GT(trip.load_ms, 0);

  NamedTensors inputs;
  inputs["x0"] = Tensor(DType::kFp32, {1, 32, 1, 1});
  inputs["x0"].as<float>()[0] = 1;
  const NamedTensors outputs = evaluate(read, inputs);
  for (int64_t i = 0; i < 32; ++i) {
    EXPECT_EQ(outputs.at("y0").at(i), 32.0 * static_cast<double>(i));
  }
}

}  // namespace
}  // namespace anemone
