// A package computes what the model does. Expected logits are tests/golden/tiny.json's, fp64.
#include "anemone/export/transformer_package.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "anemone/base/file.h"
#include "anemone/base/test_directory.h"
#include "anemone/checkpoint/load_model.h"
#include "anemone/devices/ane_spec/rules.h"
#include "anemone/devices/cpu/testing/cpu_testing.h"
#include "anemone/devices/sim/sim_device.h"
#include "anemone/ir/extract.h"
#include "anemone/ir/walk.h"
#include "anemone/ops/evaluate.h"
#include "anemone/ops/verify.h"
#include "anemone/package/mlpackage.h"
#include "anemone/programs/program_source.h"
#include "anemone/testing/op_testing.h"

namespace anemone {
namespace {

namespace fs = std::filesystem;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;

const fs::path kGolden = fs::path(ANEMONE_SOURCE_DIR) / "tests/golden";
constexpr int64_t kSequence = 16;
constexpr double kFp32Tolerance = 2e-4, kFp16Tolerance = 2e-2, kEngineTolerance = 4e-2;

ModelWeights tiny() { return load_model(kGolden / "tiny.bin"); }

ModelPackage package_of(TransformerPackageOptions options = {}) {
  options.sequence = kSequence;
  return transformer_package(tiny(), options);
}

// The first tokens of the golden text, and what comes after each of them, [16][50].
std::vector<int32_t> golden_tokens() {
  const std::string bytes = read_file(kGolden / "tiny.tokens.bin");
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < kSequence; ++i) {
    const auto low = static_cast<unsigned char>(bytes[2 * i]);
    tokens.push_back(low | static_cast<unsigned char>(bytes[2 * i + 1]) << 8);
  }
  return tokens;
}
nlohmann::json golden_logits() {
  return nlohmann::json::parse(read_file(kGolden / "tiny.json")).at("logits");
}

Tensor tokens_of(const std::vector<int32_t>& ids) {
  return Tensor::of<int32_t>({static_cast<int64_t>(ids.size())}, ids);
}

// Column `column` of logits [1, V, 1, columns] against row `row` of the golden ones.
void expect_golden(const Tensor& logits, int64_t column, size_t row, double tolerance) {
  const nlohmann::json expected = golden_logits()[row];
  const int64_t columns = logits.shape()[3];
  ASSERT_EQ(logits.shape()[1], std::ssize(expected));
  for (size_t v = 0; v < expected.size(); ++v) {
    EXPECT_NEAR(logits.at(static_cast<int64_t>(v) * columns + column), expected[v].get<double>(),
                tolerance)
        << "token " << v << " after " << row;
  }
}

// Zeros for every cache of `decode`.
NamedTensors empty_caches(const Function& decode) {
  NamedTensors caches;
  for (Value input : decode.inputs) {
    if (input->name.find("_cache_") == std::string::npos) continue;
    caches[input->name] = Tensor(input->type.dtype, input->type.shape);
  }
  return caches;
}

// What comes out is what the next token gets.
void keep_caches(NamedTensors& out, NamedTensors& caches) {
  for (auto& [name, tensor] : out) {
    if (name.ends_with("_out")) caches[name.substr(0, name.size() - 4)] = std::move(tensor);
  }
}

Tensor decode(const Function& function, NamedTensors& caches, int32_t token, int32_t position) {
  caches["tokens"] = tokens_of({token});
  caches["position"] = tokens_of({position});
  NamedTensors out = evaluate(function, caches);
  keep_caches(out, caches);
  return std::move(out.at("logits"));
}

NamedTensors prefill_inputs(const std::vector<int32_t>& ids) {
  NamedTensors inputs;
  inputs["tokens"] = tokens_of(ids);
  return inputs;
}

TEST(TransformerPackage, PrefillGivesTheLogitsOfTheModel) {
  for (const DType dtype : {DType::kFp32, DType::kFp16}) {
    ModelPackage package = package_of({.dtype = dtype});
    const NamedTensors out =
        evaluate(*package.program.find("prefill"), prefill_inputs(golden_tokens()));
    const double tolerance = dtype == DType::kFp32 ? kFp32Tolerance : kFp16Tolerance;
    for (size_t t = 0; t < kSequence; ++t) {
      expect_golden(out.at("logits"), static_cast<int64_t>(t), t, tolerance);
    }
  }
}

TEST(TransformerPackage, DecodeGivesTheSameTokenByToken) {
  for (const DType dtype : {DType::kFp32, DType::kFp16}) {
    ModelPackage package = package_of({.dtype = dtype});
    const Function& function = *package.program.find("decode");
    NamedTensors caches = empty_caches(function);
    const std::vector<int32_t> tokens = golden_tokens();
    for (size_t t = 0; t < tokens.size(); ++t) {
      const Tensor logits = decode(function, caches, tokens[t], static_cast<int32_t>(t));
      expect_golden(logits, 0, t, dtype == DType::kFp32 ? kFp32Tolerance : kFp16Tolerance);
    }
  }
}

TEST(TransformerPackage, DecodeGoesOnFromThePromptWhateverItIsFilledUpWith) {
  ModelPackage package = package_of({.dtype = DType::kFp32});
  const std::vector<int32_t> tokens = golden_tokens();
  for (const size_t length : {1u, 5u, 15u}) {
    for (const int32_t filler : {0, 49}) {
      std::vector<int32_t> prompt = tokens;
      std::fill(prompt.begin() + static_cast<std::ptrdiff_t>(length), prompt.end(), filler);
      NamedTensors out = evaluate(*package.program.find("prefill"), prefill_inputs(prompt));
      expect_golden(out.at("logits"), static_cast<int64_t>(length) - 1, length - 1, kFp32Tolerance);
      NamedTensors caches;
      keep_caches(out, caches);
      for (size_t t = length; t < tokens.size(); ++t) {
        const Tensor logits =
            decode(*package.program.find("decode"), caches, tokens[t], static_cast<int32_t>(t));
        expect_golden(logits, 0, t, kFp32Tolerance);
      }
    }
  }
}

TEST(TransformerPackage, StatesHoldWhatPortsHand) {
  ModelPackage ports = package_of(), stateful = package_of({.states = true});
  const std::vector<int32_t> tokens = golden_tokens();
  NamedTensors caches = empty_caches(*ports.program.find("decode")), states;
  const NamedTensors prompt =
      evaluate(*stateful.program.find("prefill"), prefill_inputs(tokens), &states);
  EXPECT_EQ(prompt.size(), 1u);  // logits
  EXPECT_EQ(states.size(), 4u);  // keys and values of two layers
  states.clear();
  for (size_t t = 0; t < tokens.size(); ++t) {
    const auto position = static_cast<int32_t>(t);
    const Tensor expected = decode(*ports.program.find("decode"), caches, tokens[t], position);
    NamedTensors inputs = prefill_inputs({tokens[t]});
    inputs["position"] = tokens_of({position});
    const NamedTensors out = evaluate(*stateful.program.find("decode"), inputs, &states);
    for (int64_t v = 0; v < expected.size(); ++v) {
      ASSERT_EQ(out.at("logits").at(v), expected.at(v)) << "token " << v << " at " << t;
    }
  }
}

TEST(TransformerPackage, WithoutDecodeTheOnlyFunctionIsMainAndHasNoCaches) {
  ModelPackage package = package_of({.dtype = DType::kFp32, .decode = false});
  ASSERT_EQ(package.program.functions.size(), 1u);
  const NamedTensors out = evaluate(*package.program.find("main"), prefill_inputs(golden_tokens()));
  EXPECT_EQ(out.size(), 1u);
  expect_golden(out.at("logits"), 7, 7, kFp32Tolerance);
}

TEST(TransformerPackage, ProgramsArePlainMil) {
  for (const bool states : {false, true}) {
    const ModelPackage package = package_of({.states = states});
    EXPECT_THAT(verify(package.program), IsEmpty());
    for (const Function& function : package.program.functions) {
      std::vector<std::string> types;
      walk(function, [&](const Operation& op) { types.push_back(op.type); });
      EXPECT_THAT(types, Each(testing::Not(HasSubstr("."))));
    }
  }
}

TEST(TransformerPackage, EveryWeightIsInTheFileOnce) {
  const TestDirectory directory;
  const ModelPackage package = package_of();
  write_mlpackage(directory / "m.mlpackage", package.program, package.info);
  const fs::path weights = directory / "m.mlpackage/Data/com.apple.CoreML/weights/weight.bin";
  const auto parameters = static_cast<uintmax_t>(parameter_count(tiny().config));
  // Tables of cosines and sines, a mask and numbers of positions; records begin at multiples of 64.
  constexpr uintmax_t kTables = 4096, kRecords = 30 * (64 + 64);
  EXPECT_GE(fs::file_size(weights), 2 * parameters);
  EXPECT_LE(fs::file_size(weights), 2 * parameters + kTables + kRecords);
}

TEST(TransformerPackage, TheNeuralEngineRefusesOnlyWhatLooksIdsUp) {
  ModelPackage package = package_of();
  for (const Function& function : package.program.functions) {
    for (const Finding& finding : check_rules(function, {.chip = &find_chip("m4-max")})) {
      const std::string text = finding.violation.where + " " + finding.violation.message;
      const bool is_lookup = finding.rule->id == "ane.c13" && text.find("'embed_") != text.npos;
      const bool is_integer = finding.rule->id == "ane.c59" && text.find("int32") != text.npos;
      EXPECT_TRUE(is_lookup || is_integer) << finding.rule->id << " " << text;
    }
  }
}

// What the CPU does in front of the layers, and what is left for the engine: values of the first
// stage, "embed_…", become inputs.
struct Halves {
  explicit Halves(const Function& function) {
    std::vector<Value> between;
    const auto is_between = [&](Value value) {
      return value->name.starts_with("embed_") && value->type.dtype == DType::kFp16 &&
             constant_of(value) == nullptr;
    };
    engine = extract(function, "layers", function.outputs, is_between);
    for (Value input : engine.inputs) {
      if (is_between(input)) between.push_back(function.find(input->name));
    }
    cpu = extract(function, "lookups", between, [](Value) { return false; });
  }

