#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#if GOOGLE_PROTOBUF_VERSION < 4022000
#include <google/protobuf/stubs/logging.h>
#endif

#include <algorithm>
#include <limits>

#include "anemone/base/error.h"
#include "anemone/ir/scopes.h"
#include "anemone/package/description_proto.h"
#include "anemone/package/model.pb.h"
#include "anemone/package/model_proto.h"
#include "anemone/package/proto_types.h"
#include "anemone/package/wire_scan.h"

namespace anemone {
namespace {

namespace spec = CoreML::Specification;

// "CoreML8" in packages is "ios18" in text; other names stay as they are.
std::string opset_in_text(const std::string& name) {
  constexpr std::string_view kPrefix = "CoreML";
  if (!name.starts_with(kPrefix) || name.size() != kPrefix.size() + 1) return name;
  const char digit = name.back();
  return digit >= '3' && digit <= '9' ? fmt::format("ios{}", 10 + (digit - '0')) : name;
}

// The entries of a map in the order of their keys: protobuf's own order differs between processes.
template <typename Map>
std::vector<std::pair<std::string, const typename Map::mapped_type*>> sorted(const Map& map) {
  std::vector<std::pair<std::string, const typename Map::mapped_type*>> entries;
  for (const auto& [key, value] : map) entries.emplace_back(key, &value);
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return entries;
}

class FunctionReader {
 public:
  FunctionReader(Function& function, const std::string& where, std::vector<std::string>& losses)
      : function_(function), scopes_(function), where_(where), losses_(losses) {}

  void read(const mil::Function& message) {
    for (const auto& [name, value] : sorted(message.attributes())) {
      function_.attributes.push_back(
          {name, literal_from_proto(*value, context("attribute " + name))});
    }
    for (const mil::NamedValueType& input : message.inputs()) {
      function_.inputs.push_back(define(input, nullptr, "input"));
    }
    const mil::Block& block = body(message);
    if (block.inputs_size() > 0) fail(where_, "the block of a function has inputs of its own");
    read_block(block, function_);
  }

 private:
  // The body for the function's opset; others are not kept.
  const mil::Block& body(const mil::Function& message) {
    const auto& bodies = message.block_specializations();
    const auto found = bodies.find(message.opset());
    if (found == bodies.end()) {
      fail(where_, fmt::format("it has no body for its opset '{}'", message.opset()));
    }
    for (const auto& [opset, block] : sorted(bodies)) {
      if (opset != message.opset()) {
        losses_.push_back(fmt::format("{}: its body for opset {} is not kept", where_, opset));
      }
    }
    return found->second;
  }

  ProtoContext context(const std::string& what) { return {where_ + ", " + what, &losses_}; }

  Value define(const mil::NamedValueType& named, Operation* producer, const std::string& what) {
    Type type = type_from_proto(named.type(), context(what + " '" + named.name() + "'"));
    return scopes_.define(named.name(), std::move(type), producer);
  }

  void read_block(const mil::Block& message, Block& block) {
    if (message.attributes_size() > 0) {
      losses_.push_back(where_ + ": attributes of a block are not kept");
    }
    for (const mil::Operation& operation : message.operations()) {
      block.operations.push_back(read_operation(operation));
    }
    for (const std::string& name : message.outputs()) {
      block.outputs.push_back(use(name, "the result of a block"));
    }
  }

  std::unique_ptr<Operation> read_operation(const mil::Operation& message) {
    auto op = std::make_unique<Operation>();
    op->type = message.type();
    op->version = opset_from_name(function_.opset);
    const std::string name =
        message.outputs_size() > 0 ? message.outputs(0).name() : message.type();
    const std::string what = fmt::format("{} '{}'", message.type(), name);
    for (const auto& [parameter, argument] : sorted(message.inputs())) {
      op->arguments.push_back(read_argument(parameter, *argument, what));
    }
    for (const auto& [key, value] : sorted(message.attributes())) {
      op->attributes.push_back({key, literal_from_proto(*value, context(what + ", " + key))});
    }
    for (const mil::Block& block : message.blocks()) op->blocks.push_back(read_nested(block));
    for (const mil::NamedValueType& output : message.outputs()) {
      op->outputs.push_back(define(output, op.get(), what + ", output"));
    }
    return op;
  }

  std::unique_ptr<Block> read_nested(const mil::Block& message) {
    if (++depth_ > kMaxBlockDepth) fail(where_, "the blocks are nested too deeply");
    auto block = std::make_unique<Block>();
    scopes_.enter();
    for (const mil::NamedValueType& input : message.inputs()) {
      block->inputs.push_back(define(input, nullptr, "input of a block"));
    }
    read_block(message, *block);
    scopes_.leave();
    --depth_;
    return block;
  }

