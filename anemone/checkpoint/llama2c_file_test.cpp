#include "anemone/checkpoint/llama2c_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/test_directory.h"
#include "anemone/checkpoint/test_weights.h"

namespace anemone {
namespace {

// As llama2.c has it.
ModelWeights interleaved_weights(bool tied = true, int64_t head_size = 4) {
  ModelWeights weights = tiny_weights(tied, head_size);
  weights.config.rope.interleaved = true;
  return weights;
}

using ::testing::HasSubstr;

// Without the sync of write_file(), which costs milliseconds.
void overwrite(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

const std::filesystem::path kStories = ANEMONE_SOURCE_DIR "/../shared/data/stories260K.bin";

std::string error_of(const std::filesystem::path& path) {
  try {
    read_llama2c(path);
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), path.string());
    return error.what();
  }
  return "no error";
}

template <typename T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string raw(const ModelWeights& weights, const std::string& name) {
  const Tensor& tensor = weights.tensors.at(name);
  return {static_cast<const char*>(tensor.data()), tensor.bytes()};
}

constexpr const char* kNormParts[] = {"input_layernorm", "post_attention_layernorm"};
constexpr const char* kMatrixParts[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                                        "self_attn.o_proj", "mlp.gate_proj",    "mlp.down_proj",
                                        "mlp.up_proj"};

// The first 256 bytes of v1 and v2, as export.py packs them.
std::string versioned_header(const TransformerConfig& config, int version, int group_size = 0) {
  std::string header = raw<uint32_t>({0x616b3432});
  header += raw<int32_t>({version});
  for (int64_t size : {config.dim, config.hidden_dim, config.layers, config.heads, config.kv_heads,
                       config.vocab_size, config.max_sequence}) {
    header += raw<int32_t>({static_cast<int32_t>(size)});
  }
  header += static_cast<char>(config.tied_classifier);
  if (version == 2) header += raw<int32_t>({group_size});
  header.resize(256, '\0');
  return header;
}

std::string norms(const ModelWeights& weights) {
  std::string bytes;
  for (const char* part : kNormParts) {
    for (int layer = 0; layer < 2; ++layer)
      bytes += raw(weights, layer_prefix(layer) + part + ".weight");
  }
  return bytes + raw(weights, "model.norm.weight");
}

std::vector<std::string> matrices(const TransformerConfig& config) {
  std::vector<std::string> names = {"model.embed_tokens.weight"};
  for (const char* part : kMatrixParts) {
    for (int layer = 0; layer < 2; ++layer) names.push_back(layer_prefix(layer) + part + ".weight");
  }
  if (!config.tied_classifier) names.push_back("lm_head.weight");
  return names;
}

TEST(Llama2cFile, ReadsTheRealStoriesModel) {
  if (!std::filesystem::exists(kStories)) GTEST_SKIP() << "no " << kStories;
  const ModelWeights weights = read_llama2c(kStories);
  EXPECT_EQ(weights.config, *model_preset("stories260k"));
  EXPECT_NO_THROW(check(weights, "stories260K"));
  // A trained norm has gains near one; a wrong offset would give matrix entries near zero.
  for (int layer = 0; layer < 5; ++layer) {
    for (const char* part : kNormParts) {
      for (float gain : weights.tensors.at(layer_prefix(layer) + part + ".weight").as<float>()) {
        EXPECT_GT(std::abs(gain), 0.05f);
      }
    }
  }
}

TEST(Llama2cFile, WritingTheRealModelGivesTheSameFileButForRoundingInItsRotaryTables) {
  if (!std::filesystem::exists(kStories)) GTEST_SKIP() << "no " << kStories;
  const TestDirectory dir;
  write_llama2c(dir / "copy.bin", read_llama2c(kStories));
  const std::string original = read_file(kStories), copy = read_file(dir / "copy.bin");
  ASSERT_EQ(copy.size(), original.size());
  // The tables end the file: cos and sin of [512, 8 / 2].
  const size_t tables = 2 * 512 * 4 * sizeof(float);
  EXPECT_EQ(copy.substr(0, copy.size() - tables), original.substr(0, copy.size() - tables));
  for (size_t at = copy.size() - tables; at < copy.size(); at += sizeof(float)) {
    float a = 0, b = 0;
    std::memcpy(&a, copy.data() + at, sizeof a);
    std::memcpy(&b, original.data() + at, sizeof b);
    ASSERT_NEAR(a, b, 5e-5) << at;
  }
}

TEST(Llama2cFile, Version0SurvivesWithEitherClassifier) {
  const TestDirectory dir;
  for (bool tied : {true, false}) {
    const ModelWeights weights = interleaved_weights(tied);
    write_llama2c(dir / "a.bin", weights);
    EXPECT_TRUE(same_values(read_llama2c(dir / "a.bin"), weights));
    int32_t vocab = 0;
    std::memcpy(&vocab, read_file(dir / "a.bin").data() + 5 * sizeof(int32_t), sizeof vocab);
    EXPECT_EQ(vocab, tied ? 12 : -12);
  }
}

TEST(Llama2cFile, Version1HasTheNormsFirst) {
  const TestDirectory dir;
  for (bool tied : {true, false}) {
    const ModelWeights weights = interleaved_weights(tied);
    std::string bytes = versioned_header(weights.config, 1) + norms(weights);
    for (const std::string& name : matrices(weights.config)) bytes += raw(weights, name);
    write_file(dir / "v1.bin", bytes);
    EXPECT_TRUE(same_values(read_llama2c(dir / "v1.bin"), weights));
  }
}

TEST(Llama2cFile, Version2IsInt8TimesTheScaleOfItsGroup) {
  const TestDirectory dir;
  ModelWeights weights = interleaved_weights(false);
  std::string bytes = versioned_header(weights.config, 2, 8) + norms(weights);
  for (const std::string& name : matrices(weights.config)) {
    const auto values = weights.tensors.at(name).as<float>();
    std::vector<int8_t> quantized;
    std::vector<float> scales;
    for (size_t i = 0; i < values.size(); ++i) {
      if (i % 8 == 0) scales.push_back(0.25f * static_cast<float>(scales.size() + 1));
      quantized.push_back(static_cast<int8_t>(static_cast<int>(i % 255) - 127));
      values[i] = static_cast<float>(quantized.back()) * scales.back();
    }
    bytes += raw(quantized) + raw(scales);
  }
  write_file(dir / "v2.bin", bytes);
  EXPECT_TRUE(same_values(read_llama2c(dir / "v2.bin"), weights));

  write_file(dir / "v2.bin", versioned_header(weights.config, 2, 7) + bytes.substr(256));
  EXPECT_THAT(error_of(dir / "v2.bin"), HasSubstr("a group size of 7 does not divide"));
  write_file(dir / "v2.bin", versioned_header(weights.config, 2, 0) + bytes.substr(256));
  EXPECT_THAT(error_of(dir / "v2.bin"), HasSubstr("a group size of 0"));
}

TEST(Llama2cFile, AFileOfTheWrongLengthSaysBothLengths) {
  const TestDirectory dir;
  write_llama2c(dir / "a.bin", interleaved_weights());
  const std::string whole = read_file(dir / "a.bin");
  write_file(dir / "long.bin", whole + "x");
  EXPECT_THAT(error_of(dir / "long.bin"),
              HasSubstr("has " + std::to_string(whole.size() + 1) + " bytes, its header asks for " +
                        std::to_string(whole.size())));
  for (size_t size : {size_t{0}, size_t{27}, size_t{28}, size_t{100}, whole.size() - 1}) {
    write_file(dir / "short.bin", whole.substr(0, size));
    EXPECT_NE(error_of(dir / "short.bin"), "no error") << size;
  }
}

TEST(Llama2cFile, GarbageIsRefusedBeforeAnythingIsAllocated) {
  const TestDirectory dir;
  write_file(dir / "text.bin", "Once upon a time there was a little file that was no model.");
  EXPECT_THAT(error_of(dir / "text.bin"), HasSubstr("the header makes no sense: dim"));
  write_file(dir / "huge.bin", raw<int32_t>({131072, 524288, 1024, 1024, 1024, 1 << 24, 1 << 24}));
  EXPECT_THAT(error_of(dir / "huge.bin"), HasSubstr("16777216 x 131072 numbers"));
  write_file(dir / "big.bin", raw<int32_t>({1 << 16, 1 << 19, 1024, 1024, 1024, 1 << 24, 1 << 24}));
  EXPECT_THAT(error_of(dir / "big.bin"), HasSubstr("has 28 bytes"));
  write_file(dir / "v3.bin", versioned_header(interleaved_weights().config, 3));
  EXPECT_THAT(error_of(dir / "v3.bin"), HasSubstr("version 3 is unknown"));
  write_file(dir / "cut.bin", versioned_header(interleaved_weights().config, 1).substr(0, 200));
  EXPECT_THAT(error_of(dir / "cut.bin"), HasSubstr("200 bytes are too few"));
  write_file(dir / "heads.bin", raw<int32_t>({16, 24, 2, 3, 3, 12, 10}));
  EXPECT_THAT(error_of(dir / "heads.bin"), HasSubstr("not a multiple of 3 heads"));
  write_file(dir / "zero.bin", std::string(100, '\0'));
  EXPECT_THAT(error_of(dir / "zero.bin"), HasSubstr("vocab_size is 0"));
}

TEST(Llama2cFile, DamagedHeadersAreErrorsOrModelsNeverCrashes) {
  const TestDirectory dir;
  write_llama2c(dir / "v0.bin", interleaved_weights());
  const std::string legacy = read_file(dir / "v0.bin");
  const std::string versioned =
      versioned_header(interleaved_weights().config, 2, 8) + legacy.substr(28);
  Random random(6);
  for (int round = 0; round < 500; ++round) {
    std::string damaged = round % 2 ? legacy : versioned;
    for (uint64_t i = 1 + random.below(3); i > 0; --i) {
      damaged[random.below(48)] = static_cast<char>(random.next());
    }
    overwrite(dir / "b.bin", damaged);
    try {
      read_llama2c(dir / "b.bin");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidInput) << error.what();
    }
  }
}