  // Lookups by the interpreter, everything else by `device`.
  NamedTensors run(Device& device, const NamedTensors& inputs) const {
    NamedTensors wanted;
    for (Value input : cpu.inputs) wanted[input->name] = inputs.at(input->name).clone();
    NamedTensors given = evaluate(cpu, wanted);
    for (Value input : engine.inputs) {
      if (!given.contains(input->name)) given[input->name] = inputs.at(input->name).clone();
    }
    return cpu_testing::Bound(device, engine).run(given);
  }

  Function cpu{"", "ios18"}, engine{"", "ios18"};
};

TEST(TransformerPackage, TheSimulatedEngineTakesAllLayersAndComputesThem) {
  ThreadPool pool(2);
  SimOptions options;
  options.strict = true;
  const auto device = make_sim_device(find_chip("m4-max"), pool, options);
  ModelPackage package = package_of();
  const std::vector<int32_t> tokens = golden_tokens();
  const Halves prefill(*package.program.find("prefill"));
  const NamedTensors whole = prefill.run(*device, prefill_inputs(tokens));
  const Halves decode(*package.program.find("decode"));
  NamedTensors caches = empty_caches(*package.program.find("decode"));
  for (size_t t = 0; t < tokens.size(); ++t) {
    expect_golden(whole.at("logits"), static_cast<int64_t>(t), t, kEngineTolerance);
    caches["tokens"] = tokens_of({tokens[t]});
    caches["position"] = tokens_of({static_cast<int32_t>(t)});
    NamedTensors out = decode.run(*device, caches);
    expect_golden(out.at("logits"), 0, t, kEngineTolerance);
    keep_caches(out, caches);
  }
}

TEST(TransformerPackage, TheDescriptionNamesEveryPort) {
  const TestDirectory directory;
  for (const bool states : {false, true}) {
    const ModelPackage package = package_of({.states = states, .model_name = "tiny"});
    write_mlpackage(directory / "m.mlpackage", package.program, package.info);
    const ProgramSource source = load_program((directory / "m.mlpackage").string());
    EXPECT_EQ(source.info.default_function, "prefill");
    ASSERT_EQ(source.info.functions.size(), 2u);
    const FunctionInfo& decode = source.info.functions[1];
    EXPECT_EQ(decode.inputs.size(), states ? 2u : 6u);
    EXPECT_EQ(decode.states.size(), states ? 4u : 0u);
    EXPECT_EQ(decode.outputs.size(), states ? 1u : 5u);
    for (const auto* ports : {&decode.inputs, &decode.states, &decode.outputs}) {
      for (const Feature& port : *ports) EXPECT_NE(port.description, "") << port.name;
    }
    EXPECT_EQ(source.info.user_defined.at("context_length"), "16");
    EXPECT_EQ(source.info.user_defined.at("vocab_size"), "50");
    EXPECT_EQ(source.info.user_defined.at("eos_token_id"), "2");
    EXPECT_EQ(source.info.user_defined.at("model"), "tiny");
  }
}

TEST(TransformerPackage, SaysWhatItCannotMake) {
  const auto refusal = [](const TransformerPackageOptions& options) {
    return error_of([&] { transformer_package(tiny(), options); });
  };
  EXPECT_THAT(refusal({.sequence = 33}), HasSubstr("33 is outside [1, 32]"));
  EXPECT_THAT(refusal({.sequence = 0}), HasSubstr("0 is outside [1, 32]"));
  EXPECT_THAT(refusal({.sequence = 8, .dtype = DType::kFp32, .states = true}), HasSubstr("fp16"));
  EXPECT_THAT(refusal({.sequence = 8, .decode = false, .states = true}), HasSubstr("no caches"));
  ModelWeights large = tiny();
  large.tensors.at("model.norm.weight").as<float>()[3] = 70000;
  EXPECT_THAT(error_of([&] { transformer_package(std::move(large), {.sequence = 8}); }),
              HasSubstr("70000 is beyond fp16"));
}

}  // namespace
}  // namespace anemone
