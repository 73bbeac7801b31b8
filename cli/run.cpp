#include "cli/commands.h"
namespace anemone::cli { void add_run(CLI::App&) {} }
