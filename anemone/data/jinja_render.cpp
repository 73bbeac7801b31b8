#include "anemone/data/jinja_render.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "anemone/base/error.h"
#include "anemone/data/jinja_functions.h"
#include "anemone/data/jinja_lexer.h"
#include "anemone/data/jinja_operators.h"

namespace anemone {
namespace {

using Kind = JinjaNode::Kind;
using Scope = std::map<std::string, JinjaValue, std::less<>>;

// What is defined without being given; the last three are not read when they are called.
constexpr const char* kFunctions[] = {"raise_exception", "strftime_now", "namespace", "dict",
                                      "range",           "lipsum",       "cycler",    "joiner"};

constexpr int64_t kMostSteps = 5'000'000;         // of statements and expressions
constexpr size_t kLongestText = size_t{1} << 24;  // of one value, and of all that is printed
constexpr int kDeepest = 500;                     // expressions inside expressions, macros included

class Renderer {
 public:
  Renderer(const JinjaMap& variables, std::time_t now, const std::string& where)
      : now_(now), where_(where), scopes_(1) {
    for (const auto& [name, value] : variables.entries) scopes_[0].emplace(name, value);
  }

  std::string render(const JinjaNode& tree) {
    run(tree);
    return std::move(output_);
  }

 private:
  enum class Flow { kGoOn, kBreak, kContinue };

  // Counts the levels of expressions and macros.
  struct Depth {
    explicit Depth(int& depth) : depth(depth) { ++depth; }
    ~Depth() { --depth; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;
    int& depth;
  };

  void step() {
    if (++steps_ > kMostSteps) {
      throw JinjaFailure(fmt::format("it takes more than {} steps", kMostSteps));
    }
    if (depth_ > kDeepest) throw JinjaFailure("it is nested too deeply");
  }

  // --- statements ---

  // A failure below says what, the innermost statement where.
  Flow run(const JinjaNode& node) {
    try {
      step();
      return run_unguarded(node);
    } catch (const JinjaFailure& failure) {
      fail_at_line(where_, node.line, failure.what());
    }
  }

  Flow run_unguarded(const JinjaNode& node) {
    const Depth depth(depth_);
    switch (node.kind) {
      case Kind::kBlock:
        return run_block(node);
      case Kind::kText:
        append(node.text);
        break;
      case Kind::kPrint:
        append(printed(value(node.children[0])));
        break;
      case Kind::kIf:
        return run_if(node);
      case Kind::kFor:
        run_for(node);
        break;
      case Kind::kSet:
        assign(node, value(node.children[0]));
        break;
      case Kind::kCapture:
        assign(node, JinjaValue(captured(node.children[0])));
        break;
      case Kind::kMacro:
        scopes_.back()[node.text] = JinjaValue(&node);
        break;
      case Kind::kBreak:
        return Flow::kBreak;
      case Kind::kContinue:
        return Flow::kContinue;
      default:
        check_failed("a statement", __FILE__, __LINE__);
    }
    return Flow::kGoOn;
  }

  void append(const std::string& text) {
    output_ += text;
    if (output_.size() > kLongestText) throw JinjaFailure("it prints without end");
  }

  Flow run_block(const JinjaNode& block) {
    for (const JinjaNode& statement : block.children) {
      const Flow flow = run(statement);
      if (flow != Flow::kGoOn) return flow;
    }
    return Flow::kGoOn;
  }

  Flow run_if(const JinjaNode& node) {
    size_t i = 0;
    for (; i + 1 < node.children.size(); i += 2) {
      if (value(node.children[i]).truth()) return run(node.children[i + 1]);
    }
    return i < node.children.size() ? run(node.children[i]) : Flow::kGoOn;
  }

  void run_for(const JinjaNode& node) {
    JinjaList list;
    for (JinjaValue& element : elements_of(value(node.children[0]))) {
      if (passes(node, element)) list.push_back(std::move(element));
    }
    if (list.empty()) {
      run(node.children[3]);
      return;
    }
    for (size_t i = 0; i < list.size(); ++i) {
      // What an iteration sets is gone with it.
      scopes_.emplace_back();
      bind(node, list[i]);
      scopes_.back()["loop"] = loop_variable(list, i);
      const Flow flow = run(node.children[2]);
      scopes_.pop_back();
      if (flow == Flow::kBreak) break;
    }
  }

  bool passes(const JinjaNode& loop, const JinjaValue& element) {
    if (loop.children[1].kind == Kind::kAbsent) return true;
    scopes_.emplace_back();
    bind(loop, element);
    const bool result = value(loop.children[1]).truth();
    scopes_.pop_back();
    return result;
  }

