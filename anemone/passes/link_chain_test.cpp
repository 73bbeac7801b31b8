#include "anemone/passes/link_chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "anemone/ops/builder.h"
#include "anemone/ops/evaluate.h"
#include "anemone/ops/verify.h"

namespace anemone {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr DType kType = DType::kFp32;

Stage start(const char* name, const char* data_input) {
  return {Function(name, "ios18"), data_input, "y", {}};
}

// tokens → y, and `scale`, which later stages take.
Stage first_stage() {
  Stage stage = start("first", "");
  Builder b(stage.function);
  const Value tokens = b.input("tokens", kType, {2});
  b.output("y", b.mul(tokens, 2));
  b.output("scale", b.add(tokens, 1));
  return stage;
}

// y = x * w * scale + [10, 20] + memory, and the sum once more without [10, 20]: memory_out.
Stage layer_stage() {
  Stage stage = start("layer", "x");
  stage.weights = {"w"};
  Builder b(stage.function);
  const Value x = b.input("x", kType, {2}), w = b.input("w", kType, {2, 1});
  const Value scale = b.input("scale", kType, {2}), memory = b.input("memory", kType, {2});
  const Value product = b.mul(b.mul(x, b.reshape(w, {2})), scale);
  const Value kept = b.add(product, memory);
  b.output("y", b.add(kept, b.constant(Tensor::of<float>({2}, {10, 20}), "offset")));
  b.output("memory_out", kept);
  return stage;
}

StageChain chain_of_two_layers() {
  StageChain chain;
  chain.stages.push_back(first_stage());
  chain.stages.push_back(layer_stage());
  chain.uses = {{0, "first", {}}, {1, "layers.0", {"model.a"}}, {1, "layers.1", {"model.b"}}};
  return chain;
}

ParameterTensors parameters() {
  const auto tensor = [](std::vector<float> values) {
    return std::make_shared<const Tensor>(Tensor::of<float>({2}, values));
  };
  return {{"model.a", tensor({3, 5})}, {"model.b", tensor({7, 11})}};
}

// A memory for every use, anything else for all.
std::string port_name(const StageUse& use, const std::string& port) {
  return port.starts_with("memory") ? port + use.label.substr(use.label.size() - 1) : port;
}

Function linked(const StageChain& chain) {
  return link_chain(chain, "main", parameters(), port_name);
}

std::vector<std::string> names(const std::vector<Value>& values) {
  std::vector<std::string> result;
  for (Value value : values) result.push_back(value->name);
  return result;
}

TEST(LinkChain, EveryUseIsWrittenOutWithItsOwnParameters) {
  const Function f = linked(chain_of_two_layers());
  EXPECT_THAT(verify(f), IsEmpty());
  NamedTensors inputs;
  inputs["tokens"] = Tensor::of<float>({2}, {1, 2});
  inputs["memory0"] = Tensor::of<float>({2}, {100, 200});
  inputs["memory1"] = Tensor::of<float>({2}, {-1, -2});
  const NamedTensors out = evaluate(f, inputs);
  // y = {2, 4}, scale = {2, 3}: {12, 60} + memory0 = {112, 260}, and {122, 280} goes on;
  // times {7, 11} and scale: {1708, 9240} + memory1 = {1707, 9238}.
  EXPECT_THAT(out.at("memory_out0").as<float>(), ElementsAre(112, 260));
  EXPECT_THAT(out.at("memory_out1").as<float>(), ElementsAre(1707, 9238));
  EXPECT_THAT(out.at("y").as<float>(), ElementsAre(1717, 9258));
}

TEST(LinkChain, WhatALaterUseTakesIsNoOutput) {
  const Function f = linked(chain_of_two_layers());
  EXPECT_THAT(names(f.inputs), ElementsAre("tokens", "memory0", "memory1"));
  EXPECT_THAT(names(f.outputs), ElementsAre("y", "memory_out0", "memory_out1"));
}

TEST(LinkChain, ConstantsStandOnceWhereverTheyAreUsed) {
  StageChain chain = chain_of_two_layers();
  chain.uses[2].parameters = {"model.a"};
  const Function f = linked(chain);
  int weights = 0, offsets = 0;
  for (const auto& op : f.operations) {
    weights += op->outputs[0]->name.starts_with("model_a");
    offsets += op->outputs[0]->name.find("offset") != std::string::npos;
  }
  EXPECT_EQ(weights, 1);
  EXPECT_EQ(offsets, 1);
}

TEST(LinkChain, ValuesAreNamedAfterTheirUse) {
  const Function f = linked(chain_of_two_layers());
  for (const char* name : {"first_y", "layers_0_mul", "layers_1_mul", "layer_offset", "model_b"}) {
    EXPECT_NE(f.find(name), nullptr) << name;
  }
}

TEST(LinkChain, FunctionsOfTheSameTensorsShareTheirMemory) {
  const StageChain chain = chain_of_two_layers();
  const ParameterTensors tensors = parameters();
  const Function f = link_chain(chain, "f", tensors, port_name);
  const Function g = link_chain(chain, "g", tensors, port_name);
  EXPECT_EQ(constant_of(f.find("model_a"))->tensor->data(),
            constant_of(g.find("model_a"))->tensor->data());
  EXPECT_EQ(f.find("model_a")->type.shape, (Shape{2, 1}));
}

}  // namespace
}  // namespace anemone
