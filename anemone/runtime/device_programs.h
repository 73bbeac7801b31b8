// The programs that a device runs for a chain of stages: one per segment where weights are inputs,
// one per segment and use where some are constants.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "anemone/runtime/forward_program.h"
#include "anemone/runtime/stage_segments.h"
#include "anemone/runtime/task_runner.h"
#include "anemone/runtime/training_program.h"

namespace anemone {

class DevicePrograms {
 public:
  DevicePrograms(const TrainingSetup& setup, const StageChain& chain,
                 const std::vector<StageSegments>& stages, const ParameterLookup& values,
                 TaskRunner& runner);

  // Compiles what is not compiled, and anew what has trained weights in it.
  void compile();
  // Whether the next compile() replaces the program.
  bool compiles_again(size_t use, size_t segment) const;
  // A new process: compile() does everything again.
  void forget() { done_.clear(); }

  Executable& find(size_t use, size_t segment) {
    return *compiled_.at(key(use, segment)).executable;
  }
  // Another number each time it is compiled.
  int64_t generation(size_t use, size_t segment) const {
    return compiled_.at(key(use, segment)).generation;
  }
  ProgramCounts counts() const;
  int64_t compiles() const { return compiles_; }
  double compile_ms() const { return compile_ms_; }

 private:
  // (use, segment) where programs are per use, else (stage beyond all uses, segment).
  std::pair<size_t, size_t> key(size_t use, size_t segment) const;
  void require_budget() const;
  void compile_one(size_t use, size_t segment_index);
  Function with_constants(size_t use, const StageSegment& segment) const;

  const TrainingSetup& setup_;
  std::vector<StageUse> uses_;
  std::vector<std::vector<std::string>> weights_;  // of each stage
  const std::vector<StageSegments>& stages_;
  const ParameterLookup& values_;
  TaskRunner& runner_;
  size_t event_;
  int64_t compiles_ = 0;
  double compile_ms_ = 0;
  std::set<std::pair<size_t, size_t>> done_;  // compiled in this process
  struct Compiled {
    std::unique_ptr<Executable> executable;
    int64_t generation = 0;
  };
  std::map<std::pair<size_t, size_t>, Compiled> compiled_;
};

}  // namespace anemone
