#include "cli/program_options.h"

#include <charconv>

#include "anemone/base/error.h"
#include "anemone/passes/set_aside.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace {

int64_t parse_size(const std::string& text, const std::string& flag) {
  int64_t size = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, size);
  if (error != std::errc() || stop != end || size < 1) {
    fail(flag, "'" + text + "' is no size", "write --shape NAME=1,8,64");
  }
  return size;
}

std::pair<std::string, Shape> parse_shape(const std::string& text) {
  const std::string flag = "--shape " + text;
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    fail(flag, "it has no NAME=", "write --shape NAME=1,8,64");
  }
  Shape shape;
  for (size_t begin = equals + 1; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    shape.push_back(parse_size(text.substr(begin, end - begin), flag));
    begin = end + 1;
  }
  return {text.substr(0, equals), shape};
}

}  // namespace

void ProgramOptions::add_to(CLI::App& app) {
  app.add_option("file", file, "FILE.mil, .mlpackage, .mlmodelc or .mlmodel")->required();
  app.add_option("--function", function, "Function to take; the model's own choice if not given");
  app.add_option("--shape", shapes, "Sizes of an input that the program leaves open: x=1,8,64")
      ->allow_extra_args(false);
}

InputShapes ProgramOptions::input_shapes() const {
  InputShapes result;
  for (const std::string& text : shapes) result.insert(parse_shape(text));
  return result;
}

void load_weights_that_are_there(ProgramSource& source) {
  try {
    load_weights(source);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kIo) throw;
  }
}

nlohmann::json json_of(const Diagnostic& found) {
  return {{"where", found.where}, {"message", found.message}, {"hint", found.hint}};
}

ProgramSource load(const ProgramOptions& options, bool needs_weights) {
  ProgramSource source = open_program(options.file);
  print_notes(source.info.losses);
  Function& function = source.function(options.function);
  decide_shapes(source, function, options.input_shapes());
  require_valid(source, function);
  if (needs_weights) {
    load_weights(source);
  } else {
    load_weights_that_are_there(source);
  }
  return source;
}

LooseProgram load_loosely(const ProgramOptions& options) {
  ProgramSource source = open_program(options.file);
  print_notes(source.info.losses);
  Function& function = source.function(options.function);
  const InputShapes shapes = shapes_for(source, function, options.input_shapes());
  std::vector<Diagnostic> invalid = set_aside_invalid(function, shapes);
  load_weights_that_are_there(source);
  return {std::move(function), std::move(invalid)};
}

std::string lines_of(const std::vector<Diagnostic>& findings, const std::string& file) {
  std::string text;
  for (const Diagnostic& found : findings) {
    text += fmt::format("  {}: {}{}{}\n", place_in(file, found.where), found.message,
                        found.hint.empty() ? "" : "; ", found.hint);
  }
  return text;
}

}  // namespace anemone::cli
