#include "anemone/devices/ane/in_memory_route.h"

#include "anemone/devices/ane/in_memory_model.h"
#include "anemone/devices/ane/objc_methods.h"
#include "anemone/devices/ane/perf_stats.h"
#include "anemone/devices/ane/surface_buffer.h"
#include "anemone/devices/ane/surface_request.h"

namespace anemone {
namespace fs = std::filesystem;
namespace {

class InMemoryProgram final : public RouteProgram {
 public:
  InMemoryProgram(const Frameworks::InMemory& api, const ProgramFiles& files,
                  const std::string& name, const fs::path& temporary, CompileGate& gate,
                  bool hardware_time)
      : model_(api, files, name, temporary) {
    const AutoreleasePool pool(api.objc);
    model_.compile(gate);
    if (hardware_time && load_with_statistics()) return;
    const CfObject options = model_.values().dictionary({});
    const std::string problem = model_.load(options.id());
    if (!problem.empty()) fail(name, "it compiled but cannot be loaded: " + problem);
  }

  std::unique_ptr<Request> bind(std::span<Buffer* const> inputs,
                                std::span<Buffer* const> outputs) override;
  std::string hardware_time_problem() const override { return statistics_problem_; }

  const InMemoryModel& model() const { return model_; }
  const PerfStats* statistics() const { return statistics_ ? &*statistics_ : nullptr; }

 private:
  // False, with the reason, where the program has to be loaded without.
  bool load_with_statistics() {
    try {
      statistics_.emplace(model_.api(), kStatsRecipes[0]);
      const CfObject options = statistics_->prepare(model_.id());
      statistics_problem_ = model_.load(options.id());
      if (statistics_problem_.empty()) return true;
      statistics_->withdraw(model_.id());
    } catch (const Error& error) {
      statistics_problem_ = error.what();
    }
    statistics_.reset();
    return false;
  }

  InMemoryModel model_;
  std::optional<PerfStats> statistics_;
  std::string statistics_problem_;
};

class InMemoryRequest final : public Request {
 public:
  InMemoryRequest(const InMemoryProgram& program, std::span<Buffer* const> inputs,
                  std::span<Buffer* const> outputs)
      : model_(program.model()), statistics_(program.statistics()) {
    const AutoreleasePool pool(model_.api().objc);
    request_ = make_surface_request(model_, inputs, outputs);
  }

  void run() override {
    const AutoreleasePool pool(model_.api().objc);
    hardware_ms_.reset();
    if (statistics_ && run_with_statistics()) return;
    const std::string problem = model_.evaluate(request_.get());
    if (!problem.empty()) fail(model_.name(), "the evaluation was refused: " + problem);
  }

  std::optional<double> hardware_ms() const override { return hardware_ms_; }

 private:
  // False where it has to run without: from then on this request does.
  bool run_with_statistics() {
    std::string problem;
    try {
      statistics_->attach(request_.get(), memory_);
      problem = model_.evaluate(request_.get());
    } catch (const Error& error) {  // if it is not about the statistics it comes again without them
      problem = error.what();
    }
    if (problem.empty()) {
      read_time();
      return true;
    }
    give_up_statistics();
    return false;
  }

  void give_up_statistics() {
    try {
      statistics_->detach(request_.get());
    } catch (const Error&) {  // then they stay, and the run says what they do to it
    }
    statistics_ = nullptr;
  }

  void read_time() {
    try {
      hardware_ms_ = statistics_->hardware_ms(request_.get());
    } catch (const Error&) {  // the results are there
    }
  }

  const InMemoryModel& model_;
  const PerfStats* statistics_;
  PerfStats::Memory memory_;  // before the request, whose objects may look at it
  ObjcObjectRef request_;
  std::optional<double> hardware_ms_;
};

std::unique_ptr<Request> InMemoryProgram::bind(std::span<Buffer* const> inputs,
                                               std::span<Buffer* const> outputs) {
  return std::make_unique<InMemoryRequest>(*this, inputs, outputs);
}

class InMemoryRoute final : public AneRoute {
 public:
  InMemoryRoute(const Frameworks::InMemory& api, fs::path temporary, CompileGate& gate)
      : api_(api), temporary_(std::move(temporary)), gate_(gate) {
    for (const AneMethod& method : kAneMethods) require_method(api_.objc, method);
  }

  const char* name() const override { return "inmemory"; }

  std::unique_ptr<RouteProgram> compile(const ProgramFiles& files, const std::string& name,
                                        const std::string& /*key*/, bool hardware_time) override {
    gate_.require_owner(name);
    return std::make_unique<InMemoryProgram>(api_, files, name, temporary_, gate_, hardware_time);
  }

  std::unique_ptr<Buffer> allocate(const Type& type, size_t capacity) override {
    gate_.require_owner("buffer");
    return std::make_unique<SurfaceBuffer>(api_, type, capacity);
  }

 private:
  const Frameworks::InMemory api_;
  fs::path temporary_;
  CompileGate& gate_;
};

}  // namespace

std::unique_ptr<AneRoute> make_in_memory_route(const Frameworks::InMemory& api, fs::path temporary,
                                               CompileGate& gate) {
  return std::make_unique<InMemoryRoute>(api, std::move(temporary), gate);
}

}  // namespace anemone
