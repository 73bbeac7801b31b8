#include "anemone/checkpoint/hf_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/test_directory.h"
#include "anemone/checkpoint/test_weights.h"
#include "anemone/data/safetensors.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;
using List = std::vector<std::pair<std::string, TensorView>>;

std::string error_of(const std::filesystem::path& directory) {
  try {
    read_hf_directory(directory);
  } catch (const Error& error) {
    EXPECT_THAT(error.where(), HasSubstr(directory.string()));
    return error.what();
  }
  return "no error";
}

void change_config(const std::filesystem::path& directory, const char* key, const Json& value) {
  Json json = Json::parse(read_file(directory / "config.json"));
  json[key] = value;
  write_file(directory / "config.json", json.dump());
}

// The tensors of a written model, to be changed and written again.
std::vector<std::pair<std::string, Tensor>> stored_tensors(const std::filesystem::path& directory) {
  const SafetensorsFile file(directory / "model.safetensors");
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const std::string& name : file.names()) tensors.emplace_back(name, file.read(name));
  return tensors;
}

List views(const std::vector<std::pair<std::string, Tensor>>& tensors) {
  List list;
  for (const auto& [name, tensor] : tensors) list.emplace_back(name, tensor.view());
  return list;
}

TEST(HfDirectory, SurvivesWithEitherClassifierAndAnyHeadSize) {
  const TestDirectory dir;
  for (bool tied : {true, false}) {
    for (int64_t head_size : {4, 6}) {
      const ModelWeights weights = tiny_weights(tied, head_size);
      write_hf_directory(dir / "model", weights);
      EXPECT_TRUE(same_values(read_hf_directory(dir / "model"), weights));
    }
  }
}

TEST(HfDirectory, QueryRowsThatAreInterleavedAreStoredInHalves) {
  const TestDirectory dir;
  ModelWeights weights = tiny_weights();
  weights.config.rope.interleaved = true;
  write_hf_directory(dir / "model", weights);
  const std::string name = "model.layers.0.self_attn.q_proj.weight";
  const Tensor stored = SafetensorsFile(dir / "model" / "model.safetensors").read(name);
  const Tensor& ours = weights.tensors.at(name);
  // Head size 4: our neighbours 0 and 1 are the file's rows 0 and 2.
  EXPECT_EQ(stored.at(0 * 16 + 5), ours.at(0 * 16 + 5));
  EXPECT_EQ(stored.at(2 * 16 + 5), ours.at(1 * 16 + 5));
  EXPECT_EQ(stored.at(1 * 16 + 5), ours.at(2 * 16 + 5));
}

TEST(HfDirectory, NarrowTypesAreRoundedAndReadBack) {
  const TestDirectory dir;
  const ModelWeights weights = tiny_weights();
  for (DType dtype : {DType::kFp16, DType::kBf16}) {
    write_hf_directory(dir / "model", weights, dtype);
    const ModelWeights read = read_hf_directory(dir / "model");
    for (const auto& [name, tensor] : weights.tensors) {
      EXPECT_TRUE(same_values(read.tensors.at(name), tensor.cast(dtype).cast(DType::kFp32)));
    }
  }
  EXPECT_EQ(Json::parse(read_file(dir / "model" / "config.json"))["torch_dtype"], "bfloat16");
  EXPECT_THROW(write_hf_directory(dir / "model", weights, DType::kInt8), Error);
}

// What `convert` writes again without being told a type: one that holds all that is there.
TEST(HfDirectory, TheStoredTypeHoldsEveryTensor) {
  const TestDirectory dir;
  write_hf_directory(dir / "model", tiny_weights(), DType::kBf16);
  EXPECT_EQ(read_hf_directory(dir / "model").stored, DType::kBf16);
  const auto file = dir / "model" / "model.safetensors";
  auto tensors = stored_tensors(dir / "model");
  for (auto& [name, tensor] : tensors) {
    if (name == "model.layers.0.input_layernorm.weight") tensor = tensor.cast(DType::kFp32);
  }
  write_safetensors(file, views(tensors));
  EXPECT_EQ(read_hf_directory(dir / "model").stored, DType::kFp32);
}

