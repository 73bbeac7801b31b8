#!/usr/bin/env python3
"""Runs a MIL program with a weight file through libanemone: y = W x on [1, C, 1, S].

  ANEMONE_LIBRARY=build/release/anemone/capi/libanemone.so examples/matmul.py sim:m4-max

Only ctypes: nothing to install.
"""
import ctypes
import os
import struct
import sys

PROGRAM = """program(1.3)
{
    func main<ios18>(tensor<fp16, [1, 64, 1, 32]> x) {
        tensor<fp16, [64, 64, 1, 1]> w = const()[name = string("w"), val = tensor<fp16, [64, 64, 1, 1]>(
            BLOBFILE(path = string("@model_path/weights/w.bin"), offset = uint64(64)))];
        tensor<fp16, [1, 64, 1, 32]> y = conv(x = x, weight = w, strides = tensor<int32, [2]>([1, 1]),
            pad_type = string("valid"), pad = tensor<int32, [4]>([0, 0, 0, 0]),
            dilations = tensor<int32, [2]>([1, 1]), groups = int32(1));
    } -> (y);
}
"""
CHANNELS, COLUMNS = 64, 32
FP32, INPUT, OUTPUT = 2, 0, 1


class WeightFile(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def load_library():
    library = ctypes.CDLL(os.environ.get("ANEMONE_LIBRARY", "libanemone.so.1"))
    for name in ("last_error", "device_description"):
        getattr(library, f"anemone_{name}").restype = ctypes.c_char_p
    library.anemone_request_ms.restype = ctypes.c_double
    return library


def weight_blob(values):
    """A weight file with one fp16 tensor: header, metadata at 64, numbers at 128."""
    data = struct.pack(f"<{len(values)}e", *values)
    header = struct.pack("<II56x", 1, 2)
    metadata = struct.pack("<IIQQQ32x", 0xDEADBEEF, 1, len(data), 128, 0)
    return header + metadata + data


class Anemone:
    """Calls the library; raises with its message where it refuses."""

    def __init__(self):
        self.library = load_library()

    def __call__(self, name, *arguments):
        if getattr(self.library, f"anemone_{name}")(*arguments) != 0:
            sys.exit(f"matmul.py: {self.library.anemone_last_error().decode()}")

    def make(self, name, *arguments):
        handle = ctypes.c_void_p()
        self(name, *arguments, ctypes.byref(handle))
        return handle


def main(device_name):
    anemone = Anemone()
    device = anemone.make("device_open", device_name.encode(), 0)
    # A cyclic shift by one channel.
    weights = [float(column == (row + 1) % CHANNELS)
               for row in range(CHANNELS) for column in range(CHANNELS)]
    blob = weight_blob(weights)
    files = (WeightFile * 1)(WeightFile(b"@model_path/weights/w.bin",
                                        ctypes.cast(blob, ctypes.c_void_p), len(blob)))
    program = anemone.make("program_compile", device, PROGRAM.encode(), files, ctypes.c_size_t(1))
    x = anemone.make("buffer_allocate", program, INPUT, b"x")
    y = anemone.make("buffer_allocate", program, OUTPUT, b"y")

    count = CHANNELS * COLUMNS
    values = (ctypes.c_float * count)(*[float(i // COLUMNS) for i in range(count)])
    anemone("buffer_write", x, FP32, values, ctypes.c_size_t(count))
    names, buffers = (ctypes.c_char_p * 2)(b"x", b"y"), (ctypes.c_void_p * 2)(x.value, y.value)
    request = anemone.make("request_bind", program, names, buffers, ctypes.c_size_t(2))
    anemone("request_run", request)
    anemone("buffer_read", y, FP32, values, ctypes.c_size_t(count))

    channels = [int(values[row * COLUMNS]) for row in range(CHANNELS)]
    assert channels == [*range(1, CHANNELS), 0], channels
    simulated = " (simulated)" if anemone.library.anemone_device_is_simulated(device) else ""
    print(f"{anemone.library.anemone_device_description(device).decode()}: shifted by one channel, "
          f"{anemone.library.anemone_request_ms(request):.3f} ms{simulated}")
    for kind, handle in (("request", request), ("buffer", y), ("buffer", x), ("program", program),
                         ("device", device)):
        getattr(anemone.library, f"anemone_{kind}_free")(handle)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cpu")
