// Which passes run where, in which order: pipelines.cpp has all of it on one page.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "anemone/passes/pass_manager.h"

namespace anemone {

struct PassPipeline {
  std::string_view name;  // "host"
  std::string_view purpose;
  std::span<const Pass> passes;
};

// All of them, for --passes.
std::span<const PassPipeline> pass_pipelines();
// Throws Error(kInvalidInput) with the nearest name for an unknown one.
const PassPipeline& find_pass_pipeline(std::string_view name);

// Pipeline "host": for devices that run composite operations.
void optimize(Function& function);
// Pipeline "ane": from our operations to those that the Neural Engine takes. What it does not know
// stays as it is.
void lower_to_ane(Function& function);
// Pipeline "plain": MIL's own operations only.
void make_plain(Function& function);

}  // namespace anemone
