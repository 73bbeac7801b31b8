// Tensors by name in files that people have: safetensors, NumPy's .npy and .npz.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "anemone/tensor/tensor.h"

namespace anemone {

// Reads all tensors of a file, told apart by its content. The tensor of a .npy file has the name
// "". NumPy's bool, (u)int8 to 64, float16, 32 and 64 are read, little-endian, in C or Fortran
// order. Throws Error naming the file (and the array) for what is damaged or of another type.
std::map<std::string, Tensor> read_tensors(const std::filesystem::path& path);

// Writes a file of the kind that its name says: .npz, .npy (of one tensor), otherwise safetensors.
// bf16, which NumPy lacks, is refused there.
void write_tensors(const std::filesystem::path& path,
                   const std::vector<std::pair<std::string, TensorView>>& tensors);

// Whether what a file holds may stand for a port of type `wanted`: the same type, floats of any
// width for each other, and NumPy's 64-bit integers where all fit into 32 bits.
bool converts(const TensorView& tensor, DType wanted);

}  // namespace anemone
