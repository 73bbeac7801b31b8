#include "anemone/model/transformer_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "anemone/base/error.h"

namespace anemone {
namespace {

struct SizeLimit {
  const char* name;
  int64_t TransformerConfig::*size;
  int64_t maximum;
};

// Far above any published model, and low enough that no product of sizes leaves 63 bits.
constexpr SizeLimit kLimits[] = {
    {"vocab_size", &TransformerConfig::vocab_size, int64_t{1} << 24},
    {"dim", &TransformerConfig::dim, int64_t{1} << 17},
    {"hidden_dim", &TransformerConfig::hidden_dim, int64_t{1} << 19},
    {"layers", &TransformerConfig::layers, 1024},
    {"heads", &TransformerConfig::heads, 1024},
    {"kv_heads", &TransformerConfig::kv_heads, 1024},
    {"head_size", &TransformerConfig::head_size, 4096},
    {"max_sequence", &TransformerConfig::max_sequence, int64_t{1} << 24},
};

constexpr int64_t kMostNumbers = int64_t{1} << 40;  // of a tensor, as MIL's rule any.c3

struct Preset {
  std::string_view name;
  TransformerConfig config;
};

// As llama2.c's models are: pairs of neighbouring rows.
TransformerConfig stories(int64_t vocabulary, int64_t dim, int64_t hidden, int64_t layers,
                          int64_t heads, int64_t kv_heads, int64_t sequence) {
  TransformerConfig config{vocabulary, dim, hidden, layers, heads, kv_heads, dim / heads, sequence};
  config.rope.interleaved = true;
  return config;
}

// Sizes of the stories models: https://github.com/karpathy/llama2.c, "models".
//                         vocab  dim  hidden layers heads kv sequence
const Preset kPresets[] = {
    {"demo", stories(1024, 128, 352, 4, 4, 2, 256)},
    {"stories260k", stories(512, 64, 172, 5, 8, 4, 512)},
    {"stories15m", stories(32000, 288, 768, 6, 6, 6, 256)},
    {"stories42m", stories(32000, 512, 1376, 8, 8, 8, 1024)},
    {"stories110m", stories(32000, 768, 2048, 12, 12, 12, 1024)},
};

void require_positive(double number, const char* name, const std::string& where) {
  if (std::isfinite(number) && number > 0) return;
  fail(where, fmt::format("{} is {}, not a positive number", name, number));
}

void validate_lora(const Lora& lora, int64_t narrowest, const std::string& where) {
  if (lora.rank < 1 || lora.rank > narrowest) {
    fail(where, fmt::format("a LoRA rank of {} is outside [1, {}]", lora.rank, narrowest));
  }
  require_positive(lora.alpha, "LoRA's alpha", where);
  if (lora.targets.empty()) fail(where, "LoRA adapts no module");
  for (const std::string& target : lora.targets) {
    if (std::find(std::begin(kLinearModules), std::end(kLinearModules), target) !=
        std::end(kLinearModules)) {
      continue;
    }
    fail(where, fmt::format("'{}' is no module that LoRA can adapt", target),
         fmt::format("these are {}", fmt::join(kLinearModules, ", ")));
  }
}

}  // namespace

void TransformerConfig::validate(const std::string& where) const {
  for (const SizeLimit& limit : kLimits) {
    const int64_t size = this->*limit.size;
    if (size < 1 || size > limit.maximum) {
      fail(where, fmt::format("{} is {}, outside 1..{}", limit.name, size, limit.maximum));
    }
  }
  for (const auto& [rows, columns] : {std::pair(vocab_size, dim), std::pair(hidden_dim, dim),
                                      std::pair(heads * head_size, dim)}) {
    if (rows * columns <= kMostNumbers) continue;
    fail(where, fmt::format("a tensor of {} x {} numbers is too large", rows, columns));
  }
  if (heads % kv_heads != 0) {
    fail(where, fmt::format("{} heads cannot share {} kv_heads evenly", heads, kv_heads));
  }
  if (head_size % 2 != 0) {
    fail(where, fmt::format("head_size is {}, but rotary positions need an even one", head_size));
  }
  rope.validate(where);
  if (sliding_rope) sliding_rope->validate(where);
  if (!(norm_epsilon > 0 && norm_epsilon < 1)) {
    fail(where, fmt::format("norm_epsilon is {}, outside 0..1", norm_epsilon));
  }
  if (!layer_kinds.empty() && layer_kinds.size() != static_cast<size_t>(layers)) {
    fail(where, fmt::format("says of {} layers what they are like, but has {}", layer_kinds.size(),
                            layers));
  }
  const bool slides = std::any_of(layer_kinds.begin(), layer_kinds.end(),
                                  [](const LayerKind& kind) { return kind.sliding; });
  if (slides && window < 1) fail(where, fmt::format("sliding_window is {}", window));
  if (lora) validate_lora(*lora, std::min(dim, hidden_dim), where);
  require_positive(embedding_scale, "the scale of embeddings", where);
  if (attention_scale != 0) require_positive(attention_scale, "the scale of scores", where);
}

std::optional<TransformerConfig> model_preset(std::string_view name) {
  for (const Preset& preset : kPresets) {
    if (preset.name == name) return preset.config;
  }
  return std::nullopt;
}

std::vector<std::string> model_preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : kPresets) names.emplace_back(preset.name);
  return names;
}

}  // namespace anemone
