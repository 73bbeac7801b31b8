#include "anemone/data/hf_tokenizer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/random.h"
#include "anemone/base/test_directory.h"
#include "anemone/data/stream_decoder.h"

namespace anemone {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Made by make_tokenizers.py with the library that defines the format.
const std::filesystem::path kGolden = ANEMONE_SOURCE_DIR "/tests/golden/tokenizers";
constexpr const char* kShapes[] = {"gpt2",    "llama3",        "qwen2",       "llama2",
                                   "mistral", "gemma",         "digits",      "metaspace",
                                   "unigram", "unigram_bytes", "unigram_end", "roberta"};

json golden(const std::string& name) { return json::parse(read_file(kGolden / (name + ".json"))); }

// Whether the library gave U+FFFD for stray bytes, which here stay bytes.
bool has_stray_bytes(const json& one) {
  constexpr const char* kReplacement = "\uFFFD";
  return one["decoded"].get<std::string>().find(kReplacement) != std::string::npos;
}

// A byte-pair tokenizer of few tokens; `parts` are added to the file.
json small_file(const json& parts = json::object()) {
  json file = {{"version", "1.0"},
               {"model",
                {{"type", "BPE"},
                 {"vocab", {{"a", 0}, {"b", 1}, {"c", 2}, {"ab", 3}, {"bc", 4}, {"abc", 5}}},
                 {"merges", json::array({{"a", "b"}, {"b", "c"}, {"ab", "c"}})}}}};
  file.merge_patch(parts);
  return file;
}

std::unique_ptr<HfTokenizer> tokenizer_of(const json& file) {
  return std::make_unique<HfTokenizer>(file.dump(), "t.json");
}

std::string error_of(const std::string& file) {
  try {
    HfTokenizer(file, "t.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), "t.json");
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    return error.message();
  }
  return "no error";
}

std::string error_with(const json& parts) { return error_of(small_file(parts).dump()); }

std::vector<int> ids_with(const json& parts, std::string_view text) {
  return tokenizer_of(small_file(parts))->encode(text, /*add_bos=*/false);
}

TEST(HfTokenizer, IdsAndTextsAreThoseOfTheLibrary) {
  for (const char* shape : kShapes) {
    const auto tokenizer = load_tokenizer(kGolden / (std::string(shape) + ".json"));
    for (const json& one : golden(std::string(shape) + ".cases")) {
      const auto ids = one["ids"].get<std::vector<int>>();
      EXPECT_EQ(tokenizer->encode_whole(one["text"].get<std::string>()), ids)
          << shape << ": " << one["text"];
      if (has_stray_bytes(one)) continue;
      EXPECT_EQ(tokenizer->decode(ids), one["decoded"].get<std::string>())
          << shape << ": " << one["text"];
    }
  }
}

TEST(HfTokenizer, ThePostProcessorSaysWhatABeginningIs) {
  const auto begin = [](const char* shape) {
    const auto tokenizer = load_tokenizer(kGolden / (std::string(shape) + ".json"));
    return std::pair(tokenizer->encode("", true), tokenizer->bos());
  };
  EXPECT_EQ(begin("llama2"), std::pair(std::vector{1}, 1));
  EXPECT_EQ(begin("llama3"), std::pair(std::vector{420}, 420));
  EXPECT_EQ(begin("gpt2"), std::pair(std::vector<int>{}, -1));
}

// Ids that tokenizers 0.23.3 gives to "ab" by the same file.
TEST(HfTokenizer, ThePostProcessorSaysWhatIsAroundAWholeText) {
  const auto special = [](const char* name) {
    return json{{"SpecialToken", {{"id", name}, {"type_id", 0}}}};
  };
  const json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const json tokens = {{"<c>", {{"ids", {0}}}}, {"<e>", {{"ids", {1, 2}}}}};
  const auto in_template = [&](const json& single) {
    return json{{"type", "TemplateProcessing"}, {"single", single}, {"special_tokens", tokens}};
  };
  const json roberta = {{"type", "RobertaProcessing"}, {"cls", {"<c>", 4}}, {"sep", {"<e>", 5}}};
  const json bytes = {{"type", "ByteLevel"}};
  const auto in_sequence = [](const json& processors) {
    return json{{"type", "Sequence"}, {"processors", processors}};
  };
  const auto whole = [](const json& processor) {
    return tokenizer_of(small_file({{"post_processor", processor}}))->encode_whole("ab");
  };
  const json behind = in_template({text, special("<e>")});
  EXPECT_THAT(whole(behind), ElementsAre(3, 1, 2));
  EXPECT_THAT(whole(in_template({special("<c>"), text, special("<e>"), special("<c>")})),
              ElementsAre(0, 3, 1, 2, 0));
  EXPECT_THAT(whole(roberta), ElementsAre(4, 3, 5));
  EXPECT_THAT(whole(in_sequence({bytes, roberta})), ElementsAre(4, 3, 5));
  EXPECT_THAT(whole(in_sequence({roberta, roberta})), ElementsAre(4, 4, 3, 5, 5));
  EXPECT_THAT(whole(in_sequence({roberta, behind, bytes})), ElementsAre(4, 3, 5, 1, 2));
  // An open text, such as a prompt, has nothing behind it.
  const auto tokenizer = tokenizer_of(small_file({{"post_processor", behind}}));
  EXPECT_THAT(tokenizer->encode("ab", /*add_bos=*/true), ElementsAre(3));
  EXPECT_EQ(tokenizer->eos(), 2);
  // The library takes the parts of a template for a pair of texts then.
  const auto refused = [&](const json& processor) {
    return error_with({{"post_processor", processor}});
  };
  EXPECT_THAT(refused(in_sequence({behind, roberta})),
              HasSubstr("post_processor.processors[1]: tokens around those of a Template"));
  EXPECT_THAT(refused(in_sequence({in_sequence(json::array({behind})), behind})),
              HasSubstr("processors[1]"));
  EXPECT_THAT(refused(in_template({text, special("<e>"), text})), HasSubstr("single[2]: only one"));
  EXPECT_THAT(refused(in_template(json::array({special("<e>")}))),
              HasSubstr("no place for the text"));
}

TEST(HfTokenizer, FilesBesideItNameBeginningAndEnds) {
  const TestDirectory dir;
  write_file(dir / "tokenizer.json", read_file(kGolden / "qwen2.json"));
  EXPECT_EQ(load_tokenizer(dir.path())->eos(), 420);  // <|endoftext|>, a usual one
  write_file(dir / "tokenizer_config.json",
             R"({"bos_token": null, "eos_token": {"content": "<|im_end|>"}})");
  write_file(dir / "special_tokens_map.json", R"({"eos_token": "<|endoftext|>"})");
  write_file(dir / "generation_config.json", R"({"eos_token_id": [422, 420]})");
  const auto tokenizer = load_tokenizer(dir.path());
  EXPECT_EQ(tokenizer->bos(), -1);
  EXPECT_EQ(tokenizer->eos(), 422);
  EXPECT_TRUE(tokenizer->is_end(422) && tokenizer->is_end(420));
  EXPECT_FALSE(tokenizer->is_end(421) || tokenizer->is_end(-1));
  write_file(dir / "generation_config.json", R"({"eos_token_id": "x"})");
  try {
    load_tokenizer(dir.path());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.where(), (dir / "generation_config.json").string());
    EXPECT_THAT(error.message(), HasSubstr("eos_token_id: \"x\" is no integer"));
  }
}

TEST(HfTokenizer, OfTwoEqualMergesTheLaterRankCounts) {
  const auto merges = [](const json& list) { return json{{"model", {{"merges", list}}}}; };
  EXPECT_THAT(ids_with(merges({"a b", "b c"}), "abc"), ElementsAre(3, 2));
  EXPECT_THAT(ids_with(merges({"a b", "b c", "a b"}), "abc"), ElementsAre(0, 4));
  EXPECT_THAT(ids_with(merges({"#version: 0.2", "b c"}), "abc"), ElementsAre(0, 4));
}

TEST(HfTokenizer, WholePiecesComeFirstWhereMergesAreIgnored) {
  const json parts = {{"model", {{"ignore_merges", true}, {"merges", json::array()}}}};
  EXPECT_THAT(ids_with(parts, "abc"), ElementsAre(5));
  EXPECT_THAT(ids_with(parts, "abca"), ElementsAre(0, 1, 2, 0));
}

// An entry of added_tokens.
json added(const std::string& content, json more = json::object()) {
  json token = {{"id", 77}, {"content", content}, {"special", false}, {"normalized", false}};
  token.update(more);
  return token;
}

TEST(HfTokenizer, OfEqualScoresTheLongestLastPieceWins) {
  json file = small_file();
  file["model"] = {
      {"type", "Unigram"},
      {"unk_id", 0},
      {"vocab", json::parse(R"([["?", 0], ["a", -1], ["c", -1], ["ab", -1], ["bc", -1]])")}};
  EXPECT_THAT(tokenizer_of(file)->encode("abc", false), ElementsAre(1, 4));
  // Adjacent unknown characters are one token.
  EXPECT_THAT(tokenizer_of(file)->encode("axyc", false), ElementsAre(1, 0, 2));
  file["model"]["unk_id"] = nullptr;
  EXPECT_THROW(tokenizer_of(file)->encode("x", false), Error);
  file["model"]["unk_id"] = 5;
  EXPECT_THAT(error_of(file.dump()), HasSubstr("model.unk_id: 5 is no integer in [0, 4]"));
  file["model"]["vocab"][1] = json::array({"a"});
  EXPECT_THAT(error_of(file.dump()), HasSubstr("model.vocab[1]: is no piece with its score"));
}

TEST(HfTokenizer, AddedTokensHaveTheModelsIdsOrTheNextOnes) {
  // The ids in the file, all 77, do not count.
  const json parts = {{"added_tokens", {added("<x>"), added("c"), added("<y>")}}};
  EXPECT_THAT(ids_with(parts, "<y>ab<x>c"), ElementsAre(7, 3, 6, 2));
  EXPECT_EQ(tokenizer_of(small_file(parts))->vocab_size(), 8);
}

TEST(HfTokenizer, OfAddedTokensAtOnePlaceTheLongestWins) {
  const json parts = {{"added_tokens", {added("<"), added("<<x"), added("<<")}}};
  EXPECT_THAT(ids_with(parts, "<<x<<<"), ElementsAre(7, 8, 6));
}

TEST(HfTokenizer, AddedTokensTakeBlanksAndStandAlone) {
  const json strips = {{"added_tokens", {added("<m>", {{"lstrip", true}, {"rstrip", true}})}}};
  EXPECT_THAT(ids_with(strips, "a \n<m> \tb"), ElementsAre(0, 6, 1));
  const json word = {{"added_tokens", {added("c", {{"single_word", true}, {"special", true}})}},
                     {"model", {{"unk_token", "a"}}}};
  // The blanks are unknown, and a; it merges with the bc that is no single c.
  EXPECT_THAT(ids_with(word, "b c bc"), ElementsAre(1, 0, 2, 5));
}

TEST(HfTokenizer, WhiteSpaceThatOneTokenTakesCanStillHoldAnother) {
  const json blanks = {{"added_tokens", {added("<m>", {{"rstrip", true}}), added("\n")}}};
  EXPECT_THAT(ids_with(blanks, "<m>\n\na"), ElementsAre(6, 7, 7, 0));
  // Not one that itself takes what is before it: nothing is left of it. (At two line ends the
  // library panics.)
  const json both = {
      {"added_tokens", {added("<m>", {{"rstrip", true}}), added("\n", {{"lstrip", true}})}}};
  EXPECT_THAT(ids_with(both, "<m>\na"), ElementsAre(6, 0));
  EXPECT_THAT(ids_with(both, "<m>\n\na"), ElementsAre(6, 0));
}

TEST(HfTokenizer, NormalizedAddedTokensAreFoundInNormalizedText) {
  const json parts = {{"normalizer", {{"type", "Lowercase"}}},
                      {"added_tokens", {added("HI", {{"normalized", true}}), added("Ho")}}};
  EXPECT_THAT(ids_with(parts, "hiHIHoHO"), ElementsAre(6, 6, 7));  // nothing for h and o
}

TEST(HfTokenizer, AByteThatEndsNoCharacterDestroysNone) {
  const auto tokenizer = load_tokenizer(kGolden / "llama2.json");
  // <0xC3> <0xA9> <0xC3>, ids 3 and on are the bytes: the library gives three times U+FFFD.
  const std::vector ids = {3 + 0xC3, 3 + 0xA9, 3 + 0xC3};
  EXPECT_EQ(tokenizer->decode(ids), "\xC3\xA9\xC3");
  StreamDecoder stream(*tokenizer);
  std::vector<std::string> parts;
  for (int id : ids) parts.push_back(stream.next(id));
  parts.push_back(stream.finish());
  EXPECT_THAT(parts, ElementsAre("", "\xC3\xA9", "", "\xC3"));
}

TEST(HfTokenizer, StreamingGivesTheSameText) {
  for (const char* shape : kShapes) {
    const auto tokenizer = load_tokenizer(kGolden / (std::string(shape) + ".json"));
    for (const json& one : golden(std::string(shape) + ".cases")) {
      if (has_stray_bytes(one)) continue;
      StreamDecoder stream(*tokenizer);
      std::string text;
      for (const json& id : one["ids"]) text += stream.next(id.get<int>());
      EXPECT_EQ(text + stream.finish(), one["decoded"].get<std::string>()) << shape;
    }
  }
}

TEST(HfTokenizer, ManyThreadsGiveTheSameIds) {
  const auto tokenizer = load_tokenizer(kGolden / "llama3.json");
  const std::string text = "Once upon a time there was a naïve café, 12345 of them. ";
  const std::vector<int> expected = tokenizer->encode(text, true);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) count += tokenizer->encode(text, true) != expected;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(wrong, ElementsAre(0, 0, 0, 0));
}

