#include "anemone/export/package_features.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace anemone {
namespace {

bool is_cache(const std::string& name) { return name.find("_cache_") != std::string::npos; }

// What the port `name` of `function` is; k_cache_3 and k_cache_3_out alike.
std::string described(const std::string& name, const std::string& function, int64_t sequence,
                      bool is_output) {
  const bool is_decode = function == "decode";
  if (name == "position") {
    return fmt::format("Position of the token, from 0 to {}", sequence - 1);
  }
  if (name == "logits") {
    return is_decode ? "Scores of what follows the token"
                     : "Scores of what follows: column i after token i";
  }
  if (!is_cache(name)) {
    return is_decode ? "Id of one token"
                     : "Ids from position 0; a shorter text is filled up with any ids";
  }
  const std::string layer = name.substr(name.find("_cache_") + 7);
  const std::string what =
      fmt::format("{} of layer {} by head, position and channel",
                  name[0] == 'k' ? "Keys" : "Values", layer.substr(0, layer.find('_')));
  return is_output ? what + fmt::format(": {} of the next decode", name.substr(0, name.rfind('_')))
                   : what;
}

FunctionInfo ports_of(const Function& function, int64_t sequence) {
  FunctionInfo info;
  info.name = function.name;
  const auto feature = [&](Value port, bool is_output) {
    Feature result;
    result.name = port->name;
    result.type = port->type;
    result.description = described(port->name, function.name, sequence, is_output);
    return result;
  };
  for (Value input : function.inputs) {
    const bool is_state = input->type.kind == Type::Kind::kState;
    Feature result = feature(input, false);
    if (is_state) {
      result.kind = "state";
      result.type = input->type.parts.at(0);
    }
    (is_state ? info.states : info.inputs).push_back(std::move(result));
  }
  for (Value output : function.outputs) info.outputs.push_back(feature(output, true));
  return info;
}

}  // namespace

ModelInfo package_info(const Program& program, const TransformerConfig& config,
                       const TransformerPackageOptions& options) {
  ModelInfo info;
  const std::string name = options.model_name.empty() ? "a Llama model" : options.model_name;
  info.description = fmt::format("{}: {} layers of width {}, {} tokens", name, config.layers,
                                 config.dim, options.sequence);
  info.default_function = program.functions.at(0).name;
  for (const Function& function : program.functions) {
    info.functions.push_back(ports_of(function, options.sequence));
  }
  info.user_defined["context_length"] = std::to_string(options.sequence);
  info.user_defined["vocab_size"] = std::to_string(config.vocab_size);
  if (!options.model_name.empty()) info.user_defined["model"] = options.model_name;
  if (config.special.bos) info.user_defined["bos_token_id"] = std::to_string(*config.special.bos);
  if (!config.special.eos.empty()) {
    info.user_defined["eos_token_id"] = fmt::format("{}", fmt::join(config.special.eos, ","));
  }
  return info;
}

}  // namespace anemone
