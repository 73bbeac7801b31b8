#include "anemone/model/rope.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "anemone/base/error.h"

namespace anemone {
namespace {

double base_frequency(double theta, int64_t head_size, int64_t pair) {
  return std::pow(theta, -2.0 * static_cast<double>(pair) / static_cast<double>(head_size));
}

// Long waves are divided, short ones stay, those between go over.
double llama3_frequency(const Rope& rope, double frequency) {
  const double turns =
      static_cast<double>(rope.original_positions) * frequency / (2 * std::numbers::pi);
  if (turns < rope.low_frequency_factor) return frequency / rope.factor;
  if (turns > rope.high_frequency_factor) return frequency;
  const double smooth = (turns - rope.low_frequency_factor) /
                        (rope.high_frequency_factor - rope.low_frequency_factor);
  return (1 - smooth) * frequency / rope.factor + smooth * frequency;
}

// Of every pair, the share that is divided: 0 for those that turn more than beta_fast times within
// the original positions, 1 for those of less than beta_slow turns, a line between.
std::vector<double> yarn_ramp(const Rope& rope, int64_t head_size) {
  const auto pair_of_turns = [&](double turns) {
    const double wave =
        static_cast<double>(rope.original_positions) / (turns * 2 * std::numbers::pi);
    return static_cast<double>(head_size) * std::log(wave) / (2 * std::log(rope.theta));
  };
  double low = pair_of_turns(rope.beta_fast), high = pair_of_turns(rope.beta_slow);
  if (rope.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(head_size - 1));
  if (low == high) high += 0.001;
  std::vector<double> ramp(static_cast<size_t>(head_size / 2));
  for (size_t i = 0; i < ramp.size(); ++i) {
    ramp[i] = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
  }
  return ramp;
}

}  // namespace

void Rope::validate(const std::string& where) const {
  if (!std::isfinite(theta) || theta <= 0) {
    fail(where, fmt::format("rope_theta is {}, not a positive number", theta));
  }
  if (scaling == RopeScaling::kNone) return;
  if (!std::isfinite(factor) || factor < 1) {
    fail(where, fmt::format("the factor of rotary positions is {}, less than 1", factor),
         "a factor stretches positions: 1 or more");
  }
  if (scaling == RopeScaling::kLinear || scaling == RopeScaling::kDynamic) return;
  if (original_positions < 1) {
    fail(where, fmt::format("original_max_position_embeddings is {}", original_positions));
  }
  if (scaling == RopeScaling::kLlama3 &&
      !(low_frequency_factor > 0 && low_frequency_factor < high_frequency_factor)) {
    fail(where, fmt::format("low_freq_factor {} is not below high_freq_factor {}",
                            low_frequency_factor, high_frequency_factor));
  }
  if (scaling != RopeScaling::kYarn) return;
  if (!(beta_slow > 0 && beta_slow < beta_fast) || theta == 1) {
    fail(where, fmt::format("beta_slow {} is not below beta_fast {}", beta_slow, beta_fast));
  }
  if (!(std::isfinite(attention_factor) && attention_factor > 0)) {
    fail(where, fmt::format("attention_factor is {}", attention_factor));
  }
}

std::vector<double> rope_frequencies(const Rope& rope, int64_t head_size) {
  std::vector<double> frequencies(static_cast<size_t>(head_size / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] = base_frequency(rope.theta, head_size, static_cast<int64_t>(i));
  }
  if (rope.scaling == RopeScaling::kLinear) {
    for (double& frequency : frequencies) frequency /= rope.factor;
  } else if (rope.scaling == RopeScaling::kLlama3) {
    for (double& frequency : frequencies) frequency = llama3_frequency(rope, frequency);
  } else if (rope.scaling == RopeScaling::kYarn) {
    const std::vector<double> ramp = yarn_ramp(rope, head_size);
    for (size_t i = 0; i < frequencies.size(); ++i) {
      frequencies[i] *= ramp[i] / rope.factor + (1 - ramp[i]);
    }
  }
  return frequencies;
}

RopeTables rope_tables(const Rope& rope, int64_t head_size, const std::vector<int64_t>& positions) {
  const std::vector<double> frequencies = rope_frequencies(rope, head_size);
  const int64_t pairs = head_size / 2;
  const auto width = static_cast<int64_t>(positions.size());
  RopeTables tables{Tensor(DType::kFp32, {1, pairs, 1, width}),
                    Tensor(DType::kFp32, {1, pairs, 1, width})};
  const std::span<float> cosine = tables.cosine.as<float>(), sine = tables.sine.as<float>();
  const double scale = rope.scaling == RopeScaling::kYarn ? rope.attention_factor : 1;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    for (size_t s = 0; s < positions.size(); ++s) {
      const double angle = static_cast<double>(positions[s]) * frequencies[i];
      cosine[i * positions.size() + s] = static_cast<float>(scale * std::cos(angle));
      sine[i * positions.size() + s] = static_cast<float>(scale * std::sin(angle));
    }
  }
  return tables;
}

}  // namespace anemone
