// The programs under tests/: good ones stay themselves, bad ones are refused where they say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "anemone/base/file.h"
#include "anemone/ops/verify.h"
#include "anemone/text/parser.h"
#include "anemone/text/printer.h"

namespace anemone {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> mil_files(const char* folder) {
  std::vector<fs::path> files;
  for (const auto& entry :
       fs::recursive_directory_iterator(fs::path(ANEMONE_SOURCE_DIR) / folder)) {
    if (entry.path().extension() == ".mil") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string test_name(const ::testing::TestParamInfo<fs::path>& info) {
  std::string name =
      info.param.parent_path().filename().string() + "_" + info.param.stem().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}

// "LINE:COLUMN message" of the first thing that is wrong, or "".
std::string first_finding(const std::string& text) {
  try {
    const std::vector<Diagnostic> found = verify(parse_mil(text));
    return found.empty() ? "" : found[0].where + " " + found[0].message;
  } catch (const Error& error) {
    return error.where() + " " + error.message();
  }
}

class GoodProgram : public ::testing::TestWithParam<fs::path> {};

TEST_P(GoodProgram, VerifiesCleanly) { EXPECT_EQ(first_finding(read_file(GetParam())), ""); }

TEST_P(GoodProgram, IsTheSameAfterPrintingAndParsing) {
  const Program program = parse_mil(read_file(GetParam()));
  EXPECT_TRUE(structurally_equal(program, parse_mil(print_mil(program))));
}

TEST_P(GoodProgram, SurvivesEveryDialect) {
  const Program program = parse_mil(read_file(GetParam()));
  for (const Dialect dialect : {Dialect::kA, Dialect::kB, Dialect::kC}) {
    for (const bool named : {false, true}) {
      const PrintOptions options = {.dialect = dialect, .named_constants_only = named};
      const std::string text = print_mil(program, options);
      EXPECT_EQ(first_finding(text), "") << text;
      EXPECT_EQ(print_mil(parse_mil(text), options), text);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Programs, GoodProgram, ::testing::ValuesIn(mil_files("tests/programs")),
                         test_name);

class BadProgram : public ::testing::TestWithParam<fs::path> {};

// The first line says "// expect: LINE:COLUMN part of the message".
TEST_P(BadProgram, IsRefusedWhereItsFirstLineSays) {
  const std::string text = read_file(GetParam());
  const std::string_view mark = "// expect: ";
  ASSERT_TRUE(text.starts_with(mark));
  const std::string expected = text.substr(mark.size(), text.find('\n') - mark.size());
  const size_t space = expected.find(' ');
  const std::string found = first_finding(text);
  EXPECT_EQ(found.substr(0, found.find(' ')), expected.substr(0, space)) << found;
  EXPECT_THAT(found, ::testing::HasSubstr(expected.substr(space + 1)));
}

// Those in tests/errors/ane are valid MIL that the Neural Engine refuses: ane_spec tests them.
std::vector<fs::path> bad_programs() {
  std::vector<fs::path> files = mil_files("tests/errors");
  std::erase_if(files, [](const fs::path& file) { return file.parent_path().filename() == "ane"; });
  return files;
}

INSTANTIATE_TEST_SUITE_P(Errors, BadProgram, ::testing::ValuesIn(bad_programs()), test_name);

}  // namespace
}  // namespace anemone
