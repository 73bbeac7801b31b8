// The programs in tests/errors/ane: each breaks one rule on one chip, and every rule has one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>

#include "anemone/base/file.h"
#include "anemone/devices/ane_spec/operation_table.h"
#include "anemone/devices/ane_spec/rules.h"
#include "anemone/ops/registry.h"
#include "anemone/ops/verify.h"
#include "anemone/text/parser.h"

namespace anemone {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = fs::path(ANEMONE_SOURCE_DIR) / "tests/errors/ane";

// "m3-ultra" is of the third generation, whatever else is known of it.
Chip chip_named(const std::string& name) {
  Chip chip;
  chip.name = name;
  chip.family = static_cast<AneFamily>(12 + name.at(1) - '0');
  return chip;
}

std::vector<fs::path> programs() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(kFolder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

class ErrorProgram : public ::testing::TestWithParam<fs::path> {};

// The first line says "// expect: LINE:COLUMN ane.cN chip".
TEST_P(ErrorProgram, BreaksItsRuleAndNoOtherWhereItsFirstLineSays) {
  const std::string text = read_file(GetParam());
  static const std::regex pattern(R"(// expect: (\d+:\d+) (ane\.c(\d+)) (m\d[a-z-]*)\n[^]*)");
  std::smatch match;
  ASSERT_TRUE(std::regex_match(text, match, pattern));
  EXPECT_EQ(GetParam().filename().string(), "ane_c" + match[3].str() + ".mil");
  const Program program = parse_mil(text);
  ASSERT_THAT(verify(program), ::testing::IsEmpty());
  const Chip chip = chip_named(match[4]);
  const auto findings = check_rules(program.functions.at(0), Target{.chip = &chip});
  ASSERT_EQ(findings.size(), 1u) << findings.back().rule->id << findings.back().violation.message;
  EXPECT_EQ(findings[0].rule->id, match[2].str());
  EXPECT_EQ(findings[0].violation.where, match[1].str());
}

INSTANTIATE_TEST_SUITE_P(Ane, ErrorProgram, ::testing::ValuesIn(programs()),
                         [](const auto& info) { return info.param.stem().string(); });

TEST(Rules, EveryRuleOnProgramsHasAnErrorProgram) {
  std::set<std::string> wanted, present;
  for (const Rule& rule : ane_rules()) {
    if (rule.check) wanted.insert("ane_" + std::string(rule.id.substr(4)) + ".mil");
  }
  for (const fs::path& file : programs()) present.insert(file.filename().string());
  EXPECT_EQ(present, wanted);
}

// A row of docs/ane.md begins "| `ane.c15` |"; in its last cell, "not checked" where no code is.
TEST(Rules, CodeAndDocumentationHaveTheSameRules) {
  const std::string docs = read_file(fs::path(ANEMONE_SOURCE_DIR) / "docs/ane.md");
  static const std::regex row(R"(\n\| `(ane\.c\d+)` \|([^\n]*))");
  std::multiset<std::string> documented, in_code;
  for (std::sregex_iterator at(docs.begin(), docs.end(), row), end; at != end; ++at) {
    if ((*at)[2].str().find("not checked") == std::string::npos) documented.insert((*at)[1]);
  }
  for (const Rule& rule : ane_rules()) in_code.insert(std::string(rule.id));
  EXPECT_EQ(documented, in_code);
}

TEST(Rules, AreWordedCompletely) {
  for (const Rule& rule : ane_rules()) {
    EXPECT_FALSE(rule.title.empty() || rule.workaround.empty() || rule.evidence.empty()) << rule.id;
    EXPECT_NE(rule.holds_for, nullptr) << rule.id;
    EXPECT_NE(rule.title.back(), '.') << rule.id;
  }
}

TEST(OperationTable, HasEveryMilOperationOnceAndInOrder) {
  std::vector<std::string> known, listed;
  for (const OpDef* def : all_ops()) {
    if (!def->name.starts_with("anemone.")) known.emplace_back(def->name);
  }
  for (const AneOperation& row : ane_operations()) listed.emplace_back(row.name);
  EXPECT_EQ(listed, known);
}

TEST(OperationTable, SaysWhatToDoInsteadOfEveryRefusedOperation) {
  for (const AneOperation& row : ane_operations()) {
    const bool refused = row.support == AneSupport::kRefused || row.since > AneFamily::kH13;
    EXPECT_EQ(refused, !row.instead.empty()) << row.name;
    EXPECT_EQ(find_ane_operation(row.name), &row);
  }
  EXPECT_EQ(find_ane_operation("list_read"), nullptr);
}

// The names in backticks from `begin` to the end of its paragraph.
std::vector<std::string> names_after(const std::string& docs, const std::string& begin) {
  const size_t start = docs.find(begin);
  const std::string paragraph = docs.substr(start, docs.find("\n\n", start) - start);
  static const std::regex name("`([a-z_0-9]+)`");
  std::vector<std::string> names;
  for (std::sregex_iterator at(paragraph.begin(), paragraph.end(), name), end; at != end; ++at) {
    names.push_back((*at)[1]);
  }
  return names;
}

TEST(OperationTable, IsTheOneInTheDocumentation) {
  const std::string docs = read_file(fs::path(ANEMONE_SOURCE_DIR) / "docs/ane.md");
  std::vector<std::string> proven, refused;
  for (const AneOperation& row : ane_operations()) {
    if (row.support == AneSupport::kRefused) refused.emplace_back(row.name);
    if (row.support == AneSupport::kProven && row.name != "const") proven.emplace_back(row.name);
  }
  EXPECT_EQ(names_after(docs, "**Proven**"), proven);
  EXPECT_EQ(names_after(docs, "**Refused:**"), refused);
}

}  // namespace
}  // namespace anemone
