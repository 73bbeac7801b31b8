#include "anemone/model/transformer.h"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <set>

namespace anemone {
namespace {

constexpr DType kType = DType::kFp32;
// Added to scores of what must not be seen: it vanishes behind exp, and fp16 holds it.
constexpr double kHidden = -1e4;

constexpr const char* kTable = "model.embed_tokens.weight";

ParameterSpec table_spec(const TransformerConfig& config, const char* name) {
  return {.name = name, .shape = {config.vocab_size, config.dim}, .deviation = kTableDeviation};
}

// 0, 1, …: what positions are compared with.
Tensor row_numbers(int64_t count, int64_t first = 0) {
  Tensor rows(DType::kInt32, {count});
  std::iota(rows.as<int32_t>().begin(), rows.as<int32_t>().end(), static_cast<int32_t>(first));
  return rows;
}

// [count, K]: of each position the cosines, then the sines.
Tensor rope_rows(const Rope& rope, int64_t head_size, int64_t count) {
  std::vector<int64_t> positions(static_cast<size_t>(count));
  std::iota(positions.begin(), positions.end(), 0);
  const RopeTables tables = rope_tables(rope, head_size, positions);
  const int64_t pairs = head_size / 2;
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

// tokens → y, in a stage that goes on.
Value write_embed(StageWriter& stage, const TransformerConfig& config, int64_t columns) {
  Builder& b = stage.builder();
  const Value tokens = stage.ids("tokens", columns);
  const Value table = stage.parameter(table_spec(config, kTable));
  const Value rows = b.op("gather", {{"x", table}, {"indices", tokens}, {"axis", b.integer(0)}});
  const Value y = b.reshape(b.transpose(rows, {1, 0}), {1, config.dim, 1, columns});
  return config.embedding_scale == 1 ? y : b.mul(y, config.embedding_scale);
}

struct Classifier {
  Value normal, weight;
};

// Final norm, of all columns or the last, and the classifier's weight.
Classifier classifier(StageWriter& stage, const TransformerConfig& config, int64_t columns,
                      bool only_last = false) {
  Builder& b = stage.builder();
  Value x = stage.input("x", {1, config.dim, 1, columns});
  if (only_last) x = b.slice_by_size(x, {0, 0, 0, columns - 1}, {1, config.dim, 1, 1});
  const Value normal = stage.norm("model.norm", x);
  const Shape shape = {config.vocab_size, config.dim, 1, 1};
  return {normal, stage.parameter(table_spec(config, "lm_head.weight"), shape)};
}

using AttentionOf = std::function<ModelStage(const LayerKind&)>;

std::vector<std::string> names_of(const ModelStage& stage, const std::string& prefix) {
  std::vector<std::string> names;
  for (const ParameterSpec& spec : stage.parameters) names.push_back(prefix + spec.name);
  return names;
}

// The stages of a model and what they declare.
struct ModelChain {
  StageChain chain;
  std::vector<ModelStage> stages;  // `stage` of each has moved into the chain

  size_t add(ModelStage stage) {
    chain.stages.push_back(std::move(stage.stage));
    stages.push_back(std::move(stage));
    return stages.size() - 1;
  }
  void use(size_t stage, std::string label, const std::string& prefix) {
    chain.uses.push_back({stage, std::move(label), names_of(stages[stage], prefix)});
  }
};

ModelStage head_stage(const TransformerConfig& config, int64_t columns, OutputHead head) {
  if (head == OutputHead::kLogits || head == OutputHead::kLastLogits) {
    return logits_stage(config, columns, head == OutputHead::kLastLogits);
  }
  return loss_stage(config, columns, head == OutputHead::kLossInParts);
}

// The stages in order, with one of attention for each kind of layer.
ModelChain assemble(const TransformerConfig& config, ModelStage embed, const AttentionOf& attention,
                    int64_t columns, OutputHead head) {
  ModelChain model;
  const size_t first = model.add(std::move(embed));
  model.use(first, "embed", "");
  std::map<LayerKind, size_t> attentions;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const LayerKind kind = config.kind_of(layer);
    if (!attentions.contains(kind)) attentions[kind] = model.add(attention(kind));
  }
  const size_t ffn = model.add(ffn_stage(config, columns));
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string label = "layers." + std::to_string(layer), prefix = layer_prefix(layer);
    model.use(attentions.at(config.kind_of(layer)), label + ".attention", prefix);
    model.use(ffn, label + ".ffn", prefix);
  }
  const size_t last = model.add(head_stage(config, columns, head));
  model.use(last, "head", "");
  if (config.tied_classifier) model.chain.uses.back().parameters.back() = kTable;
  return model;
}

// Which rows of a cache a token at `position` must not see: those behind it, and for a window those
// before it.
Value hidden_rows(Builder& b, Value position, int64_t capacity, int64_t window) {
  const Value rows = b.constant(row_numbers(capacity), "rows");
  Value hidden = b.cast(b.binary("greater", rows, position), kType);
  if (window > 0) {
    const Value last = b.constant(row_numbers(capacity, window), "last_positions");
    hidden = b.add(hidden, b.cast(b.binary("less_equal", last, position), kType));
  }
  return b.reshape(b.mul(hidden, kHidden), {1, 1, 1, capacity});
}

// Outputs the tables' columns of `position`, for the layers that `kind` stands for.
void output_rotation(Builder& b, const TransformerConfig& config, const LayerKind& kind,
                     Value position, int64_t capacity) {
  const int64_t pairs = config.head_size / 2;
  const Value table =
      b.constant(rope_rows(config.rope_of(kind), config.head_size, capacity), "rope");
  const Value row = b.op("gather", {{"x", table}, {"indices", position}, {"axis", b.integer(0)}});
  const std::vector<Value> halves =
      b.split(b.reshape(row, {1, 2 * pairs, 1, 1}), {pairs, pairs}, 1);
  b.output(name_for(config, kind, "cos"), halves[0]);
  b.output(name_for(config, kind, "sin"), halves[1]);
}

std::set<LayerKind> kinds_of(const TransformerConfig& config) {
  std::set<LayerKind> kinds;
  for (int64_t layer = 0; layer < config.layers; ++layer) kinds.insert(config.kind_of(layer));
  return kinds;
}

}  // namespace

