// Low-rank adapters (Hu et al. 2021): linear layers whose weights stay as they are get a product of
// two small matrices beside them, y = W x + scale * B (A x).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

namespace anemone {

struct Lora {
  int64_t rank = 8;
  double alpha = 16;
  // Last parts of the modules that get one: "q_proj".
  std::vector<std::string> targets = {"q_proj", "v_proj"};
  // rsLoRA (Kalajdzievski 2023): scale is alpha / sqrt(rank), not alpha / rank.
  bool rank_stabilized = false;

  double scale() const {
    const auto r = static_cast<double>(rank);
    return alpha / (rank_stabilized ? std::sqrt(r) : r);
  }
  bool adapts(const std::string& module) const {
    return std::find(targets.begin(), targets.end(), module) != targets.end();
  }
  bool operator==(const Lora&) const = default;
};

// The modules of a layer that an adapter may be for.
inline constexpr const char* kLinearModules[] = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                 "gate_proj", "up_proj", "down_proj"};

}  // namespace anemone
