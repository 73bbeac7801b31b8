#include "tests/fake_ane/route_testing.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>

#include <algorithm>

#include "anemone/base/error.h"
#include "anemone/devices/ane/e5rt_route.h"
#include "anemone/devices/ane/in_memory_route.h"
#include "anemone/text/parser.h"

extern char** environ;

namespace anemone::fake_ane {
namespace fs = std::filesystem;
namespace {

constexpr size_t kCapacity = 65536;

// In memory where the system has such a folder: every file is synced, which takes disks long.
fs::path place_for_folders() {
  return fs::is_directory("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path();
}

size_t index_of(const std::vector<AnePort>& ports, const std::string& name) {
  for (size_t i = 0; i < ports.size(); ++i) {
    if (ports[i].name == name) return i;
  }
  ADD_FAILURE() << "no port " << name;
  return 0;
}

}  // namespace

std::string times(int factor) {
  return fmt::format(R"(
func main<ios18>(tensor<fp16, [1, 4, 1, 16]> x) {{
  fp16 factor = const()[val = fp16({})];
  tensor<fp16, [1, 4, 1, 16]> y = mul(x = x, y = factor);
}} -> (y);)",
                     factor);
}

TestProgram::TestProgram(AneRoute& route, const std::string& mil, const fs::path& scratch,
                         Dialect dialect, const std::string& name, bool hardware_time)
    : route_(route),
      files_(make_program_files(parse_mil(mil).functions.front(), dialect, scratch)),
      program_(route.compile(files_, name, "m4-max-25A1", hardware_time)) {}

std::unique_ptr<TestProgram::Bound> TestProgram::bind() {
  auto bound = std::make_unique<Bound>();
  std::vector<Buffer*> inputs, outputs;
  for (const AnePort& port : files_.inputs) {
    bound->inputs.push_back(route_.allocate(port.type, kCapacity));
    inputs.push_back(bound->inputs.back().get());
  }
  for (const AnePort& port : files_.outputs) {
    bound->outputs.push_back(route_.allocate(port.type, kCapacity));
    outputs.push_back(bound->outputs.back().get());
  }
  bound->request = program_->bind(inputs, outputs);
  return bound;
}

std::unique_ptr<Request> TestProgram::bind_to(Buffer* input, Buffer* output) {
  return program_->bind({&input, 1}, {&output, 1});
}

std::vector<Tensor> TestProgram::run(Bound& bound, const std::vector<double>& values) {
  for (size_t i = 0; i < bound.inputs.size(); ++i) {
    Tensor given(DType::kFp32, files_.inputs[i].type.shape);
    for (int64_t at = 0; at < given.size(); ++at) {
      given.view().set(at, values[i] + static_cast<double>(at));
    }
    bound.inputs[i]->write(given);
  }
  bound.request->run();
  std::vector<Tensor> results;
  for (size_t i = 0; i < bound.outputs.size(); ++i) {
    results.emplace_back(DType::kFp32, files_.outputs[i].type.shape);
    bound.outputs[i]->read(results.back());
  }
  return results;
}

size_t TestProgram::input(const std::string& name) const { return index_of(files_.inputs, name); }
size_t TestProgram::output(const std::string& name) const { return index_of(files_.outputs, name); }

Machine::Machine(RouteKind kind, bool libraries, Options options)
    : kind_(kind),
      root_(place_for_folders(), "fake-ane"),
      temporary_(root_.path() / "temporary"),
      cache_(root_.path() / "cache"),
      scratch_(root_.path() / "scratch") {
  fs::create_directories(temporary_);
  fs::create_directories(scratch_);
  options.temporary = temporary_;
  world().reset(std::move(options));
  frameworks_ =
      libraries ? load_frameworks(FrameworkPaths::of_fake(library_folder())) : fake_frameworks();
  make_gate(119);
}

Machine::~Machine() {
  route_.reset();
  EXPECT_EQ(world().leaks(), "");
  EXPECT_EQ(world().violations(), std::vector<std::string>{});
  EXPECT_EQ(world().loaded, 0);
  EXPECT_EQ(entries_of(temporary_), std::vector<std::string>{});
  EXPECT_EQ(entries_of(scratch_), std::vector<std::string>{});
}

void Machine::make_gate(int budget) {
  gate_ = std::make_unique<CompileGate>(
      CompileGate::Options{.budget = budget,
                           .now_s = [this] { return now_; },
                           .sleep_s = [this](double seconds) { waited_.push_back(seconds); }});
}

void Machine::set_budget(int budget) {
  route_.reset();
  make_gate(budget);
}

AneRoute& Machine::route() {
  if (!route_) {
    if (kind_ == RouteKind::kE5rt) {
      if (!frameworks_.espresso) fail("e5rt", frameworks_.espresso_problem);
      route_ = make_e5rt_route(*frameworks_.espresso, cache_, *gate_);
    } else {
      if (!frameworks_.in_memory) fail("inmemory", frameworks_.in_memory_problem);
      route_ = make_in_memory_route(*frameworks_.in_memory, temporary_, *gate_);
    }
  }
  return *route_;
}

TestProgram Machine::compile(const std::string& mil, const std::string& name) {
  const ScratchFolder scratch(scratch_);  // its own: several threads may compile
  return TestProgram(route(), mil, scratch.path(), dialect, name, hardware_time);
}

pid_t start_test(const std::string& name) {
  std::string self = fs::read_symlink("/proc/self/exe").string();
  std::string filter = "--gtest_filter=" + name, brief = "--gtest_brief=1";
  char* arguments[] = {self.data(), filter.data(), brief.data(), nullptr};
  pid_t process = 0;
  EXPECT_EQ(::posix_spawn(&process, self.c_str(), nullptr, nullptr, arguments, environ), 0);
  return process;
}

void expect_success(pid_t process) {
  int status = 0;
  ASSERT_EQ(::waitpid(process, &status, 0), process);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

std::vector<std::string> entries_of(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".lock") names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string error_text(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  } catch (...) {
    ADD_FAILURE() << "something that is no Error was thrown";
    return "";
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace anemone::fake_ane
