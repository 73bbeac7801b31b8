// Names that other programs have for the flags and verbs of this one: PyTorch, Hugging Face,
// llama.cpp, llama2.c, llm.c. docs/command-line.md lists them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace anemone::cli {

// The flag of `verb` that `name` ("--batch-size", "--batch_size", "-n") stands for; empty where the
// verb knows it itself, and where it has nothing of the kind.
std::string flag_for(const CLI::App& verb, const std::string& name);

// The same for the verbs below `app`: "evaluate" is "eval".
std::string verb_for(const CLI::App& app, std::string_view name);

// Every name that `verb` takes for a flag: its own, then those of other programs.
std::vector<std::string> flag_names(const CLI::App& verb);

}  // namespace anemone::cli
