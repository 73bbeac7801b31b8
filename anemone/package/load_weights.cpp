#include "anemone/package/load_weights.h"
#include "anemone/ir/walk.h"

#include <fmt/format.h>

#include <map>
#include <tuple>
#include <utility>

namespace anemone {
namespace {

constexpr std::string_view kModelPath = "@model_path/";

// Different shapes of one blob each take memory; this is far more than any honest program asks for.
constexpr uint64_t kMaxCopiesOfFile = 4;

// Calls visit(operation, literal) for every literal of the operations; the members of collections
// cannot be in weight files. `visit` returns whether it changed the literal.
template <typename Visit>
class LiteralWalk {
 public:
  explicit LiteralWalk(Visit visit) : visit_(std::move(visit)) {}

  void run(Program& program) {
    for (Function& function : program.functions) {
      walk(function, [&](Operation& op) { visit(op); });
    }
  }

 private:
  void visit(Operation& op) {
    for (Attribute& attribute : op.attributes) visit_(op, attribute.value);
    for (Argument& argument : op.arguments) {
      for (Operand& operand : argument.operands) {
        if (!operand.literal) continue;
        Literal copy = *operand.literal;
        if (visit_(op, copy)) operand.literal = std::make_shared<const Literal>(std::move(copy));
      }
    }
  }

  Visit visit_;
};

class WeightLoader {
 public:
  explicit WeightLoader(std::filesystem::path base) : base_(std::move(base)) {}
  explicit WeightLoader(const MemoryFiles& memory) : memory_(&memory) {}

  std::shared_ptr<const Tensor> load(const BlobRef& blob, const Type& type) {
    const auto [entry, is_new] = files_.try_emplace(blob.path);
    OpenFile& open = entry->second;
    if (is_new) open.file = open_file(blob);
    const auto [known, missing] = open.tensors.try_emplace({blob.offset, type.dtype, type.shape});
    if (!missing) return known->second;
    known->second =
        std::make_shared<const Tensor>(open.file->read(blob.offset, type.dtype, type.shape));
    open.bytes_loaded += known->second->bytes();
    if (open.bytes_loaded / kMaxCopiesOfFile > open.file->bytes()) {
      fail(open.file->path().string(), "its blobs overlap each other, or are used in many shapes");
    }
    return known->second;
  }

 private:
  using Key = std::tuple<uint64_t, DType, Shape>;
  struct OpenFile {
    std::unique_ptr<BlobFile> file;
    std::map<Key, std::shared_ptr<const Tensor>> tensors;
    uint64_t bytes_loaded = 0;
  };

  std::unique_ptr<BlobFile> open_file(const BlobRef& blob) const {
    const std::filesystem::path path = resolve(blob);
    if (!memory_) return std::make_unique<BlobFile>(path);
    const auto found = memory_->find(path.lexically_normal().string());
    if (found == memory_->end()) fail(path.string(), "no weight file of this name was given");
    return std::make_unique<BlobFile>(found->second.data, found->second.size, path);
  }

  std::filesystem::path resolve(const BlobRef& blob) const {
    const std::string where = fmt::format("\"{}\", offset {}", blob.path, blob.offset);
    if (!blob.path.starts_with(kModelPath)) {
      fail(where, fmt::format("paths of weight files begin with {}", kModelPath));
    }
    const std::filesystem::path relative = blob.path.substr(kModelPath.size());
    bool leaves = relative.is_absolute() || blob.path.find('\0') != std::string::npos;
    for (const auto& part : relative) leaves = leaves || part == "..";
    if (leaves) fail(where, "the path leads out of the model's folder");
    return base_ / relative;
  }

  std::filesystem::path base_;
  const MemoryFiles* memory_ = nullptr;
  std::map<std::string, OpenFile> files_;
};

void load(Program& program, WeightLoader loader) {
  LiteralWalk walk([&](const Operation& op, Literal& literal) {
    if (!literal.blob) return false;
    try {
      literal.tensor = loader.load(*literal.blob, literal.type);
    } catch (const Error& error) {
      throw Error(error.code(), op.where(),
                  fmt::format("weights of '{}' at offset {}: {}: {}", literal.blob->path,
                              literal.blob->offset, error.where(), error.message()),
                  error.hint());
    }
    return true;
  });
  walk.run(program);
}

}  // namespace

void load_weights(Program& program, const std::filesystem::path& base) {
  load(program, WeightLoader(base));
}

void load_weights(Program& program, const MemoryFiles& files) {
  load(program, WeightLoader(files));
}

void own_weights(Program& program) {
  LiteralWalk walk([](const Operation&, Literal& literal) {
    if (!literal.blob || !literal.tensor) return false;
    literal.tensor = std::make_shared<const Tensor>(literal.tensor->clone());
    return true;
  });
  walk.run(program);
}

namespace {

bool is_stored(DType dtype, const ExternalizeOptions& options) {
  if (dtype == DType::kFp16 || dtype == DType::kFp32) return true;
  if (dtype == DType::kInt8 || dtype == DType::kUInt8 || bits(dtype) < 8) return bits(dtype) > 0;
  return options.all_integers && is_integer(dtype) && bits(dtype) < 64;
}

}  // namespace

int externalize_constants(Program& program, BlobWriter& writer, const ExternalizeOptions& options) {
  int changed = 0;
  LiteralWalk walk([&](const Operation&, Literal& literal) {
    if (!literal.tensor || literal.blob || !literal.type.is_tensor()) return false;
    if (!is_stored(literal.type.dtype, options)) return false;
    if (literal.tensor->size() < options.min_elements) return false;
    literal.blob = BlobRef{options.path_in_program, writer.add(literal.tensor)};
    ++changed;
    return true;
  });
  walk.run(program);
  return changed;
}

void store_again(Program& program, BlobWriter& writer, const ExternalizeOptions& options) {
  LiteralWalk forget([](const Operation& op, Literal& literal) {
    if (!literal.blob) return false;
    if (!literal.tensor) {
      fail(op.where(), fmt::format("the weights in '{}' are not loaded", literal.blob->path),
           "the weight file must lie where the program says");
    }
    literal.blob.reset();
    return true;
  });
  forget.run(program);
  externalize_constants(program, writer, options);
}

}  // namespace anemone
