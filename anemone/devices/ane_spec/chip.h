// What is known of each Apple chip: its Neural Engine's speed and limits, and the speed of the host
// beside it. Every figure says how well it is known and where it comes from.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace anemone {

// Generations of the Neural Engine: M1 is H13, M2 is H14, …, M6 is taken for H18.
enum class AneFamily : uint8_t { kH13 = 13, kH14, kH15, kH16, kH17, kH18 };

// How well something is known, best first.
enum class Grade : uint8_t {
  kMeasured,  // published measurement
  kCode,      // read in somebody's code or a compiler's tables
  kReported,  // somebody's claim
  kFitted,    // by tools/calibrate.py from results/published
  kInferred,  // carried over from another chip, or a guess
};
const char* to_string(Grade grade);

struct Figure {
  double value = 0;
  Grade grade = Grade::kInferred;
  std::string source;
};

// What the engine itself does. cost_model.h says how the figures make a time.
struct EngineFigures {
  Figure peak_tflops;       // fp16, by clock: 8192 flops a cycle
  Figure dispatch_us;       // added to the work of every evaluation, machine quiet
  Figure floor_us;          // no evaluation takes less
  Figure noise_us;          // more dispatch on a machine as people find it, the median
  Figure layer_us;          // start of one more layer in a program
  Figure resident_mb;       // weights of one layer up to which they come at chain_gbs
  Figure chain_gbs;         // weights of small layers, fetched while others compute
  Figure stream_gbs;        // weights of large layers, read once
  Figure stream_start_us;   // once for a program that streams: its first fetch overlaps nothing
  Figure alias_factor;      // slowdown of streams whose channels are a power of two from 4096 up
  Figure int8_weight_gain;  // fetching int8 weights: 2 moves half of fp16's bytes, 1 gains nothing
  Figure int8_arithmetic_gain;  // products of int8 weights and int8 activations, over fp16's peak
  Figure onchip_gbs;            // activations, read and written
  Figure surface_gbs;           // inputs and outputs through their surfaces
  Figure working_set_mb;        // of a product's smaller operand; beyond, the other is read again
  Figure first_call_ms;         // added to the first evaluation of a program
  Figure rewake_ms;             // added to an evaluation after 5 s of rest
  Figure compile_ms;            // of a program without weights
  Figure compile_ms_per_mb;     // of baked weights
  Figure load_ms;
  Figure idle_watts;  // asleep
  Figure busy_watts;  // awake, arithmetic idle
  Figure full_watts;  // arithmetic at its peak
};

// What the CPU beside it does for a training step, all cores that such work gets.
struct HostFigures {
  Figure gemm_gflops;          // fp32
  Figure elementwise_gbs;      // bytes read and written by element-wise host work
  Figure exponentials_per_ns;  // exponentials a nanosecond, beside their bytes
  Figure copy_gbs;             // fp32 <-> fp16 into and out of surfaces, bytes of the surface
  Figure task_us;              // start of a host task
};

struct Chip {
  std::string name;   // "m4-max"
  std::string title;  // "Apple M4 Max"
  AneFamily family = AneFamily::kH16;
  std::string architecture;  // "h16g", as the device information class says
  EngineFigures engine;
  HostFigures host;
};

// Every chip, oldest first.
std::span<const Chip> all_chips();

// Throws Error(kInvalidInput) that lists the known names and the nearest one.
const Chip& find_chip(std::string_view name, std::span<const Chip> chips = all_chips());

// The table from its JSON text (chips.json beside this header is the one that is built in). Figures
// that a chip lacks are those of the chip it is `carried_from`, graded as inferred. Throws Error at
// `where`, chip and figure for what is missing, unknown, or not a number that makes sense.
std::vector<Chip> parse_chips(std::string_view json, const std::string& where);

}  // namespace anemone