TEST(HfTokenizer, BytesThatAreNoTextAreReadAsUFFFD) {
  const auto tokenizer = load_tokenizer(kGolden / "gpt2.json");
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("a\xFF\xC3", false)), "a\uFFFD\uFFFD");
}

TEST(HfTokenizer, NamesWhatItDoesNotReadByItsPlace) {
  const auto regex = [](const char* text) {
    return json{{"pre_tokenizer",
                 {{"type", "Split"}, {"pattern", {{"Regex", text}}}, {"behavior", "Isolated"}}}};
  };
  const std::pair<json, const char*> parts[] = {
      {{{"model", {{"type", "WordPiece"}}}}, "model: the model \"WordPiece\" is not read"},
      {{{"model", {{"type", "WordLevel"}}}}, "model: the model \"WordLevel\" is not read"},
      {{{"model", {{"dropout", 0.1}}}}, "model.dropout: dropout makes"},
      {{{"model", {{"speed", 1}}}}, "model: the setting \"speed\" is not known"},
      {{{"shape", 1}}, "the setting \"shape\" is not known"},
      {{{"normalizer", {{"type", "Precompiled"}}}}, "normalizer: the normalizer \"Precompiled\""},
      {{{"normalizer", {{"type", "Sequence"}, {"normalizers", {{{"type", "X"}}}}}}},
       "normalizer.normalizers[0]: the normalizer \"X\" is not read"},
      {{{"pre_tokenizer", {{"type", "UnicodeScripts"}}}}, "pre_tokenizer: the pre-tokenizer"},
      {{{"post_processor", {{"type", "X"}}}}, "post_processor: the post-processor \"X\""},
      {{{"decoder", {{"type", "WordPiece"}}}}, "decoder: the decoder \"WordPiece\" is not read"},
      {regex("[[:alpha:]]"), "pre_tokenizer.pattern.Regex: a set operation or POSIX class"},
      {regex("a(?s)b"), "\"(?s)\" in the pattern"},
      {regex("(a"), "cannot be compiled: missing closing parenthesis"},
      {regex("\\p{sc:Han}"), "the property \"sc:Han\""},
      {regex("(.)\\1"), "\"\\1\" in the pattern"},
  };
  for (const auto& [part, says] : parts) EXPECT_THAT(error_with(part), HasSubstr(says));
}

