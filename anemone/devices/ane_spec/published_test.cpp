// The cost model against published measurements, and against its mirror in tools/calibration.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "anemone/base/file.h"
#include "anemone/base/strict_json.h"
#include "anemone/devices/ane_spec/cost_model.h"
#include "anemone/ops/builder.h"

namespace anemone {
namespace {

using Json = nlohmann::json;

constexpr DType kHalf = DType::kFp16;
constexpr int64_t kDim = 768, kHidden = 2048, kHeads = 12, kHeadSize = 64, kTokens = 256;
constexpr int kLayers = 12;

const std::string kFolder = ANEMONE_SOURCE_DIR "/results/published/";

Json read_table(const std::string& name) {
  const std::string path = kFolder + name + ".json";
  return parse_strict_json(read_file(path), path);
}

// A function whose weights are inputs, so that no test holds 128 MB of them.
struct Kernel {
  Function function{"main", "ios18"};
  Builder b{function};
  std::vector<std::string> weights;

  Value weight(const Shape& shape) {
    weights.push_back("w" + std::to_string(weights.size()));
    return b.input(weights.back(), kHalf, shape);
  }
  ProgramTime predict_on(const Chip& chip) { return predict(function, chip, weights); }
};

void build_convs(Kernel& k, const Json& row) {
  const int64_t channels = row["channels"], spatial = row["spatial"];
  const int64_t kernel = row.value("kernel", 1), depth = row.value("depth", 1);
  const auto side = static_cast<int64_t>(std::lround(std::sqrt(spatial)));
  const Shape shape = kernel == 1 ? Shape{1, channels, 1, spatial} : Shape{1, channels, side, side};
  Value x = k.b.input("x", kHalf, shape);
  const Value w = k.weight({channels, channels, kernel, kernel});
  for (int64_t i = 0; i < depth; ++i) {
    x = k.b.op("conv", {{"x", x}, {"weight", w}, {"pad_type", k.b.text("same")}});
  }
  k.b.output("y", x);
}

// A chain with int8 weights; w8a8 also quantizes what goes into each layer.
void build_int8(Kernel& k, const Json& row) {
  const int64_t channels = row["channels"];
  Literal quantized;
  quantized.type = Type::tensor(DType::kInt8, {channels, channels, 1, 1});
  quantized.blob = BlobRef{"@model_path/weights/weight.bin", 64};
  const Value w = k.b.constexpr_affine_dequantize(quantized, Tensor(kHalf, {channels}), 0);
  Value x = k.b.input("x", kHalf, {1, channels, 1, row["spatial"]});
  for (int64_t i = 0; i < row["depth"]; ++i) {
    if (row["variant"] == "w8a8") x = k.b.dequantize(k.b.quantize(x, 0.1), kHalf, 0.1);
    x = k.b.conv1x1(x, w);
  }
  k.b.output("y", x);
}

void build_gemm(Kernel& k, const Json& row) {
  const Value x = k.b.input("x", kHalf, {row["m"], row["k"]});
  k.b.output("y", k.b.matmul(x, k.weight({row["k"], row["n"]})));
}

void build_operation(Kernel& k, const Json& row) {
  const std::string type = row["op"];
  const int64_t elements = row["elements"];
  const Value x = k.b.input("x", kHalf, {256, elements / 256});
  k.b.output("y", type == "softmax"      ? k.b.softmax(x, 1)
                  : type == "layer_norm" ? k.b.op(type, {{"x", x}, {"axes", k.b.integers({1})}})
                                         : k.b.unary(type, x));
}

Value rms_norm(Kernel& k, Value x) {
  Builder& b = k.b;
  const Value sum = b.reduce_sum(b.mul(x, x), {1}, true);
  const Value scale = b.pow(b.add(b.mul(sum, 1.0 / kDim), 1e-5), -0.5);
  return b.mul(b.mul(x, scale), b.fill(kHalf, {1, kDim, 1, 1}, 1));
}

// The seed's forward attention, all of whose results are taps.
void build_attention(Kernel& k) {
  Builder& b = k.b;
  const Value x = b.input("x", kHalf, {1, kDim, 1, kTokens});
  const Value normed = rms_norm(k, x);
  std::vector<Value> taps, heads;
  for (int i = 0; i < 3; ++i) {
    taps.push_back(b.conv1x1(normed, k.weight({kDim, kDim, 1, 1})));
    const Value split = b.reshape(taps.back(), {1, kHeads, kHeadSize, kTokens});
    heads.push_back(b.transpose(split, {0, 1, 3, 2}));
  }
  const Value mask = b.constant(Tensor(kHalf, {1, 1, kTokens, kTokens}));
  const Value scores = b.add(b.mul(b.matmul(heads[0], heads[1], false, true), 0.125), mask);
  const Value mixed = b.matmul(b.softmax(scores, -1), heads[2]);
  const Value joined = b.reshape(b.transpose(mixed, {0, 1, 3, 2}), {1, kDim, 1, kTokens});
  taps.push_back(joined);
  taps.push_back(normed);
  taps.insert(taps.begin(), b.conv1x1(joined, k.weight({kDim, kDim, 1, 1})));
  b.output("y", b.concat(taps, 1));
}

void build_ffn(Kernel& k) {
  Builder& b = k.b;
  const Value normed = rms_norm(k, b.input("x", kHalf, {1, kDim, 1, kTokens}));
  const Value h1 = b.conv1x1(normed, k.weight({kHidden, kDim, 1, 1}));
  const Value h3 = b.conv1x1(normed, k.weight({kHidden, kDim, 1, 1}));
  const Value gate = b.mul(b.mul(h1, b.unary("sigmoid", h1)), h3);
  const Value out = b.conv1x1(gate, k.weight({kDim, kHidden, 1, 1}));
  b.output("y", b.concat({out, h1, h3, gate, normed}, 1));
}

double forward_ms(const Chip& chip) {
  Kernel attention, ffn;
  build_attention(attention);
  build_ffn(ffn);
  return kLayers * (attention.predict_on(chip).total_us + ffn.predict_on(chip).total_us) / 1e3;
}

double predicted_ms(const std::string& kind, const Json& row, const Chip& chip) {
  if (kind == "training") return forward_ms(chip);
  Kernel k;
  if (kind == "gemm") {
    build_gemm(k, row);
  } else if (kind == "operation") {
    build_operation(k, row);
  } else if (kind == "int8") {
    build_int8(k, row);
  } else {
    build_convs(k, row);
  }
  const ProgramTime time = k.predict_on(chip);
  return (kind == "layer" ? time.ops[0].us : time.total_us) / 1e3;
}

// |relative errors| of the convolutions of some tables, ascending.
std::vector<double> errors_of(const std::vector<std::string>& names) {
  std::vector<double> errors;
  for (const std::string& name : names) {
    const Json table = read_table(name);
    const Chip& chip = find_chip(table["chip"].get<std::string>());
    for (const Json& row : table["rows"]) {
      const double ms = row["ms"];
      errors.push_back(std::abs(predicted_ms(table["kind"], row, chip) / ms - 1));
    }
  }
  std::sort(errors.begin(), errors.end());
  return errors;
}

TEST(Published, QuietRunOfTheM4MaxIsMetWithin5PercentInTheMedianAnd15AtWorst) {
  const auto errors = errors_of({"m4-max-sram-probe-quiet", "m4-max-peak-quiet"});
  ASSERT_EQ(errors.size(), 23);
  EXPECT_LE(errors[11], 0.05);
  EXPECT_LE(errors.back(), 0.15);
}

TEST(Published, PeaksOfOtherQuietMachinesAreMetWithin5Percent) {
  const auto errors = errors_of(
      {"m3-pro-peak", "m4-peak", "m4-pro-peak", "m5-peak", "m5-max-peak", "m4-max-peak-community"});
  EXPECT_LE(errors.back(), 0.05);
}

TEST(Published, Int8ChainsAreMetWithin10Percent) {
  EXPECT_LE(errors_of({"m4-int8", "m5-int8", "m5-max-int8"}).back(), 0.1);
}

TEST(Published, ForwardPassesOfTrainingAreMetWithin10Percent) {
  for (const char* name : {"m1-pro-training", "m1-max-training", "m3-ultra-training",
                           "m4-pro-training", "m4-max-training", "m5-training"}) {
    const Json table = read_table(name), row = table["rows"][0];
    const double low = row["forward_ms_min"], high = row["forward_ms_max"];
    const double ms = forward_ms(find_chip(table["chip"].get<std::string>()));
    EXPECT_NEAR(ms / ((low + high) / 2), 1, 0.1) << name;
  }
}

TEST(Published, PredictionsAreThoseOfTheCalibrationScript) {
  const Json predictions = read_table("predictions");
  int compared = 0;
  for (const auto& [name, times] : predictions.items()) {
    const Json table = read_table(name);
    const Chip& chip = find_chip(table["chip"].get<std::string>());
    for (size_t i = 0; i < times.size(); ++i) {
      if (times[i].is_null()) continue;
      const double ms = times[i];
      const Json& row = table["rows"][i];
      EXPECT_NEAR(predicted_ms(table["kind"], row, chip) / ms, 1, 1e-3) << name << " " << row;
      ++compared;
    }
  }
  EXPECT_GT(compared, 100);
}

TEST(Published, EveryTableSaysWhereItComesFrom) {
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    const std::string name = entry.path().stem().string();
    if (name == "predictions") continue;
    const Json table = read_table(name);
    for (const char* key : {"source", "date", "chip", "machine", "os", "kind"}) {
      EXPECT_TRUE(table.contains(key) && table[key].is_string()) << name << " lacks " << key;
    }
    EXPECT_THAT(table["state"], testing::AnyOf("quiet", "noisy")) << name;
    EXPECT_FALSE(table["rows"].empty()) << name;
  }
}

TEST(Published, CompilingTheKernelsOfAStepTakesAsLongAsPublished) {
  const EngineFigures& engine = find_chip("m4-max").engine;
  const double matrix_mb = 2e-6 * kDim * kDim, wide_mb = 3 * 2e-6 * kDim * kHidden;
  // attention forward and backward, twice the feed-forward; one of six kernels has no weights.
  const double layer_mb = (4 + 1 + 3) * matrix_mb + 2 * wide_mb;
  const double ms =
      72 * engine.compile_ms.value + kLayers * layer_mb * engine.compile_ms_per_mb.value;
  EXPECT_NEAR(ms, 3531, 10);
  // 27 more: norms and a softmax without weights worth the name, and a classifier.
  const double more_ms =
      27 * engine.compile_ms.value + 2e-6 * 32000 * kDim * engine.compile_ms_per_mb.value;
  EXPECT_NEAR((ms + more_ms) / 4252, 1, 0.05);
}

}  // namespace
}  // namespace anemone