TEST(HfDirectory, ANumberTooLargeForHalfIsNotWrittenAsInfinity) {
  const TestDirectory dir;
  ModelWeights weights = tiny_weights();
  weights.tensors["model.norm.weight"].view().set(3, 1e6);
  EXPECT_THROW(write_hf_directory(dir / "model", weights, DType::kFp16), Error);
  EXPECT_NO_THROW(write_hf_directory(dir / "model", weights, DType::kBf16));
}

// transformers 5 (modeling_utils.py, tie_weights) ties only where both tensors are equal or one of
// them is missing.
TEST(HfDirectory, AClassifierOfItsOwnIsUsedAlthoughTheConfigurationTiesIt) {
  const TestDirectory dir;
  const ModelWeights untied = tiny_weights(false);
  write_hf_directory(dir / "model", untied);
  change_config(dir / "model", "tie_word_embeddings", true);
  const ModelWeights read = read_hf_directory(dir / "model");
  EXPECT_TRUE(same_values(read, untied));
  ASSERT_EQ(read.notes.size(), 1u);
  EXPECT_THAT(read.notes[0], HasSubstr("lm_head.weight differs from model.embed_tokens.weight"));

  write_hf_directory(dir / "again", read);
  EXPECT_EQ(Json::parse(read_file(dir / "again" / "config.json"))["tie_word_embeddings"], false);
  EXPECT_TRUE(read_hf_directory(dir / "again").notes.empty());
}

TEST(HfDirectory, ATiedClassifierMayBeThereTwiceOrInstead) {
  const TestDirectory dir;
  const ModelWeights tied = tiny_weights(true);
  write_hf_directory(dir / "model", tied);
  auto tensors = stored_tensors(dir / "model");
  const Tensor& embedding = tied.tensors.at("model.embed_tokens.weight");
  tensors.emplace_back("lm_head.weight", embedding.clone());
  write_safetensors(dir / "model" / "model.safetensors", views(tensors));
  const ModelWeights twice = read_hf_directory(dir / "model");
  EXPECT_TRUE(same_values(twice, tied));
  EXPECT_TRUE(twice.notes.empty());

  std::erase_if(tensors, [](const auto& t) { return t.first == "model.embed_tokens.weight"; });
  write_safetensors(dir / "model" / "model.safetensors", views(tensors));
  EXPECT_TRUE(same_values(read_hf_directory(dir / "model"), tied));

  tensors.pop_back();
  tensors.emplace_back("lm_head.weight", Tensor(DType::kFp32, {3, 16}));
  write_safetensors(dir / "model" / "model.safetensors", views(tensors));
  EXPECT_THAT(error_of(dir / "model"), HasSubstr("'lm_head.weight': has shape [3, 16]"));
}

TEST(HfDirectory, IdsOfMarksAreWrittenBack) {
  const TestDirectory dir;
  write_hf_directory(dir / "model", tiny_weights());
  change_config(dir / "model", "bos_token_id", 0);
  change_config(dir / "model", "eos_token_id", 0);
  write_hf_directory(dir / "again", read_hf_directory(dir / "model"));
  const Json config = Json::parse(read_file(dir / "again" / "config.json"));
  EXPECT_EQ(config["bos_token_id"], 0);
  EXPECT_EQ(config["eos_token_id"], 0);
}

