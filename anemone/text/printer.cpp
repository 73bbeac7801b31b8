#include "anemone/text/printer.h"

#include <fmt/format.h>

#include <algorithm>

#include "anemone/ir/named_constants.h"
#include "anemone/ir/walk.h"
#include "anemone/text/lexer.h"
#include "anemone/text/value_printer.h"

namespace anemone {
namespace {

constexpr const char* kDefaultOpset = "ios18";
constexpr const char* kCompilerKey = "coremlc-version";

// What compilers find there in practice; the values seem not to be checked.
constexpr std::pair<const char*, const char*> kBuildInfo[] = {
    {"coremlc-component-MIL", "3510.2.1"},
    {kCompilerKey, "3505.4.1"},
    {"coremltools-component-milinternal", ""},
    {"coremltools-version", "9.0"},
};

bool has_blob(const Operation& op) {
  for (const Attribute& attribute : op.attributes) {
    if (attribute.value.blob) return true;
  }
  for (const Argument& argument : op.arguments) {
    for (const Operand& operand : argument.operands) {
      if (operand.literal && operand.literal->blob) return true;
    }
  }
  return false;
}

bool has_blob(const Program& program) {
  bool found = false;
  for (const Function& function : program.functions) {
    walk(function, [&](const Operation& op) { found = found || has_blob(op); });
  }
  return found;
}

Attribute make_build_info(bool compiler_only) {
  Literal info;
  const Type text = Type::tensor(DType::kString);
  info.type.kind = Type::Kind::kDict;
  info.type.parts = {text, text};
  for (const auto& [key, value] : kBuildInfo) {
    if (compiler_only && key != std::string_view(kCompilerKey)) continue;
    info.items.push_back(Literal::of(std::string(key)));
    info.items.push_back(Literal::of(std::string(value)));
  }
  return {"buildInfo", std::move(info)};
}

// The program's own attributes, with a buildInfo as the dialect wants it.
std::vector<Attribute> attributes_for(const Program& program, Dialect dialect) {
  std::vector<Attribute> result = program.attributes;
  const auto found = std::find_if(result.begin(), result.end(), [](const Attribute& attribute) {
    return attribute.name == "buildInfo";
  });
  const bool compiler_only = dialect == Dialect::kB;
  if (found == result.end()) {
    result.insert(result.begin(), make_build_info(compiler_only));
  } else if (compiler_only) {
    *found = make_build_info(compiler_only);
  }
  return result;
}

class Printer {
 public:
  Printer(const Program& program, const PrintOptions& options)
      : program_(program), options_(options), version_(program.version) {
    if (options.dialect == Dialect::kA) version_ = "1.3";
    if (options.dialect == Dialect::kB) {
      version_ = "1.0";
      opset_ = "ios16";
    }
    if (options.dialect == Dialect::kC) {
      const bool blobs = has_blob(program);
      version_ = blobs ? "1.5" : "1.3";
      if (!blobs) opset_ = "ios17";
    }
    const bool old = version_ == "1" || version_ == "1.0";
    scalars_ = old ? ScalarSpelling::kTensor : ScalarSpelling::kBare;
  }

  std::string print() {
    add("program({})\n", version_);
    const std::vector<Attribute> attributes =
        options_.dialect ? attributes_for(program_, *options_.dialect) : program_.attributes;
    if (!attributes.empty()) {
      print_attributes(attributes);
      text_ += '\n';
    }
    text_ += "{\n";
    for (const Function& function : program_.functions) {
      if (!options_.named_constants_only) {
        print(function);
        continue;
      }
      Function named = function.clone();
      name_constants(named);
      print(named);
    }
    text_ += '}';
    return std::move(text_);
  }

 private:
  template <typename... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
  }

  void print(const Function& function) {
    add("    func {}", checked(function.name));
    std::string opset = function.opset;
    if (!opset_.empty()) opset = opset_;
    if (options_.dialect && opset.empty()) opset = kDefaultOpset;
    if (!opset.empty()) add("<{}>", checked(opset));
    text_ += '(';
    print_definitions(function.inputs);
    text_ += ") ";
    if (!function.attributes.empty()) {
      print_attributes(function.attributes);
      text_ += ' ';
    }
    print_body(function, 12);
    text_ += ";\n";
  }