TEST(Llama2cFile, WhatVersion0CannotHoldIsNotWritten) {
  const TestDirectory dir;
  EXPECT_THROW(write_llama2c(dir / "a.bin", interleaved_weights(true, 8)), Error);
  ModelWeights weights = interleaved_weights();
  weights.config.rope.theta = 500000;
  EXPECT_THROW(write_llama2c(dir / "a.bin", weights), Error);
  weights = interleaved_weights();
  weights.config.norm_epsilon = 1e-6;
  EXPECT_THROW(write_llama2c(dir / "a.bin", weights), Error);
  EXPECT_FALSE(std::filesystem::exists(dir / "a.bin"));
}

TEST(Llama2cFile, RowsInHalvesAreWrittenInterleaved) {
  const TestDirectory dir;
  ModelWeights weights = interleaved_weights();
  const ModelWeights expected = interleaved_weights();
  set_interleaved(weights, false);
  write_llama2c(dir / "a.bin", weights);
  EXPECT_TRUE(same_values(read_llama2c(dir / "a.bin"), expected));
}

TEST(Llama2cFile, AModelOfAnotherFamilyIsRefused) {
  const TestDirectory dir;
  ModelWeights weights = interleaved_weights();
  weights.config.model_type = "qwen3";
  EXPECT_THROW(write_llama2c(dir / "a.bin", weights), Error);
}

}  // namespace
}  // namespace anemone
