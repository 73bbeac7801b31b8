#include "anemone/checkpoint/load_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/test_directory.h"
#include "anemone/checkpoint/test_weights.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;

std::string error_of(const std::filesystem::path& path) {
  try {
    load_model(path);
  } catch (const Error& error) {
    EXPECT_THAT(error.where(), HasSubstr(path.string()));
    return error.what();
  }
  return "no error";
}

TEST(LoadModel, ThePathTellsTheFormat) {
  const TestDirectory dir;
  const ModelWeights weights = tiny_weights();
  save_model(dir / "a.bin", weights);
  save_model(dir / "b", weights);
  EXPECT_TRUE(std::filesystem::is_regular_file(dir / "a.bin"));
  EXPECT_TRUE(std::filesystem::is_regular_file(dir / "b" / "config.json"));
  ModelWeights from_file = load_model(dir / "a.bin");
  set_interleaved(from_file, false);
  EXPECT_TRUE(same_values(from_file, weights));
  EXPECT_TRUE(same_values(load_model(dir / "b"), weights));
}

TEST(LoadModel, TheRealModelSurvivesHuggingFaceForm) {
  const std::filesystem::path path = ANEMONE_SOURCE_DIR "/../shared/data/stories260K.bin";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const TestDirectory dir;
  const ModelWeights weights = load_model(path);
  save_model(dir / "hf", weights);
  ModelWeights again = load_model(dir / "hf");
  set_interleaved(again, true);
  EXPECT_TRUE(same_values(again, weights));
}

TEST(LoadModel, PathsThatAreNoModelsAreNamed) {
  const TestDirectory dir;
  EXPECT_THAT(error_of(dir / "absent"), HasSubstr("No such file"));
  EXPECT_THAT(error_of(dir / "absent.bin"), HasSubstr("No such file"));
  EXPECT_THAT(error_of(dir.path()), HasSubstr("has no config.json"));
  write_file(dir / "notes.txt", "These are notes and not a model at all.");
  EXPECT_THAT(error_of(dir / "notes.txt"), HasSubstr("is this a llama2.c model file?"));
  EXPECT_THAT(error_of(dir / "notes.txt" / "deeper"), HasSubstr("Not a directory"));
  save_model(dir / "b", tiny_weights());
  EXPECT_THAT(error_of(dir / "b" / "model.safetensors"), HasSubstr("give the directory"));
}

TEST(LoadModel, WeightsThatAreNotNumbersAreRefusedBothWays) {
  const TestDirectory dir;
  ModelWeights weights = tiny_weights();
  save_model(dir / "a.bin", weights);
  std::string bytes = read_file(dir / "a.bin");
  bytes.replace(28 + 8, 4, std::string("\x00\x00\xC0\x7F", 4));
  write_file(dir / "nan.bin", bytes);
  EXPECT_THAT(error_of(dir / "nan.bin"),
              HasSubstr("tensor 'model.embed_tokens.weight': element 2 is nan"));
  weights.tensors["model.norm.weight"].view().set(0, NAN);
  EXPECT_THROW(save_model(dir / "c", weights), Error);
  EXPECT_FALSE(std::filesystem::exists(dir / "c"));
}

TEST(SaveModel, HalfPrecisionDirectoriesHoldTheRoundedNumbersAndBinFilesRefuse) {
  const TestDirectory dir;
  const ModelWeights weights = tiny_weights();
  save_model(dir / "half", weights, DType::kBf16);
  const ModelWeights read = load_model(dir / "half");
  for (const auto& [name, tensor] : weights.tensors) {
    const Tensor rounded = tensor.cast(DType::kBf16).cast(DType::kFp32);
    for (int64_t i = 0; i < tensor.size(); ++i) {
      ASSERT_EQ(read.tensors.at(name).at(i), rounded.at(i)) << name;
    }
  }
  EXPECT_THROW(save_model(dir / "a.bin", weights, DType::kFp16), Error);
}

}  // namespace
}  // namespace anemone
