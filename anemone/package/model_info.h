// What a package says of its model beside the program: ports for people, names, versions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "anemone/ir/program.h"

namespace anemone {

// An input, output or state as the model's description has it.
struct Feature {
  std::string name, description;
  // "array", "image", "int64", "double", "string", "dictionary", "sequence", "state".
  std::string kind = "array";
  Type type;  // of arrays and states; open sizes have their default here
  bool optional = false;
  std::vector<Shape> enumerated;                    // the shapes that it may have, if listed
  std::vector<std::pair<int64_t, int64_t>> ranges;  // of each size; -1: no upper bound
};

struct FunctionInfo {
  std::string name;
  std::vector<Feature> inputs, outputs, states;
};

struct ModelInfo {
  int spec_version = 0;
  bool updatable = false;
  std::string description, version, author, license;
  std::map<std::string, std::string> user_defined;
  std::string default_function;
  std::vector<FunctionInfo> functions;
  std::string predicted_feature, predicted_probabilities;  // of classifiers
  // The description as it was serialised: written back as it came where ports are the same, with
  // fields that we do not know.
  std::string serialized_description;
  // What the program cannot keep, a line each.
  std::vector<std::string> losses;

  const FunctionInfo* find(const std::string& function) const;
  // Of inputs with open sizes: what the description says to take.
  std::map<std::string, Shape> default_shapes(const std::string& function) const;
};

}  // namespace anemone
