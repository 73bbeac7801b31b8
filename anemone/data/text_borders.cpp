#include "anemone/data/text_borders.h"

#include <fmt/format.h>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/strict_json.h"
#include "anemone/data/token_model.h"

namespace anemone {

namespace fs = std::filesystem;

const char* const kBorderFiles[3] = {"tokenizer_config.json", "special_tokens_map.json",
                                     "generation_config.json"};

namespace {

// "<s>", or {"content": "<s>", ...}; absent or null: none.
std::string token_named(const JsonNode& json, std::string_view key) {
  const auto found = json.find(key);
  if (!found) return "";
  return found->value().is_object() ? found->at("content").text() : found->text();
}

void read_names(const JsonNode& json, NamedBorders& borders) {
  if (borders.bos.empty()) borders.bos = token_named(json, "bos_token");
  if (borders.eos.empty()) borders.eos = token_named(json, "eos_token");
}

// An id, or a list of them.
void read_ids(const JsonNode& json, NamedBorders& borders) {
  const auto found = json.find("eos_token_id");
  if (!found) return;
  const auto add = [&](const JsonNode& id) {
    borders.eos_ids.push_back(static_cast<int>(id.integer(0, kMaxTokenId)));
  };
  if (!found->value().is_array()) return add(*found);
  for (size_t i = 0; i < found->size(); ++i) add(found->at(i));
}

void append(const JsonNode& ids, int vocab_size, std::vector<int>& all) {
  for (size_t i = 0; i < ids.size(); ++i) {
    all.push_back(static_cast<int>(ids.at(i).integer(0, vocab_size - 1)));
  }
}

// [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}, ...]: those before the text.
std::vector<int> template_ids(const JsonNode& json, int vocab_size) {
  json.allow_only({"type", "single", "pair", "special_tokens"});
  const JsonNode single = json.at("single");
  std::vector<int> ids;
  for (size_t i = 0; i < single.size(); ++i) {
    const JsonNode part = single.at(i);
    part.allow_only({"SpecialToken", "Sequence"});
    const auto special = part.find("SpecialToken");
    if (!special) return ids;
    const std::string name = special->at("id").text();
    append(json.at("special_tokens").at(name).at("ids"), vocab_size, ids);
  }
  single.refuse("has no place for the text");
}

// ["<s>", 0], of RobertaProcessing and BertProcessing.
std::vector<int> class_id(const JsonNode& json, int vocab_size) {
  json.allow_only({"type", "sep", "cls", "trim_offsets", "add_prefix_space"});
  return {static_cast<int>(json.at("cls").at(size_t{1}).integer(0, vocab_size - 1))};
}

}  // namespace

NamedBorders read_named_borders(const fs::path& directory) {
  NamedBorders borders;
  for (const char* name : kBorderFiles) {
    const fs::path path = directory / name;
    std::error_code ignored;
    if (!fs::is_regular_file(path, ignored)) continue;
    const nlohmann::json json = parse_strict_json(read_file(path), path.string());
    const JsonNode root(json, path.string());
    name == kBorderFiles[2] ? read_ids(root, borders) : read_names(root, borders);
  }
  return borders;
}

std::vector<int> ids_in_front(const std::optional<JsonNode>& post_processor, int vocab_size) {
  if (!post_processor) return {};
  const JsonNode& json = *post_processor;
  const std::string type = json.at("type").text();
  if (type == "TemplateProcessing") return template_ids(json, vocab_size);
  if (type == "RobertaProcessing" || type == "BertProcessing") return class_id(json, vocab_size);
  if (type == "ByteLevel") {
    json.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    return {};
  }
  if (type != "Sequence") json.refuse(fmt::format("the post-processor \"{}\" is not read", type));
  json.allow_only({"type", "processors"});
  const JsonNode all = json.at("processors");
  std::vector<int> ids;
  for (size_t i = 0; i < all.size(); ++i) {
    const std::vector<int> outer = ids_in_front(all.at(i), vocab_size);
    ids.insert(ids.begin(), outer.begin(), outer.end());
  }
  return ids;
}

}  // namespace anemone
