#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "anemone/base/error.h"
#include "anemone/ir/named_constants.h"
#include "anemone/ir/walk.h"
#include "anemone/package/description_proto.h"
#include "anemone/package/model.pb.h"
#include "anemone/package/model_proto.h"
#include "anemone/package/proto_types.h"

namespace anemone {
namespace {

namespace spec = CoreML::Specification;

// "ios18" in text is "CoreML8" in packages.
std::string opset_in_package(const Function& function) {
  return fmt::format("CoreML{}", static_cast<int>(opset_from_name(function.opset)) - 10);
}

const std::string& checked_name(const std::string& name, const std::string& where) {
  const auto fits = [](char c, bool first) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (!first && ((c >= '0' && c <= '9') || c == '@'));
  };
  bool valid = !name.empty();
  for (size_t i = 0; i < name.size(); ++i) valid = valid && fits(name[i], i == 0);
  if (!valid) {
    fail(where, "'" + name + "' is not a name for Core ML",
         "names have letters, digits and underscores");
  }
  return name;
}

void write_block(const Block& block, mil::Block* message);

void write_named(Value value, const std::string& where, mil::NamedValueType* message) {
  message->set_name(checked_name(value->name, where));
  *message->mutable_type() = type_to_proto(value->type, where);
}

void write_argument(const Argument& argument, const std::string& where, mil::Argument* message) {
  for (const Operand& operand : argument.operands) {
    auto* binding = message->add_arguments();
    if (operand.value) {
      binding->set_name(operand.value->name);
    } else {
      *binding->mutable_value() = literal_to_proto(*operand.literal, where);
    }
  }
}

void write_operation(const Operation& op, mil::Operation* message) {
  const std::string where = op.where();
  if (op.type.find('.') != std::string::npos) {
    fail(where, "Core ML has no operation " + op.type, "decompose composite operations first");
  }
  message->set_type(op.type);
  for (const Argument& argument : op.arguments) {
    write_argument(argument, where, &(*message->mutable_inputs())[argument.name]);
  }
  for (Value output : op.outputs) write_named(output, where, message->add_outputs());
  for (const auto& block : op.blocks) write_block(*block, message->add_blocks());
  for (const Attribute& attribute : op.attributes) {
    (*message->mutable_attributes())[attribute.name] = literal_to_proto(attribute.value, where);
  }
  if (!op.attribute("name")) {
    const std::string& name = op.outputs.empty() ? op.type : op.outputs[0]->name;
    (*message->mutable_attributes())["name"] = literal_to_proto(Literal::of(name), where);
  }
}

void write_block(const Block& block, mil::Block* message) {
  for (Value input : block.inputs) write_named(input, "a block", message->add_inputs());
  for_each_operation(block,
                     [&](const Operation& op) { write_operation(op, message->add_operations()); });
  for (Value output : block.outputs) message->add_outputs(output->name);
}

void write_function(const Function& function, mil::Function* message) {
  const std::string where = "function '" + function.name + "'";
  message->set_opset(opset_in_package(function));
  for (Value input : function.inputs) write_named(input, where, message->add_inputs());
  for (const Attribute& attribute : function.attributes) {
    (*message->mutable_attributes())[attribute.name] = literal_to_proto(attribute.value, where);
  }
  // Parameters of the function are not those of its block.
  mil::Block* block = &(*message->mutable_block_specializations())[message->opset()];
  for_each_operation(function,
                     [&](const Operation& op) { write_operation(op, block->add_operations()); });
  for (Value output : function.outputs) block->add_outputs(output->name);
}

}  // namespace

std::string serialize_model(const Program& program, const ModelInfo& info) {
  if (program.functions.empty()) fail("program", "it has no function");
  spec::Model model;
  info_to_proto(program, info, model);
  mil::Program* message = model.mutable_mlprogram();
  message->set_version(1);
  for (const Attribute& attribute : program.attributes) {
    (*message->mutable_attributes())[attribute.name] =
        literal_to_proto(attribute.value, "attribute " + attribute.name);
  }
  for (const Function& function : program.functions) {
    Function named = function.clone();
    name_constants(named);
    checked_name(function.name, "function '" + function.name + "'");
    write_function(named, &(*message->mutable_functions())[function.name]);
  }
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream text(&bytes);
    google::protobuf::io::CodedOutputStream stream(&text);
    // Entries of maps in the order of their keys: otherwise every process has its own.
    stream.SetSerializationDeterministic(true);
    model.SerializeToCodedStream(&stream);
  }
  return bytes;
}

}  // namespace anemone
