#include "anemone/runtime/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/base/error.h"
#include "anemone/ops/builder.h"

namespace anemone {
namespace {

using ::testing::HasSubstr;

std::string error_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

// y = relu(x w) in a stage called `name`.
Stage one_stage(const std::string& name) {
  Stage stage{Function(name, "ios18"), "x", "y", {"w"}};
  Builder b(stage.function);
  const Value x = b.input("x", DType::kFp32, {1, 2, 1, 3});
  const Value w = b.input("w", DType::kFp32, {2, 2, 1, 1});
  b.output("y", b.unary("relu", b.conv1x1(x, w)));
  return stage;
}

const Operation& operation(const Stage& stage, const std::string& type) {
  for (const auto& op : stage.function.operations) {
    if (op->type == type) return *op;
  }
  throw std::out_of_range(type);
}

TEST(Placement, TheFourPipelinesAreKnownAndOthersAreAnErrorThatListsThem) {
  for (const char* name : {"host", "static", "static-ane", "static-lora", "dynamic"}) {
    EXPECT_EQ(find_pipeline(name).name, name);
  }
  EXPECT_THAT(error_of([] { find_pipeline("statik"); }),
              HasSubstr("host, static, static-ane, static-lora and dynamic are known"));
}

TEST(Placement, OnlyStaticPipelinesBakeWeightsAndTheHostPipelineHasNoRows) {
  EXPECT_EQ(find_pipeline("static").constants, Constants::kAll);
  EXPECT_EQ(find_pipeline("static-ane").constants, Constants::kAll);
  EXPECT_EQ(find_pipeline("dynamic").constants, Constants::kNone);
  EXPECT_TRUE(find_pipeline("host").rows.empty());
}

TEST(Placement, TheLastRowThatMatchesDecides) {
  const Stage stage = one_stage("ffn");
  const Operation &conv = operation(stage, "conv"), &relu = operation(stage, "relu");
  Placement placement{"mine", Constants::kNone, 1, {}};
  EXPECT_EQ(find_row(placement, "ffn", Part::kForward, conv), nullptr);
  placement.rows = {{{"ffn"}, {Part::kForward}, {}, {}, true, ""},
                    {{}, {}, {"relu"}, {}, false, "host part"}};
  EXPECT_TRUE(find_row(placement, "ffn", Part::kForward, conv)->on_device);
  EXPECT_EQ(find_row(placement, "ffn", Part::kForward, relu)->program, "host part");
  EXPECT_EQ(find_row(placement, "ffn", Part::kBackward, conv), nullptr);
  EXPECT_EQ(find_row(placement, "attention", Part::kForward, conv), nullptr);
  placement.rows.push_back({{}, {}, {}, {"y"}, true, "by name"});
  EXPECT_EQ(find_row(placement, "ffn", Part::kForward, relu)->program, "by name");
}

TEST(PlacementFile, HoldsAllThatATableSays) {
  const Placement placement = parse_placement(
      R"({"name": "mine", "weights": "constants", "lanes": 2, "rows": [
          {"stages": ["ffn"], "parts": ["forward", "weight gradient"], "operations": ["conv"],
           "values": ["y"], "place": "device", "program": "p"},
          {"place": "host"}]})",
      "mine.json");
  EXPECT_EQ(placement.name, "mine");
  EXPECT_EQ(placement.constants, Constants::kAll);
  EXPECT_EQ(placement.lanes, 2);
  ASSERT_EQ(placement.rows.size(), 2u);
  const PlacementRow& row = placement.rows[0];
  EXPECT_EQ(row.stages, std::vector<std::string>{"ffn"});
  EXPECT_EQ(row.parts, (std::vector<Part>{Part::kForward, Part::kWeightGradient}));
  EXPECT_EQ(row.operations, std::vector<std::string>{"conv"});
  EXPECT_EQ(row.values, std::vector<std::string>{"y"});
  EXPECT_TRUE(row.on_device);
  EXPECT_EQ(row.program, "p");
  EXPECT_FALSE(placement.rows[1].on_device);
}

TEST(PlacementFile, WhatItDoesNotKnowIsAnErrorWithThePlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"[]", "not an object"},
      {"{", "mine.json"},
      {"{}", "no list 'rows'"},
      {R"({"rows": [], "wights": "inputs"})", "did you mean 'weights'"},
      {R"({"rows": [], "weights": "both"})",
       "unknown weights 'both' (inputs, constants and frozen constants are known)"},
      {R"({"rows": [], "lanes": 0})", "'lanes' is 0, not a number from 1 to 8"},
      {R"({"rows": [{"place": "gpu"}]})", "row 1: 'place' is 'gpu', not host or device"},
      {R"({"rows": [{}, {"parts": ["sideways"]}]})", "row 2: unknown part 'sideways'"},
      {R"({"rows": [{"operations": ["convv"]}]})", "row 1: there is no operation 'convv'"},
      {R"({"rows": [{"stages": "ffn"}]})", "'stages' is \"ffn\", not a list of strings"},
  };
  for (const auto& entry : cases) {
    EXPECT_THAT(error_of([&] { parse_placement(entry.first, "mine.json"); }),
                HasSubstr(entry.second))
        << entry.first;
  }
}

TEST(PlacementFile, ARowForAStageThatTheModelLacksIsAnError) {
  StageChain chain;
  chain.stages.push_back(one_stage("attention"));
  chain.stages.push_back(one_stage("ffn"));
  Placement placement{"mine", Constants::kNone, 1, {{{"ffn"}, {}, {}, {}, true, ""}}};
  EXPECT_EQ(error_of([&] { check_placement(placement, chain, "mine.json"); }), "no error");
  placement.rows.push_back({{"mlp"}, {}, {}, {}, true, ""});
  EXPECT_THAT(error_of([&] { check_placement(placement, chain, "mine.json"); }),
              AllOf(HasSubstr("mine.json: row 2"), HasSubstr("no stage 'mlp'"),
                    HasSubstr("attention, ffn are its stages")));
}

}  // namespace
}  // namespace anemone
