#include "anemone/data/characters.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

#include "anemone/base/error.h"
#include "anemone/base/utf8.h"

namespace anemone {
namespace {

UChar32 icu_point(char32_t point) { return static_cast<UChar32>(point); }

bool has_category(char32_t point, uint32_t mask) {
  return (U_GET_GC_MASK(icu_point(point)) & mask) != 0;
}

// Whether a version of Unicode, up to 16, has it.
bool is_known_to(int version, char32_t point) {
  UVersionInfo age;
  u_charAge(icu_point(point), age);
  return age[0] > 0 && age[0] <= version;
}

// The normalizers of all forms, held to Unicode 9; they live as long as the process.
struct Normalizers {
  icu::UnicodeSet known;
  std::array<std::unique_ptr<icu::FilteredNormalizer2>, 4> forms;

  Normalizers() {
    UErrorCode status = U_ZERO_ERROR;
    known.applyPattern(icu::UnicodeString("[:Age=9.0:]"), status);
    known.freeze();
    const icu::Normalizer2* all[] = {
        icu::Normalizer2::getNFCInstance(status), icu::Normalizer2::getNFDInstance(status),
        icu::Normalizer2::getNFKCInstance(status), icu::Normalizer2::getNFKDInstance(status)};
    ANEMONE_CHECK(U_SUCCESS(status));
    for (size_t i = 0; i < forms.size(); ++i) {
      forms[i] = std::make_unique<icu::FilteredNormalizer2>(*all[i], known);
    }
  }
};

}  // namespace

Character first_character(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<uint8_t>(text[i])); };
  const auto more = [&](size_t i) { return byte(i) & 0x3F; };
  const char32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xE0) return {(first & 0x1F) << 6 | more(1), 2};
  if (first < 0xF0) return {(first & 0x0F) << 12 | more(1) << 6 | more(2), 3};
  return {(first & 0x07) << 18 | more(1) << 12 | more(2) << 6 | more(3), 4};
}

Character last_character(std::string_view text) {
  size_t begin = text.size() - 1;
  while (begin > 0 && (static_cast<uint8_t>(text[begin]) & 0xC0) == 0x80) --begin;
  return first_character(text.substr(begin));
}

void append_character(std::string& text, char32_t point) {
  const auto put = [&](char32_t byte) { text += static_cast<char>(static_cast<uint8_t>(byte)); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xC0 | point >> 6);
  } else {
    if (point < 0x10000) {
      put(0xE0 | point >> 12);
    } else {
      put(0xF0 | point >> 18);
      put(0x80 | (point >> 12 & 0x3F));
    }
    put(0x80 | (point >> 6 & 0x3F));
  }
  put(0x80 | (point & 0x3F));
}

std::string valid_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const size_t bytes = character_bytes(text);
    valid += bytes == 0 ? std::string_view("\xEF\xBF\xBD") : text.substr(0, bytes);
    text.remove_prefix(std::max<size_t>(bytes, 1));
  }
  return valid;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

bool is_white_space(char32_t point) { return u_isUWhiteSpace(icu_point(point)) != 0; }

bool is_number(char32_t point) { return has_category(point, U_GC_N_MASK); }

bool is_punctuation(char32_t point) {
  if (point < 0x80) return point > ' ' && point < 0x7F && u_isalnum(icu_point(point)) == 0;
  return has_category(point, U_GC_P_MASK) && is_known_to(8, point);
}

bool is_mark(char32_t point) { return has_category(point, U_GC_M_MASK) && is_known_to(9, point); }

bool is_word_character(char32_t point) {
  return u_isUAlphabetic(icu_point(point)) != 0 || point == 0x200C || point == 0x200D ||
         has_category(point, U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK);
}

std::string lowercase(std::string_view text) {
  std::string lower;
  lower.reserve(text.size());
  while (!text.empty()) {
    const Character c = first_character(text);
    if (c.point == 0x130) {
      lower += "i\xCC\x87";
    } else {
      append_character(lower, static_cast<char32_t>(u_tolower(icu_point(c.point))));
    }
    text.remove_prefix(c.bytes);
  }
  return lower;
}

std::string normalize(std::string_view text, NormalForm form) {
  if (is_ascii(text)) return std::string(text);
  static const Normalizers normalizers;
  std::string normal;
  icu::StringByteSink<std::string> sink(&normal, static_cast<int32_t>(text.size()));
  UErrorCode status = U_ZERO_ERROR;
  normalizers.forms[static_cast<size_t>(form)]->normalizeUTF8(
      0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink, nullptr, status);
  ANEMONE_CHECK(U_SUCCESS(status));
  return normal;
}

}  // namespace anemone
