#include "anemone/data/file_kind.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "anemone/base/random.h"

namespace anemone {
namespace {

using namespace std::string_literals;

// The first bytes of files as the programs named write them.
const std::pair<std::string, FileKind> kFiles[] = {
    {"\x93NUMPY\x01\0v\0{'descr': '<u2'"s, FileKind::kNpy},
    // numpy.savez
    {"PK\x03\x04-\0\0\0\0\0\0\0!\0\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x05\0\x14\0a.npy"s,
     FileKind::kNpz},
    // torch.save
    {"PK\x03\x04\0\0\x08\x08\0\0"s + std::string(16, '\0') + "\x0A\0\x08\0x/data.pkl\0\0"s,
     FileKind::kTorchZip},
    {"PK\x03\x04\x14\0\0\0\0\0\0\0!\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0a.txt"s, FileKind::kZip},
    {"\x1F\x8B\x08\0\0\0\0\0\x02\xFF\xCBH\xCD\xC9\xC9\x07\0\x86\xA6\x10"s, FileKind::kGzip},
    // pickle.dumps([1], protocol=2) and 4
    {"\x80\x02]q\0K\x01"
     "a."s,
     FileKind::kPickle},
    {"\x80\x04\x95\x06\0\0\0\0\0\0\0]\x94K\x01"
     "a."s,
     FileKind::kPickle},
    {"\x10\0\0\0\0\0\0\0{\"__metadata__\":{}}       "s, FileKind::kSafetensors},
    {"GGUF\x03\0\0\0"s, FileKind::kGguf},
    {"PAR1\x15\x04\x15"s, FileKind::kParquet},
    {"%PDF-1.7\n%"s, FileKind::kPdf},
    {"\x7F"s + "ELF\x02\x01\x01"s, FileKind::kElf},
    // 20240520 and 20240801 as int32
    {"\x88\xD8\x34\x01\x01\0\0\0"s, FileKind::kLlmcShard},
    {"\xA1\xD9\x34\x01\x07\0\0\0"s, FileKind::kLlmcShard},
    {"\xFF\xFEO\0n\0"
     "c\0e\0 \0u\0p\0o\0"s,
     FileKind::kUtf16Text},
    {"h\xE9ros et l\xE9gendes d'un \xE9t\xE9 pass\xE9 \xE0 la mer, racont\xE9s par les p\xEA"
     "cheurs du port"s,
     FileKind::kTextOfAnotherEncoding},
    {"\xE4\xBB\x8A\xE6\x97\xA5\xE3\x81\xAF"s, FileKind::kText},
    {"\n#include <stdio.h>\n"s, FileKind::kText},
    {"#version: 0.2\nt h\n"s, FileKind::kMerges},
    {" \n<HTML><body>"s, FileKind::kWebPage},
    {"[1, 2]"s, FileKind::kText},
    {""s, FileKind::kUnknown},
};

TEST(FileKind, IsToldByTheBeginning) {
  for (const auto& [content, kind] : kFiles) {
    EXPECT_EQ(describe(file_kind(content)), describe(kind)) << content;
  }
}

TEST(FileKind, ATextMayBeginWithAMark) {
  for (const char* text : {"GGUF is a file format", "PAR1 und PAR2", "24karat gold"}) {
    EXPECT_EQ(file_kind(text), FileKind::kText) << text;
  }
}

TEST(FileKind, EveryKindHasWords) {
  for (int kind = 0; kind <= static_cast<int>(FileKind::kLlmcOther); ++kind) {
    EXPECT_FALSE(describe(static_cast<FileKind>(kind)).empty()) << kind;
  }
}

// Ids of any vocabulary are data of no kind, however they begin.
TEST(FileKind, TokenIdsAreOfNoKind) {
  Random random(11);
  for (int round = 0; round < 20000; ++round) {
    std::string ids;
    const uint64_t vocabulary = uint64_t{1} << (8 + random.below(9));
    for (int i = 0; i < 64; ++i) {
      const uint64_t id = random.below(vocabulary);
      ids += {static_cast<char>(id), static_cast<char>(id >> 8)};
    }
    ASSERT_EQ(file_kind(ids), FileKind::kUnknown) << round;
  }
}

TEST(FileKind, ACharacterCutByTheSampleIsNoDamage) {
  std::string text(4095, 'a');
  for (int i = 0; i < 100; ++i) text += "\xE2\x96\x81";
  EXPECT_EQ(file_kind(text), FileKind::kText);
}

TEST(FileKind, ZerosAndControlCharactersLookBinary) {
  EXPECT_FALSE(looks_binary("plain\ttext\r\n\f"));
  EXPECT_FALSE(looks_binary("\xC3\xA9\xFF text that is nearly UTF-8"));
  EXPECT_TRUE(looks_binary("zero\0here"s));
  EXPECT_TRUE(looks_binary("\x01\x02\x03ids"));
}

}  // namespace
}  // namespace anemone
