#include "cli/mil_file.h"

#include <fmt/format.h>

#include <filesystem>

#include "anemone/base/file.h"
#include "anemone/ops/verify.h"
#include "anemone/package/load_weights.h"
#include "anemone/text/parser.h"

namespace anemone::cli {
namespace {

// Places in the text become places in the file.
template <typename Action>
auto in_file(const std::string& file, Action&& action) {
  try {
    return action();
  } catch (const Error& error) {
    throw Error(error.code(), file + ":" + error.where(), error.message(), error.hint());
  }
}

}  // namespace

Program read_mil(const std::string& file) {
  const std::string text = read_file(file);
  Program program = in_file(file, [&] { return parse_mil(text); });
  const std::vector<Diagnostic> findings = verify(program);
  if (findings.empty()) return program;
  std::string message = findings[0].message;
  for (size_t i = 1; i < findings.size(); ++i) {
    message += fmt::format("{} {}", i == 1 ? "; more at" : ",", findings[i].where);
  }
  fail(file + ":" + findings[0].where, message, findings[0].hint);
}

void load_weights_beside(Program& program, const std::string& file) {
  in_file(file, [&] { load_weights(program, std::filesystem::path(file).parent_path()); });
}

}  // namespace anemone::cli
