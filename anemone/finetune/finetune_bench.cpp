// Updates of networks of convolutions: forward, backward and AdamW of all numbers, one image each.
#include <benchmark/benchmark.h>

#include <map>

#include "anemone/devices/cpu/cpu_device.h"
#include "anemone/finetune/finetuner.h"
#include "anemone/model/cnn.h"

namespace anemone {
namespace {

Samples random_images(int64_t count) {
  Tensor images(DType::kFp32, {count, 3, 224, 224}), labels(DType::kInt32, {count});
  Random random(1);
  for (float& x : images.as<float>()) x = static_cast<float>(random.uniform());
  for (int32_t& label : labels.as<int32_t>()) label = static_cast<int32_t>(random.below(1000));
  std::map<std::string, Tensor> tensors;
  tensors.emplace("image", std::move(images));
  tensors.emplace("label", std::move(labels));
  return Samples("random", std::move(tensors));
}

// A network that is trained, with what it runs on.
class Training {
 public:
  Training(Function network, int threads)
      : pool_(threads), device_(make_cpu_device(pool_, CpuOptions{})) {
    source_.path = network.name;
    source_.program.functions.push_back(std::move(network));
    FinetuneOptions options;
    options.train = {"*"};
    options.targets = "label";
    options.run.batch = 1;
    options.run.steps = 1 << 30;
    options.run.optimizer.clip = 0;
    options.run.learning_rate = 1e-6;  // random weights: the loss must stay finite
    const TrainingPlace place{*device_, *device_, pool_, find_pipeline("host")};
    tuner_.emplace(place, source_, options, random_images(8));
    tuner_->update();
  }

  void update() { tuner_->update(); }

 private:
  ThreadPool pool_;
  std::unique_ptr<Device> device_;
  ProgramSource source_;
  std::optional<Finetuner> tuner_;
};

template <Function (*network)(const CnnOptions&), DType dtype>
void BM_Update(benchmark::State& state) {
  // Made once for all repetitions.
  static std::map<int64_t, Training> made;
  const int64_t threads = state.range(0);
  auto found = made.find(threads);
  if (found == made.end()) {
    found = made.try_emplace(threads, network({.dtype = dtype}), static_cast<int>(threads)).first;
  }
  for (auto _ : state) found->second.update();
}

void updates(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"threads"})->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
}

BENCHMARK(BM_Update<resnet50, DType::kFp32>)->Name("ResNet50/update/fp32")->Apply(updates);
BENCHMARK(BM_Update<resnet50, DType::kFp16>)->Name("ResNet50/update/fp16")->Apply(updates);
BENCHMARK(BM_Update<mobilenet_v2, DType::kFp32>)->Name("MobileNetV2/update/fp32")->Apply(updates);
BENCHMARK(BM_Update<mobilenet_v2, DType::kFp16>)->Name("MobileNetV2/update/fp16")->Apply(updates);

}  // namespace
}  // namespace anemone
