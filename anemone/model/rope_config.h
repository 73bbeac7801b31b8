// The rotary positions of a config.json, from wherever it has them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "anemone/model/rope.h"

namespace anemone {

struct ModelRopes {
  Rope full;
  std::optional<Rope> sliding;  // of sliding layers, where theirs differ
};

// What a file leaves out.
struct RopeDefaults {
  double theta = 10000;
  // Of sliding layers, of families that have one for them (`rope_local_base_freq`).
  std::optional<double> sliding_theta = std::nullopt;
  int64_t positions = 0;  // of the model: the original ones of a scaling that does not say them
};

// Looks where transformers 5 does: `rope_theta` inside `rope_scaling` or `rope_parameters`, also
// in an object for each kind of layer, comes before `rope_theta` beside them. Reads the scalings
// linear, dynamic, yarn and llama3. Throws Error at `where`, naming the key, for other scalings,
// for settings it does not know, for rotations of a part of a head, and for bases that differ
// between kinds of layers in a family that has one.
ModelRopes read_ropes(const nlohmann::json& config, const RopeDefaults& defaults,
                      const std::string& where);

// Adds the keys that transformers 4 and 5 read: rope_theta, rope_scaling, rope_local_base_freq.
void write_ropes(nlohmann::json& config, const ModelRopes& ropes);

}  // namespace anemone
