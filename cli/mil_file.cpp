#include "cli/mil_file.h"

#include <fmt/format.h>

#include <filesystem>

#include "anemone/base/file.h"
#include "anemone/ops/verify.h"
#include "anemone/package/load_weights.h"
#include "anemone/text/parser.h"

namespace anemone::cli {
namespace {

std::string describe(const std::string& file, const Diagnostic& found) {
  std::string line = file + ":" + found.where + ": " + found.message;
  if (!found.hint.empty()) line += " (" + found.hint + ")";
  return line;
}

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
  if (!findings[0].hint.empty()) message += " (" + findings[0].hint + ")";
  for (size_t i = 1; i < findings.size(); ++i) message += "\n" + describe(file, findings[i]);
  fail(file + ":" + findings[0].where, message);
}

void load_weights_beside(Program& program, const std::string& file) {
  in_file(file, [&] { load_weights(program, std::filesystem::path(file).parent_path()); });
}

}  // namespace anemone::cli
