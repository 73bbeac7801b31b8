#include "anemone/ops/registry.h"

#include <algorithm>
#include <map>

#include "anemone/base/nearest_name.h"
#include "anemone/ops/families.h"

namespace anemone {
namespace {

using Registry = std::map<std::string_view, const OpDef*>;

const Registry& registry() {
  static const Registry all = [] {
    Registry result;
    for (const auto family : {
             constant_ops(),
             control_ops(),
             elementwise_unary_ops(),
             elementwise_binary_ops(),
             composite_elementwise_ops(),
             composite_linear_ops(),
             composite_norm_ops(),
             composite_attention_ops(),
             composite_decode_attention_ops(),
             composite_loss_ops(),
             composite_classifier_ops(),
             shape_ops(),
             slicing_ops(),
             slice_update_ops(),
             joining_ops(),
             reduction_ops(),
             linear_ops(),
             attention_ops(),
             conv_ops(),
             pooling_ops(),
             normalization_ops(),
             activation_ops(),
             gather_ops(),
             scatter_ops(),
             sequence_ops(),
             quantization_ops(),
             palette_ops(),
             sorting_ops(),
             space_ops(),
             resizing_ops(),
             warping_ops(),
             crop_resize_ops(),
             sliding_ops(),
             recurrent_ops(),
             einsum_ops(),
             local_response_ops(),
             random_ops(),
             detection_ops(),
         }) {
      for (const OpDef& def : family) result.emplace(def.name, &def);
    }
    return result;
  }();
  return all;
}

std::string suggest_op(std::string_view name) {
  std::vector<std::string_view> names;
  for (const auto& [known, def] : registry()) names.push_back(known);
  return suggest(name, names);
}

}  // namespace

const OpDef* find_op(std::string_view name) {
  const auto found = registry().find(name);
  return found == registry().end() ? nullptr : found->second;
}

const OpDef& get_op(const Operation& op) {
  const OpDef* def = find_op(op.type);
  if (!def) {
    OpArgs(op).refuse(fmt::format("unknown operation '{}'", op.type), suggest_op(op.type));
  }
  return *def;
}

std::vector<const OpDef*> all_ops() {
  std::vector<const OpDef*> result;
  for (const auto& [name, def] : registry()) result.push_back(def);
  return result;
}

}  // namespace anemone
