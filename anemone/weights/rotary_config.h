// The base of rotary positions, from wherever a config.json has it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace anemone {

// Looks where transformers 5 does: `rope_theta` inside `rope_scaling` or `rope_parameters`, also
// in an object for each kind of layer, comes before `rope_theta` beside them; 10000 where none
// says it. Throws Error at `where`, naming the key, for positions that Anemone cannot turn: scaled
// ones, only a part of a head, bases that differ between kinds of layers, settings it does not
// know.
double rotary_base(const nlohmann::json& config, const std::string& where);

}  // namespace anemone
