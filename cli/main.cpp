// The program: parses the command line, runs a verb, and turns every error into one line.
#include <charconv>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>

#include "anemone/base/error.h"
#include "cli/commands.h"
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

// CLI11 takes the nearest number for one that does not fit, and wraps negative ones around.
template <typename Integer>
std::string check_whole(const std::string& text) {
  Integer value = 0;
  const char* end = text.c_str() + text.size();
  const auto result = std::from_chars(text.c_str(), end, value);
  return result.ec == std::errc() && result.ptr == end ? "" : text + " is no whole number in range";
}

void check_integers(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    const std::string type = option->get_type_name();
    if (type == "INT") option->check(check_whole<int64_t>);
    if (type == "UINT") option->check(check_whole<uint64_t>);
  }
  for (CLI::App* verb : app.get_subcommands({})) check_integers(*verb);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Compiles, runs and trains transformers; every step is a MIL program."};
  app.name("anemone");
  app.set_version_flag("--version", "anemone 0.1.0");
  app.require_subcommand(1);
  anemone::cli::add_train(app, {argv + 1, argv + argc});
  anemone::cli::add_generate(app);
  anemone::cli::add_eval(app);
  anemone::cli::add_data(app);
  anemone::cli::add_convert(app);
  anemone::cli::add_compile(app);
  anemone::cli::add_check(app);
  anemone::cli::add_run(app);
  anemone::cli::add_stages(app);
  anemone::cli::add_devices(app);
  anemone::cli::add_selftest(app);
  anemone::cli::add_bench(app, {argv + 1, argv + argc});
  anemone::cli::add_report(app, {argv + 1, argv + argc});
  check_integers(app);
  // Then the write fails and says so, instead of a silent end.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    // What is unknown says more than what is missing because of it.
    const std::vector<std::string> unknown = app.remaining(true);
    if (!unknown.empty()) {
      return report(unknown[0] + ": no such verb or flag here (see anemone --help)", 2);
    }
    return report(std::string(error.what()) + " (see anemone --help)", 2);
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
