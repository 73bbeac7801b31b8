#include "anemone/runtime/placement.h"

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/base/nearest_name.h"

namespace anemone {
namespace {

const std::vector<std::string> kLayers = {"attention", "ffn"};

// attention and ffn forward, and their way back to x. The residual stream stays on the host in
// fp32: what adds to it ("y", "dx") is not listed. Work of the host is kept apart by kind, so that
// a report can tell it.
std::vector<PlacementRow> layer_rows() {
  const std::vector<Part> both = {Part::kForward, Part::kBackward};
  return {
      {{}, both, {"anemone.rms_norm", "anemone.rms_norm_backward"}, {}, false, "norm"},
      {{}, both, {"conv", "conv_transpose", "anemone.expected_rows"}, {}, false, "classifier"},
      {kLayers, {Part::kForward}, {}, {}, true, ""},
      {kLayers, {Part::kBackward}, {}, {}, true, ""},
      {kLayers, {Part::kForward}, {}, {"y"}, false, ""},
      {kLayers, {Part::kBackward}, {"anemone.rms_norm_backward"}, {}, false, "norm"},
      {kLayers, {Part::kBackward}, {}, {"dx"}, false, ""},
  };
}

// Everything that knows no weights between the projections of attention's backward: apart, so that
// it is compiled once. What is as free of weights elsewhere (SwiGLU, attention forward) is not
// worth the dispatches, and no rule on the graph tells the two apart: this row does.
PlacementRow attention_core() {
  return {{"attention"},
          {Part::kBackward},
          {"anemone.causal_attention_backward", "anemone.rope"},
          {},
          true,
          "core"};
}

std::vector<PlacementRow> with(std::vector<PlacementRow> rows,
                               const std::vector<PlacementRow>& more) {
  rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

std::vector<Placement> build_pipelines() {
  const std::vector<PlacementRow> static_rows = with(layer_rows(), {attention_core()});
  const std::vector<PlacementRow> static_ane_rows = with(
      static_rows,
      {
          {kLayers, {Part::kBackward}, {"anemone.rms_norm_backward"}, {}, true, "norm backward"},
          {{"loss"}, {Part::kForward}, {"anemone.rms_norm"}, {}, true, "norm"},
          {{"loss"}, {Part::kForward}, {"conv"}, {}, true, "classifier"},
          {{"loss"}, {Part::kForward}, {"softmax"}, {}, true, "softmax"},
      });
  const std::vector<PlacementRow> dynamic_rows =
      with(layer_rows(),
           {
               {kLayers, {Part::kBackward}, {"anemone.rms_norm_backward"}, {}, true, ""},
               {{"loss"}, {Part::kForward}, {"anemone.rms_norm", "conv", "softmax"}, {}, true, ""},
               {{"loss"}, {Part::kBackward}, {"anemone.expected_rows"}, {}, true, ""},
           });
  return {
      {"host", Constants::kNone, 1, {}},
      {"static", Constants::kAll, 1, static_rows},
      {"static-ane", Constants::kAll, 1, static_ane_rows},
      {"static-lora", Constants::kFrozen, 2, dynamic_rows},
      {"dynamic", Constants::kNone, 2, dynamic_rows},
  };
}

// Whether the list is empty or holds the value.
template <typename T, typename U>
bool admits(const std::vector<T>& list, const U& value) {
  return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}

bool names_stage(const std::vector<std::string>& listed, const std::string& stage) {
  return listed.empty() || std::any_of(listed.begin(), listed.end(), [&](const std::string& name) {
           return is_stage(name, stage);
         });
}

bool matches(const PlacementRow& row, const std::string& stage, Part part, const Operation& op) {
  if (!names_stage(row.stages, stage) || !admits(row.parts, part) ||
      !admits(row.operations, op.type)) {
    return false;
  }
  return std::any_of(op.outputs.begin(), op.outputs.end(),
                     [&](Value output) { return admits(row.values, output->name); });
}

}  // namespace

const char* to_string(Part part) {
  switch (part) {
    case Part::kForward:
      return "forward";
    case Part::kRecompute:
      return "recompute";
    case Part::kBackward:
      return "backward";
    case Part::kWeightGradient:
      return "weight gradient";
  }
  return "";
}

bool is_stage(const std::string& name, const std::string& stage) {
  return stage == name || stage.starts_with(name + "_");
}

std::span<const Placement> all_pipelines() {
  static const std::vector<Placement> pipelines = build_pipelines();
  return pipelines;
}

const Placement& find_pipeline(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Placement& pipeline : all_pipelines()) {
    if (pipeline.name == name) return pipeline;
    names.push_back(pipeline.name);
  }
  fail("--pipeline", "there is no pipeline '" + std::string(name) + "'",
       "host, static, static-ane, static-lora and dynamic are known; a file needs a path that ends "
       "in "
       ".json");
}

const PlacementRow* find_row(const Placement& placement, const std::string& stage, Part part,
                             const Operation& op) {
  for (auto row = placement.rows.rbegin(); row != placement.rows.rend(); ++row) {
    if (matches(*row, stage, part, op)) return &*row;
  }
  return nullptr;
}

bool uses_device(const Placement& placement) {
  return std::any_of(placement.rows.begin(), placement.rows.end(),
                     [](const PlacementRow& row) { return row.on_device; });
}

bool softmax_on_device(const Placement& placement) {
  return std::any_of(placement.rows.begin(), placement.rows.end(), [](const PlacementRow& row) {
    return row.on_device && !row.operations.empty() && admits(row.operations, "softmax");
  });
}

}  // namespace anemone
