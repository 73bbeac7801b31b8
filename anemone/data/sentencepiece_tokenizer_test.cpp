#include "anemone/data/sentencepiece_tokenizer.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include "anemone/base/error.h"
#include "anemone/base/file.h"
#include "anemone/base/random.h"
#include "anemone/base/test_directory.h"

namespace anemone {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kText =
    "The cat sat on the mat. The cat had a hat.\nThe hat was on the cat, and the cat was on the "
    "mat.\n<|endoftext|>\nThe rat ran to the cat. In 1984 the cat ran to the rat.\n";

std::string train(const std::string& text, int vocab_size) {
  const TestDirectory dir;
  write_file(dir / "text.txt", text);
  train_sentencepiece(dir / "text.txt", vocab_size, dir / "t.model");
  return read_file(dir / "t.model");
}

std::string error_of(const std::string& text, int vocab_size) {
  try {
    train(text, vocab_size);
  } catch (const Error& error) {
    EXPECT_THAT(error.where(), HasSubstr("text.txt"));
    return error.what();
  }
  return "no error";
}

TEST(SentencePiece, ATrainedModelHasLlamasSpecialTokensAndBytes) {
  const SentencePieceTokenizer tokenizer(train(kText, 300), "t.model");
  EXPECT_EQ(tokenizer.vocab_size(), 300);
  EXPECT_EQ(tokenizer.bos(), 1);
  EXPECT_EQ(tokenizer.eos(), 2);
  // U+00E9 is not in the text: two byte tokens after the dummy space.
  const std::vector<int> ids = tokenizer.encode("\xC3\xA9", true);
  ASSERT_EQ(ids.size(), 4u);
  EXPECT_THAT(std::vector(ids.begin() + 2, ids.end()), ElementsAre(0xC3 + 3, 0xA9 + 3));
  EXPECT_THAT(tokenizer.encode("", true), ElementsAre(1));
}

TEST(SentencePiece, TextSurvivesEncodingWithAllItsSpace) {
  const SentencePieceTokenizer tokenizer(train(kText, 300), "t.model");
  for (const std::string text :
       {"The cat sat.", " two  spaces ", "line\n\nline\ttab", "\xC3\xA9", "\xF0\x9F\x90\xB1 cat"}) {
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text, true)), text);
  }
  const std::vector<int> ids = tokenizer.encode("The cat", true);
  std::string streamed;
  DecodeState state;
  for (int id : ids) streamed += tokenizer.decode_next(state, id);
  EXPECT_EQ(streamed, "The cat");
}