TEST(HfDirectory, ReadsShardsThroughTheIndex) {
  const TestDirectory dir;
  const ModelWeights weights = tiny_weights(false);
  write_hf_directory(dir.path(), weights);
  const auto tensors = stored_tensors(dir.path());
  std::filesystem::remove(dir / "model.safetensors");
  const List list = views(tensors);
  const auto half = list.begin() + static_cast<ptrdiff_t>(list.size() / 2);
  write_safetensors(dir / "a.safetensors", List(list.begin(), half));
  write_safetensors(dir / "b.safetensors", List(half, list.end()));
  Json index;
  for (auto it = list.begin(); it != list.end(); ++it) {
    index["weight_map"][it->first] = it < half ? "a.safetensors" : "b.safetensors";
  }
  write_file(dir / "model.safetensors.index.json", index.dump());
  EXPECT_TRUE(same_values(read_hf_directory(dir.path()), weights));

  index["weight_map"]["model.norm.weight"] = "a.safetensors";
  write_file(dir / "model.safetensors.index.json", index.dump());
  EXPECT_THAT(error_of(dir.path()), HasSubstr("has no tensor 'model.norm.weight'"));
  for (const char* name : {"../b.safetensors", "/etc/passwd", "", ".."}) {
    index["weight_map"]["model.norm.weight"] = name;
    write_file(dir / "model.safetensors.index.json", index.dump());
    EXPECT_NE(error_of(dir.path()), "no error") << name;
  }
  write_file(dir / "model.safetensors.index.json", "[]");
  EXPECT_THAT(error_of(dir.path()), HasSubstr("has no 'weight_map'"));
}

TEST(HfDirectory, IgnoresRotaryTables) {
  const TestDirectory dir;
  const ModelWeights weights = tiny_weights(true);
  write_hf_directory(dir.path(), weights);
  auto tensors = stored_tensors(dir.path());
  tensors.emplace_back("model.layers.0.self_attn.rotary_emb.inv_freq", Tensor(DType::kFp32, {2}));
  write_safetensors(dir / "model.safetensors", views(tensors));
  EXPECT_TRUE(same_values(read_hf_directory(dir.path()), weights));
}

TEST(HfDirectory, WeightsAndConfigurationMustAgree) {
  const TestDirectory dir;
  write_hf_directory(dir.path(), tiny_weights(true));
  change_config(dir.path(), "tie_word_embeddings", false);
  EXPECT_THAT(error_of(dir.path()),
              HasSubstr("'lm_head.weight' is missing (config.json says that tie_word"));
  change_config(dir.path(), "tie_word_embeddings", true);
  change_config(dir.path(), "intermediate_size", 25);
  EXPECT_THAT(error_of(dir.path()), HasSubstr("has shape [24, 16], config.json asks for [25, 16]"));
  change_config(dir.path(), "intermediate_size", 24);
  change_config(dir.path(), "num_hidden_layers", 1);
  EXPECT_THAT(error_of(dir.path()), HasSubstr("has no place for tensor 'model.layers.1."));
  change_config(dir.path(), "num_hidden_layers", 1000);
  EXPECT_THAT(error_of(dir.path()), HasSubstr("too few for the 1000 layers"));
}

TEST(HfDirectory, OtherElementTypesAreRefused) {
  const TestDirectory dir;
  write_hf_directory(dir.path(), tiny_weights());
  auto tensors = stored_tensors(dir.path());
  for (auto& [name, tensor] : tensors) {
    if (name == "model.norm.weight") tensor = Tensor(DType::kInt8, {16});
  }
  write_safetensors(dir / "model.safetensors", views(tensors));
  EXPECT_THAT(error_of(dir.path()), HasSubstr("has elements of type int8"));
}

TEST(HfDirectory, WhatIsMissingOrDamagedIsNamed) {
  const TestDirectory dir;
  EXPECT_THAT(error_of(dir.path()), HasSubstr("has no config.json"));
  write_hf_directory(dir.path(), tiny_weights());
  std::filesystem::remove(dir / "model.safetensors");
  EXPECT_THAT(error_of(dir.path()), HasSubstr("has neither model.safetensors nor"));
  write_file(dir / "model.safetensors", "garbage that is no model");
  EXPECT_THAT(error_of(dir.path()), HasSubstr("not a safetensors file"));
  write_file(dir / "config.json", "{");
  EXPECT_THAT(error_of(dir.path()), HasSubstr("config.json: is not JSON from byte 2"));
}

}  // namespace
}  // namespace anemone
