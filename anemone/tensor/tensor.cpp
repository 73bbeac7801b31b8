#include "anemone/tensor/tensor.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>

#include "anemone/base/arithmetic.h"

namespace anemone {
namespace {

// Calls `use` with a value of the C++ type that stores `dtype`.
template <typename Use>
void with_type(DType dtype, Use&& use) {
  switch (dtype) {
    case DType::kBool:
      return use(bool{});
    case DType::kFp16:
      return use(Half{});
    case DType::kBf16:
      return use(BFloat16{});
    case DType::kFp32:
      return use(float{});
    case DType::kFp64:
      return use(double{});
    case DType::kInt8:
      return use(int8_t{});
    case DType::kInt16:
      return use(int16_t{});
    case DType::kInt32:
      return use(int32_t{});
    case DType::kInt64:
      return use(int64_t{});
    case DType::kUInt8:
      return use(uint8_t{});
    case DType::kUInt16:
      return use(uint16_t{});
    case DType::kUInt32:
      return use(uint32_t{});
    case DType::kUInt64:
      return use(uint64_t{});
    default:
      fail("tensor", "elements of type " + std::string(name(dtype)) + " are not numbers");
  }
}

template <typename T>
constexpr bool kIsNarrowFloat = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

// Rounds to a float whose last bit is 1 unless it is exact ("round to odd"), so that rounding it
// further to 16 bits gives what rounding once does.
template <typename From>
float to_odd(From exact) {
  if constexpr (std::is_same_v<From, float>) return exact;
  const auto value = static_cast<double>(exact);
  const auto nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || !std::isfinite(nearest)) return nearest;
  const bool is_beyond = std::abs(static_cast<double>(nearest)) > std::abs(value);
  const float toward_zero = is_beyond ? std::nextafter(nearest, 0.0f) : nearest;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(toward_zero) | 1u);
}

template <typename To, typename From>
To narrow(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return value != From{};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return wrap_to<To>(static_cast<double>(value));
  } else {
    return static_cast<To>(value);
  }
}

template <typename To, typename From>
To convert_value(From value) {
  if constexpr (kIsNarrowFloat<From>) {
    return convert_value<To>(to_float(value));
  } else if constexpr (std::is_same_v<To, Half>) {
    return to_half(to_odd(value));
  } else if constexpr (std::is_same_v<To, BFloat16>) {
    return to_bfloat16(to_odd(value));
  } else {
    return narrow<To>(value);
  }
}

}  // namespace

double TensorView::at(int64_t index) const {
  double result = 0;
  with_type(dtype, [&](auto type) {
    result = convert_value<double>(static_cast<const decltype(type)*>(data)[index]);
  });
  return result;
}

void TensorView::set(int64_t index, double value) const {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    static_cast<T*>(data)[index] = convert_value<T>(value);
  });
}

namespace {

constexpr size_t kHugePage = size_t{2} << 20;

// Fresh pages, which are zero without being written: a plan of memory costs nothing until it is
// used. Huge ones, because products walk weights by columns, a page a row, and small pages miss the
// address cache at every step.
std::byte* map_pages(size_t size) {
  void* memory =
      ::mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto* begin = static_cast<std::byte*>(memory);
  const size_t skipped = (kHugePage - reinterpret_cast<uintptr_t>(begin) % kHugePage) % kHugePage;
  if (skipped > 0) ::munmap(begin, skipped);
  if (skipped < kHugePage) ::munmap(begin + skipped + size, kHugePage - skipped);
#if defined(MADV_HUGEPAGE)
  // A wish: nothing if it is refused. None is there for a tail.
  ::madvise(begin + skipped, size / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return begin + skipped;
}

}  // namespace

AlignedBytes::AlignedBytes(size_t size) : size_(size) {
  if (size == 0) return;
  if (size >= kHugePage) {
    constexpr size_t kPage = 16384;  // of any system here
    const size_t mapped = (size + kPage - 1) / kPage * kPage;
    data_ = {map_pages(mapped), Free{mapped}};
    return;
  }
  const size_t rounded = (size + kAlignment - 1) / kAlignment * kAlignment;
  void* memory = nullptr;
  if (::posix_memalign(&memory, kAlignment, rounded) != 0) throw std::bad_alloc();
  data_ = {static_cast<std::byte*>(memory), Free{0}};
  std::memset(data_.get(), 0, rounded);
}

void AlignedBytes::Free::operator()(std::byte* data) const {
  if (mapped > 0) {
    ::munmap(data, mapped);
  } else {
    std::free(data);
  }
}

Tensor::Tensor(DType dtype, Shape shape)
    : dtype_(dtype), shape_(std::move(shape)), bytes_(byte_size(dtype, element_count(shape_))) {}

Tensor::Tensor(DType dtype, Shape shape, std::shared_ptr<const std::byte> data)
    : dtype_(dtype), shape_(std::move(shape)), borrowed_(std::move(data)) {}

Tensor Tensor::clone() const {
  Tensor copy(dtype_, shape_);
  if (bytes() > 0) std::memcpy(copy.data(), data(), bytes());
  return copy;
}

Tensor Tensor::cast(DType dtype) const {
  Tensor result(dtype, shape_);
  convert(*this, result);
  return result;
}

void Tensor::reshape(Shape shape) {
  ANEMONE_CHECK(element_count(shape) == size());
  shape_ = std::move(shape);
}

void convert(const TensorView& from, const TensorView& to) {
  ANEMONE_CHECK(from.size() == to.size());
  const auto count = static_cast<size_t>(from.size());
  if (from.dtype == to.dtype) {
    if (count > 0) std::memmove(to.data, from.data, from.bytes());
    return;
  }
  with_type(from.dtype, [&](auto from_type) {
    using From = decltype(from_type);
    const From* source = static_cast<const From*>(from.data);
    with_type(to.dtype, [&](auto to_type) {
      using To = decltype(to_type);
      To* target = static_cast<To*>(to.data);
      for (size_t i = 0; i < count; ++i) target[i] = convert_value<To>(source[i]);
    });
  });
}

}  // namespace anemone
