#include "anemone/data/file_kind.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstring>

#include "anemone/base/utf8.h"

namespace anemone {
namespace {

using namespace std::string_view_literals;

constexpr size_t kSample = 4096;

struct Description {
  FileKind kind;
  std::string_view words;
  bool text = false;
};

constexpr Description kDescriptions[] = {
    {FileKind::kUnknown, "binary data"},
    {FileKind::kText, "text", true},
    {FileKind::kTextOfAnotherEncoding, "text that is not UTF-8", true},
    {FileKind::kUtf16Text, "text in UTF-16", true},
    {FileKind::kJson, "JSON", true},
    {FileKind::kTokenizerJson, "a Hugging Face tokenizer.json", true},
    {FileKind::kTiktoken, "a tiktoken vocabulary", true},
    {FileKind::kMerges, "the merges.txt of a byte-pair tokenizer", true},
    {FileKind::kWebPage, "a web page", true},
    {FileKind::kGitLfsPointer, "a Git LFS pointer, not the file that it stands for", true},
    {FileKind::kZip, "a zip archive"},
    {FileKind::kNpz, "a NumPy .npz archive"},
    {FileKind::kTorchZip, "a PyTorch file (torch.save)"},
    {FileKind::kGzip, "data compressed by gzip"},
    {FileKind::kZstd, "data compressed by zstd"},
    {FileKind::kXz, "data compressed by xz"},
    {FileKind::kBzip2, "data compressed by bzip2"},
    {FileKind::kSevenZip, "a 7z archive"},
    {FileKind::kTar, "a tar archive"},
    {FileKind::kPickle, "a Python pickle"},
    {FileKind::kSafetensors, "a safetensors file"},
    {FileKind::kGguf, "a GGUF model"},
    {FileKind::kNpy, "a NumPy .npy file"},
    {FileKind::kParquet, "a Parquet table"},
    {FileKind::kArrow, "an Arrow file"},
    {FileKind::kHdf5, "an HDF5 file"},
    {FileKind::kSqlite, "an SQLite database"},
    {FileKind::kPng, "a PNG image"},
    {FileKind::kJpeg, "a JPEG image"},
    {FileKind::kPdf, "a PDF document"},
    {FileKind::kElf, "an ELF program or library"},
    {FileKind::kMachO, "a Mach-O program or library"},
    {FileKind::kWav, "a WAV recording"},
    {FileKind::kSentencePiece, "a SentencePiece model"},
    {FileKind::kLlama2cTokenizer, "a llama2.c tokenizer"},
    {FileKind::kLlama2cModel, "a llama2.c model"},
    {FileKind::kLlmcShard, "a token file of llm.c"},
    {FileKind::kLlmcOther, "a model, tokenizer or evaluation file of llm.c"},
};

const Description& description(FileKind kind) {
  return *std::find_if(std::begin(kDescriptions), std::end(kDescriptions),
                       [&](const Description& known) { return known.kind == kind; });
}

struct Mark {
  FileKind kind;
  std::string_view bytes;
  size_t position = 0;
};

// The more telling first.
constexpr Mark kMarks[] = {
    {FileKind::kNpy, "\x93NUMPY"sv},
    {FileKind::kGguf, "GGUF"sv},
    {FileKind::kPng, "\x89PNG\r\n\x1A\n"sv},
    {FileKind::kPdf, "%PDF-"sv},
    {FileKind::kElf,
     "\x7F"
     "ELF"sv},
    {FileKind::kMachO, "\xCF\xFA\xED\xFE"sv},
    {FileKind::kParquet, "PAR1"sv},
    {FileKind::kArrow, "ARROW1\0\0"sv},
    {FileKind::kHdf5, "\x89HDF\r\n\x1A\n"sv},
    {FileKind::kSqlite, "SQLite format 3\0"sv},
    {FileKind::kJpeg, "\xFF\xD8\xFF"sv},
    {FileKind::kZstd, "\x28\xB5\x2F\xFD"sv},
    {FileKind::kXz,
     "\xFD"
     "7zXZ\0"sv},
    {FileKind::kSevenZip, "7z\xBC\xAF\x27\x1C"sv},
    {FileKind::kBzip2, "1AY&SY"sv, 4},
    {FileKind::kTar, "ustar"sv, 257},
    {FileKind::kWav, "WAVEfmt "sv, 8},
    {FileKind::kLlama2cModel, "24ka"sv},
    {FileKind::kGitLfsPointer, "version https://git-lfs.github.com/spec/"sv},
    {FileKind::kMerges, "#version: 0."sv},
};

// The first word of the files of llm.c.
struct LlmcMagic {
  int32_t number;
  FileKind kind;
};

constexpr LlmcMagic kLlmcMagics[] = {
    {20240520, FileKind::kLlmcShard}, {20240801, FileKind::kLlmcShard},
    {20240326, FileKind::kLlmcOther}, {20240327, FileKind::kLlmcOther},
    {20240328, FileKind::kLlmcOther}, {20240522, FileKind::kLlmcOther},
    {20240803, FileKind::kLlmcOther},
};

bool has_at(std::string_view content, size_t position, std::string_view bytes) {
  return content.size() >= position && content.substr(position).starts_with(bytes);
}

uint8_t byte_at(std::string_view content, size_t position) {
  return position < content.size() ? static_cast<uint8_t>(content[position]) : 0;
}

FileKind kind_of_zip(std::string_view content) {
  // The first member's name stands at byte 30.
  const size_t length = byte_at(content, 26) | size_t{byte_at(content, 27)} << 8;
  const std::string_view name = content.substr(std::min<size_t>(30, content.size()), length);
  if (name.ends_with(".npy")) return FileKind::kNpz;
  if (name.ends_with("/data.pkl") || name.ends_with("/version")) return FileKind::kTorchZip;
  return FileKind::kZip;
}

// Two bytes would be too little of a mark: an id of a shard may begin with the same ones.
bool is_gzip(std::string_view content) {
  const uint8_t speed = byte_at(content, 8), system = byte_at(content, 9);
  return content.size() >= 18 && content.starts_with("\x1F\x8B\x08"sv) &&
         byte_at(content, 3) < 0x20 && (speed == 0 || speed == 2 || speed == 4) &&
         (system <= 13 || system == 255);
}

bool is_pickle(std::string_view content) {
  const uint8_t protocol = byte_at(content, 1);
  if (content.size() < 4 || byte_at(content, 0) != 0x80 || content.back() != '.') return false;
  if (protocol == 4 || protocol == 5) return byte_at(content, 2) == 0x95;
  constexpr std::string_view kOpcodes = "]}c(XUKMJ\x8A";
  return (protocol == 2 || protocol == 3) && kOpcodes.find(content[2]) != std::string_view::npos;
}

bool is_safetensors(std::string_view content) {
  uint64_t header = 0;
  if (content.size() < 10) return false;
  std::memcpy(&header, content.data(), sizeof header);
  return header >= 2 && header <= content.size() - 8 && header < (uint64_t{1} << 31) &&
         content[8] == '{' && (content[9] == '"' || content[9] == '}');
}

FileKind kind_by_word(std::string_view content) {
  int32_t word = 0;
  if (content.size() < sizeof word) return FileKind::kUnknown;
  std::memcpy(&word, content.data(), sizeof word);
  const auto* found = std::find_if(std::begin(kLlmcMagics), std::end(kLlmcMagics),
                                   [&](const LlmcMagic& magic) { return magic.number == word; });
  return found == std::end(kLlmcMagics) ? FileKind::kUnknown : found->kind;
}

bool is_strange_control(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return (byte < 0x20 && !std::isspace(byte) && byte != 0x1B) || byte == 0x7F;
}

std::string_view sample_of(std::string_view content) {
  return content.substr(0, whole_characters(content, kSample));
}

bool is_plain_text(std::string_view sample) {
  return std::none_of(sample.begin(), sample.end(), is_strange_control) && is_valid_utf8(sample);
}

bool is_word(FileKind kind) {
  return kind == FileKind::kGguf || kind == FileKind::kParquet || kind == FileKind::kLlama2cModel;
}

FileKind kind_by_mark(std::string_view content) {
  for (const Mark& mark : kMarks) {
    const bool there = has_at(content, mark.position, mark.bytes);
    // A text may begin with the word.
    if (there && !(is_word(mark.kind) && is_plain_text(sample_of(content)))) return mark.kind;
  }
  if (content.starts_with("PK\x03\x04"sv)) return kind_of_zip(content);
  if (is_gzip(content)) return FileKind::kGzip;
  if (is_pickle(content)) return FileKind::kPickle;
  if (is_safetensors(content)) return FileKind::kSafetensors;
  // The first piece: field 1 of field 1 of the protocol buffer, or behind score and length.
  const bool piece = has_at(content, 4, "<unk>"sv) && content[0] == '\x0A' && content[2] == '\x0A';
  if (piece) return FileKind::kSentencePiece;
  if (has_at(content, 8, "\x05\0\0\0<unk>"sv)) return FileKind::kLlama2cTokenizer;
  return kind_by_word(content);
}

// Lines of base64, a blank and a number.
bool is_tiktoken(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  const size_t blank = line.find(' ');
  if (blank == std::string_view::npos || blank < 4 || blank % 4 != 0) return false;
  const auto base64 = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '+' || c == '/' || c == '=';
  };
  const std::string_view rank = line.substr(blank + 1);
  return std::all_of(line.begin(), line.begin() + static_cast<std::ptrdiff_t>(blank), base64) &&
         !rank.empty() && rank.find_first_not_of("0123456789\r") == std::string_view::npos;
}

bool begins_with_tag(std::string_view text, std::string_view tag) {
  return text.size() >= tag.size() &&
         std::equal(tag.begin(), tag.end(), text.begin(),
                    [](char a, char b) { return a == std::tolower(static_cast<uint8_t>(b)); });
}

FileKind kind_of_text(std::string_view sample, std::string_view content) {
  if (sample.starts_with("\xEF\xBB\xBF"sv)) sample.remove_prefix(3);
  const size_t begin = sample.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return FileKind::kText;
  const std::string_view text = sample.substr(begin);
  if (begins_with_tag(text, "<!doctype html") || begins_with_tag(text, "<html")) {
    return FileKind::kWebPage;
  }
  if (is_tiktoken(text)) return FileKind::kTiktoken;
  const bool object = text[0] == '{' && text.find_first_not_of(" \t\r\n", 1) < text.size() &&
                      text.find('"') != std::string_view::npos;
  if (!object) return FileKind::kText;
  const bool parts = content.find("\"added_tokens\"") != std::string_view::npos &&
                     content.find("\"model\"") != std::string_view::npos;
  const bool version = text.find("\"version\": \"1.0\"") < 16;
  return parts || version ? FileKind::kTokenizerJson : FileKind::kJson;
}

// The byte order mark alone is an id too; western letters with their zeros are not.
bool is_utf16(std::string_view content) {
  const bool little = content.starts_with("\xFF\xFE"sv);
  if (content.size() < 16 || (!little && !content.starts_with("\xFE\xFF"sv))) return false;
  for (size_t i = 2; i < 16; i += 2) {
    if (content[little ? i + 1 : i] != '\0') return false;
  }
  return true;
}

// Letters of another alphabet are bytes above 7F, but blanks and digits are not.
bool is_mostly_ascii(std::string_view sample) {
  const auto ascii = std::count_if(sample.begin(), sample.end(),
                                   [](char c) { return static_cast<uint8_t>(c) < 0x80; });
  return sample.size() >= 64 && ascii * 10 >= static_cast<int64_t>(sample.size()) * 6;
}

}  // namespace

FileKind file_kind(std::string_view content) {
  if (content.empty()) return FileKind::kUnknown;
  if (const FileKind kind = kind_by_mark(content); kind != FileKind::kUnknown) return kind;
  if (is_utf16(content)) return FileKind::kUtf16Text;
  const std::string_view sample = sample_of(content);
  if (std::any_of(sample.begin(), sample.end(), is_strange_control)) return FileKind::kUnknown;
  if (is_valid_utf8(sample)) return kind_of_text(sample, content);
  return is_mostly_ascii(sample) ? FileKind::kTextOfAnotherEncoding : FileKind::kUnknown;
}

bool looks_binary(std::string_view content) {
  const std::string_view sample = sample_of(content);
  if (sample.find('\0') != std::string_view::npos) return true;
  const auto strange = std::count_if(sample.begin(), sample.end(), is_strange_control);
  return strange * 20 > static_cast<int64_t>(sample.size());
}

bool is_text(FileKind kind) { return description(kind).text; }

std::string_view describe(FileKind kind) { return description(kind).words; }

}  // namespace anemone