std::string layer_prefix(int64_t layer) { return "model.layers." + std::to_string(layer) + "."; }

std::vector<ParameterSpec> parameters(const TransformerConfig& config) {
  const ModelChain model = assemble(
      config, embed_stage(config, 1),
      [&](const LayerKind& kind) { return attention_stage(config, kind, 1, 1); }, 1,
      OutputHead::kLogits);
  std::vector<ParameterSpec> all;
  for (const StageUse& use : model.chain.uses) {
    const std::vector<ParameterSpec>& declared = model.stages[use.stage].parameters;
    for (size_t i = 0; i < declared.size(); ++i) {
      const bool is_shared = config.tied_classifier && !all.empty() && use.parameters[i] == kTable;
      if (is_shared) continue;
      all.push_back(declared[i]);
      all.back().name = use.parameters[i];
    }
  }
  return all;
}

int64_t parameter_count(const TransformerConfig& config) {
  int64_t count = 0;
  for (const ParameterSpec& spec : parameters(config)) count += element_count(spec.shape);
  return count;
}

ModelStage embed_stage(const TransformerConfig& config, int64_t columns) {
  StageWriter stage(config, "embed");
  stage.builder().output("y", write_embed(stage, config, columns));
  return stage.take("");
}

ModelStage ffn_stage(const TransformerConfig& config, int64_t columns) {
  StageWriter stage(config, "ffn");
  Builder& b = stage.builder();
  const Value x = stage.input("x", {1, config.dim, 1, columns});
  // Llama's name for the norm before is that of the norm after attention elsewhere.
  const char* before =
      config.norms_after ? "pre_feedforward_layernorm" : "post_attention_layernorm";
  const Value normal = config.norms_before ? stage.norm(before, x) : x;
  const bool bias = config.mlp_bias;
  const Value gate = stage.linear("mlp.gate_proj", normal, config.hidden_dim, {.bias = bias});
  const Value up = stage.linear("mlp.up_proj", normal, config.hidden_dim, {.bias = bias});
  Value hidden;
  if (config.activation == Activation::kSilu) {
    hidden = b.op("anemone.swiglu", {{"gate", gate}, {"up", up}});
  } else {
    hidden = b.mul(b.op("gelu", {{"x", gate}, {"mode", b.text("TANH_APPROXIMATION")}}), up);
  }
  Value y = stage.linear("mlp.down_proj", b.named("hidden", hidden), config.dim,
                         {.bias = bias, .ends_branch = true});
  if (config.norms_after) y = stage.norm("post_feedforward_layernorm", y);
  b.output("y", b.add(x, y));
  return stage.take();
}

