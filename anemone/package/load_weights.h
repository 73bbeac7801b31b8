// Connects programs with their weight files.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "anemone/ir/program.h"
#include "anemone/package/weight_blob.h"

namespace anemone {

// Fills the `tensor` of every literal that refers to a weight file. "@model_path/" stands for
// `base`, the folder of the .mil file; paths that lead out of it are refused (what links inside it
// point to is the user's business). Each file is mapped once and each blob read once.
// Throws Error with the operation's place as where(); the message names file and offset.
void load_weights(Program& program, const std::filesystem::path& base);

// A weight file in memory, which must begin at a multiple of 64 bytes.
struct MemoryFile {
  std::shared_ptr<const std::byte> data;
  size_t size = 0;
};
// By the name behind "@model_path/".
using MemoryFiles = std::map<std::string, MemoryFile>;

// The same for files in memory. Literals refer to it: it lives as long as they do.
void load_weights(Program& program, const MemoryFiles& files);

// Copies loaded weights out of their files, which may then change.
void own_weights(Program& program);

struct ExternalizeOptions {
  std::string path_in_program = "@model_path/weights/weight.bin";
  int64_t min_elements = 10;  // what coremltools does
  bool all_integers = false;  // integers of 16 and 32 bits too, as from ios18 on
};

// Adds every literal of fp16, fp32, int8, uint8 or less than a byte with enough elements to
// `writer` and lets it refer there; it keeps its tensor, so that the program still runs. Returns
// how many literals changed.
int externalize_constants(Program& program, BlobWriter& writer,
                          const ExternalizeOptions& options = {});

// The same for a program whose loaded weights may lie in other files: they all go to `writer`.
// Throws Error(kInvalidInput) for weights that are not loaded.
void store_again(Program& program, BlobWriter& writer, const ExternalizeOptions& options = {});

}  // namespace anemone
