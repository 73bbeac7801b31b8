#include "anemone/report/gnuplot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "anemone/base/file.h"
#include "anemone/base/test_directory.h"

namespace anemone {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Plot example(const std::string& name) {
  Plot plot;
  plot.title = plot.x_label = plot.y_label = name;
  plot.log_x = plot.log_y = true;
  plot.series.push_back({name, SeriesKind::kPoints, 1, Origin::kSimulated, {{1, 2}, {10, 20}}});
  return plot;
}

Plot bars(const std::string& name) {
  Plot plot;
  plot.x_label = "time, ms";
  plot.rows = {name, "second"};
  plot.boxes.push_back({name, 1, {{0, 3, 0}, {2, 5, 1}}});
  return plot;
}

// Draws, or skips where there is no gnuplot.
#define DRAWN_OR_SKIP(variable, plot)                                  \
  const Drawing variable = draw_with_gnuplot(plot, "p1-");             \
  if (variable.problem.find("cannot be started") != std::string::npos) \
  GTEST_SKIP() << variable.problem

TEST(Gnuplot, DrawsAnElementForAPage) {
  DRAWN_OR_SKIP(drawing, example("m4 (simulated)"));
  EXPECT_EQ(drawing.problem, "");
  EXPECT_THAT(drawing.svg, StartsWith("<svg"));
  EXPECT_THAT(drawing.svg, HasSubstr("m4 (simulated)"));
  EXPECT_THAT(drawing.svg, HasSubstr("currentColor"));
  EXPECT_THAT(drawing.svg, Not(HasSubstr("id='gp")));  // would be another picture's
}

TEST(Gnuplot, LabelsAreNeverCommandsOrElements) {
  const TestDirectory directory;
  const std::string touched = (directory / "touched").string();
  for (const std::string& evil :
       {std::string("<script>alert(1)</script>"), "\"; system(\"touch " + touched + "\")",
        "'; system('touch " + touched + "'); '", "`touch " + touched + "`",
        "$(touch " + touched + ")", "a\nsystem('touch " + touched + "')\n",
        "\\'; system('touch " + touched + "') #", std::string("ends with \\"),
        "\\'; system('touch " + touched + "')\\", std::string("@macro %s {/Bold x} ^a_b")}) {
    for (const Plot& plot : {example(evil), bars(evil)}) {
      DRAWN_OR_SKIP(drawing, plot);
      EXPECT_EQ(drawing.problem, "") << evil;
      EXPECT_THAT(drawing.svg, Not(HasSubstr("<script"))) << evil;
      EXPECT_FALSE(std::filesystem::exists(touched)) << evil;
    }
  }
}

TEST(Gnuplot, WhatALogarithmDoesNotHaveIsLeftOut) {
  Plot plot = example("a");
  plot.series[0].points.push_back({0, -1});
  plot.series[0].points.push_back({INFINITY, NAN});
  const std::string script = gnuplot_script(plot);
  EXPECT_THAT(script, Not(HasSubstr("inf")));
  EXPECT_THAT(script, Not(HasSubstr("-1 ")));
  DRAWN_OR_SKIP(drawing, plot);
  EXPECT_EQ(drawing.problem, "");
}

TEST(Gnuplot, TheKeyNamesEverything) {
  Plot plot = bars("0");
  plot.rows.resize(1);
  plot.boxes.clear();
  for (int i = 0; i < 11; ++i) {
    plot.boxes.push_back({"component " + std::to_string(i), i, {{1.0 * i, i + 1.0, 0}}});
  }
  DRAWN_OR_SKIP(drawing, plot);
  for (const PlotBoxes& boxes : plot.boxes) EXPECT_THAT(drawing.svg, HasSubstr(boxes.name + "<"));
}

TEST(Gnuplot, MissingItSaysWhatToInstall) {
  const Drawing drawing = draw_with_gnuplot(example("a"), "p1-", "/nowhere/gnuplot");
  EXPECT_EQ(drawing.svg, "");
  EXPECT_THAT(drawing.problem, HasSubstr("gnuplot-nox"));
  EXPECT_THAT(drawing.problem, HasSubstr("brew install gnuplot"));
}

TEST(Gnuplot, FailingItIsQuoted) {
  const TestDirectory directory;
  const auto program = directory / "gnuplot";
  write_file(program, "#!/bin/sh\necho 'no such terminal' >&2\nexit 1\n");
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  const Drawing drawing = draw_with_gnuplot(example("a"), "p1-", program.string());
  EXPECT_THAT(drawing.problem, HasSubstr("no such terminal"));
}

TEST(Gnuplot, OriginsDifferInMoreThanColour) {
  Plot measured = example("a"), simulated = example("a"), published = example("a");
  measured.series[0].origin = Origin::kMeasured;
  published.series[0].origin = Origin::kPublished;
  EXPECT_THAT(gnuplot_script(measured), HasSubstr("pt 7"));   // filled
  EXPECT_THAT(gnuplot_script(simulated), HasSubstr("pt 6"));  // outline
  EXPECT_THAT(gnuplot_script(published), HasSubstr("pt 1"));  // strokes
}

}  // namespace
}  // namespace anemone
