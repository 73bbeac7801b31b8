// The cached decoder gives what the model gives for whole sequences.
#include "anemone/generate/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/weights/test_weights.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;

constexpr double kTolerance = 1e-4;
constexpr int64_t kCapacity = 14;
const std::vector<int> kTokens = {1, 7, 7, 0, 11, 3, 9, 2, 4, 4, 10, 6, 5, 8};

// A tiny grouped-query model on the CPU.
struct Model {
  explicit Model(bool tied = true) {
    ModelWeights weights = tiny_weights(tied);
    config = weights.config;
    config.max_sequence = 16;
    for (const auto& [name, tensor] : weights.tensors) {
      for (float& value : tensor.as<float>()) value *= 0.4f;
      buffers[name] = device->allocate(Type::tensor(DType::kFp32, tensor.shape()));
      buffers[name]->write(tensor);
    }
  }
  ParameterLookup values() {
    return [this](const std::string& name) { return buffers.at(name).get(); };
  }
  Generator generator(int64_t capacity = kCapacity, DType stored = DType::kFp32) {
    return Generator(*device, config, capacity, values(), stored);
  }
  // Rounds every matrix, and keeps it as `stored`.
  void round_to_bf16(DType stored) {
    for (auto& [name, buffer] : buffers) {
      const Shape shape = buffer->type().shape;
      if (shape.size() < 2) continue;
      Tensor rounded(DType::kBf16, shape);
      buffer->read(rounded);
      buffer = device->allocate(Type::tensor(stored, shape));
      buffer->write(rounded);
    }
  }
  // [V, T] for kTokens at once.
  Tensor whole_sequence_logits() {
    const auto length = static_cast<int64_t>(kTokens.size());
    ForwardProgram program(*device, llama_chain(config, 1, length, Head::kLogits), values());
    program.side("tokens")->write(
        Tensor::of<int32_t>({length}, std::vector<int32_t>(kTokens.begin(), kTokens.end())));
    program.run();
    Tensor logits(DType::kFp32, {1, config.vocab_size, 1, length});
    program.output().read(logits);
    return logits;
  }

  ThreadPool pool{2};
  std::unique_ptr<Device> device = make_cpu_device(pool);
  LlamaConfig config;
  std::map<std::string, std::unique_ptr<Buffer>> buffers;
};

void expect_near(std::span<const float> actual, std::span<const float> expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t v = 0; v < expected.size(); ++v) {
    EXPECT_NEAR(actual[v], expected[v], tolerance) << "token " << v;
  }
}

std::vector<std::vector<float>> feed_all(Generator& generator) {
  std::vector<std::vector<float>> rows;
  for (int token : kTokens) {
    const std::span<const float> logits = generator.feed(token);
    rows.emplace_back(logits.begin(), logits.end());
  }
  return rows;
}

int best(const std::vector<float>& row) {
  return static_cast<int>(std::ranges::max_element(row) - row.begin());
}

// Greedy continuation of {1} by feeding one id after another.
std::vector<int> greedy_by_hand(Model& model, size_t count) {
  Generator generator = model.generator();
  std::vector<int> ids;
  int token = 1;
  while (ids.size() < count) {
    const std::span<const float> logits = generator.feed(token);
    ids.push_back(token = best({logits.begin(), logits.end()}));
  }
  return ids;
}

const std::vector<int> kPrompt = {1}, kNoStops = {};

TEST(Generator, CachedLogitsAreThoseOfTheWholeSequenceAtEveryPosition) {
  for (bool tied : {true, false}) {
    Model model(tied);
    Generator generator = model.generator();
    const Tensor whole = model.whole_sequence_logits();
    const auto rows = feed_all(generator);
    for (size_t t = 0; t < rows.size(); ++t) {
      ASSERT_EQ(rows[t].size(), 12u);
      for (size_t v = 0; v < rows[t].size(); ++v) {
        EXPECT_NEAR(rows[t][v], whole.as<float>()[v * rows.size() + t], kTolerance)
            << "token " << v << " at position " << t;
      }
    }
    EXPECT_EQ(generator.position(), kCapacity);
  }
}

TEST(Generator, WeightsStoredInBf16GiveTheLogitsOfRoundedOnes) {
  for (bool tied : {true, false}) {
    Model exact(tied), rounded(tied), stored(tied);
    rounded.round_to_bf16(DType::kFp32);
    stored.round_to_bf16(DType::kBf16);
    Generator a = exact.generator(), b = rounded.generator(),
              c = stored.generator(kCapacity, DType::kBf16);
    const auto unlike = feed_all(a), expected = feed_all(b), actual = feed_all(c);
    EXPECT_NE(unlike, expected);
    for (size_t t = 0; t < expected.size(); ++t) {
      for (size_t v = 0; v < expected[t].size(); ++v) {
        EXPECT_NEAR(actual[t][v], expected[t][v], 1e-5) << "token " << v << " at position " << t;
      }
    }
  }
}

