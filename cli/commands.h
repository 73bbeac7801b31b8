// The verbs of the program: each adds its subcommand and what it does, one file each.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace anemone::cli {

// What weights may be stored as where nothing is trained.
inline const std::vector<std::string> kWeightTypes = {"fp32", "bf16", "int8", "int4"};

// Thrown by a verb that has said everything and ends with a status of its own.
struct Finished {
  int status = 0;
};

// The whole command line in this program's own names, for going on in a new process. Verbs look at
// it when they run: it is filled after they were added.
using Arguments = std::vector<std::string>;

void add_train(CLI::App& app, const Arguments& arguments);
void add_finetune(CLI::App& app);
void add_generate(CLI::App& app);
void add_eval(CLI::App& app);
void add_data(CLI::App& app);
void add_convert(CLI::App& app);
void add_info(CLI::App& app);
void add_compile(CLI::App& app);
void add_check(CLI::App& app);
void add_run(CLI::App& app);
void add_stages(CLI::App& app);
void add_devices(CLI::App& app);
void add_selftest(CLI::App& app);
void add_bench(CLI::App& app, const Arguments& arguments);
void add_report(CLI::App& app, const Arguments& arguments);

}  // namespace anemone::cli
