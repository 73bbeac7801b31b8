#include "anemone/bench/op_times.h"

#include <array>
#include <string_view>

#include "anemone/ops/op_args.h"

namespace anemone {
namespace {

struct Kind {
  std::string_view type;  // of operations that begin with it
  const char* kind;
};

// The first that fits.
constexpr std::array kKinds = {Kind{"conv_transpose", "gemm dx"},
                               Kind{"conv", "gemm forward"},
                               Kind{"linear", "gemm forward"},
                               Kind{"anemone.narrow_linear", "gemm forward"},
                               Kind{"matmul", "gemm forward"},
                               Kind{"anemone.expected_rows", "gemm dx"},
                               Kind{"anemone.classifier_weight_gradient", "gemm dw"},
                               Kind{"anemone.causal_attention", "attention"},
                               Kind{"anemone.decode_attention", "attention"},
                               Kind{"anemone.rms_norm", "norms"},
                               Kind{"anemone.swiglu", "activations"},
                               Kind{"silu", "activations"},
                               Kind{"sigmoid", "activations"},
                               Kind{"anemone.rope", "rope"},
                               Kind{"anemone.cross_entropy", "loss"},
                               Kind{"anemone.nll_loss", "loss"},
                               Kind{"softmax", "loss"},
                               Kind{"gather", "embedding"},
                               Kind{"scatter", "embedding"},
                               Kind{"anemone.embedding", "embedding"}};

}  // namespace

std::string kind_of(const Operation& op) {
  // A product that adds to something: of which kind, its orientation says.
  if (op.type == "anemone.matmul_add") {
    const OpArgs args(op);
    if (args.boolean("transpose_y", false)) return "gemm dw";
    return args.boolean("transpose_x", false) ? "gemm dx" : "gemm forward";
  }
  for (const Kind& kind : kKinds) {
    if (op.type.starts_with(kind.type)) return kind.kind;
  }
  return "elementwise";
}

size_t OpTimes::add(const std::string& program, const Operation& op) {
  return timeline_.name_id(program + ": " + op.type + " " + op.outputs[0]->name, kind_of(op));
}

std::map<std::string, double> OpTimes::kinds() const {
  std::map<std::string, double> kinds;
  for (const TimelineTotal& total : timeline_.names()) kinds[total.category] += total.total_ms;
  return kinds;
}

nlohmann::ordered_json OpTimes::components(double total_ms, double runs) const {
  nlohmann::ordered_json parts = nlohmann::ordered_json::object();
  double rest = total_ms;
  for (const auto& [kind, ms] : kinds()) {
    parts[kind] = ms / runs;
    rest -= ms;
  }
  parts["between operations"] = rest / runs;
  return parts;
}

}  // namespace anemone