  void bind(const JinjaNode& loop, const JinjaValue& element) {
    if (loop.names.size() == 1) {
      scopes_.back()[loop.names[0]] = element;
      return;
    }
    const JinjaList parts = elements_of(element);
    if (parts.size() != loop.names.size()) {
      throw JinjaFailure(fmt::format("{} values for {} names", parts.size(), loop.names.size()));
    }
    for (size_t i = 0; i < parts.size(); ++i) scopes_.back()[loop.names[i]] = parts[i];
  }

  static JinjaValue loop_variable(const JinjaList& list, size_t at) {
    const auto index = static_cast<int64_t>(at), count = static_cast<int64_t>(list.size());
    JinjaMap loop;
    loop.set("index0", JinjaValue(index));
    loop.set("index", JinjaValue(index + 1));
    loop.set("revindex0", JinjaValue(count - index - 1));
    loop.set("revindex", JinjaValue(count - index));
    loop.set("first", JinjaValue(index == 0));
    loop.set("last", JinjaValue(index + 1 == count));
    loop.set("length", JinjaValue(count));
    if (at > 0) loop.set("previtem", list[at - 1]);
    if (at + 1 < list.size()) loop.set("nextitem", list[at + 1]);
    return JinjaValue(std::move(loop));
  }

  void assign(const JinjaNode& node, JinjaValue value) {
    if (node.names.size() == 1) {
      scopes_.back()[node.names[0]] = std::move(value);
      return;
    }
    const JinjaValue space = variable(node.names[0]);
    if (space.map() == nullptr || !space.map()->is_namespace) {
      throw JinjaFailure(fmt::format("\"{}\" is no namespace", node.names[0]));
    }
    space.map()->set(node.names[1], std::move(value));
  }

  std::string captured(const JinjaNode& block) {
    std::string outer;
    outer.swap(output_);
    run(block);
    outer.swap(output_);
    return outer;
  }

  // --- expressions ---

  JinjaValue variable(const std::string& name) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      const auto found = scope->find(name);
      if (found != scope->end()) return found->second;
    }
    for (const char* function : kFunctions) {
      if (name == function) return JinjaValue(JinjaFunction{name});
    }
    return JinjaValue(JinjaUndefined{fmt::format("\"{}\"", name)});
  }

  JinjaValue value(const JinjaNode& node) {
    const Depth depth(depth_);
    step();
    const auto& parts = node.children;
    switch (node.kind) {
      case Kind::kLiteral:
        return node.value;
      case Kind::kName:
        return variable(node.text);
      case Kind::kAttribute:
        return attribute_of(value(parts[0]), node.text);
      case Kind::kItem: {
        const JinjaValue object = value(parts[0]);
        return item_of(object, value(parts[1]));
      }
      case Kind::kSlice:
        return slice(node);
      case Kind::kCall:
        return call(node);
      case Kind::kFilter: {
        const JinjaValue input = value(parts[0]);
        return apply_filter(node.text, input, arguments(node));
      }
      case Kind::kTest: {
        const JinjaValue input = value(parts[0]);
        return JinjaValue(apply_test(node.text, input, arguments(node)));
      }
      case Kind::kNot:
        return JinjaValue(!value(parts[0]).truth());
      case Kind::kNegative:
        return JinjaValue(-number_of(value(parts[0]), "-"));
      case Kind::kAnd:
      case Kind::kOr: {
        const JinjaValue left = value(parts[0]);
        return left.truth() == (node.kind == Kind::kOr) ? left : value(parts[1]);
      }
      case Kind::kConditional:
        return conditional(node);
      case Kind::kBinary: {
        const JinjaValue left = value(parts[0]);
        return joined_by(node.text, left, value(parts[1]));
      }
      case Kind::kCompare:
        return compare(node);
      case Kind::kList:
        return JinjaValue(values(parts));
      case Kind::kDictionary:
        return dictionary(node);
      default:
        check_failed("an expression", __FILE__, __LINE__);
    }
  }

  JinjaList values(const std::vector<JinjaNode>& nodes) {
    JinjaList list;
    for (const JinjaNode& node : nodes) list.push_back(value(node));
    return list;
  }

  JinjaValue conditional(const JinjaNode& node) {
    if (value(node.children[0]).truth()) return value(node.children[1]);
    if (node.children[2].kind != Kind::kAbsent) return value(node.children[2]);
    return JinjaValue(JinjaUndefined{"an \"if\" without \"else\""});
  }

