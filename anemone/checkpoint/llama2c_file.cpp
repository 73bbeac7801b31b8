#include "anemone/checkpoint/llama2c_file.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <set>

#include "anemone/base/error.h"
#include "anemone/base/file.h"

namespace anemone {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian");

constexpr uint32_t kMagic = 0x616b3432;  // "ak42"
constexpr size_t kHeaderBytes = 256;     // of v1 and v2
constexpr size_t kLegacyHeaderBytes = 7 * sizeof(int32_t);

// Every matrix of a layer in the order of the files: wq, wk, wv, wo, w1, w2, w3.
constexpr const char* kAttentionParts[] = {"self_attn.q_proj", "self_attn.k_proj",
                                           "self_attn.v_proj", "self_attn.o_proj"};
constexpr const char* kFeedForwardParts[] = {"mlp.gate_proj", "mlp.down_proj", "mlp.up_proj"};
constexpr const char* kAttentionNorm = "input_layernorm";
constexpr const char* kFeedForwardNorm = "post_attention_layernorm";
constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr const char* kFinalNorm = "model.norm.weight";
constexpr const char* kClassifier = "lm_head.weight";

struct Header {
  int version = 0;
  TransformerConfig config;
  int64_t group_size = 0;  // v2 only
  size_t bytes = kLegacyHeaderBytes;
};

// Takes values off the front of the file; the caller has checked the file's size.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : rest_(bytes) {}

  void read(void* out, size_t size) {
    ANEMONE_CHECK(size <= rest_.size());
    if (size > 0) std::memcpy(out, rest_.data(), size);
    rest_ = rest_.subspan(size);
  }
  template <typename T>
  T value() {
    T result;
    read(&result, sizeof(T));
    return result;
  }
  void skip(size_t size) { rest_ = rest_.subspan(size); }

 private:
  std::span<const std::byte> rest_;
};

TransformerConfig read_sizes(Cursor& cursor) {
  TransformerConfig config;
  config.rope.interleaved = true;
  for (int64_t TransformerConfig::*size :
       {&TransformerConfig::dim, &TransformerConfig::hidden_dim, &TransformerConfig::layers,
        &TransformerConfig::heads, &TransformerConfig::kv_heads, &TransformerConfig::vocab_size,
        &TransformerConfig::max_sequence}) {
    config.*size = cursor.value<int32_t>();
  }
  return config;
}

Header read_versioned_header(Cursor& cursor, const std::string& where) {
  Header header;
  header.bytes = kHeaderBytes;
  cursor.skip(sizeof kMagic);
  header.version = cursor.value<int32_t>();
  if (header.version != 1 && header.version != 2) {
    fail(where, fmt::format("llama2.c format version {} is unknown", header.version),
         "Anemone reads versions 0, 1 and 2");
  }
  header.config = read_sizes(cursor);
  header.config.tied_classifier = cursor.value<uint8_t>() != 0;
  if (header.version == 2) header.group_size = cursor.value<int32_t>();
  return header;
}

void finish_config(TransformerConfig& config, const std::string& where) {
  if (config.heads > 0 && config.dim % config.heads != 0) {
    fail(where, fmt::format("dim {} is not a multiple of {} heads", config.dim, config.heads));
  }
  config.head_size = config.heads > 0 ? config.dim / config.heads : 0;
  config.validate(where);
}

Header read_header(std::span<const std::byte> file, const std::string& where) {
  constexpr const char* kHint = "is this a llama2.c model file?";
  if (file.size() < kLegacyHeaderBytes) {
    fail(where, fmt::format("{} bytes are too few for a model", file.size()), kHint);
  }
  Cursor cursor(file);
  Header header;
  if (Cursor(file).value<uint32_t>() == kMagic) {
    if (file.size() < kHeaderBytes) {
      fail(where,
           fmt::format("{} bytes are too few for the header of {}", file.size(), kHeaderBytes),
           "the file is truncated");
    }
    header = read_versioned_header(cursor, where);
  } else {
    header.config = read_sizes(cursor);
    header.config.tied_classifier = header.config.vocab_size > 0;
    header.config.vocab_size = std::abs(header.config.vocab_size);
  }
  try {
    finish_config(header.config, where);
  } catch (const Error& error) {
    fail(where, "the header makes no sense: " + error.message(), kHint);
  }
  return header;
}

