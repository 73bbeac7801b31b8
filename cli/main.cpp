// The program: parses the command line, runs a verb, and turns every error into one line.
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>

#include "anemone/base/error.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/numbers.h"
#include "cli/terminal.h"

namespace {

// 2: what the user handed in; 3: this machine lacks it; 1: our bug.
int exit_status(const anemone::Error& error) {
  switch (error.code()) {
    case anemone::ErrorCode::kInvalidInput:
    case anemone::ErrorCode::kIo:
      return 2;
    case anemone::ErrorCode::kUnavailable:
      return 3;
    case anemone::ErrorCode::kInternal:
      break;
  }
  return 1;
}

// Always one line, whatever the names in it hold.
int report(const std::string& text, int status) {
  std::fprintf(stderr, "anemone: %s\n", anemone::cli::one_line(text).c_str());
  return status;
}

void add_verbs(CLI::App& app, const anemone::cli::Arguments& arguments) {
  using namespace anemone::cli;
  add_train(app, arguments);
  add_finetune(app);
  add_generate(app);
  add_eval(app);
  add_data(app);
  add_convert(app);
  add_info(app);
  add_compile(app);
  add_check(app);
  add_run(app);
  add_stages(app);
  add_devices(app);
  add_selftest(app);
  add_bench(app, arguments);
  add_report(app, arguments);
  check_numbers(app);
}

// CLI11 takes them from the back.
void parse(CLI::App& app, const anemone::cli::Arguments& arguments) {
  app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Compiles, runs and trains transformers; every step is a MIL program."};
  app.name("anemone");
  app.set_version_flag("--version", "anemone 0.1.0");
  app.require_subcommand(1);
  anemone::cli::Arguments arguments;
  add_verbs(app, arguments);
  // Set last: verbs that are added take over what is there.
  app.footer(
      "anemone VERB --help, or anemone help VERB, lists the flags of a verb. Names that other\n"
      "programs have for them are taken too (--batch-size, --learning-rate, --max-new-tokens, "
      "...):\n"
      "docs/command-line.md.");
  arguments = anemone::cli::canonical_arguments(app, {argv + 1, argv + argc});
  // Then the write fails and says so, instead of a silent end.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    parse(app, arguments);
    return 0;
  } catch (const CLI::ParseError& error) {
    const bool helps = error.get_exit_code() == 0;  // --help, --version
    if (helps && !anemone::cli::is_help_of_unknown_verb(app)) return app.exit(error);
    return report(anemone::cli::describe(app, error), 2);
  } catch (const anemone::cli::Finished& finished) {
    return finished.status;
  } catch (const anemone::Error& error) {
    return report(error.what(), exit_status(error));
  } catch (const std::filesystem::filesystem_error& error) {
    return report(error.what(), 2);
  } catch (const std::bad_alloc&) {
    return report("out of memory (a smaller --batch, --seq or model needs less)", 2);
  } catch (const std::exception& error) {
    return report(std::string("unexpected: ") + error.what(), 1);
  }
}