  JinjaValue dictionary(const JinjaNode& node) {
    JinjaMap map;
    for (size_t i = 0; i < node.children.size(); i += 2) {
      const JinjaValue key = value(node.children[i]);
      if (key.text() == nullptr) throw JinjaFailure("a key that is no string is not read");
      map.set(*key.text(), value(node.children[i + 1]));
    }
    return JinjaValue(std::move(map));
  }

  JinjaValue slice(const JinjaNode& node) {
    const JinjaValue object = value(node.children[0]);
    const auto bound = [&](size_t child) -> std::optional<int64_t> {
      if (node.children[child].kind == Kind::kAbsent) return std::nullopt;
      const JinjaValue given = value(node.children[child]);
      return given.is_none() ? std::nullopt : std::optional(number_of(given, "[:]"));
    };
    const std::optional<int64_t> begin = bound(1), end = bound(2);
    return slice_of(object, begin, end, bound(3).value_or(1));
  }

  JinjaValue compare(const JinjaNode& node) {
    JinjaValue left = value(node.children[0]);
    for (size_t i = 0; i < node.names.size(); ++i) {
      JinjaValue right = value(node.children[i + 1]);
      if (!compares(node.names[i], left, right)) return JinjaValue(false);
      left = std::move(right);
    }
    return JinjaValue(true);
  }

  // --- calls ---

  JinjaArguments arguments(const JinjaNode& call) {
    JinjaArguments all;
    for (size_t i = 0; i < call.names.size(); ++i) {
      all.values.push_back(value(call.children[i + 1]));
      all.names.push_back(call.names[i]);
    }
    return all;
  }

  JinjaValue call(const JinjaNode& node) {
    const JinjaNode& callee = node.children[0];
    if (callee.kind == Kind::kAttribute) {
      const JinjaValue object = value(callee.children[0]);
      return call_method(object, callee.text, arguments(node));
    }
    const JinjaValue function = value(callee);
    if (function.macro() != nullptr) return call_macro(*function.macro(), arguments(node));
    if (function.function_name() != nullptr) {
      return call_global(*function.function_name(), arguments(node));
    }
    const std::string name = callee.kind == Kind::kName ? "\"" + callee.text + "\"" : "the callee";
    throw JinjaFailure(fmt::format("{} is {}, no function", name, function.kind()));
  }

  JinjaValue call_global(const std::string& name, const JinjaArguments& arguments) const {
    if (name == "raise_exception") {
      fail(where_,
           fmt::format("the chat template refuses it: {}", printed(arguments.at(0, "message"))));
    }
    if (name == "strftime_now") {
      return JinjaValue(formatted_time(now_, arguments.text(0, "format")));
    }
    if (name == "range") return range_of(arguments);
    if (name != "namespace" && name != "dict") {
      throw JinjaFailure(fmt::format("the function \"{}\" is not read", name));
    }
    JinjaMap map;
    map.is_namespace = name == "namespace";
    for (size_t i = 0; i < arguments.values.size(); ++i) {
      if (arguments.names[i].empty()) throw JinjaFailure(name + " takes named values");
      map.set(arguments.names[i], arguments.values[i]);
    }
    return JinjaValue(std::move(map));
  }

  // A macro sees the names of the template, not those of its caller.
  JinjaValue call_macro(const JinjaNode& macro, const JinjaArguments& arguments) {
    std::vector<Scope> callers;
    callers.swap(scopes_);
    scopes_.push_back(callers.front());
    scopes_.emplace_back();
    for (size_t i = 0; i < macro.names.size(); ++i) {
      const JinjaValue* given = arguments.find(i, macro.names[i]);
      const JinjaNode& other = macro.children[i + 1];
      JinjaValue argument = given != nullptr ? *given
                            : other.kind != Kind::kAbsent
                                ? value(other)
                                : JinjaValue(JinjaUndefined{fmt::format("\"{}\"", macro.names[i])});
      scopes_.back()[macro.names[i]] = std::move(argument);
    }
    if (arguments.values.size() > macro.names.size()) {
      throw JinjaFailure(fmt::format("too many values for the macro \"{}\"", macro.text));
    }
    JinjaValue result{captured(macro.children[0])};
    scopes_.swap(callers);
    return result;
  }

  const std::time_t now_;
  const std::string& where_;
  std::vector<Scope> scopes_;  // the template's first, then those of loops or of a macro
  std::string output_;
  int64_t steps_ = 0;
  int depth_ = 0;
};

}  // namespace

std::string render_jinja(const JinjaNode& tree, const JinjaMap& variables, std::time_t now,
                         const std::string& where) {
  return Renderer(variables, now, where).render(tree);
}

}  // namespace anemone
