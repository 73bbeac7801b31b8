#include "anemone/programs/program_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/ops/verify.h"
#include "anemone/package/load_weights.h"
#include "anemone/package/mlpackage.h"
#include "anemone/programs/flexible_text.h"
#include "anemone/text/parser.h"

namespace anemone {
namespace fs = std::filesystem;
namespace {

// Whether the bytes are MIL text: a model file begins with the tag of its first field.
bool is_text(const std::string& content) {
  for (const char c : content.substr(0, 256)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < ' ' && c != '\n' && c != '\r' && c != '\t') return false;
  }
  return true;
}

void take(ProgramSource& source, Package package, ProgramSource::Kind kind) {
  source.kind = kind;
  source.program = std::move(package.model.program);
  source.info = std::move(package.model.info);
  source.folder = std::move(package.folder);
}

void open_text(ProgramSource& source, const fs::path& file) {
  const std::string text = read_file(file);
  source.program = in_file(file.string(), [&] { return parse_mil(text); });
  for (const Function& function : source.program.functions) {
    FunctionInfo info;
    info.name = function.name;
    info.inputs = flexible_inputs(function);
    if (!info.inputs.empty()) source.info.functions.push_back(std::move(info));
  }
  source.folder = file.parent_path();
}

void open_folder(ProgramSource& source) {
  const fs::path path = source.path;
  if (is_mlpackage(path)) return take(source, read_mlpackage(path), ProgramSource::Kind::kPackage);
  if (!fs::exists(path / "model.mil")) {
    fail(source.path, "it is a folder without Manifest.json or model.mil",
         "give a .mlpackage, a .mlmodelc, or a MIL text file");
  }
  source.kind = ProgramSource::Kind::kCompiled;
  open_text(source, path / "model.mil");
}

}  // namespace

Function& ProgramSource::function(const std::string& name) {
  std::string wanted = name.empty() ? info.default_function : name;
  if (wanted.empty()) wanted = program.functions.size() == 1 ? program.functions[0].name : "main";
  if (Function* found = program.find(wanted)) return *found;
  std::string names;
  for (const Function& f : program.functions) names += (names.empty() ? "" : ", ") + f.name;
  fail(path, fmt::format("it has no function '{}'", wanted),
       names.empty() ? "it has none" : "its functions are " + names);
}

ProgramSource open_program(const std::string& path) {
  ProgramSource source;
  source.path = path;
  if (fs::is_directory(path)) {
    open_folder(source);
    return source;
  }
  if (is_text(read_file(path))) {
    open_text(source, path);
  } else {
    take(source, read_mlmodel(path), ProgramSource::Kind::kModelFile);
  }
  return source;
}

void load_weights(ProgramSource& source) {
  in_file(source.path, [&] { load_weights(source.program, source.folder); });
}

namespace {

std::string listed(const std::vector<Shape>& shapes) {
  std::string text;
  for (const Shape& shape : shapes) text += (text.empty() ? "" : ", ") + to_string(shape);
  return text;
}

// Throws where the description of the input does not allow the shape.
void require_allowed(const Feature& input, const Shape& shape) {
  const std::string where = "input '" + input.name + "'";
  const auto& choices = input.enumerated;
  if (!choices.empty() && std::find(choices.begin(), choices.end(), shape) == choices.end()) {
    fail(where, to_string(shape) + " is none of the shapes that the model takes",
         "they are " + listed(choices));
  }
  for (size_t i = 0; i < std::min(shape.size(), input.ranges.size()); ++i) {
    const auto& [least, most] = input.ranges[i];
    if (shape[i] >= least && (most < 0 || shape[i] <= most)) continue;
    fail(where, fmt::format("size {} of {} is outside the model's range", i, to_string(shape)),
         most < 0 ? fmt::format("it takes {} and more", least)
                  : fmt::format("it takes {} to {}", least, most));
  }
}

}  // namespace

InputShapes shapes_for(const ProgramSource& source, const Function& function,
                       const InputShapes& shapes) {
  InputShapes wanted = source.info.default_shapes(function.name);
  const FunctionInfo* info = source.info.find(function.name);
  for (const auto& [name, shape] : shapes) {
    wanted[name] = shape;
    for (const Feature& input : info ? info->inputs : std::vector<Feature>()) {
      if (input.name == name) in_file(source.path, [&, &s = shape] { require_allowed(input, s); });
    }
  }
  for (Value input : function.inputs) {
    // What is fixed needs no default.
    if (input->type.is_tensor() && is_static(input->type.shape) && !shapes.contains(input->name)) {
      wanted.erase(input->name);
    }
  }
  return wanted;
}

void decide_shapes(ProgramSource& source, Function& function, const InputShapes& shapes) {
  if (!is_flexible(function) && shapes.empty()) return;
  const InputShapes wanted = shapes_for(source, function, shapes);
  in_file(source.path, [&] { specialize_shapes(function, wanted); });
}

void require_valid(const ProgramSource& source, const Function& function) {
  const std::vector<Diagnostic> findings = verify(function);
  if (findings.empty()) return;
  constexpr size_t kMostPlaces = 5;
  std::string message = findings[0].message;
  for (size_t i = 1; i < std::min(findings.size(), kMostPlaces); ++i) {
    message += fmt::format("{} {}", i == 1 ? "; more at" : ",", findings[i].where);
  }
  if (findings.size() > kMostPlaces) {
    message += fmt::format(" and {} others", findings.size() - kMostPlaces);
  }
  const bool compiled = source.kind == ProgramSource::Kind::kCompiled;
  const std::string file = source.path + (compiled ? "/model.mil" : "");
  fail(place_in(file, findings[0].where), message, findings[0].hint);
}

ProgramSource load_program(const std::string& path, const InputShapes& shapes) {
  ProgramSource source = open_program(path);
  for (Function& function : source.program.functions) {
    decide_shapes(source, function, shapes);
    require_valid(source, function);
  }
  load_weights(source);
  return source;
}

}  // namespace anemone
