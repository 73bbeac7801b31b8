// The header of a NumPy .npy file.
// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "anemone/tensor/shape.h"

namespace anemone {

struct NpyHeader {
  std::string descr;  // "<u2": byte order, kind and bytes of an element; empty: a structure
  bool fortran_order = false;
  Shape shape;
  size_t data_begin = 0;  // bytes before the first element
};

// Reads versions 1 to 3. Throws Error at `where` for a header that is cut or not NumPy's.
NpyHeader read_npy_header(std::string_view file, const std::string& where);

}  // namespace anemone
