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

// [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}, ...]: what is around the text.
TextBorders template_borders(const JsonNode& json, int vocab_size) {
  json.allow_only({"type", "single", "pair", "special_tokens"});
  const JsonNode single = json.at("single");
  TextBorders borders;
  bool has_text = false;
  for (size_t i = 0; i < single.size(); ++i) {
    const JsonNode part = single.at(i);
    part.allow_only({"SpecialToken", "Sequence"});
    if (const auto special = part.find("SpecialToken")) {
      const std::string name = special->at("id").text();
      append(json.at("special_tokens").at(name).at("ids"), vocab_size,
             has_text ? borders.behind : borders.front);
    } else if (has_text || part.at("Sequence").at("id").text() != "A") {
      part.refuse("only one text, \"A\", is read here");
    } else {
      has_text = true;
    }
  }
  if (!has_text) single.refuse("has no place for the text");
  return borders;
}

// "cls": ["<s>", 0], "sep": ["</s>", 2], of RobertaProcessing and BertProcessing.
TextBorders class_borders(const JsonNode& json, int vocab_size) {
  json.allow_only({"type", "sep", "cls", "trim_offsets", "add_prefix_space"});
  const auto id = [&](const char* key) {
    return static_cast<int>(json.at(key).at(size_t{1}).integer(0, vocab_size - 1));
  };
  return {{id("cls")}, {id("sep")}};
}

// The later ones of a sequence are outside. A template makes several texts of one, and to what
// comes behind it they are a pair: other tokens than those around a text.
TextBorders sequence_borders(const JsonNode& json, int vocab_size) {
  json.allow_only({"type", "processors"});
  const JsonNode all = json.at("processors");
  TextBorders borders;
  bool adds = false, is_template = false;
  for (size_t i = 0; i < all.size(); ++i) {
    const JsonNode one = all.at(i);
    const std::string type = one.at("type").text();
    const TextBorders outer = borders_of_text(one, vocab_size);
    if (type == "ByteLevel") continue;
    if (is_template || (adds && type == "Sequence")) {
      one.refuse("tokens around those of a TemplateProcessing are not read");
    }
    adds = true;
    is_template = type == "TemplateProcessing" || type == "Sequence";
    borders.front.insert(borders.front.begin(), outer.front.begin(), outer.front.end());
    borders.behind.insert(borders.behind.end(), outer.behind.begin(), outer.behind.end());
  }
  return borders;
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

TextBorders borders_of_text(const std::optional<JsonNode>& post_processor, int vocab_size) {
  if (!post_processor) return {};
  const JsonNode& json = *post_processor;
  const std::string type = json.at("type").text();
  if (type == "TemplateProcessing") return template_borders(json, vocab_size);
  if (type == "RobertaProcessing" || type == "BertProcessing") {
    return class_borders(json, vocab_size);
  }
  if (type == "Sequence") return sequence_borders(json, vocab_size);
  if (type != "ByteLevel") json.refuse(fmt::format("the post-processor \"{}\" is not read", type));
  json.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  return {};
}

}  // namespace anemone
