#include "anemone/ops/registry.h"

#include <algorithm>
#include <map>

#include "anemone/ops/families.h"

namespace anemone {
namespace {

using Registry = std::map<std::string_view, const OpDef*>;

const Registry& registry() {
  static const Registry all = [] {
    Registry result;
    for (const auto family : {
             constant_ops(),
             elementwise_unary_ops(),
             elementwise_binary_ops(),
             composite_elementwise_ops(),
             composite_norm_ops(),
             composite_attention_ops(),
             composite_loss_ops(),
             shape_ops(),
             slicing_ops(),
             joining_ops(),
             reduction_ops(),
             linear_ops(),
             attention_ops(),
             conv_ops(),
             normalization_ops(),
             activation_ops(),
             gather_ops(),
             scatter_ops(),
             sequence_ops(),
         }) {
      for (const OpDef& def : family) result.emplace(def.name, &def);
    }
    return result;
  }();
  return all;
}

// Levenshtein distance.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

std::string_view nearest_name(std::string_view name) {
  return std::min_element(registry().begin(), registry().end(),
                          [&](const auto& a, const auto& b) {
                            return edit_distance(name, a.first) < edit_distance(name, b.first);
                          })
      ->first;
}

}  // namespace

const OpDef* find_op(std::string_view name) {
  const auto found = registry().find(name);
  return found == registry().end() ? nullptr : found->second;
}

const OpDef& get_op(const Operation& op) {
  const OpDef* def = find_op(op.type);
  if (!def) {
    OpArgs(op).refuse(fmt::format("unknown operation '{}'", op.type),
                      fmt::format("did you mean '{}'?", nearest_name(op.type)));
  }
  return *def;
}

std::vector<const OpDef*> all_ops() {
  std::vector<const OpDef*> result;
  for (const auto& [name, def] : registry()) result.push_back(def);
  return result;
}

bool is_composite(const Operation& op) { return op.type.starts_with("anemone."); }

bool is_view(const Operation& op) {
  return op.type == "reshape" || op.type == "expand_dims" || op.type == "squeeze" ||
         op.type == "identity";
}

}  // namespace anemone
