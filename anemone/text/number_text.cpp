#include "anemone/text/number_text.h"

#include <fmt/format.h>
#include <locale.h>
#include <stdlib.h>
#if defined(__APPLE__)
#include <xlocale.h>
#endif

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>

namespace anemone {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are stored little-endian");

constexpr size_t kMaxNumberLength = 256;

[[noreturn]] void refuse(const Token& token, DType dtype, std::string_view why) {
  fail(where(token.location), fmt::format("{} is not {} {}", describe(token), why, name(dtype)));
}

[[noreturn]] void refuse_range(const Token& token, DType dtype) {
  fail(where(token.location),
       fmt::format("{} is outside the range of {}", describe(token), name(dtype)));
}

// std::from_chars for floats is missing from older libc++; strtod alone obeys the user's locale.
locale_t c_locale() {
  static const locale_t locale = newlocale(LC_ALL_MASK, "C", nullptr);
  return locale;
}

template <typename T>
T parse_float(const Token& token, DType dtype) {
  if (token.text.size() > kMaxNumberLength) {
    refuse(token, dtype, "short enough for a number of type");
  }
  const std::string text(token.text);
  char* end = nullptr;
  T value;
  if constexpr (std::is_same_v<T, float>) value = strtof_l(text.c_str(), &end, c_locale());
  if constexpr (std::is_same_v<T, double>) value = strtod_l(text.c_str(), &end, c_locale());
  if (end != text.c_str() + text.size()) refuse(token, dtype, "a number of type");
  if (std::isinf(value) && !token.is("inf") && !token.is("-inf")) refuse_range(token, dtype);
  return value;
}

// A float that, rounded once more to a narrower type, gives what rounding `value` directly gives:
// an inexact result gets an odd last bit ("round to odd").
float round_to_odd(double value) {
  const auto nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || !std::isfinite(nearest)) return nearest;
  if (std::bit_cast<uint32_t>(nearest) & 1) return nearest;
  const bool up = value > static_cast<double>(nearest);
  return std::nextafter(nearest, up ? INFINITY : -INFINITY);
}

uint64_t float_bits(const Token& token, DType dtype) {
  const bool word = token.is("inf") || token.is("nan");
  if (token.kind != TokenKind::kNumber && !word) refuse(token, dtype, "a number of type");
  if (dtype == DType::kFp32) return std::bit_cast<uint32_t>(parse_float<float>(token, dtype));
  const double value = parse_float<double>(token, dtype);
  if (dtype == DType::kFp64) return std::bit_cast<uint64_t>(value);
  const float wide = round_to_odd(value);
  const uint16_t bits = dtype == DType::kFp16 ? to_half(wide).bits : to_bfloat16(wide).bits;
  const float stored = dtype == DType::kFp16 ? to_float(Half{bits}) : to_float(BFloat16{bits});
  if (std::isinf(stored) && !std::isinf(value)) refuse_range(token, dtype);
  return bits;
}

bool is_signed(DType dtype) { return dtype >= DType::kInt4 && dtype <= DType::kInt64; }

template <typename T>
T parse_integer(const Token& token, DType dtype) {
  const char* const end = token.text.data() + token.text.size();
  T value{};
  const auto [stop, error] = std::from_chars(token.text.data(), end, value);
  if (error == std::errc::result_out_of_range) refuse_range(token, dtype);
  if (error != std::errc() || stop != end) refuse(token, dtype, "a whole number of type");
  return value;
}

uint64_t integer_bits(const Token& token, DType dtype) {
  if (token.kind != TokenKind::kNumber) refuse(token, dtype, "a whole number of type");
  const int unused = 64 - bits(dtype);
  if (is_signed(dtype)) {
    const auto value = parse_integer<int64_t>(token, dtype);
    const int64_t low = std::numeric_limits<int64_t>::min() >> unused;
    if (value < low || value > ~low) refuse_range(token, dtype);
    return static_cast<uint64_t>(value) & (~uint64_t{0} >> unused);
  }
  if (token.text.starts_with('-')) {
    parse_integer<int64_t>(token, dtype);
    refuse_range(token, dtype);
  }
  const auto value = parse_integer<uint64_t>(token, dtype);
  if (value > ~uint64_t{0} >> unused) refuse_range(token, dtype);
  return value;
}

