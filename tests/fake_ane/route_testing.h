// For tests of the routes: a fake machine, programs from text, and what must hold after every test.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "anemone/base/scratch_folder.h"
#include "anemone/devices/ane/ane_route.h"
#include "anemone/devices/ane/compile_gate.h"
#include "anemone/devices/ane/frameworks.h"
#include "tests/fake_ane/fake_frameworks.h"
#include "tests/fake_ane/world.h"

namespace anemone::fake_ane {

enum class RouteKind : uint8_t { kE5rt, kInMemory };

// y = x * 2 + 1 on [1, 4, 1, 16], without a weight file.
inline constexpr const char* kSimple = R"(
func main<ios18>(tensor<fp16, [1, 4, 1, 16]> x) {
  fp16 two = const()[val = fp16(2)];
  fp16 one = const()[val = fp16(1)];
  tensor<fp16, [1, 4, 1, 16]> twice = mul(x = x, y = two);
  tensor<fp16, [1, 4, 1, 16]> y = add(x = twice, y = one);
} -> (y);)";

// The same with a vector of 16 weights in a file, 0 to 15, instead of the 1.
inline constexpr const char* kWeighted = R"(
func main<ios18>(tensor<fp16, [1, 4, 1, 16]> x) {
  fp16 two = const()[val = fp16(2)];
  tensor<fp16, [1, 1, 1, 16]> w = const()[val = tensor<fp16, [1, 1, 1, 16]>([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])];
  tensor<fp16, [1, 4, 1, 16]> twice = mul(x = x, y = two);
  tensor<fp16, [1, 4, 1, 16]> y = add(x = twice, y = w);
} -> (y);)";

// y = x * factor, another program for every factor.
std::string times(int factor);

// A program with its files and, by the names of its own ports, its buffers.
class TestProgram {
 public:
  TestProgram(AneRoute& route, const std::string& mil, const std::filesystem::path& scratch,
              Dialect dialect, const std::string& name, bool hardware_time = false);

  const ProgramFiles& files() const { return files_; }
  std::string hardware_time_problem() const { return program_->hardware_time_problem(); }
  // New buffers, all of 64 KiB, bound.
  struct Bound {
    std::vector<std::unique_ptr<Buffer>> inputs, outputs;
    std::unique_ptr<Request> request;
  };
  std::unique_ptr<Bound> bind();
  // One input and one output that are there already.
  std::unique_ptr<Request> bind_to(Buffer* input, Buffer* output);
  // Input i holds `values[i]` everywhere plus the index of the element; returns the outputs.
  std::vector<Tensor> run(Bound& bound, const std::vector<double>& values);
  std::vector<Tensor> run(const std::vector<double>& values) { return run(*bind(), values); }
  // Index of a port by the name it has in the text.
  size_t input(const std::string& name) const;
  size_t output(const std::string& name) const;

 private:
  AneRoute& route_;
  ProgramFiles files_;
  std::unique_ptr<RouteProgram> program_;
};

// A machine, its folders, a gate without waiting, and a route. When it goes, nothing lives, nothing
// was done wrong and no folder is left.
class Machine {
 public:
  explicit Machine(RouteKind kind, bool libraries = false, Options options = {});
  ~Machine();

  AneRoute& route();
  CompileGate& gate() { return *gate_; }
  const std::vector<double>& waited() const { return waited_; }
  double& now() { return now_; }
  const std::filesystem::path& temporary() const { return temporary_; }
  const std::filesystem::path& cache() const { return cache_; }
  const Frameworks& frameworks() const { return frameworks_; }
  // The next route has another gate.
  void set_budget(int budget);
  Dialect dialect = Dialect::kA;  // that programs are written in
  bool hardware_time = false;     // programs ask for it

  TestProgram compile(const std::string& mil = kSimple, const std::string& name = "program");
  // Gives the route back, as the end of a process does.
  void close() { route_.reset(); }

 private:
  void make_gate(int budget);

  RouteKind kind_;
  ScratchFolder root_;
  std::filesystem::path temporary_, cache_, scratch_;
  Frameworks frameworks_;
  double now_ = 1000;
  std::vector<double> waited_;
  std::unique_ptr<CompileGate> gate_;
  std::unique_ptr<AneRoute> route_;
};

// Runs one test of this program in a new process, which gets the environment as it is.
pid_t start_test(const std::string& name);
void expect_success(pid_t process);

// Names of what a folder holds, without lock files.
std::vector<std::string> entries_of(const std::filesystem::path& folder);

// The text of the Error that `action` throws; fails the test for none and for anything else.
std::string error_text(const std::function<void()>& action);

}  // namespace anemone::fake_ane
