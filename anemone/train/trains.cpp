#include "anemone/train/trains.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <set>

#include "anemone/base/error.h"
#include "anemone/base/nearest_name.h"

namespace anemone {
namespace {

bool matches(const std::string& pattern, const std::string& name) {
  return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

bool matches_any(const std::vector<std::string>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return matches(pattern, name); });
}

void require_matches(const std::vector<std::string>& patterns, const char* flag,
                     const std::vector<ParameterSpec>& specs) {
  for (const std::string& pattern : patterns) {
    const bool any = std::any_of(specs.begin(), specs.end(), [&](const ParameterSpec& spec) {
      return matches(pattern, spec.name);
    });
    if (any) continue;
    std::vector<std::string_view> names;
    for (const ParameterSpec& spec : specs) names.push_back(spec.name);
    const std::string meant = suggest(pattern, names);
    fail(flag, fmt::format("'{}' matches no parameter", pattern),
         meant.empty()
             ? fmt::format("parameters are named like {}; * stands for anything", specs.at(1).name)
             : meant);
  }
}

}  // namespace

Trains trains_of(const TrainOptions& options, const TransformerConfig& config) {
  if (config.lora) return [](const ParameterSpec& spec) { return spec.adapter; };
  const std::vector<ParameterSpec> specs = parameters(config);
  require_matches(options.train, "--train", specs);
  require_matches(options.freeze, "--freeze", specs);
  const Trains trains = [train = options.train,
                         freeze = options.freeze](const ParameterSpec& spec) {
    return (train.empty() || matches_any(train, spec.name)) && !matches_any(freeze, spec.name);
  };
  if (std::none_of(specs.begin(), specs.end(), trains)) {
    fail(options.freeze.empty() ? "--train" : "--freeze", "nothing is left to train");
  }
  return trains;
}

std::function<bool(const std::string& parameter)> trains_by_name(const ParameterSet& parameters) {
  std::set<std::string> trained;
  for (const Parameter& parameter : parameters.all()) {
    if (parameter.is_trained()) trained.insert(parameter.name);
  }
  return [trained = std::move(trained)](const std::string& name) { return trained.contains(name); };
}

}  // namespace anemone
