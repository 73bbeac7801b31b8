#include "cli/commands.h"
namespace anemone::cli { void add_compile(CLI::App&) {} }
