#include "anemone/base/nearest_name.h"

#include <gtest/gtest.h>

namespace anemone {
namespace {

const std::vector<std::string_view> kVerbs = {"train", "generate", "eval", "bench"};

TEST(NearestName, NamesTheCandidateOfTheFewestEdits) {
  EXPECT_EQ(suggest("generat", kVerbs), "did you mean 'generate'?");
  EXPECT_EQ(suggest("evall", kVerbs), "did you mean 'eval'?");
  EXPECT_EQ(suggest("banch", kVerbs), "did you mean 'bench'?");
}

TEST(NearestName, TwoLettersInTheWrongOrderAreOneEdit) {
  EXPECT_EQ(suggest("trian", kVerbs), "did you mean 'train'?");
  EXPECT_EQ(suggest("tarin", kVerbs), "did you mean 'train'?");
  EXPECT_EQ(suggest("evla", kVerbs), "did you mean 'eval'?");
}

TEST(NearestName, KeepsSilentWhereNothingIsNear) {
  EXPECT_EQ(suggest("x", kVerbs), "");
  EXPECT_EQ(suggest("", kVerbs), "");
  EXPECT_EQ(suggest("rain water", kVerbs), "");
}

}  // namespace
}  // namespace anemone
