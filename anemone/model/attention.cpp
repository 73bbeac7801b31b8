#include "anemone/model/attention.h"

#include <cmath>

namespace anemone {
namespace {

struct HeadValues {
  Value q, k, v;
};

// Tables as values of the stage; null for a kind of layer without positions.
struct Rotation {
  Value cosine = nullptr, sine = nullptr;
};

std::string stage_name(const char* what, const LayerKind& kind) {
  return std::string(what) + (kind.sliding ? "_sliding" : "") + (kind.rotates ? "" : "_nope");
}

// One kind of layer being written.
class AttentionWriter {
 public:
  AttentionWriter(const TransformerConfig& config, const LayerKind& kind, const char* name,
                  int64_t columns)
      : config_(config),
        kind_(kind),
        stage_(config, stage_name(name, kind)),
        x_(stage_.input("x", {1, config.dim, 1, columns})) {}

  StageWriter& stage() { return stage_; }
  Builder& builder() { return stage_.builder(); }

  // Tables as inputs [1, K/2, 1, N].
  Rotation rotation_inputs(int64_t columns) {
    if (!kind_.rotates) return {};
    const Shape shape = {1, config_.head_size / 2, 1, columns};
    return {stage_.input(name_for(config_, kind_, "cos").c_str(), shape),
            stage_.input(name_for(config_, kind_, "sin").c_str(), shape)};
  }

  // Tables of whole sequences as constants.
  Rotation rotation_constants(int64_t batch, int64_t sequence) {
    if (!kind_.rotates) return {};
    std::vector<int64_t> positions(static_cast<size_t>(batch * sequence));
    for (size_t s = 0; s < positions.size(); ++s) {
      positions[s] = static_cast<int64_t>(s) % sequence;
    }
    RopeTables tables = rope_tables(config_.rope_of(kind_), config_.head_size, positions);
    return {builder().constant(std::move(tables.cosine), "cosine"),
            builder().constant(std::move(tables.sine), "sine")};
  }

  // Queries, and keys at their positions.
  HeadValues project(const Rotation& rotation) {
    const Value normal = config_.norms_before ? stage_.norm("input_layernorm", x_) : x_;
    const auto projected = [&](const char* module, int64_t heads, bool rotary) {
      return stage_.linear(module, normal, heads * config_.head_size,
                           {.bias = config_.qkv_bias, .rotary = rotary});
    };
    HeadValues heads;
    heads.q = projected("self_attn.q_proj", config_.heads, true);
    heads.k = projected("self_attn.k_proj", config_.kv_heads, true);
    heads.v = projected("self_attn.v_proj", config_.kv_heads, false);
    heads.q = rotated("q", normed("self_attn.q_norm", heads.q), rotation);
    heads.k = rotated("k", normed("self_attn.k_norm", heads.k), rotation);
    return heads;
  }

  // y = x + o_proj(mixed)
  void finish(Value mixed) {
    Value y = stage_.linear("self_attn.o_proj", builder().named("mixed", mixed), config_.dim,
                            {.bias = config_.output_bias, .ends_branch = true});
    if (config_.norms_after) y = stage_.norm("post_attention_layernorm", y);
    builder().output("y", builder().add(x_, y));
  }

  // The attention of whole sequences.
  HeadValues attend(int64_t batch, int64_t sequence) {
    const HeadValues heads = project(rotation_constants(batch, sequence));
    std::vector<Argument> arguments = {{"q", heads.q},
                                       {"k", heads.k},
                                       {"v", heads.v},
                                       {"head_size", builder().integer(config_.head_size)},
                                       {"sequence", builder().integer(sequence)}};
    finish(builder().op("anemone.causal_attention", with_switches(std::move(arguments))));
    return heads;
  }

  // What this kind of layer says beside the usual arguments.
  std::vector<Argument> with_switches(std::vector<Argument> arguments) {
    if (kind_.sliding) arguments.emplace_back("window", builder().integer(config_.window));
    if (config_.attention_scale != 0) {
      arguments.emplace_back("scale", builder().scalar(DType::kFp32, config_.attention_scale));
    }
    return arguments;
  }

 private:
  // Per head, or over all of them: x is [1, heads * K, 1, S].
  Value normed(const char* module, Value x) {
    if (config_.qk_norm == QkNorm::kNone) return x;
    if (config_.qk_norm == QkNorm::kAllHeads) return stage_.norm(module, x);
    const Shape shape = x->type.shape;
    const Shape split = {shape[1] / config_.head_size, config_.head_size, 1, shape[3]};
    return builder().reshape(stage_.norm(module, builder().reshape(x, split)), shape);
  }

  Value rotated(const char* name, Value x, const Rotation& rotation) {
    if (!kind_.rotates) return builder().named(name, x);
    std::vector<Argument> arguments = {{"x", x}, {"cos", rotation.cosine}, {"sin", rotation.sine}};
    if (!config_.rope.interleaved) {
      arguments.emplace_back("interleaved", builder().boolean(false));
    }
    return builder().named(name, builder().op("anemone.rope", std::move(arguments)));
  }

