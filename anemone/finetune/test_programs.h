// Small programs as MIL text, for tests of training.
#pragma once

#include <string>

namespace anemone {

// A program of one function.
inline std::string program(const std::string& inputs, const std::string& body,
                           const std::string& outputs) {
  return "program(1.3)\n{\n func main<ios17>(" + inputs + ") {\n" + body + "\n} -> (" + outputs +
         ");\n}\n";
}

inline std::string constant(const std::string& type, const std::string& name,
                            const std::string& numbers) {
  const std::string full = "tensor<" + type + ">";
  return full + " " + name + " = const()[name = string(\"" + name + "\"), val = " + full + "([" +
         numbers + "])];\n";
}

// conv → batch norm → relu → linear on [BATCH, 1, 2, 2] in TYPE.
inline std::string small_cnn(const std::string& type, const std::string& batch = "2") {
  return program(
      "tensor<" + type + ", [" + batch + ", 1, 2, 2]> x",
      constant(type + ", [2, 1, 1, 1]", "filter", "0.5, -0.75") +
          constant(type + ", [2]", "mean", "0.125, -0.25") +
          constant(type + ", [2]", "variance", "1.5, 0.75") +
          constant(type + ", [2]", "gamma", "1.25, 0.75") +
          constant(type + ", [2]", "beta", "0.25, 0.5") +
          constant(type + ", [3, 8]", "weight",
                   "0.5, -0.25, 0.125, 0.75, -0.5, 0.25, 1, -1, -0.5, 0.5, 0.25, -0.125, 0.75, "
                   "0.375, -0.25, 0.5, 0.25, 0.25, -0.75, 0.5, -0.25, 0.125, 0.5, -0.5") +
          constant(type + ", [3]", "bias", "0.125, -0.25, 0.5") + "tensor<" + type + ", [" + batch +
          ", 2, 2, 2]> c = conv(x = x, weight = filter, "
          "strides = tensor<int32, [2]>([1, 1]), pad_type = string(\"valid\"), "
          "pad = tensor<int32, [4]>([0, 0, 0, 0]), dilations = tensor<int32, [2]>([1, 1]), "
          "groups = int32(1));\n"
          "tensor<" +
          type + ", [" + batch +
          ", 2, 2, 2]> n = batch_norm(x = c, mean = mean, "
          "variance = variance, gamma = gamma, beta = beta, epsilon = " +
          type +
          "(0.001));\n"
          "tensor<" +
          type + ", [" + batch +
          ", 2, 2, 2]> r = relu(x = n);\n"
          "tensor<" +
          type + ", [" + batch +
          ", 8]> flat = reshape(x = r, "
          "shape = tensor<int32, [2]>([-1, 8]));\n"
          "tensor<" +
          type + ", [" + batch +
          ", 3]> logits = linear(x = flat, weight = weight, "
          "bias = bias);",
      "logits");
}

// x → linear → gelu → linear on [?, 1, 2, 2].
inline std::string small_mlp() {
  return program(
      "tensor<fp32, [?, 1, 2, 2]> x",
      constant("fp32, [3, 4]", "up",
               "0.5, -0.25, 0.125, 0.75, -0.5, 0.25, 1, -1, 0.5, 0.5, 0.25, 0") +
          constant("fp32, [3, 3]", "down", "0.5, -0.25, 0.125, 0.75, -0.5, 0.25, 1, -1, 0.5") +
          constant("fp32, [3]", "bias", "0.125, -0.25, 0.5") +
          "tensor<fp32, [?, 4]> flat = reshape(x = x, shape = tensor<int32, [2]>([-1, 4]));\n"
          "tensor<fp32, [?, 3]> h = linear(x = flat, weight = up, bias = bias);\n"
          "tensor<fp32, [?, 3]> g = gelu(x = h, mode = string(\"EXACT\"));\n"
          "tensor<fp32, [?, 3]> logits = linear(x = g, weight = down, bias = bias);",
      "logits");
}

}  // namespace anemone
