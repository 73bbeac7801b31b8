// Picking rows of a table and adding to them.
#include <algorithm>
#include <cstring>

#include "anemone/devices/cpu/kernels/families.h"
#include "anemone/kernels/simd.h"

namespace anemone {
namespace {

// Rows of a table of any width and type: axis 0, int32 indices, no batch axes.
struct RowTable {
  size_t rows = 0, width = 0, picked = 0;  // width: elements
};

std::unique_ptr<RowTable> row_table(const OpArgs& args, const char* table, const char* indices) {
  const Shape& shape = args.shape(table);
  if (shape.empty() || !args.type(table).is_tensor() || args.type(indices).dtype != DType::kInt32 ||
      args.integer("axis", 0) != 0 || args.integer("batch_dims", 0) != 0) {
    return nullptr;
  }
  const auto rows = static_cast<size_t>(shape[0]);
  if (rows == 0) return nullptr;
  return std::make_unique<RowTable>(
      RowTable{rows, static_cast<size_t>(element_count(shape)) / rows,
               static_cast<size_t>(element_count(args.shape(indices)))});
}

// Negative indices count from the end, as in the reference kernels.
size_t checked_row(const char* op, const TensorView& indices, size_t position, size_t rows) {
  const int64_t index = static_cast<const int32_t*>(indices.data)[position];
  const int64_t row = index < 0 ? index + static_cast<int64_t>(rows) : index;
  if (row < 0 || row >= static_cast<int64_t>(rows)) {
    fail(op, fmt::format("index {} at position {} is outside an axis of size {}", index, position,
                         rows));
  }
  return static_cast<size_t>(row);
}

std::unique_ptr<Kernel> gather(const OpArgs& args) {
  const auto table = row_table(args, "x", "indices");
  const DType dtype = args.type("x").dtype;
  if (!table || byte_size(dtype, 2) != 2 * byte_size(dtype, 1)) return nullptr;
  const size_t bytes = byte_size(dtype, static_cast<int64_t>(table->width));
  return kernel_of([t = *table, bytes](const KernelRun& run) {
    const auto* from = static_cast<const std::byte*>(run.in[0].data);
    auto* to = static_cast<std::byte*>(run.out[0].data);
    for (size_t i = 0; i < t.picked; ++i) {
      const size_t row = checked_row("gather", run.in[1], i, t.rows);
      std::memcpy(to + i * bytes, from + row * bytes, bytes);
    }
  });
}

// Rows that are added along an axis: of `outer` tables that lie one after another.
struct AddedRows {
  size_t outer = 1, rows = 0, width = 1, added = 0;
};

std::optional<AddedRows> added_rows(const OpArgs& args) {
  const Shape &data = args.shape("data"), &indices = args.shape("indices");
  if (!all_fp32(args) || args.type("data").dtype != DType::kFp32 || data.empty() ||
      args.type("indices").dtype != DType::kInt32 || indices.size() != 1 ||
      args.text("mode", "add") != "add") {
    return std::nullopt;
  }
  const size_t axis = args.axis(args.integer("axis", 0), data.size(), "scatter.c1");
  AddedRows rows = {1, static_cast<size_t>(data[axis]), 1, static_cast<size_t>(indices[0])};
  for (size_t i = 0; i < axis; ++i) rows.outer *= static_cast<size_t>(data[i]);
  for (size_t i = axis + 1; i < data.size(); ++i) rows.width *= static_cast<size_t>(data[i]);
  return rows;
}

// To one table. Single numbers are added by a loop of their own.
void add_rows(const AddedRows& a, const size_t* places, const float* updates, float* table) {
  if (a.width == 1) {
    for (size_t i = 0; i < a.added; ++i) table[places[i]] += updates[i];
    return;
  }
  for (size_t i = 0; i < a.added; ++i) {
    float* row = table + places[i] * a.width;
    simd::add(row, updates + i * a.width, row, a.width);
  }
}

// data with rows added; `data` may be `out`. One index after the other, for indices may repeat.
std::unique_ptr<Kernel> scatter(const OpArgs& args) {
  const auto rows = added_rows(args);
  if (!rows) return nullptr;
  return kernel_of(
      [a = *rows](const KernelRun& run) {
        if (run.input(0) != run.output()) {
          std::memcpy(run.output(), run.input(0), run.out[0].bytes());
        }
        auto* places = reinterpret_cast<size_t*>(run.scratch);
        for (size_t i = 0; i < a.added; ++i) {
          places[i] = checked_row("scatter", run.in[1], i, a.rows);
        }
        const size_t each = a.added * a.width;
        run.pool.parallel_for(a.outer, 4096 / each + 1, [&](size_t begin, size_t end, int) {
          for (size_t i = begin; i < end; ++i) {
            add_rows(a, places, run.input(2) + i * each, run.output() + i * a.rows * a.width);
          }
        });
      },
      {{0, 0}}, rows->added * sizeof(size_t));
}

}  // namespace

KernelFamily movement_kernels() { return {{"gather", gather}, {"scatter", scatter}}; }

}  // namespace anemone
