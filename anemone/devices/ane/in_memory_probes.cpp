#include "anemone/devices/ane/in_memory_probes.h"

#include "anemone/base/clock.h"
#include "anemone/devices/ane/objc_methods.h"
#include "anemone/devices/ane/perf_stats.h"

namespace anemone {
namespace {

using Result = ProbeAnswer::Result;

// Those of the published sweep.
constexpr uint32_t kQualities[] = {0, 1, 5, 10, 15, 17, 19, 21, 25, 31, 33, 40, 47, 50, 55, 60, 63};

constexpr double kStatisticsFactor = 2;
// Of the first quality of service; the next has 1/16 more, so that each is compiled anew.
constexpr double kFirstFactor = 2.0625;

// A loaded program with statistics: how long it ran on the hardware.
ProbeAnswer time_on_hardware(ProbeProgram& program, const PerfStats& statistics) {
  const ObjcObjectRef request = program.make_request();
  PerfStats::Memory memory;
  const auto run = [&] {
    statistics.attach(request.get(), memory);
    return program.model().evaluate(request.get());
  };
  program.run(run);  // the first is slow
  const ProbeProgram::Run warm = program.run(run);
  if (!warm.refused.empty()) return {"", Result::kNoEffect, "not evaluated: " + warm.refused};
  if (!warm.wrong.empty()) return {"", Result::kFailed, warm.wrong};
  const std::optional<double> hardware_ms = statistics.hardware_ms(request.get());
  if (!hardware_ms) return {"", Result::kNoEffect, fmt::format("no time, wall {:.3f} ms", warm.ms)};
  return {"", Result::kWorked, fmt::format("{:.6f} ms, wall {:.3f} ms", *hardware_ms, warm.ms)};
}

ProbeAnswer ask_recipe(ProbeProgram& program, const StatsRecipe& recipe) {
  const bool main = &recipe == &kStatsRecipes[0];
  const AutoreleasePool pool(program.model().api().objc);
  const Result on_missing = main ? Result::kFailed : Result::kNoEffect;
  std::optional<PerfStats> statistics;
  const ProbeAnswer access = probe(recipe.name, on_missing, [&]() -> ProbeAnswer {
    statistics.emplace(program.model().api(), recipe);
    return {};
  });
  if (!statistics) return access;
  ProbeAnswer answer = probe(recipe.name, Result::kNoEffect, [&]() -> ProbeAnswer {
    const CfObject options = statistics->prepare(program.model().id());
    const std::string problem = program.model().load(options.id());
    if (!problem.empty()) return {"", Result::kNoEffect, "not loaded: " + problem};
    return time_on_hardware(program, *statistics);
  });
  // What goes wrong afterwards shows in the next question.
  probe("", Result::kNoEffect, [&]() -> ProbeAnswer {
    program.model().unload();
    statistics->withdraw(program.model().id());
    return {};
  });
  return answer;
}

ProbeAnswer ask_quality(const ProbeContext& context, uint32_t qos, double factor) {
  ProbeProgram program(context, factor);
  const AutoreleasePool pool(context.api.objc);
  Stopwatch watch;
  program.model().compile(context.gate, qos);
  const double compile_ms = watch.elapsed_ms();
  const CfObject options = program.model().values().dictionary({});
  watch.restart();
  const std::string problem = program.model().load(options.id(), qos);
  const double load_ms = watch.elapsed_ms();
  if (!problem.empty()) return {"", Result::kFailed, "not loaded: " + problem};
  const ObjcObjectRef request = program.make_request();
  const auto evaluate = [&] { return program.model().evaluate(request.get(), qos); };
  const ProbeProgram::Run run = program.run(evaluate);
  if (!run.refused.empty()) return {"", Result::kFailed, "not evaluated: " + run.refused};
  if (!run.wrong.empty()) return {"", Result::kFailed, run.wrong};
  const double run_ms = ProbeProgram::typical_ms(evaluate);
  return {"", Result::kWorked, fmt::format("{:.1f}/{:.1f}/{:.3f}", compile_ms, load_ms, run_ms)};
}

class InMemoryProbes final : public AneProbes {
 public:
  explicit InMemoryProbes(const ProbeContext& context) : context_(context) {
    for (const AneMethod& method : kAneMethods) require_method(context_.api.objc, method);
  }

  std::vector<ProbeAnswer> statistics() override {
    context_.gate.require_owner("probe");
    ProbeProgram program(context_, kStatisticsFactor);
    {
      const AutoreleasePool pool(context_.api.objc);
      program.model().compile(context_.gate);
    }
    std::vector<ProbeAnswer> answers;
    for (const StatsRecipe& recipe : kStatsRecipes) answers.push_back(ask_recipe(program, recipe));
    return answers;
  }

  std::vector<ProbeAnswer> qualities_of_service() override {
    context_.gate.require_owner("probe");
    std::vector<ProbeAnswer> answers;
    double factor = kFirstFactor;
    for (const uint32_t qos : kQualities) {
      answers.push_back(probe(std::to_string(qos), Result::kFailed,
                              [&] { return ask_quality(context_, qos, factor); }));
      factor += 0.0625;
    }
    return answers;
  }

  std::vector<ProbeAnswer> advanced() override {
    context_.gate.require_owner("probe");
    return ask_advanced(context_);
  }

 private:
  const ProbeContext context_;
};

}  // namespace

std::unique_ptr<AneProbes> make_in_memory_probes(const ProbeContext& context) {
  return std::make_unique<InMemoryProbes>(context);
}

}  // namespace anemone