ModelStage logits_stage(const TransformerConfig& config, int64_t columns, bool only_last) {
  StageWriter stage(config, "logits");
  const Classifier c = classifier(stage, config, columns, only_last);
  stage.builder().output("logits", stage.builder().conv1x1(c.normal, c.weight));
  return stage.take("x", "logits");
}

ModelStage loss_stage(const TransformerConfig& config, int64_t columns, bool in_parts) {
  StageWriter stage(config, "loss");
  Builder& b = stage.builder();
  const Classifier c = classifier(stage, config, columns);
  std::vector<Argument> arguments = {{"targets", stage.ids("targets", columns)}};
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
  return stage.take("x", "loss");
}

ModelStage positioned_embed_stage(const TransformerConfig& config, int64_t capacity) {
  StageWriter stage(config, "embed");
  Builder& b = stage.builder();
  b.output("y", write_embed(stage, config, 1));
  const Value position = stage.ids("position", 1);
  const Value rows = b.constant(row_numbers(capacity), "rows");
  const auto compared = [&](const char* comparison) {
    return b.reshape(b.cast(b.binary(comparison, rows, position), kType), {1, 1, capacity, 1});
  };
  b.output("here", compared("equal"));
  b.output("elsewhere", compared("not_equal"));
  std::set<std::string> done;
  for (const LayerKind& kind : kinds_of(config)) {
    const int64_t window = kind.sliding ? config.window : 0;
    if (const char* name = kind.sliding ? "hidden_sliding" : "hidden"; done.insert(name).second) {
      b.output(name, hidden_rows(b, position, capacity, window));
    }
    if (kind.rotates && done.insert(name_for(config, kind, "cos")).second) {
      output_rotation(b, config, kind, position, capacity);
    }
  }
  return stage.take("");
}

StageChain training_chain(const TransformerConfig& config, int64_t batch, int64_t sequence,
                          OutputHead head) {
  const int64_t columns = batch * sequence;
  return assemble(
             config, embed_stage(config, columns),
             [&](const LayerKind& kind) { return attention_stage(config, kind, batch, sequence); },
             columns, head)
      .chain;
}

StageChain decode_chain(const TransformerConfig& config, int64_t capacity, int64_t columns) {
  return assemble(
             config, embed_stage(config, columns),
             [&](const LayerKind& kind) {
               return decode_attention_stage(config, kind, capacity, columns);
             },
             columns, OutputHead::kLogits)
      .chain;
}

StageChain prefill_chain(const TransformerConfig& config, int64_t sequence) {
  return assemble(
             config, embed_stage(config, sequence),
             [&](const LayerKind& kind) { return prefill_attention_stage(config, kind, sequence); },
             sequence, OutputHead::kLastLogits)
      .chain;
}

StageChain cache_filling_chain(const TransformerConfig& config, int64_t capacity) {
  return assemble(
             config, embed_stage(config, capacity),
             [&](const LayerKind& kind) {
               return cache_filling_attention_stage(config, kind, capacity);
             },
             capacity, OutputHead::kLogits)
      .chain;
}

StageChain cache_updating_chain(const TransformerConfig& config, int64_t capacity) {
  return assemble(
             config, positioned_embed_stage(config, capacity),
             [&](const LayerKind& kind) {
               return cache_updating_attention_stage(config, kind, capacity);
             },
             1, OutputHead::kLogits)
      .chain;
}

}  // namespace anemone
