#include "anemone/passes/pipelines.h"

#include "anemone/base/error.h"
#include "anemone/base/nearest_name.h"
#include "anemone/passes/passes.h"

// The life of a program, from a file to a device:
//
//   load_program   specialize_shapes (open sizes decided), states_to_ports (for devices)
//   segment_stage  differentiate_stage, separate_classifier, partition, to_fp16 (engines),
//                  narrow_ports (bf16 between programs of the host)
//   CPU device     close_blocks, "host", widen_halves_between_ports, fuse_epilogues
//   ANE            "ane", then the rules of docs/ane.md
//   sim:<chip>     as the ANE; for values unpack_weights, widen_halves
//
// Those with parameters are called where they are used; what has none is listed here.
namespace anemone {
namespace {

bool remove_unused(Function& function) { return function.remove_unused() > 0; }

constexpr Pass kHost[] = {{"remove_unused", remove_unused},
                          {"unpack_weights", unpack_weights},
                          {"remove_unused", remove_unused},
                          {"fold_constants", fold_constants},
                          {"fold_batch_norm", fold_batch_norm},
                          {"fuse_accumulation", fuse_accumulation},
                          {"fuse_sums", fuse_sums},
                          {"order_arguments", order_arguments}};

constexpr Pass kAne[] = {{"decompose_composites", decompose_composites},
                         {"lower_for_ane", lower_for_ane},
                         {"fold_constants", fold_constants},
                         {"order_arguments", order_arguments}};

constexpr Pass kPlain[] = {{"decompose_composites", decompose_composites},
                           {"fold_constants", fold_constants}};

constexpr PassPipeline kPassPipelines[] = {
    {"host", "what the CPU device compiles", kHost},
    {"ane", "what the Neural Engine and its simulators get", kAne},
    {"plain", "MIL's own operations only", kPlain},
};

}  // namespace

std::span<const PassPipeline> pass_pipelines() { return kPassPipelines; }

const PassPipeline& find_pass_pipeline(std::string_view name) {
  std::vector<std::string_view> names;
  for (const PassPipeline& pipeline : kPassPipelines) {
    if (pipeline.name == name) return pipeline;
    names.push_back(pipeline.name);
  }
  fail("--passes", "there is no pipeline '" + std::string(name) + "'", suggest(name, names));
}

void optimize(Function& function) { run_passes(function, kHost); }
void lower_to_ane(Function& function) { run_passes(function, kAne); }
void make_plain(Function& function) { run_passes(function, kPlain); }

}  // namespace anemone