  const TransformerConfig& config_;
  LayerKind kind_;
  StageWriter stage_;
  Value x_;
};

// softmax(q · keysᵀ + hidden) · values for one token, in operations that every engine knows.
Value attend_to_cache(Builder& b, const TransformerConfig& config, Value query, Value keys,
                      Value values, Value hidden, int64_t capacity) {
  const int64_t group = config.heads / config.kv_heads, size = config.head_size;
  const Value q = b.reshape(query, {1, config.kv_heads, group, size});
  const double scale = config.attention_scale != 0 ? config.attention_scale
                                                   : 1 / std::sqrt(static_cast<double>(size));
  const Value scores = b.add(b.mul(b.matmul(q, keys, false, true), scale), hidden);
  // Probabilities are about 1/capacity, and products go to an absolute grid in fp16 (ane.c72).
  const double grid = std::exp2(std::round(std::log2(static_cast<double>(capacity)) / 2));
  const Value mixed = b.mul(b.matmul(b.mul(b.softmax(scores, -1), grid), values), 1 / grid);
  return b.reshape(mixed, {1, config.heads * size, 1, 1});
}

}  // namespace

std::string name_for(const TransformerConfig& config, const LayerKind& kind, const char* table) {
  return std::string(table) + (kind.sliding && config.sliding_rope ? "_sliding" : "");
}

ModelStage attention_stage(const TransformerConfig& config, const LayerKind& kind, int64_t batch,
                           int64_t sequence) {
  AttentionWriter writer(config, kind, "attention", batch * sequence);
  writer.attend(batch, sequence);
  return writer.stage().take();
}

ModelStage prefill_attention_stage(const TransformerConfig& config, const LayerKind& kind,
                                   int64_t sequence) {
  AttentionWriter writer(config, kind, "prefill_attention", sequence);
  const HeadValues heads = writer.attend(1, sequence);
  writer.builder().output("new_k", heads.k);
  writer.builder().output("new_v", heads.v);
  return writer.stage().take();
}

ModelStage decode_attention_stage(const TransformerConfig& config, const LayerKind& kind,
                                  int64_t capacity, int64_t columns) {
  AttentionWriter writer(config, kind, "decode_attention", columns);
  Builder& b = writer.builder();
  StageWriter& stage = writer.stage();
  const Shape cache = {1, config.kv_heads, capacity, config.head_size};
  const Rotation rotation = writer.rotation_inputs(columns);
  const Value k_cache = stage.input("k_cache", cache), v_cache = stage.input("v_cache", cache);
  const Value position = stage.ids("position", 1);
  const HeadValues heads = writer.project(rotation);
  writer.finish(b.op("anemone.decode_attention",
                     writer.with_switches({{"q", heads.q},
                                           {"k", heads.k},
                                           {"v", heads.v},
                                           {"k_cache", k_cache},
                                           {"v_cache", v_cache},
                                           {"position", position},
                                           {"head_size", b.integer(config.head_size)}})));
  b.output("new_k", heads.k);
  b.output("new_v", heads.v);
  return stage.take();
}

ModelStage cache_filling_attention_stage(const TransformerConfig& config, const LayerKind& kind,
                                         int64_t sequence) {
  AttentionWriter writer(config, kind, "prefill_attention", sequence);
  Builder& b = writer.builder();
  const HeadValues heads = writer.attend(1, sequence);
  const auto as_cache = [&](Value x) {
    const Value split = b.reshape(x, {1, config.kv_heads, config.head_size, sequence});
    return b.transpose(split, {0, 1, 3, 2});
  };
  b.output("k_cache_out", as_cache(heads.k));
  b.output("v_cache_out", as_cache(heads.v));
  return writer.stage().take();
}

ModelStage cache_updating_attention_stage(const TransformerConfig& config, const LayerKind& kind,
                                          int64_t capacity) {
  AttentionWriter writer(config, kind, "decode_attention", 1);
  Builder& b = writer.builder();
  StageWriter& stage = writer.stage();
  const int64_t size = config.head_size;
  const Rotation rotation = writer.rotation_inputs(1);
  const Value here = stage.input("here", {1, 1, capacity, 1});
  const Value elsewhere = stage.input("elsewhere", {1, 1, capacity, 1});
  const Value hidden = stage.input(kind.sliding ? "hidden_sliding" : "hidden", {1, 1, 1, capacity});
  const HeadValues heads = writer.project(rotation);
  const auto updated = [&](const std::string& name, Value fresh) {
    const Value cache = stage.input(name.c_str(), {1, config.kv_heads, capacity, size});
    const Value row = b.reshape(fresh, {1, config.kv_heads, 1, size});
    const Value result = b.add(b.mul(cache, elsewhere), b.mul(row, here));
    b.output(name + "_out", result);
    return result;
  };
  const Value keys = updated("k_cache", heads.k), values = updated("v_cache", heads.v);
  writer.finish(attend_to_cache(b, config, heads.q, keys, values, hidden, capacity));
  return stage.take();
}

}  // namespace anemone
