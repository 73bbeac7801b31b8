#include "anemone/weights/load_model.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace anemone::cli {
namespace {

void convert(const std::string& in, const std::string& out, const std::string& dtype) {
  refuse_same_file(in, out);
  const ModelWeights weights = load_weights_of(in);
  save_model(out, weights, *dtype_from_name(dtype));
  print(fmt::format("{}: {} parameters, {} layers, dim {}, vocabulary {}\n", out,
                    with_commas(weights.config.parameter_count()), weights.config.layers,
                    weights.config.dim, weights.config.vocab_size));
}

}  // namespace

void add_convert(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "convert", "Convert a model: llama2.c .bin to or from a Hugging Face safetensors directory");
  auto in = std::make_shared<std::string>(), out = std::make_shared<std::string>();
  command->add_option("in", *in, "Model file or directory")->required();
  command->add_option("out", *out, "NAME.bin, or a directory")->required();
  auto dtype = std::make_shared<std::string>("fp32");
  command->add_option("--dtype", *dtype, "Elements of a directory's weights")
      ->check(CLI::IsMember({"fp32", "fp16", "bf16"}))
      ->capture_default_str();
  command->callback([in, out, dtype] { convert(*in, *out, *dtype); });
}

}  // namespace anemone::cli