// One stretch of the file.
struct Piece {
  std::string name;  // empty: the legacy rotary tables
  int64_t count = 0;
  bool quantized = false;
};

// The pieces after the header, in file order.
class Layout {
 public:
  Layout(const TransformerConfig& config, int version) : config_(config), version_(version) {
    for (const ParameterSpec& tensor : parameters(config)) {
      counts_[tensor.name] = element_count(tensor.shape);
    }
    version == 0 ? add_legacy() : add_versioned();
  }

  const std::vector<Piece>& pieces() const { return pieces_; }

 private:
  void add(const std::string& name, bool matrix) {
    pieces_.push_back({name, counts_.at(name), matrix && version_ == 2});
  }
  void add_norms(const char* part) { add_layers(part, false); }
  void add_layers(const char* part, bool matrix = true) {
    for (int64_t i = 0; i < config_.layers; ++i) add(layer_prefix(i) + part + ".weight", matrix);
  }

  void add_legacy() {
    add(kEmbedding, true);
    add_norms(kAttentionNorm);
    for (const char* part : kAttentionParts) add_layers(part);
    add_norms(kFeedForwardNorm);
    for (const char* part : kFeedForwardParts) add_layers(part);
    add(kFinalNorm, false);
    pieces_.push_back({"", config_.max_sequence * config_.head_size});
    if (!config_.tied_classifier) add(kClassifier, true);
  }

  void add_versioned() {
    add_norms(kAttentionNorm);
    add_norms(kFeedForwardNorm);
    add(kFinalNorm, false);
    add(kEmbedding, true);
    for (const char* part : kAttentionParts) add_layers(part);
    for (const char* part : kFeedForwardParts) add_layers(part);
    if (!config_.tied_classifier) add(kClassifier, true);
  }

  const TransformerConfig& config_;
  int version_;
  std::map<std::string, int64_t> counts_;
  std::vector<Piece> pieces_;
};

void check_group_size(const Header& header, const Layout& layout, const std::string& where) {
  if (header.version != 2) return;
  for (const Piece& piece : layout.pieces()) {
    if (header.group_size < 1 || (piece.quantized && piece.count % header.group_size != 0)) {
      fail(where, fmt::format("a group size of {} does not divide the {} elements of '{}'",
                              header.group_size, piece.count, piece.name));
    }
  }
}

void check_file_size(const Header& header, const Layout& layout, size_t actual,
                     const std::string& where) {
  size_t expected = header.bytes;
  for (const Piece& piece : layout.pieces()) {
    const auto count = static_cast<size_t>(piece.count);
    expected += piece.quantized
                    ? count + count / static_cast<size_t>(header.group_size) * sizeof(float)
                    : count * sizeof(float);
  }
  if (actual == expected) return;
  fail(where, fmt::format("has {} bytes, its header asks for {}", actual, expected),
       actual < expected ? "the file is truncated, or not a llama2.c model"
                         : "something follows the model, or it is not a llama2.c model");
}

void read_quantized(Cursor& cursor, int64_t group_size, std::span<float> out) {
  std::vector<int8_t> values(out.size());
  cursor.read(values.data(), values.size());
  const auto group = static_cast<size_t>(group_size);
  for (size_t begin = 0; begin < out.size(); begin += group) {
    const auto scale = cursor.value<float>();
    for (size_t i = begin; i < begin + group; ++i) out[i] = static_cast<float>(values[i]) * scale;
  }
}

// cos or sin of position * theta^(-2i / K), in fp32 throughout as export.py has it.
std::vector<float> rotary_table(const TransformerConfig& config, float (*function)(float)) {
  std::vector<float> table;
  const auto theta = static_cast<float>(config.rope.theta);
  for (int64_t position = 0; position < config.max_sequence; ++position) {
    for (int64_t i = 0; i < config.head_size; i += 2) {
      const float exponent = static_cast<float>(i) / static_cast<float>(config.head_size);
      const float frequency = 1.0f / std::pow(theta, exponent);
      table.push_back(function(static_cast<float>(position) * frequency));
    }
  }
  return table;
}

