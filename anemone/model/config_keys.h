// What the keys of a config.json mean to us, so that none that changes the model is passed over.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anemone {

// Throws Error at `where` naming the first key that changes the model in a way that Anemone does
// not compute, or that it does not know; what is null is off. Keys that config_from_json and
// read_ropes read, and those of the `family`, are theirs to check. Adds a note for what plays no
// part though the model was made with it.
void check_config_keys(const nlohmann::json& config, std::span<const std::string_view> family,
                       const std::string& where, std::vector<std::string>& notes);

}  // namespace anemone