  // Statements are indented by `indent`, the closing brace by four blanks less.
  void print_body(const Block& block, int indent) {
    text_ += "{\n";
    for_each_operation(block, [&](const Operation& op) { print(op, indent); });
    add("{:{}}}} -> (", "", indent - 4);
    for (size_t i = 0; i < block.outputs.size(); ++i) {
      add("{}{}", i > 0 ? ", " : "", checked(block.outputs[i]->name));
    }
    text_ += ')';
  }

  void print_blocks(const Operation& op, int indent) {
    for (const auto& block : op.blocks) {
      text_ += ' ';
      if (!block->inputs.empty()) {
        text_ += '(';
        print_definitions(block->inputs);
        text_ += ") ";
      }
      print_body(*block, indent + 4);
    }
  }

  void print(const Operation& op, int indent) {
    add("{:{}}", "", indent);
    print_definitions(op.outputs);
    if (!op.outputs.empty()) text_ += " = ";
    check_operation_name(op);
    text_ += op.type;
    if (!op.opset.empty()) add("<{}>", checked(op.opset));
    text_ += '(';
    for (size_t i = 0; i < op.arguments.size(); ++i) {
      if (i > 0) text_ += ", ";
      print(op.arguments[i]);
    }
    text_ += ')';
    std::vector<Attribute> attributes = op.attributes;
    if (options_.dialect && !op.attribute("name")) {
      const std::string& name = op.outputs.empty() ? op.type : op.outputs[0]->name;
      attributes.insert(attributes.begin(), {"name", Literal::of(name)});
    }
    if (!attributes.empty()) print_attributes(attributes);
    print_blocks(op, indent);
    text_ += ";\n";
  }

  void print(const Argument& argument) {
    add("{} = ", checked(argument.name));
    if (argument.is_tuple) text_ += '(';
    for (size_t i = 0; i < argument.operands.size(); ++i) {
      if (i > 0) text_ += ", ";
      const Operand& operand = argument.operands[i];
      if (operand.value) {
        text_ += checked(operand.value->name);
      } else {
        append_value(text_, *operand.literal, scalars_);
      }
    }
    if (argument.is_tuple) text_ += ')';
  }

  void print_definitions(const std::vector<Value>& values) {
    for (size_t i = 0; i < values.size(); ++i) {
      if (i > 0) text_ += ", ";
      append_type(text_, values[i]->type, scalars_);
      add(" {}", checked(values[i]->name));
    }
  }

  void print_attributes(const std::vector<Attribute>& attributes) {
    text_ += '[';
    for (size_t i = 0; i < attributes.size(); ++i) {
      add("{}{} = ", i > 0 ? ", " : "", checked(attributes[i].name));
      append_value(text_, attributes[i].value, scalars_);
    }
    text_ += ']';
  }

  // Core ML's names have no dots; ours may, like "layers.0.weight".
  const std::string& checked(const std::string& name) const {
    if (!is_name(name)) fail(quote(name), "is not a name that MIL text can hold");
    if (options_.dialect && name.find('.') != std::string::npos) {
      fail(quote(name), "is not a name for Core ML, because of the dot", "rename the value");
    }
    return name;
  }

  void check_operation_name(const Operation& op) const {
    const bool dotted = op.type.find('.') != std::string::npos;
    if (options_.dialect && dotted) {
      fail(op.where(), fmt::format("Core ML has no operation {}", op.type),
           "decompose composite operations first");
    }
    checked(op.type);
  }

  const Program& program_;
  const PrintOptions& options_;
  std::string version_;
  std::string opset_;  // of every function; empty for their own
  ScalarSpelling scalars_ = ScalarSpelling::kBare;
  std::string text_;
};

}  // namespace

std::string print_mil(const Program& program, const PrintOptions& options) {
  return Printer(program, options).print();
}

}  // namespace anemone
