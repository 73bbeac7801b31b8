// Prints the ids of texts, for tools/check_tokenizers.py: a JSON string on each line of standard
// input, a JSON list [ids, text of the ids] on each line of standard output.
#include <fmt/format.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "anemone/base/error.h"
#include "anemone/data/tokenizer.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: print_token_ids TOKENIZER < texts\n");
    return 2;
  }
  try {
    const auto tokenizer = anemone::load_tokenizer(argv[1]);
    for (std::string line; std::getline(std::cin, line);) {
      const auto text = nlohmann::json::parse(line).get<std::string>();
      const std::vector<int> ids = tokenizer->encode_whole(text);
      const auto replace = nlohmann::json::error_handler_t::replace;
      const nlohmann::json result = {ids, tokenizer->decode(ids)};
      fmt::print("{}\n", result.dump(-1, ' ', false, replace));
    }
  } catch (const anemone::Error& error) {
    fmt::print(stderr, "print_token_ids: {}\n", error.what());
    return 2;
  }
  return 0;
}
