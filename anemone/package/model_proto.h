// A program and its description to and from the bytes of a .mlmodel file.
#pragma once

#include <span>
#include <string>

#include "anemone/package/model_info.h"

namespace anemone {

struct ModelFile {
  Program program;
  ModelInfo info;
};

// Reads a serialised Model whose kind is mlProgram. Weight references stay references. Arguments
// are in the order of their names. Throws Error(kInvalidInput) at `where`: for other kinds of
// model, for bytes that are none, for what the format does not allow, and for fields inside the
// program that we do not know, because they would be lost.
ModelFile parse_model(std::span<const std::byte> bytes, const std::string& where);

// The bytes of the file; the same program and description give the same bytes. Fills in what
// `info` lacks: specification version, ports of every function, buildInfo stays the program's.
// Throws Error(kInvalidInput) for what Core ML does not take: names with dots, composite
// operations, ports of other types than fp16, fp32, fp64 and int32 arrays.
std::string serialize_model(const Program& program, const ModelInfo& info);

}  // namespace anemone
