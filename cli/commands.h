// The verbs of the program: each adds its subcommand and what it does, one file each.
#pragma once

#include <CLI/CLI.hpp>

namespace anemone::cli {

void add_train(CLI::App& app);
void add_generate(CLI::App& app);
void add_eval(CLI::App& app);
void add_data(CLI::App& app);
void add_convert(CLI::App& app);
void add_compile(CLI::App& app);
void add_run(CLI::App& app);
void add_stages(CLI::App& app);
void add_devices(CLI::App& app);

}  // namespace anemone::cli
