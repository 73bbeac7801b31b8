// docs/ops.md holds the table of operations that the registry gives. After a change:
// ANEMONE_UPDATE_DOCS=1 ane_spec_test --gtest_filter='OperationDocs.*'
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>
#include <string>

#include "anemone/base/file.h"
#include "anemone/devices/ane_spec/operation_table.h"
#include "anemone/ops/registry.h"

namespace anemone {
namespace {

constexpr std::string_view kBegin = "<!-- operations: begin -->\n";
constexpr std::string_view kEnd = "<!-- operations: end -->\n";

std::string parameters_of(const OpDef& def) {
  std::string list;
  for (const Param& param : def.params) {
    list += (list.empty() ? "" : ", ") + std::string(param.name);
    const bool is_constant =
        param.form == Param::Form::kConst || param.form == Param::Form::kPacked;
    if (is_constant) list += "*";
    if (param.optional) list += "?";
  }
  return list.empty() ? "–" : list;
}

std::string verdict_of(const OpDef& def) {
  if (def.decompose) return "decomposed";
  const AneOperation* operation = find_ane_operation(def.name);
  if (!operation) return "unknown";
  switch (operation->support) {
    case AneSupport::kProven:
      return "proven";
    case AneSupport::kProbed:
      if (operation->since == AneFamily::kH13) return "probed";
      return fmt::format("probed, from the M{} on", static_cast<int>(operation->since) - 12);
    case AneSupport::kRefused:
      break;
  }
  return "refused";
}

// By a kernel, or by the interpreter and the devices themselves.
bool is_computed(const OpDef& def) {
  return def.eval || def.blocks > 0 || def.name == "const" || def.name.ends_with("_state");
}

std::string table_of_operations() {
  std::string text =
      "| operation | since | parameters | computed | gradient | Neural Engine |\n"
      "|---|---|---|---|---|---|\n";
  for (const OpDef* def : all_ops()) {
    const bool is_own = def->decompose != nullptr;
    text += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", def->name,
                        is_own ? "own" : fmt::format("ios{}", static_cast<int>(def->since)),
                        parameters_of(*def), is_computed(*def) ? "yes" : "no",
                        def->grad ? "yes" : "–", verdict_of(*def));
  }
  return text;
}

TEST(OperationDocs, HoldTheTableThatTheRegistryGives) {
  const std::string path = std::string(ANEMONE_SOURCE_DIR) + "/docs/ops.md";
  std::string text = read_file(path);
  const size_t begin = text.find(kBegin), end = text.find(kEnd);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_NE(end, std::string::npos);
  const size_t first = begin + kBegin.size();
  const std::string table = table_of_operations();
  if (std::getenv("ANEMONE_UPDATE_DOCS")) {
    write_file(path, text.replace(first, end - first, table));
    return;
  }
  std::istringstream held(text.substr(first, end - first)), given(table);
  for (std::string line, want; std::getline(given, want);) {
    ASSERT_TRUE(std::getline(held, line)) << want;
    ASSERT_EQ(line, want) << "see the head of this test";
  }
  EXPECT_EQ(end - first, table.size());
}

}  // namespace
}  // namespace anemone