uint64_t bool_bits(const Token& token) {
  if (!token.is("true") && !token.is("false")) refuse(token, DType::kBool, "true or false, as");
  return token.is("true") ? 1 : 0;
}

uint64_t read_element(const Tensor& tensor, int64_t index) {
  const auto width = static_cast<size_t>(bits(tensor.dtype()));
  const auto* bytes = static_cast<const std::byte*>(tensor.data());
  uint64_t value = 0;
  if (width >= 8) {
    std::memcpy(&value, bytes + static_cast<size_t>(index) * width / 8, width / 8);
    return value;
  }
  for (size_t bit = 0; bit < width; ++bit) {
    const size_t position = static_cast<size_t>(index) * width + bit;
    const auto byte = std::to_integer<uint64_t>(bytes[position / 8]);
    value |= (byte >> position % 8 & 1) << bit;
  }
  return value;
}

double float_of(DType dtype, uint64_t bits) {
  if (dtype == DType::kFp16) return to_float(Half{static_cast<uint16_t>(bits)});
  if (dtype == DType::kBf16) return to_float(BFloat16{static_cast<uint16_t>(bits)});
  if (dtype == DType::kFp32) return std::bit_cast<float>(static_cast<uint32_t>(bits));
  return std::bit_cast<double>(bits);
}

// By hand, because C libraries differ in how "%a" prints subnormals.
void append_float(std::string& text, double value) {
  if (std::signbit(value)) text += '-';
  if (std::isnan(value)) {
    text += "nan";
  } else if (std::isinf(value)) {
    text += "inf";
  } else if (value == 0) {
    text += "0x0p+0";
  } else {
    int exponent = 0;
    const double mantissa = std::frexp(std::abs(value), &exponent);  // in [1/2, 1)
    auto fraction = static_cast<uint64_t>(std::ldexp(mantissa, 53)) & ~(uint64_t{1} << 52);
    text += "0x1";
    if (fraction != 0) text += '.';
    for (; fraction != 0; fraction = fraction << 4 & ~(~uint64_t{0} << 52)) {
      text += "0123456789abcdef"[fraction >> 48];
    }
    fmt::format_to(std::back_inserter(text), "p{:+d}", exponent - 1);
  }
}

}  // namespace

void ElementList::add(const Token& token) {
  uint64_t value = 0;
  if (dtype_ == DType::kBool) {
    value = bool_bits(token);
  } else {
    value = is_float(dtype_) ? float_bits(token, dtype_) : integer_bits(token, dtype_);
  }
  const auto width = static_cast<size_t>(bits(dtype_));
  const size_t position = static_cast<size_t>(size_++) * width;
  bytes_.resize((position + width + 7) / 8);
  if (width >= 8) {
    std::memcpy(bytes_.data() + position / 8, &value, width / 8);
    return;
  }
  for (size_t bit = 0; bit < width; ++bit) {
    const size_t target = position + bit;
    bytes_[target / 8] |= static_cast<std::byte>((value >> bit & 1) << target % 8);
  }
}

Tensor ElementList::to_tensor(Shape shape) const {
  Tensor tensor(dtype_, std::move(shape));
  ANEMONE_CHECK(tensor.size() == size_);
  if (!bytes_.empty()) std::memcpy(tensor.data(), bytes_.data(), bytes_.size());
  return tensor;
}

void append_element(std::string& text, const Tensor& tensor, int64_t index) {
  const uint64_t value = read_element(tensor, index);
  const DType dtype = tensor.dtype();
  if (dtype == DType::kBool) {
    text += value ? "true" : "false";
  } else if (is_float(dtype)) {
    append_float(text, float_of(dtype, value));
  } else if (is_signed(dtype)) {
    const int unused = 64 - bits(dtype);
    text += std::to_string(static_cast<int64_t>(value << unused) >> unused);
  } else {
    text += std::to_string(value);
  }
}

int64_t parse_size(const Token& token, std::string_view what) {
  const char* const end = token.text.data() + token.text.size();
  int64_t value = 0;
  const auto [stop, error] = std::from_chars(token.text.data(), end, value);
  if (error != std::errc() || stop != end || value < 0) {
    fail(where(token.location), fmt::format("expected {}, found {}", what, describe(token)));
  }
  return value;
}

}  // namespace anemone
