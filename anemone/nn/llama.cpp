#include "anemone/nn/llama.h"

#include <cmath>

#include "anemone/ops/builder.h"
#include "anemone/weights/model_weights.h"

namespace anemone {
namespace {

constexpr DType kType = DType::kFp32;
constexpr const char* kOpset = "ios18";

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
