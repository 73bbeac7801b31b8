// Greedy decoding of one sequence on this machine's CPU, beside reading as many bytes as its
// weights have: a token needs each of them once.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "anemone/base/clock.h"
#include "anemone/base/error.h"
#include "anemone/base/int4.h"
#include "anemone/bench/measured_model.h"
#include "anemone/generate/generator.h"
#include "anemone/kernels/machine_peak.h"

namespace anemone {
namespace {

constexpr int kWarmUp = 8;        // tokens
constexpr int kTokensARound = 8;  // between two looks at the machine
constexpr int kToken = 1;

// Linear layers and the classifier; the embedding's one row is nothing beside them.
double weight_bytes(const TransformerConfig& c, DType stored) {
  const auto dim = static_cast<double>(c.dim), hidden = static_cast<double>(c.hidden_dim);
  const auto q = static_cast<double>(c.heads * c.head_size);
  const auto kv = static_cast<double>(c.kv_heads * c.head_size);
  const double layer = 2 * dim * q + 2 * dim * kv + 3 * dim * hidden;
  const double bits_a_group = stored == DType::kInt4 ? bits(DType::kFp16) : 0;
  const double bytes = (bits(stored) + bits_a_group / static_cast<double>(kInt4Group)) / 8;
  return bytes * (static_cast<double>(c.layers) * layer + dim * static_cast<double>(c.vocab_size));
}

}  // namespace

void bench_decode(Device& device, ThreadPool& pool, const BenchOptions& options,
                  BenchResult& result) {
  require_cpu(device, "bench decode");
  MeasuredModel model(pool, options);
  const TransformerConfig& config = model.parameters.config();
  const int64_t capacity =
      std::min<int64_t>(config.max_sequence, kWarmUp + kTokensARound * options.measure.rounds);
  Generator generator(*model.cpu, config, capacity, model.parameters.values(), options.stored);
  const double bytes = weight_bytes(config, options.stored);
  Tensor memory(DType::kFp32, {static_cast<int64_t>(bytes / 4)});
  // Pages that nobody wrote to are one page of zeros, which never leaves the caches.
  std::ranges::fill(memory.as<float>(), 1.0f);
  std::vector<double> token_ms, read;
  for (int i = 0; i < kWarmUp; ++i) generator.feed(kToken);
  model.ops.timeline().clear();
  while (generator.position() + kTokensARound <= capacity) {
    options.measure.progress(fmt::format("token {} of {}", generator.position(), capacity));
    read.push_back(read_gbs(pool, memory.as<float>().data(), memory.as<float>().size()));
    const Stopwatch watch;
    for (int i = 0; i < kTokensARound; ++i) generator.feed(kToken);
    token_ms.push_back(watch.elapsed_ms() / kTokensARound);
  }
  const Summary token = summarize(token_ms);
  const double gbs = bytes / token.median * 1e-6, reading = summarize(read).median;
  const double sum = std::accumulate(token_ms.begin(), token_ms.end(), 0.0);
  const auto tokens = static_cast<double>(kTokensARound * token_ms.size());
  result.settings["model"] = options.model;
  result.rows.push_back({{"model", options.model},
                         {"dtype", std::string(name(options.stored))},
                         {"threads", pool.threads()},
                         {"ms", token.median},
                         {"p10", token.p10},
                         {"p90", token.p90},
                         {"n", token.n},
                         {"tokens_per_s", 1e3 / token.median},
                         {"bytes_per_token", bytes},
                         {"gbs", gbs},
                         {"read_gbs", reading},
                         {"read_share", gbs / reading},
                         {"components", model.ops.components(kTokensARound * sum, tokens)}});
}

}  // namespace anemone
