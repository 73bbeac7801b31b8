#include "cli/command_line.h"

#include <algorithm>
#include <string_view>

#include "anemone/base/nearest_name.h"
#include "cli/flag_aliases.h"

namespace anemone::cli {
namespace {

// Arguments behind a flag that are its values.
int values_behind(const CLI::App& verb, const std::string& flag) {
  const CLI::Option* option = verb.get_option_no_throw(flag);
  if (!option) return 0;
  return std::min(option->get_type_size_min(), option->get_items_expected_min());
}

std::vector<const CLI::App*> verbs_below(const CLI::App& app) { return app.get_subcommands({}); }

const CLI::App* find_verb(const CLI::App& app, const std::string& name) {
  for (const CLI::App* verb : verbs_below(app)) {
    if (verb->get_name() == name) return verb;
  }
  return nullptr;
}

// Goes through arguments as CLI11 does: verbs, flags with their values, and words.
class Rewriter {
 public:
  explicit Rewriter(const CLI::App& app) : verb_(&app) {}

  void add(const std::string& argument) {
    if (values_ > 0 || words_only_) {
      --values_;
      result_.push_back(argument);
    } else if (argument == "--") {
      words_only_ = true;
      result_.push_back(argument);
    } else if (argument.size() > 1 && argument[0] == '-') {
      add_flag(argument);
    } else {
      add_word(argument);
    }
  }
  std::vector<std::string> result() && { return std::move(result_); }

 private:
  void add_flag(const std::string& argument) {
    const size_t equals = argument.starts_with("--") ? argument.find('=') : std::string::npos;
    std::string name = argument.substr(0, equals);
    if (const std::string ours = flag_for(*verb_, name); !ours.empty()) name = ours;
    const int values = values_behind(*verb_, name);
    if (equals == std::string::npos) {
      values_ = values;
      result_.push_back(name);
    } else if (equals + 1 == argument.size() && values > 0) {
      result_.insert(result_.end(), {name, ""});
    } else {
      result_.push_back(name + argument.substr(equals));
    }
  }

  void add_word(const std::string& argument) {
    const std::string ours = verb_for(*verb_, argument);
    result_.push_back(ours.empty() ? argument : ours);
    if (const CLI::App* below = find_verb(*verb_, result_.back())) verb_ = below;
  }

  const CLI::App* verb_;
  int values_ = 0;  // of the flag before
  bool words_only_ = false;
  std::vector<std::string> result_;
};

// The verb that was given, or the last one of "data tokenize".
const CLI::App& parsed_verb(const CLI::App& app) {
  const std::vector<CLI::App*> below = app.get_subcommands();
  return below.empty() ? app : parsed_verb(*below.front());
}

std::string full_name(const CLI::App& verb) {
  const CLI::App* parent = verb.get_parent();
  return parent ? full_name(*parent) + " " + verb.get_name() : verb.get_name();
}

std::string verb_names(const CLI::App& verb) {
  std::string names;
  for (const CLI::App* below : verbs_below(verb)) {
    names += (names.empty() ? "" : ", ") + below->get_name();
  }
  return names;
}

// The name that was probably meant: a misspelled one, or the only one that begins like this.
std::string nearest(const std::string& name, const std::vector<std::string>& names) {
  const std::string misspelled = suggest(name, {names.begin(), names.end()});
  if (!misspelled.empty() || name.size() < 2 || name == "--") return misspelled;
  const auto begins = [&](const std::string& other) { return other.starts_with(name); };
  if (std::ranges::count_if(names, begins) != 1) return "";
  return "did you mean '" + *std::ranges::find_if(names, begins) + "'?";
}

// "did you mean '--model'? see anemone train --help" in parentheses.
std::string with_hint(const std::string& text, const std::string& meant, const CLI::App& verb) {
  return text + " (" + meant + (meant.empty() ? "" : " ") + "see " + full_name(verb) + " --help)";
}

// CLI11's words where they say enough; "NAME: At Most 1 required but received 2" does not.
std::string plain_words(const CLI::ParseError& error) {
  const std::string text = error.what();
  const std::string name = text.substr(0, text.find(':'));
  constexpr std::string_view kConversion = "Could not convert: ";
  if (text.starts_with(kConversion)) {
    return text.substr(kConversion.size()) + " is no value that it takes";
  }
  if (!dynamic_cast<const CLI::ArgumentMismatch*>(&error)) return text;
  if (text.find("At Most 1 ") != std::string::npos) return name + ": it is given more than once";
  if (text.ends_with(" missing")) return name + ": its value is missing";
  return text;
}

std::string describe_unknown_flag(const std::string& argument, const CLI::App& verb) {
  const std::string name = argument.substr(0, argument.find('='));
  const std::vector<std::string> names = flag_names(verb);
  if (std::ranges::find(names, name) != names.end()) {
    return with_hint(argument + ": it stands behind the verb", "", verb);
  }
  // With one dash, as other programs have it: what two of them would be.
  const bool is_word = name.size() > 2 && name[1] != '-';
  const std::string where = verb.get_parent() ? "no such flag here" : "no such flag before a verb";
  return with_hint(argument + ": " + where, nearest(is_word ? "-" + name : name, names), verb);
}

std::string describe_unknown(const std::string& argument, const CLI::App& verb) {
  if (argument.starts_with('-')) return describe_unknown_flag(argument, verb);
  std::vector<std::string> names;
  for (const CLI::App* below : verbs_below(verb)) names.push_back(below->get_name());
  const std::string shown = argument.empty() ? "''" : argument;
  if (names.empty()) return with_hint(shown + ": no such argument here", "", verb);
  return with_hint(shown + ": no such verb here", nearest(argument, names), verb);
}

}  // namespace

std::vector<std::string> canonical_arguments(const CLI::App& app,
                                             const std::vector<std::string>& given) {
  std::vector<std::string> arguments = given;
  if (!arguments.empty() && arguments[0] == "help") {
    arguments.erase(arguments.begin());
    arguments.emplace_back("--help");
  }
  if (arguments == std::vector<std::string>{"version"}) return {"--version"};
  Rewriter rewriter(app);
  for (const std::string& argument : arguments) rewriter.add(argument);
  return std::move(rewriter).result();
}

std::string describe(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& verb = parsed_verb(app);
  // What is unknown says more than what is missing because of it.
  const std::vector<std::string> unknown = app.remaining(true);
  if (!unknown.empty()) return describe_unknown(unknown[0], verb);
  if (!verbs_below(verb).empty()) {
    return with_hint(full_name(verb) + ": a verb is needed: " + verb_names(verb), "", verb);
  }
  return with_hint(plain_words(error), "", verb);
}

bool is_help_of_unknown_verb(const CLI::App& app) {
  const std::vector<std::string> unknown = app.remaining(true);
  return !verbs_below(parsed_verb(app)).empty() && !unknown.empty() && !unknown[0].starts_with('-');
}

}  // namespace anemone::cli