TEST(Generator, APromptAtOnceLeavesWhatItsTokensOneByOneDo) {
  for (const DType stored : {DType::kFp32, DType::kBf16}) {
    for (const size_t length : {1u, 7u, 8u, 11u, 14u}) {
      Model model;
      if (stored == DType::kBf16) model.round_to_bf16(stored);
      Generator one_by_one = model.generator(kCapacity, stored);
      Generator at_once = model.generator(kCapacity, stored);
      const auto rows = feed_all(one_by_one);
      const std::span<const int> tokens = kTokens;
      expect_near(at_once.feed(tokens.first(length)), rows[length - 1], kTolerance);
      EXPECT_EQ(at_once.position(), static_cast<int64_t>(length));
      for (size_t t = length; t < kTokens.size(); ++t) {
        expect_near(at_once.feed(kTokens[t]), rows[t], kTolerance);
      }
    }
  }
}

TEST(Generator, SeveralLaterTokensGoOnFromTheCache) {
  Model model;
  Generator one_by_one = model.generator(), in_pieces = model.generator();
  const auto rows = feed_all(one_by_one);
  const std::span<const int> tokens = kTokens;
  in_pieces.feed(tokens.first(3));
  expect_near(in_pieces.feed(tokens.subspan(3, 9)), rows[11], kTolerance);
  in_pieces.restart();
  expect_near(in_pieces.feed(tokens.first(10)), rows[9], kTolerance);
}

TEST(Generator, APromptLongerThanTheCacheIsAnErrorBeforeAnythingRuns) {
  Model model;
  Generator generator = model.generator(4);
  try {
    generator.feed(std::span<const int>(kTokens));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("longer than the 4 positions"));
  }
  EXPECT_EQ(generator.position(), 0);
}

TEST(Generator, CapacityDoesNotChangeTheLogits) {
  Model model;
  Generator exact = model.generator(), roomy = model.generator(16);
  const auto a = feed_all(exact), b = feed_all(roomy);
  for (size_t t = 0; t < a.size(); ++t) {
    for (size_t v = 0; v < a[t].size(); ++v) EXPECT_NEAR(a[t][v], b[t][v], 1e-5) << t;
  }
}

TEST(Generator, RestartForgetsWhatWasFed) {
  Model model;
  Generator generator = model.generator();
  const auto first = feed_all(generator);
  generator.restart();
  EXPECT_EQ(generator.position(), 0);
  EXPECT_EQ(feed_all(generator), first);
}

TEST(Generator, AFullCacheIsAnErrorWithItsSize) {
  Model model;
  Generator generator = model.generator(2);
  generator.feed(1);
  generator.feed(2);
  try {
    generator.feed(3);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    EXPECT_EQ(error.where(), "position 2");
    EXPECT_THAT(error.message(), HasSubstr("longer than the 2 positions"));
  }
  generator.restart();
  EXPECT_NO_THROW(generator.feed(3));
}

TEST(Generate, StopsAtTheCountAndShowsEveryId) {
  Model model;
  const std::vector<int> expected = greedy_by_hand(model, 8);
  for (size_t count : {0u, 1u, 5u, 8u}) {  // the 8th id needs no ninth position
    Generator generator = model.generator();
    std::vector<int> shown;
    const Generated result =
        generate(generator, kPrompt, static_cast<int64_t>(count), {.temperature = 0}, kNoStops,
                 [&](int id) { shown.push_back(id); });
    EXPECT_EQ(result.ids,
              std::vector<int>(expected.begin(), expected.begin() + static_cast<ptrdiff_t>(count)));
    EXPECT_EQ(shown, result.ids);
  }
}

TEST(Generate, StopsBeforeAStopId) {
  Model model;
  const std::vector<int> expected = greedy_by_hand(model, 8);
  const std::vector<int> stops = {99, expected[3]};
  const auto end = std::ranges::find(expected, expected[3]);
  Generator generator = model.generator();
  const Generated result = generate(generator, kPrompt, 8, {.temperature = 0}, stops);
  EXPECT_EQ(result.ids, std::vector<int>(expected.begin(), end));
}

TEST(Generate, SameSeedSameText) {
  Model model;
  Generator generator = model.generator();
  const auto text = [&](uint64_t seed) {
    generator.restart();
    return generate(generator, kPrompt, 8, {.temperature = 5, .seed = seed}, kNoStops).ids;
  };
  const std::vector<int> ids = text(3);
  EXPECT_EQ(text(3), ids);
  EXPECT_NE(text(4), ids);
}

}  // namespace
}  // namespace anemone
