#include "anemone/devices/ane/probe_program.h"

#include <algorithm>

#include "anemone/base/clock.h"
#include "anemone/base/scratch_folder.h"
#include "anemone/devices/ane_spec/rules.h"
#include "anemone/ops/builder.h"

namespace anemone {
namespace {

constexpr int kRepetitions = 15;

Type port_type() { return Type::tensor(DType::kFp16, {1, 64, 1, 64}); }

double input_at(int64_t index) { return static_cast<double>(index % 7) - 3; }

ProgramFiles make_files(const ProbeContext& context, double factor) {
  Function function("main", "ios18");
  Builder b(function);
  Tensor weights(DType::kFp16, {1, 64, 1, 1});
  for (int64_t i = 0; i < weights.size(); ++i) weights.view().set(i, factor);
  const Value x = b.input("x", DType::kFp16, port_type().shape);
  b.output("y", b.mul(x, b.constant(std::move(weights), "factor")));
  const ScratchFolder scratch(context.temporary);
  return make_program_files(function, context.dialect, scratch.path());
}

size_t capacity() {
  return surface_bytes(Type::tensor(DType::kUInt8, {static_cast<int64_t>(port_type().bytes())}));
}

}  // namespace

ProbeProgram::ProbeProgram(const ProbeContext& context, double factor)
    : api_(context.api),
      factor_(factor),
      model_(context.api, make_files(context, factor), "probe", context.temporary),
      x_(context.api, port_type(), capacity()),
      y_(context.api, port_type(), capacity()) {
  Tensor given(DType::kFp32, port_type().shape);
  for (int64_t i = 0; i < given.size(); ++i) given.view().set(i, input_at(i));
  x_.write(given);
}

ObjcObjectRef ProbeProgram::make_request(const RequestExtras& extras) {
  Buffer* in = input();
  Buffer* out = output();
  return make_surface_request(model_, {&in, 1}, {&out, 1}, extras);
}

std::unique_ptr<Buffer> ProbeProgram::filled(double value) const {
  auto buffer = std::make_unique<SurfaceBuffer>(api_, port_type(), capacity());
  Tensor numbers(DType::kFp32, port_type().shape);
  for (float& number : numbers.as<float>()) number = static_cast<float>(value);
  buffer->write(numbers);
  return buffer;
}

std::string ProbeProgram::first_wrong() const {
  Tensor found(DType::kFp32, port_type().shape);
  y_.read(found);
  for (int64_t i = 0; i < found.size(); ++i) {
    const double wanted = input_at(i) * factor_;
    if (found.at(i) != wanted) {
      return fmt::format("{} * {} came out as {}", input_at(i), factor_, found.at(i));
    }
  }
  return "";
}

ProbeProgram::Run ProbeProgram::run(const std::function<std::string()>& run) {
  y_.write(Tensor(DType::kFp32, port_type().shape));
  const Stopwatch watch;
  Run result;
  result.refused = run();
  result.ms = watch.elapsed_ms();
  if (result.refused.empty()) result.wrong = first_wrong();
  return result;
}

double ProbeProgram::typical_ms(const std::function<std::string()>& run) {
  std::vector<double> times;
  for (int i = 0; i < kRepetitions; ++i) {
    const Stopwatch watch;
    const std::string problem = run();
    if (!problem.empty()) fail("probe", "it ran once, then not again: " + problem);
    times.push_back(watch.elapsed_ms());
  }
  std::nth_element(times.begin(), times.begin() + kRepetitions / 2, times.end());
  return times[kRepetitions / 2];
}

ProbeAnswer probe(std::string asked, ProbeAnswer::Result on_error,
                  const std::function<ProbeAnswer()>& ask) {
  ProbeAnswer answer;
  try {
    answer = ask();
  } catch (const Error& error) {
    answer = {"", on_error, error.what()};
  }
  answer.asked = std::move(asked);
  return answer;
}

}  // namespace anemone
