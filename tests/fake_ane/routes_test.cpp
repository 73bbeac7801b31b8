// Programs through both routes, by tables of functions and by libraries that are opened.
#include "tests/fake_ane/route_testing.h"

namespace anemone::fake_ane {
namespace {

struct Way {
  RouteKind kind;
  bool libraries;
};

class Routes : public testing::TestWithParam<Way> {
 protected:
  Machine machine{GetParam().kind, GetParam().libraries};
};

TEST_P(Routes, ComputeAProgram) {
  TestProgram program = machine.compile(kSimple);
  const Tensor y = program.run({3})[0].clone();
  EXPECT_EQ(y.at(0), 7);
  EXPECT_EQ(y.at(63), 2 * 66 + 1);
}

TEST_P(Routes, ComputeWithWeightsFromAFile) {
  TestProgram program = machine.compile(kWeighted);
  EXPECT_NE(program.files().mil_text.find("BLOBFILE"), std::string::npos);
  const Tensor y = program.run({0})[0].clone();
  EXPECT_EQ(y.at(17), 2 * 17 + 1);
  EXPECT_EQ(y.at(15), 2 * 15 + 15);
}

std::string way_name(const testing::TestParamInfo<Way>& way) {
  return std::string(way.param.kind == RouteKind::kE5rt ? "E5rt" : "InMemory") +
         (way.param.libraries ? "Libraries" : "Tables");
}

INSTANTIATE_TEST_SUITE_P(Fake, Routes,
                         testing::Values(Way{RouteKind::kE5rt, false}, Way{RouteKind::kE5rt, true},
                                         Way{RouteKind::kInMemory, false},
                                         Way{RouteKind::kInMemory, true}),
                         way_name);

}  // namespace
}  // namespace anemone::fake_ane
