#include "anemone/bench/cases.h"

#include <fmt/format.h>

#include <cmath>

namespace anemone {
namespace {

using nlohmann::ordered_json;

constexpr double kMiB = 1024.0 * 1024.0;

constexpr Chain kPeak[] = {{32, 512}, {48, 512},  {64, 512},  {96, 512}, {128, 512},
                           {64, 256}, {128, 256}, {256, 256}, {64, 384}, {128, 384}};
constexpr Chain kInmem[] = {{1, 256}, {1, 512}, {1, 1024}, {1, 2048}, {1, 3072}, {1, 4096}};
constexpr Chain kCoarse[] = {{1, 256},  {1, 512},  {1, 1024}, {1, 2048},    {1, 3072},
                             {1, 4096}, {1, 5120}, {1, 6144}, {1, 8192, 32}};
constexpr Chain kFine[] = {{1, 256},  {1, 512},  {1, 1024},    {1, 1536}, {1, 2048},
                           {1, 2560}, {1, 3072}, {1, 3584},    {1, 4096}, {1, 4608},
                           {1, 5120}, {1, 6144}, {1, 8192, 32}};

double bytes_of(DType dtype) { return dtype == DType::kFp16 ? 2 : 4; }

Problem chain_problem(const Chain& chain, bool numbers) {
  const auto [depth, channels, spatial] = chain;
  Problem problem;
  problem.numbers = numbers;
  const auto tensor = [&](const Shape& shape, int64_t seed, double bound) {
    if (!numbers) return Tensor(DType::kFp32, shape);
    return uniform(shape, static_cast<uint64_t>(seed), -bound, bound);
  };
  problem.inputs.push_back(tensor({1, channels, 1, spatial}, 1, 1));
  // Rows sum to about one in square, so that numbers neither grow nor vanish.
  const double bound = std::sqrt(3.0 / static_cast<double>(channels));
  for (int64_t layer = 0; layer < depth; ++layer) {
    problem.weights.push_back(tensor({channels, channels, 1, 1}, layer + 2, bound));
  }
  problem.build = [](Builder& b, const std::vector<Value>& x, const std::vector<Value>& w) {
    Value y = x[0];
    for (Value weight : w) y = b.conv1x1(y, weight);
    return std::vector{y};
  };
  return problem;
}

// --- dispatch ---

constexpr int64_t kSpatial = 64;

// The sum of `inputs` images of `channels`.
Problem sum_problem(int64_t channels, int inputs) {
  Problem problem;
  for (int i = 0; i < inputs; ++i) {
    problem.inputs.push_back(
        uniform({1, channels, 1, kSpatial}, static_cast<uint64_t>(i) + 1, -1, 1));
  }
  problem.build = [](Builder& b, const std::vector<Value>& x, const std::vector<Value>&) {
    Value sum = x.size() == 1 ? b.unary("relu", x[0]) : x[0];
    for (size_t i = 1; i < x.size(); ++i) sum = b.add(sum, x[i]);
    return std::vector{sum};
  };
  return problem;
}

BenchCase sum_case(int64_t channels, int inputs) {
  const double gflop = 1e-9 * static_cast<double>(channels * kSpatial * std::max(inputs - 1, 1));
  return {{{"program", inputs == 1 ? "relu" : "sum"},
           {"inputs", inputs},
           {"weights", "none"},
           {"channels", channels},
           {"spatial", kSpatial},
           {"weight_mb", 0.0},
           {"gflop", gflop}},
          gflop * 1e9,
          [=] { return sum_problem(channels, inputs); }};
}

BenchCase conv_case(int64_t channels, bool runtime_weights, DType dtype) {
  const Chain chain{1, channels, kSpatial};
  const BenchCase same = chain_case(chain, dtype);
  const auto problem = [=] {
    Problem result = chain_problem(chain, true);
    result.runtime_weights = runtime_weights;
    return result;
  };
  return {{{"program", "conv"},
           {"inputs", runtime_weights ? 2 : 1},
           {"weights", runtime_weights ? "input" : "baked"},
           {"channels", channels},
           {"spatial", kSpatial},
           {"weight_mb", same.labels["weight_mb"]},
           {"gflop", same.labels["gflop"]}},
          same.flops,
          problem};
}

}  // namespace

BenchCase chain_case(const Chain& chain, DType dtype) {
  const auto channels = static_cast<double>(chain.channels);
  const auto depth = static_cast<double>(chain.depth), spatial = static_cast<double>(chain.spatial);
  const double flops = 2 * depth * channels * channels * spatial;
  return {{{"depth", chain.depth},
           {"channels", chain.channels},
           {"spatial", chain.spatial},
           {"weight_mb", depth * channels * channels * bytes_of(dtype) / kMiB},
           {"activation_mb", channels * spatial * bytes_of(dtype) / kMiB},
           {"gflop", flops * 1e-9}},
          flops,
          [=] { return chain_problem(chain, true); },
          [=] { return chain_problem(chain, false); }};
}

std::span<const Chain> peak_chains() { return kPeak; }
std::span<const Chain> inmem_chains() { return kInmem; }
std::span<const Chain> coarse_chains() { return kCoarse; }
std::span<const Chain> fine_chains() { return kFine; }

std::vector<Chain> stream_chains(int64_t spatial) {
  constexpr int64_t kChannels[] = {192,  320,  448,  576,  704,  832,  960,  1216,
                                   1472, 1728, 1984, 2240, 2496, 2752, 3008, 3264,
                                   3520, 3776, 4288, 4800, 5568, 6336};
  std::vector<Chain> chains;
  for (const int64_t channels : kChannels) chains.push_back({1, channels, spatial});
  return chains;
}

std::vector<BenchCase> dispatch_cases(DType dtype) {
  std::vector<BenchCase> cases;
  for (const int64_t channels : {64, 256, 1024}) cases.push_back(sum_case(channels, 1));
  for (const int inputs : {2, 4, 8}) cases.push_back(sum_case(64, inputs));
  for (const int64_t channels : {64, 128, 256, 512}) {
    for (const bool runtime : {false, true}) cases.push_back(conv_case(channels, runtime, dtype));
  }
  return cases;
}

}  // namespace anemone
