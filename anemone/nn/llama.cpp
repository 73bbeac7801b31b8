#include "anemone/nn/llama.h"

#include <cmath>
#include <numeric>

#include "anemone/ops/builder.h"
#include "anemone/weights/model_weights.h"

namespace anemone {
namespace {

constexpr DType kType = DType::kFp32;
constexpr const char* kOpset = "ios18";
// Added to scores of what must not be seen: it vanishes behind exp, and fp16 holds it.
constexpr double kHidden = -1e4;

Stage start(const char* name) { return {Function(name, kOpset), "x", "y", {}}; }

// Declares a weight of the stage.
Value weight(Stage& stage, Builder& b, const char* name, Shape shape) {
  stage.weights.push_back(name);
  return b.input(name, kType, std::move(shape));
}

// A linear layer on [1, in, 1, S].
Value linear(Stage& stage, Builder& b, const char* name, Value x, int64_t out) {
  return b.named(name + std::string("_out"),
                 b.conv1x1(x, weight(stage, b, name, {out, x->type.shape[1], 1, 1})));
}

Value rms_norm(Stage& stage, Builder& b, const char* name, Value x, const LlamaConfig& config) {
  const Value scale = weight(stage, b, name, {config.dim});
  return b.named(
      std::string(name) + "_out",
      b.op("anemone.rms_norm",
           {{"x", x}, {"weight", scale}, {"epsilon", b.scalar(kType, config.norm_epsilon)}}));
}

struct Heads {
  Value q, k, v;
};

// Queries and keys turned to their positions.
Heads project(Stage& stage, Builder& b, Value normal, Value cosine, Value sine,
              const LlamaConfig& config) {
  const int64_t q_width = config.heads * config.head_size;
  const int64_t kv_width = config.kv_heads * config.head_size;
  const auto turned = [&](const char* name, Value x) {
    return b.named(name, b.op("anemone.rope", {{"x", x}, {"cos", cosine}, {"sin", sine}}));
  };
  Heads heads;
  heads.q = turned("q", linear(stage, b, "q_proj", normal, q_width));
  heads.k = turned("k", linear(stage, b, "k_proj", normal, kv_width));
  heads.v = linear(stage, b, "v_proj", normal, kv_width);
  return heads;
}

// x + o_proj(mixed)
void finish_attention(Stage& stage, Builder& b, Value x, Value mixed, const LlamaConfig& config) {
  b.output("y", b.add(x, linear(stage, b, "o_proj", b.named("mixed", mixed), config.dim)));
}

// 0, 1, …: what positions are compared with.
Tensor row_numbers(int64_t count) {
  Tensor rows(DType::kInt32, {count});
  std::iota(rows.as<int32_t>().begin(), rows.as<int32_t>().end(), 0);
  return rows;
}

// [count, K]: of each position the cosines, then the sines.
Tensor rope_rows(const LlamaConfig& config, int64_t count) {
  std::vector<int64_t> positions(static_cast<size_t>(count));
  std::iota(positions.begin(), positions.end(), 0);
  const RopeTables tables = rope_tables(config, positions);
  const int64_t pairs = config.head_size / 2;
  Tensor rows(kType, {count, 2 * pairs});
  for (int64_t t = 0; t < count; ++t) {
    for (int64_t i = 0; i < pairs; ++i) {
      const auto from = static_cast<size_t>(i * count + t);
      const auto to = static_cast<size_t>(t * 2 * pairs + i);
      rows.as<float>()[to] = tables.cosine.as<float>()[from];
      rows.as<float>()[to + static_cast<size_t>(pairs)] = tables.sine.as<float>()[from];
    }
  }
  return rows;
}

struct Classifier {
  Value normal, weight;
};

// Final norm, of all columns or the last, and the classifier's weight.
Classifier classifier(Stage& stage, Builder& b, const LlamaConfig& config, int64_t columns,
                      bool only_last = false) {
  Value x = b.input("x", kType, {1, config.dim, 1, columns});
  if (only_last) x = b.slice_by_size(x, {0, 0, 0, columns - 1}, {1, config.dim, 1, 1});
  const Value normal = rms_norm(stage, b, "norm", x, config);
  return {normal, weight(stage, b, "lm_head", {config.vocab_size, config.dim, 1, 1})};
}

std::string classifier_parameter(const LlamaConfig& config) {
  return config.tied_classifier ? "model.embed_tokens.weight" : "lm_head.weight";
}

// The attention of whole sequences.
Heads attend(Stage& stage, Builder& b, const LlamaConfig& config, int64_t batch, int64_t sequence) {
  std::vector<int64_t> positions(static_cast<size_t>(batch * sequence));
  for (size_t s = 0; s < positions.size(); ++s) {
    positions[s] = static_cast<int64_t>(s) % sequence;
  }
  RopeTables tables = rope_tables(config, positions);
  const Value x = b.input("x", kType, {1, config.dim, 1, batch * sequence});
  const Value normal = rms_norm(stage, b, "input_layernorm", x, config);
  const Value cosine = b.constant(std::move(tables.cosine), "cosine");
  const Value sine = b.constant(std::move(tables.sine), "sine");
  const Heads heads = project(stage, b, normal, cosine, sine, config);
  const Value mixed = b.op("anemone.causal_attention", {{"q", heads.q},
                                                        {"k", heads.k},
                                                        {"v", heads.v},
                                                        {"head_size", b.integer(config.head_size)},
                                                        {"sequence", b.integer(sequence)}});
  finish_attention(stage, b, x, mixed, config);
  return heads;
}

// The stages in order with `attention` in the middle.
StageChain assemble(const LlamaConfig& config, Stage attention, int64_t columns, Head head) {
  StageChain chain;
  chain.stages.push_back(embed_stage(config, columns));
  chain.stages.push_back(std::move(attention));
  chain.stages.push_back(ffn_stage(config, columns));
  const bool only_last = head == Head::kLastLogits;
  chain.stages.push_back(head == Head::kLogits || only_last
                             ? logits_stage(config, columns, only_last)
                             : loss_stage(config, columns, head == Head::kLossInParts));
  chain.uses.push_back({0, "embed", {"model.embed_tokens.weight"}});
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string label = "layers." + std::to_string(layer);
    const auto names = [&](std::initializer_list<const char*> parts) {
      std::vector<std::string> result;
      for (const char* part : parts) result.push_back(layer_tensor(layer, part));
      return result;
    };
    chain.uses.push_back({1, label + ".attention",
                          names({"input_layernorm", "self_attn.q_proj", "self_attn.k_proj",
                                 "self_attn.v_proj", "self_attn.o_proj"})});
    chain.uses.push_back(
        {2, label + ".ffn",
         names({"post_attention_layernorm", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"})});
  }
  chain.uses.push_back({3, "head", {"model.norm.weight", classifier_parameter(config)}});
  return chain;
}

}  // namespace

Stage embed_stage(const LlamaConfig& config, int64_t columns) {
  Stage stage = start("embed");
  stage.data_input.clear();
  Builder b(stage.function);
  const Value tokens = b.input("tokens", DType::kInt32, {columns});
  const Value table = weight(stage, b, "embed_tokens", {config.vocab_size, config.dim});
  const Value rows = b.op("gather", {{"x", table}, {"indices", tokens}, {"axis", b.integer(0)}});
  b.output("y", b.reshape(b.transpose(rows, {1, 0}), {1, config.dim, 1, columns}));
  return stage;
}

Stage attention_stage(const LlamaConfig& config, int64_t batch, int64_t sequence) {
  Stage stage = start("attention");
  Builder b(stage.function);
  attend(stage, b, config, batch, sequence);
  return stage;
}

Stage ffn_stage(const LlamaConfig& config, int64_t columns) {
  Stage stage = start("ffn");
  Builder b(stage.function);
  const Value x = b.input("x", kType, {1, config.dim, 1, columns});
  const Value normal = rms_norm(stage, b, "post_attention_layernorm", x, config);
  const Value gate = linear(stage, b, "gate_proj", normal, config.hidden_dim);
  const Value up = linear(stage, b, "up_proj", normal, config.hidden_dim);
  const Value hidden = b.named("hidden", b.op("anemone.swiglu", {{"gate", gate}, {"up", up}}));
  b.output("y", b.add(x, linear(stage, b, "down_proj", hidden, config.dim)));
  return stage;
}

Stage logits_stage(const LlamaConfig& config, int64_t columns, bool only_last) {
  Stage stage = start("logits");
  stage.data_output = "logits";
  Builder b(stage.function);
  const Classifier c = classifier(stage, b, config, columns, only_last);
  b.output("logits", b.conv1x1(c.normal, c.weight));
  return stage;
}

Stage loss_stage(const LlamaConfig& config, int64_t columns, bool in_parts) {
  Stage stage = start("loss");
  stage.data_output = "loss";
  Builder b(stage.function);
  const Classifier c = classifier(stage, b, config, columns);
  std::vector<Argument> arguments = {{"targets", b.input("targets", DType::kInt32, {columns})}};
  if (in_parts) {
    arguments.insert(arguments.begin(), {{"x", c.normal}, {"weight", c.weight}});
  } else {
    const Value logits = b.named("logits", b.conv1x1(c.normal, c.weight));
    arguments.insert(arguments.begin(), {"logits", logits});
  }
  const std::vector<Value> results =
      b.ops(in_parts ? "anemone.classifier_loss" : "anemone.cross_entropy", std::move(arguments));
  b.output("loss", results[0]);
  b.output(in_parts ? "probabilities" : "log_sum_exp", results[1]);
  return stage;
}

Stage prefill_attention_stage(const LlamaConfig& config, int64_t sequence) {
  Stage stage = start("prefill_attention");
  Builder b(stage.function);
  const Heads heads = attend(stage, b, config, 1, sequence);
  b.output("new_k", heads.k);
  b.output("new_v", heads.v);
  return stage;
}

Stage decode_attention_stage(const LlamaConfig& config, int64_t capacity, int64_t columns) {
  Stage stage = start("decode_attention");
  Builder b(stage.function);
  const Shape cache = {1, config.kv_heads, capacity, config.head_size};
  const Value x = b.input("x", kType, {1, config.dim, 1, columns});
  const Value cosine = b.input("cos", kType, {1, config.head_size / 2, 1, columns});
  const Value sine = b.input("sin", kType, {1, config.head_size / 2, 1, columns});
  const Value k_cache = b.input("k_cache", kType, cache);
  const Value v_cache = b.input("v_cache", kType, cache);
  const Value position = b.input("position", DType::kInt32, {1});
  const Value normal = rms_norm(stage, b, "input_layernorm", x, config);
  const Heads heads = project(stage, b, normal, cosine, sine, config);
  const Value mixed =
      b.op("anemone.decode_attention", {{"q", heads.q},
                                        {"k", heads.k},
                                        {"v", heads.v},
                                        {"k_cache", k_cache},
                                        {"v_cache", v_cache},
                                        {"position", position},
                                        {"head_size", b.integer(config.head_size)}});
  finish_attention(stage, b, x, mixed, config);
  b.output("new_k", heads.k);
  b.output("new_v", heads.v);
  return stage;
}

Stage cache_filling_attention_stage(const LlamaConfig& config, int64_t sequence) {
  Stage stage = start("prefill_attention");
  Builder b(stage.function);
  const Heads heads = attend(stage, b, config, 1, sequence);
  const auto as_cache = [&](Value x) {
    const Value split = b.reshape(x, {1, config.kv_heads, config.head_size, sequence});
    return b.transpose(split, {0, 1, 3, 2});
  };
  b.output("k_cache_out", as_cache(heads.k));
  b.output("v_cache_out", as_cache(heads.v));
  return stage;
}

Stage positioned_embed_stage(const LlamaConfig& config, int64_t capacity) {
  Stage stage = embed_stage(config, 1);
  Builder b(stage.function);
  const int64_t pairs = config.head_size / 2;
  const Value position = b.input("position", DType::kInt32, {1});
  const Value rows = b.constant(row_numbers(capacity), "rows");
  const auto compared = [&](const char* comparison) {
    return b.cast(b.binary(comparison, rows, position), kType);
  };
  b.output("here", b.reshape(compared("equal"), {1, 1, capacity, 1}));
  b.output("elsewhere", b.reshape(compared("not_equal"), {1, 1, capacity, 1}));
  b.output("hidden", b.reshape(b.mul(compared("greater"), kHidden), {1, 1, 1, capacity}));
  const Value table = b.constant(rope_rows(config, capacity), "rope");
  const Value row = b.op("gather", {{"x", table}, {"indices", position}, {"axis", b.integer(0)}});
  const std::vector<Value> halves =
      b.split(b.reshape(row, {1, 2 * pairs, 1, 1}), {pairs, pairs}, 1);
  b.output("cos", halves[0]);
  b.output("sin", halves[1]);
  return stage;
}

Stage cache_updating_attention_stage(const LlamaConfig& config, int64_t capacity) {
  Stage stage = start("decode_attention");
  Builder b(stage.function);
  const int64_t group = config.heads / config.kv_heads, size = config.head_size;
  const Value x = b.input("x", kType, {1, config.dim, 1, 1});
  const Value cosine = b.input("cos", kType, {1, size / 2, 1, 1});
  const Value sine = b.input("sin", kType, {1, size / 2, 1, 1});
  const Value here = b.input("here", kType, {1, 1, capacity, 1});
  const Value elsewhere = b.input("elsewhere", kType, {1, 1, capacity, 1});
  const Value hidden = b.input("hidden", kType, {1, 1, 1, capacity});
  const Value normal = rms_norm(stage, b, "input_layernorm", x, config);
  const Heads heads = project(stage, b, normal, cosine, sine, config);
  const auto updated = [&](const std::string& name, Value fresh) {
    const Value cache = b.input(name, kType, {1, config.kv_heads, capacity, size});
    const Value row = b.reshape(fresh, {1, config.kv_heads, 1, size});
    const Value result = b.add(b.mul(cache, elsewhere), b.mul(row, here));
    b.output(name + "_out", result);
    return result;
  };
  const Value keys = updated("k_cache", heads.k), values = updated("v_cache", heads.v);
  const Value q = b.reshape(heads.q, {1, config.kv_heads, group, size});
  const double scale = 1 / std::sqrt(static_cast<double>(size));
  const Value scores = b.add(b.mul(b.matmul(q, keys, false, true), scale), hidden);
  // Probabilities are about 1/capacity, and products go to an absolute grid in fp16 (ane.c72).
  const double grid = std::exp2(std::round(std::log2(static_cast<double>(capacity)) / 2));
  const Value mixed = b.mul(b.matmul(b.mul(b.softmax(scores, -1), grid), values), 1 / grid);
  finish_attention(stage, b, x, b.reshape(mixed, {1, config.heads * size, 1, 1}), config);
  return stage;
}

StageChain llama_chain(const LlamaConfig& config, int64_t batch, int64_t sequence, Head head) {
  return assemble(config, attention_stage(config, batch, sequence), batch * sequence, head);
}

StageChain llama_decode_chain(const LlamaConfig& config, int64_t capacity, int64_t columns) {
  return assemble(config, decode_attention_stage(config, capacity, columns), columns,
                  Head::kLogits);
}

StageChain llama_prefill_chain(const LlamaConfig& config, int64_t sequence) {
  return assemble(config, prefill_attention_stage(config, sequence), sequence, Head::kLastLogits);
}

StageChain llama_cache_filling_chain(const LlamaConfig& config, int64_t capacity) {
  return assemble(config, cache_filling_attention_stage(config, capacity), capacity, Head::kLogits);
}

StageChain llama_cache_updating_chain(const LlamaConfig& config, int64_t capacity) {
  StageChain chain =
      assemble(config, cache_updating_attention_stage(config, capacity), 1, Head::kLogits);
  chain.stages[0] = positioned_embed_stage(config, capacity);
  return chain;
}

RopeTables rope_tables(const LlamaConfig& config, const std::vector<int64_t>& positions) {
  const int64_t pairs = config.head_size / 2;
  const auto width = static_cast<int64_t>(positions.size());
  RopeTables tables{Tensor(kType, {1, pairs, 1, width}), Tensor(kType, {1, pairs, 1, width})};
  for (int64_t i = 0; i < pairs; ++i) {
    const double frequency = std::pow(
        config.rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(config.head_size));
    for (int64_t s = 0; s < width; ++s) {
      const double angle = static_cast<double>(positions[static_cast<size_t>(s)]) * frequency;
      const auto at = static_cast<size_t>(i * width + s);
      tables.cosine.as<float>()[at] = static_cast<float>(std::cos(angle));
      tables.sine.as<float>()[at] = static_cast<float>(std::sin(angle));
    }
  }
  return tables;
}

}  // namespace anemone
