// The program: parses the command line, runs a verb, and turns every error into one line.
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>

#include "anemone/base/error.h"
#include "cli/commands.h"

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

int report(const char* text, int status) {
  std::fprintf(stderr, "anemone: %s\n", text);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Compiles, runs and trains transformers on the Apple Neural Engine, and on any CPU."};
  app.name("anemone");
  app.set_version_flag("--version", "anemone 0.1.0");
  app.require_subcommand(1);
  anemone::cli::add_train(app);
  anemone::cli::add_generate(app);
  anemone::cli::add_eval(app);
  anemone::cli::add_data(app);
  anemone::cli::add_convert(app);
  anemone::cli::add_compile(app);
  anemone::cli::add_run(app);
  anemone::cli::add_stages(app);
  anemone::cli::add_devices(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return report((std::string(error.what()) + " (see anemone --help)").c_str(), 2);
  } catch (const anemone::Error& error) {
    return report(error.what(), exit_status(error));
  } catch (const std::filesystem::filesystem_error& error) {
    return report(error.what(), 2);
  } catch (const std::bad_alloc&) {
    return report("out of memory (a smaller --batch, --seq or model needs less)", 2);
  } catch (const std::exception& error) {
    return report((std::string("unexpected: ") + error.what()).c_str(), 1);
  }
}