TEST(HfTokenizer, NamesWhatIsDamagedByItsPlace) {
  const std::pair<json, const char*> parts[] = {
      {{{"model", {{"vocab", {{"b", 3}}}}}}, "model.vocab.b: the id 3 is there already, of \"ab\""},
      {{{"model", {{"vocab", {{"b", -1}}}}}}, "model.vocab.b: -1 is no integer in"},
      {{{"model", {{"vocab", {{"b", 1e9}}}}}}, "model.vocab.b: 1000000000.0 is no integer in"},
      {{{"model", {{"vocab", {{"b", 4000000000}}}}}}, "model.vocab.b: 4000000000 is no integer"},
      // It would take all memory.
      {{{"model", {{"vocab", {{"b", 5000000}}}}}},
       "model.vocab.b: 5000000 is no integer in [0, 65"},
      {{{"model", {{"vocab", "b"}}}}, "model.vocab: is no JSON object"},
      {{{"model", {{"merges", {"a b", "a"}}}}}, "model.merges[1]: \"a\" is not two tokens"},
      {{{"model", {{"merges", {"a b", 1}}}}}, "model.merges[1]: is no string"},
      {{{"model", {{"merges", {"a z"}}}}}, "model.merges[0]: \"z\" is not in the vocabulary"},
      {{{"model", {{"merges", {"c a"}}}}}, "model.merges[0]: \"ca\" is not in the vocabulary"},
      {{{"model", {{"merges", {{"a", "b"}, {"a"}}}}}}, "model.merges[1]: is no pair of tokens"},
      {{{"model", {{"merges", 5}}}}, "model.merges: 5 is no JSON array"},
      {{{"model", {{"byte_fallback", 1}}}}, "model.byte_fallback: 1 is neither true nor false"},
      {{{"model", 5}}, "model: 5 is no JSON object"},
      {{{"added_tokens", {{{"id", 1}}}}}, "added_tokens[0]: has no \"content\""},
      {{{"post_processor",
         {{"type", "TemplateProcessing"},
          {"single", {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}}},
          {"special_tokens", {{"<s>", {{"ids", {99}}}}}}}}},
       "post_processor.special_tokens[\"<s>\"].ids[0]: 99 is no integer in [0, 5]"},
  };
  for (const auto& [part, says] : parts) EXPECT_THAT(error_with(part), HasSubstr(says));
  const std::string file = small_file().dump();
  EXPECT_THAT(error_of(file.substr(0, file.size() / 2)), HasSubstr("is not JSON from byte"));
  EXPECT_THAT(error_of(R"({"model": {"type": "BPE", "type": "BPE"}})"), HasSubstr("there twice"));
  EXPECT_THAT(error_of(R"({"normalizer": )" + std::string(100, '[')), HasSubstr("nested deeper"));
}

TEST(HfTokenizer, DamagedFilesAreErrorsOrTokenizersNeverCrashes) {
  Random random(5);
  const std::string file = read_file(kGolden / "mistral.json");
  for (int round = 0; round < 300; ++round) {
    std::string damaged = file;
    // Mostly in the settings, which stand before the model.
    const size_t most = round % 2 == 0 ? 1200 : file.size();
    for (uint64_t i = 1 + random.below(3); i > 0; --i) {
      damaged[random.below(most)] = "\"{}[],:019truefalsn"[random.below(19)];
    }
    try {
      HfTokenizer(damaged, "t.json").encode("Once <s> upon [INST]", true);
    } catch (const Error& error) {
      EXPECT_NE(error.code(), ErrorCode::kInternal) << error.what();
    }
  }
}

}  // namespace
}  // namespace anemone