void check_expressible(const TransformerConfig& config, const std::string& where) {
  constexpr const char* kHint = "save it as a directory, which can hold any configuration";
  const TransformerConfig standard;
  if (config.model_type != standard.model_type || config.qkv_bias || config.mlp_bias ||
      config.rope.scaling != RopeScaling::kNone) {
    fail(where,
         fmt::format("a llama2.c file cannot hold a model of type {}{}", config.model_type,
                     config.model_type == standard.model_type
                         ? " with biases or scaled rotary positions"
                         : ""),
         kHint);
  }
  if (config.head_size * config.heads != config.dim) {
    fail(where,
         fmt::format("a llama2.c file cannot hold a head size ({}) other than dim / heads",
                     config.head_size),
         kHint);
  }
  if (config.rope.theta != standard.rope.theta || config.norm_epsilon != standard.norm_epsilon) {
    fail(where,
         fmt::format("a llama2.c file cannot hold rope_theta {} with norm_epsilon {}, only "
                     "{} with {}",
                     config.rope.theta, config.norm_epsilon, standard.rope.theta,
                     standard.norm_epsilon),
         kHint);
  }
}

void write_legacy_header(FileWriter& writer, const TransformerConfig& config) {
  const int64_t vocab = config.tied_classifier ? config.vocab_size : -config.vocab_size;
  for (int64_t size : {config.dim, config.hidden_dim, config.layers, config.heads, config.kv_heads,
                       vocab, config.max_sequence}) {
    const auto narrow = static_cast<int32_t>(size);
    writer.write(&narrow, sizeof narrow);
  }
}

void write_rotary_tables(FileWriter& writer, const TransformerConfig& config) {
  for (float (*function)(float) :
       {+[](float x) { return std::cos(x); }, +[](float x) { return std::sin(x); }}) {
    const std::vector<float> table = rotary_table(config, function);
    writer.write(table.data(), table.size() * sizeof(float));
  }
}

}  // namespace

ModelWeights read_llama2c(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::string where = path.string();
  const Header header = read_header(file.bytes(), where);
  const Layout layout(header.config, header.version);
  check_group_size(header, layout, where);
  check_file_size(header, layout, file.bytes().size(), where);

  ModelWeights weights{.config = header.config, .tensors = {}};
  for (const ParameterSpec& tensor : parameters(header.config)) {
    weights.tensors[tensor.name] = Tensor(DType::kFp32, tensor.shape);
  }
  Cursor cursor(file.bytes());
  cursor.skip(header.bytes);
  for (const Piece& piece : layout.pieces()) {
    if (piece.name.empty()) {
      cursor.skip(static_cast<size_t>(piece.count) * sizeof(float));
      continue;
    }
    const std::span<float> out = weights.tensors.at(piece.name).as<float>();
    if (piece.quantized) {
      read_quantized(cursor, header.group_size, out);
    } else {
      cursor.read(out.data(), out.size_bytes());
    }
  }
  return weights;
}

void write_llama2c(const std::filesystem::path& path, const ModelWeights& weights) {
  check(weights, path.string());
  check_expressible(weights.config, path.string());
  const TransformerConfig& config = weights.config;
  std::set<std::string> in_halves;
  for (const ParameterSpec& spec : parameters(config)) {
    if (spec.rotary && !config.rope.interleaved) in_halves.insert(spec.name);
  }
  FileWriter writer(path);
  write_legacy_header(writer, config);
  const Layout layout(config, 0);
  for (const Piece& piece : layout.pieces()) {
    if (piece.name.empty()) {
      write_rotary_tables(writer, config);
    } else {
      const Tensor& tensor = weights.tensors.at(piece.name);
      if (!in_halves.contains(piece.name)) {
        writer.write(tensor.data(), tensor.bytes());
        continue;
      }
      const Tensor turned = tensor.clone();
      permute_rotary_rows(turned, config.head_size, RotaryRows::kHalfSplitToInterleaved);
      writer.write(turned.data(), turned.bytes());
    }
  }
  writer.commit();
}

}  // namespace anemone