// Fields of a protocol buffer, whose numbers and lengths here are below 128.
std::string number_field(int field, int value) {
  return {static_cast<char>(field << 3), static_cast<char>(value)};
}
std::string bytes_field(int field, const std::string& bytes) {
  return std::string{static_cast<char>(field << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}

enum PieceType { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

std::string piece_field(const std::string& piece, PieceType type) {
  return bytes_field(1, bytes_field(1, piece) + number_field(3, type));
}

// A model file by hand (sentencepiece_model.proto): pieces, a byte-pair trainer, and a normalizer
// that adds a dummy prefix or not, and removes extra white space or not.
std::string hand_made_model(bool dummy_prefix, bool remove_extra) {
  const std::string s = "\xE2\x96\x81";
  std::string file =
      piece_field("<unk>", kUnknown) + piece_field("<s>", kControl) + piece_field("</s>", kControl);
  for (int byte = 0; byte < 256; ++byte)
    file += piece_field(fmt::format("<0x{:02X}>", byte), kByte);
  for (const std::string& piece : {s, s + "a", s + s + "b", std::string("c"), "d" + s}) {
    file += piece_field(piece, kNormal);
  }
  file += piece_field("unused", kUnused) + piece_field(s + "user", kUserDefined);
  file += piece_field("<ctl>", kControl);
  const std::string byte_fallback = "\x98\x02\x01";  // field 35: true
  file += bytes_field(2, number_field(3, 2) + byte_fallback);
  return file + bytes_field(3, bytes_field(1, "identity") + number_field(3, dummy_prefix) +
                                   number_field(4, remove_extra));
}

// Of that model: every kind of piece, and the bytes of a space and an A.
constexpr int kIds[] = {0, 1, 2, 3 + ' ', 3 + 'A', 259, 260, 261, 262, 263, 264, 265, 266};

// Held to the library's own decoder, on every kind of piece in every order.
TEST(SentencePiece, DecodesAsTheLibraryDoesWithAndWithoutADummyPrefix) {
  Random random(7);
  for (const auto& [dummy, remove] :
       {std::pair{false, false}, {true, false}, {false, true}, {true, true}}) {
    const std::string model = hand_made_model(dummy, remove);
    const SentencePieceTokenizer tokenizer(model, "t.model");
    sentencepiece::SentencePieceProcessor library;
    ASSERT_TRUE(library.LoadFromSerializedProto(model).ok());
    for (int round = 0; round < 2000; ++round) {
      std::vector<int> ids(1 + random.below(5));
      for (int& id : ids) id = kIds[random.below(std::size(kIds))];
      std::string expected;
      ASSERT_TRUE(library.Decode(ids, &expected).ok());
      ASSERT_EQ(tokenizer.decode(ids), expected) << dummy << remove << testing::PrintToString(ids);
    }
  }
}

TEST(SentencePiece, ASpaceStaysWhereNoneWasAdded) {
  const int bos = 1, space_a = 260;
  EXPECT_EQ(
      SentencePieceTokenizer(hand_made_model(false, false), "t").decode(std::vector{bos, space_a}),
      " a");
  EXPECT_EQ(
      SentencePieceTokenizer(hand_made_model(true, false), "t").decode(std::vector{bos, space_a}),
      "a");
}

TEST(SentencePiece, FrequentWordsBecomeOneTokenAndDigitsStayApart) {
  const SentencePieceTokenizer tokenizer(train(kText, 300), "t.model");
  EXPECT_EQ(tokenizer.encode("cat", false).size(), 1u);
  EXPECT_EQ(tokenizer.encode("1984", false).size(), 5u);  // the dummy space and four digits
}

TEST(SentencePiece, TheSameTextGivesTheSameModel) {
  EXPECT_TRUE(train(kText, 290) == train(kText, 290));
}

TEST(SentencePiece, LongLinesAreNotLeftOut) {
  // Beyond the library's own limit of 4,192 bytes; nothing else has the word.
  std::string line;
  while (line.size() < 10000) line += "zebra zebras ";
  const SentencePieceTokenizer tokenizer(train(kText + line, 300), "t.model");
  EXPECT_EQ(tokenizer.encode("zebra", false).size(), 1u);
}

// With its limit on sentences lifted the library ends the process on the first of these.
TEST(SentencePiece, NoLineIsTooLong) {
  const TestDirectory dir;
  std::string word;
  while (word.size() < 70000) word += "\xC3\xA9z";
  for (const std::string& line : {word, std::string(9000, ' ') + "x", std::string(5000, '\xFF')}) {
    write_file(dir / "text.txt", kText + line);
    const std::vector<std::string> notes =
        train_sentencepiece(dir / "text.txt", 300, dir / "t.model");
    ASSERT_EQ(notes.size(), 1u);
    EXPECT_THAT(notes[0], HasSubstr("cut lines of more than 4192 bytes into shorter ones: 1"));
    EXPECT_EQ(SentencePieceTokenizer(read_file(dir / "t.model"), "t.model").vocab_size(), 300);
  }
  write_file(dir / "text.txt", kText + "a bar \xE2\x96\x85\n");
  EXPECT_THAT(train_sentencepiece(dir / "text.txt", 300, dir / "t.model"),
              ElementsAre(HasSubstr("left out lines with U+2585")));
  EXPECT_THAT(error_of("a bar \xE2\x96\x85", 300), HasSubstr("has no text"));
}

// What the text gives at most is the library's count: that many can be trained.
TEST(SentencePiece, TextsThatAreTooSmallSayHowManyPiecesTheyGive) {
  EXPECT_THAT(error_of("the the", 270), HasSubstr("value <= 268"));
  EXPECT_EQ(error_of("the the", 268), "no error");
  EXPECT_THAT(error_of("hello world. hello world. hello world. ", 290), HasSubstr("value <= 288"));
  EXPECT_EQ(error_of("hello world. hello world. hello world. ", 288), "no error");
  EXPECT_THAT(error_of("ab", 263), HasSubstr("2 bytes of text give no more than 262 pieces"));
  EXPECT_EQ(error_of("ab", 262), "no error");
}

TEST(SentencePiece, VocabulariesThatCannotBeTrainedSayWhichCan) {
  EXPECT_THAT(error_of(kText, 100), HasSubstr("a vocabulary of 100 is outside 28"));
  EXPECT_THAT(error_of(kText, 2000000), HasSubstr("..1000000"));
  EXPECT_THAT(error_of(kText, 5000), HasSubstr("of 5000: Vocabulary size too high"));
  EXPECT_THAT(error_of(kText, 5000), HasSubstr("use more text or a smaller vocabulary"));
  EXPECT_THAT(error_of("", 300), HasSubstr("has no text"));
  EXPECT_THAT(error_of("\n<|endoftext|>\n \n", 300), HasSubstr("has no text"));
}

// The minimum in the message is the library's: it trains, and one less does not.
TEST(SentencePiece, TheMinimumVocabularyTrains) {
  const std::string message = error_of(kText, 1);
  const int minimum = std::stoi(message.substr(message.find("outside ") + 8));
  EXPECT_EQ(error_of(kText, minimum), "no error");
  EXPECT_NE(error_of(kText, minimum - 1), "no error");
}

TEST(SentencePiece, DamagedModelsAreErrorsNotCrashes) {
  const std::string model = train(kText, 290);
  EXPECT_THROW(SentencePieceTokenizer("\x0A\x01garbage", "t.model"), Error);
  Random random(4);
  for (int round = 0; round < 200; ++round) {
    std::string damaged = model.substr(0, 1 + random.below(model.size()));
    damaged[random.below(damaged.size())] = static_cast<char>(random.next());
    try {
      SentencePieceTokenizer(damaged, "t.model").encode("The cat", true);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    }
  }
}

}  // namespace
}  // namespace anemone
