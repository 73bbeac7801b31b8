// .mlpackage folders: a manifest, the model's protobuf and its weight files.
#pragma once

#include <filesystem>
#include <functional>

#include "anemone/package/model_proto.h"

namespace anemone {

// A model read from a package: weights are still references. `folder` is what "@model_path" stands
// for in them.
struct Package {
  ModelFile model;
  std::filesystem::path folder;
};

// Whether `path` is a folder with a Manifest.json.
bool is_mlpackage(const std::filesystem::path& path);

// Throws Error(kInvalidInput) for a manifest that is damaged or names no model, for items that lead
// out of the package, by ".." or by a link, and as parse_model does.
Package read_mlpackage(const std::filesystem::path& path);

// A lone .mlmodel file that holds an ML program; its weights lie beside it.
Package read_mlmodel(const std::filesystem::path& file);

// Writes a package: constants of ten elements and more go into weights/weight.bin, all others into
// the model. The same program and description give the same bytes. What `path` was stays until the
// new package is whole. Weights that are not loaded are refused.
void write_mlpackage(const std::filesystem::path& path, const Program& program,
                     const ModelInfo& info);

// Writes `path` as a folder by `fill(new folder)`: it appears under its name when it is whole, in
// the place of what was there.
void replace_folder(const std::filesystem::path& path,
                    const std::function<void(const std::filesystem::path&)>& fill);

}  // namespace anemone
