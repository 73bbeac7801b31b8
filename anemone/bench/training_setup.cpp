#include "anemone/bench/training_setup.h"

#include "anemone/base/file.h"
#include "anemone/base/random.h"
#include "anemone/data/token_shard.h"
#include "anemone/train/named_model.h"

namespace anemone {
namespace {

constexpr int64_t kRandomTokens = 1 << 16;

std::string random_tokens(const std::filesystem::path& folder, int64_t vocab) {
  Random random(7);
  std::string bytes;
  for (int64_t i = 0; i < kRandomTokens; ++i) {
    const uint64_t token = random.below(static_cast<uint64_t>(vocab));
    for (int byte = 0; byte < token_bytes(vocab); ++byte) {
      bytes.push_back(static_cast<char>(token >> (8 * byte)));
    }
  }
  const std::filesystem::path path = folder / "random.bin";
  write_file(path, bytes);
  return path.string();
}

}  // namespace

std::string data_for(const BenchOptions& options, const std::filesystem::path& folder) {
  if (!options.data.empty()) return options.data;
  return random_tokens(folder, config_of(options.model).vocab_size);
}

ModelWeights weights_for(const BenchOptions& options, bool values, ReadAs as) {
  if (!values) return {config_of(options.model), {}};
  return load_or_initialize(options.model, 1, as);
}

TrainerState state_for(const BenchOptions& options, const std::string& data,
                       const std::string& pipeline) {
  TrainerState state;
  TrainOptions& o = state.options;
  o.model = options.model;
  o.data = data;
  o.device = options.device;
  o.pipeline = pipeline;
  o.steps = options.updates;
  o.batch = options.batch;
  o.sequence = options.sequence;
  o.accumulation = options.accumulation;
  o.validate();
  return state;
}

void describe_training(const BenchOptions& options, BenchResult& result) {
  result.settings["model"] = options.model;
  result.settings["batch"] = options.batch;
  result.settings["sequence"] = options.sequence;
  result.settings["accumulation"] = options.accumulation;
  result.settings["data"] = options.data.empty() ? "random tokens" : options.data;
}

}  // namespace anemone