  Argument read_argument(const std::string& parameter, const mil::Argument& message,
                         const std::string& what) {
    std::vector<Operand> operands;
    for (const mil::Argument::Binding& binding : message.arguments()) {
      if (binding.has_value()) {
        operands.emplace_back(
            literal_from_proto(binding.value(), context(what + ", " + parameter)));
      } else {
        operands.emplace_back(use(binding.name(), what + ", " + parameter));
      }
    }
    if (operands.size() == 1 && !is_tuple(parameter)) return {parameter, std::move(operands[0])};
    return {parameter, std::move(operands)};
  }

  // One binding may be a tuple of one: the message does not say which.
  static bool is_tuple(const std::string& parameter) {
    return parameter == "values" || parameter == "loop_vars";
  }

  Value use(const std::string& name, const std::string& what) {
    if (Value value = scopes_.find(name)) return value;
    fail(where_, fmt::format("{}: '{}' is not defined", what, name));
  }

  Function& function_;
  Scopes scopes_;
  std::string where_;
  std::vector<std::string>& losses_;
  int depth_ = 0;
};

Program program_from_proto(const mil::Program& message, const std::string& where,
                           std::vector<std::string>& losses) {
  Program program;
  program.version = "1.3";
  if (message.version() != 1) {
    fail(where, fmt::format("it is a MIL program of version {}, and 1 is read", message.version()));
  }
  if (!message.docstring().empty()) losses.push_back(where + ": its doc string is not kept");
  for (const auto& [name, value] : sorted(message.attributes())) {
    const ProtoContext context{where + ", attribute " + name, &losses};
    program.attributes.push_back({name, literal_from_proto(*value, context)});
  }
  for (const auto& [name, function] : sorted(message.functions())) {
    program.functions.emplace_back(name, opset_in_text(function->opset()));
    const std::string place = fmt::format("{}, function '{}'", where, name);
    FunctionReader(program.functions.back(), place, losses).read(*function);
  }
  return program;
}

// Kinds of models that hold no MIL program, by their field in Model.
std::string kind_of(std::span<const std::byte> bytes) {
  constexpr std::pair<const char*, const char*> kKinds[] = {
      {"field 200", "a pipeline classifier"},
      {"field 201", "a pipeline regressor"},
      {"field 202", "a pipeline"},
      {"field 300", "a regressor"},
      {"field 500", "a neural network, the format before ML programs"},
      {"field 3000", "a serialised model of another kind"}};
  for (const std::string& field : unknown_fields(bytes, *spec::Model::descriptor())) {
    for (const auto& [path, kind] : kKinds) {
      if (field == path) return kind;
    }
  }
  return "no ML program";
}

// Keeps protobuf from printing what it finds wrong (names that are not UTF-8); from 4.22 on it logs
// through another library, which says nothing by default.
struct Silence {
#if GOOGLE_PROTOBUF_VERSION < 4022000
  google::protobuf::LogSilencer silencer;
#endif
};

spec::Model parse_message(std::span<const std::byte> bytes, const std::string& where) {
  constexpr auto kMost = static_cast<size_t>(std::numeric_limits<int>::max());
  if (bytes.size() > kMost) fail(where, "a model file of more than 2 GB is not read");
  google::protobuf::io::ArrayInputStream array(bytes.data(), static_cast<int>(bytes.size()));
  google::protobuf::io::CodedInputStream stream(&array);
  stream.SetTotalBytesLimit(std::numeric_limits<int>::max());
  [[maybe_unused]] const Silence silence;
  spec::Model model;
  if (!model.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage()) {
    fail(where,
         "it is no model file of Core ML: the bytes are no protobuf message, or are damaged");
  }
  return model;
}

// Unknown fields of the description are kept with it, those of the program would be lost.
void refuse_unknown(std::span<const std::byte> bytes, const std::string& where) {
  std::string list;
  for (const std::string& field : unknown_fields(bytes, *spec::Model::descriptor())) {
    if (field.starts_with("description.")) continue;
    list += (list.empty() ? "" : ", ") + field;
  }
  if (list.empty()) return;
  fail(where, fmt::format("it holds fields that are not known here and would be lost: {}", list),
       "it was written by a newer tool; write it for an older target (ios18)");
}

}  // namespace

ModelFile parse_model(std::span<const std::byte> bytes, const std::string& where) {
  const spec::Model model = parse_message(bytes, where);
  if (!model.has_mlprogram()) {
    fail(where, fmt::format("it is {}", kind_of(bytes)),
         "convert it again with coremltools: convert_to=\"mlprogram\"");
  }
  refuse_unknown(bytes, where);
  ModelFile file;
  file.program = program_from_proto(model.mlprogram(), where, file.info.losses);
  info_from_proto(model, file.info, where);
  if (file.info.default_function.empty() && file.program.functions.size() == 1) {
    file.info.default_function = file.program.functions[0].name;
  }
  return file;
}

}  // namespace anemone
