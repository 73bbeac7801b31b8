#!/usr/bin/env python3
"""Writes what the programs beside it compute: make_values.py [--check]

FOLDER/NAME.json holds inputs of FOLDER/NAME.mil and its outputs, computed here in fp64 from what the
first line of the program says it does; nothing reads the program but its inputs' types. --check
computes the outputs of the files that are there again, and fails where they differ.
quantization/weights/weight.bin is the weight file of one of the programs. Written with NumPy 2.3.5.
"""
import json
import math
import pathlib
import re
import struct
import sys

try:
    import numpy as np
except ImportError:
    print("NumPy is absent")
    sys.exit(77)  # for ctest: skipped

HERE = pathlib.Path(__file__).parent
NUMPY = {"fp16": np.float16, "fp32": np.float32, "int32": np.int32}


# --- what several programs are made of ---

def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def conv(x, w, stride=1, pad=(0, 0, 0, 0), groups=1):
    """x [N, C, H, W], w [O, C/groups, KH, KW], pad top, bottom, left, right."""
    x = np.pad(x, ((0, 0), (0, 0), pad[:2], pad[2:]))
    (n, c, h, wide), (o, part, kh, kw) = x.shape, w.shape
    out = np.zeros((n, o, (h - kh) // stride + 1, (wide - kw) // stride + 1))
    for b, f, i, j in np.ndindex(*out.shape):
        first = f // (o // groups) * part
        window = x[b, first:first + part, i * stride:i * stride + kh, j * stride:j * stride + kw]
        out[b, f, i, j] = (window * w[f]).sum()
    return out


def pool(x, stride, pad, reduce):
    """Windows of 3 by 2. Padding is NaN, which `reduce` leaves out."""
    x = np.pad(x, ((0, 0), (0, 0), pad[:2], pad[2:]), constant_values=np.nan)
    out = np.zeros(x.shape[:2] + ((x.shape[2] - 3) // stride + 1, (x.shape[3] - 2) // stride + 1))
    for b, c, i, j in np.ndindex(*out.shape):
        out[b, c, i, j] = reduce(x[b, c, i * stride:i * stride + 3, j * stride:j * stride + 2])
    return out


def resized(x, height, width):
    """Bilinear between centres of pixels, edges repeated."""
    for axis, size in ((2, height), (3, width)):
        count = x.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * count / size - 0.5, 0, count - 1)
        low = np.minimum(at.astype(int), count - 1)
        high, share = np.minimum(low + 1, count - 1), at - low
        share = share.reshape([-1 if i == axis else 1 for i in range(4)])
        x = x.take(low, axis) * (1 - share) + x.take(high, axis) * share
    return x


def lstm(x, w, r):
    """Gates i, f, o, z; one hidden number. Returns every h [S], and the last c."""
    h, c, hidden = 0.0, 0.0, []
    for step in x:
        i, f, o, z = w @ step + r[:, 0] * h
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(z)
        h = sigmoid(o) * np.tanh(c)
        hidden.append(h)
    return np.array(hidden), c


# --- the programs ---

def dynamic_matmul(packed):
    rows = packed.reshape(4, 7)
    return dict(y=(rows[:, :3].T @ rows[:, 3:]).reshape(1, 1, 3, 4))


def causal(q, k, v):
    hidden = np.triu(np.full((4, 4), -10000.0), 1)
    return dict(y=softmax(q @ k.swapaxes(2, 3) * float.fromhex("0x1.6ap-2") + hidden) @ v)


def built_in(query, key, value):
    seen = np.array([[1, 0, 0, 1, 1], [1, 1, 0, 0, 1], [1, 1, 1, 0, 0]], bool)
    scores = query @ key.swapaxes(2, 3) / math.sqrt(4)
    return dict(y=softmax(np.where(seen, scores, -np.inf)) @ value)


def rope(x, cos, sin):
    turned = np.stack([-x[..., 1::2], x[..., 0::2]], -1).reshape(x.shape)
    return dict(y=x * cos + turned * sin)


def lstm_both_ways(x):
    w = np.array([[.5, .25], [-.5, 1], [.125, .5], [1, -.25]])
    r = np.array([[.5], [-.5], [.25], [1]])
    (forward, c), (backward, c_back) = lstm(x[:, 0], w, r), lstm(x[::-1, 0], w, r)
    return dict(y=np.stack([forward, backward[::-1]], -1).reshape(2, 1, 2),
                h=[[forward[-1], backward[-1]]], c=[[c, c_back]])


def topk_and_gather(x):
    best = np.argsort(-x, 1)[:, :3]
    return dict(values=np.take_along_axis(x, best, 1), indices=best, order=np.argsort(x, 1),
                rows=[[5, 6], [7, 8]])


def resizing(x):
    both = x.repeat(2, 2).repeat(2, 3) + resized(x, 6, 10)
    small = resized(both, 4, 4).reshape(1, 1, 2, 2, 4, 4)
    shuffled = small.transpose(0, 1, 4, 2, 5, 3).reshape(1, 1, 8, 8)
    return dict(y=shuffled[:, :, 1:-1, :-1])


def int8_activations(x):
    def through(numbers, zero):
        return (np.clip(np.rint(numbers * 32) + zero, -128, 127) - zero) / 32
    return dict(y=through(np.maximum(through(x, 0), 0), 3))


def int8_weights_fp16(x):
    weight = np.array([[127, -64], [-128, 0], [1, 2]]) * np.array([[2**-7], [2**-6], [.5]])
    return dict(y=conv(x, weight.reshape(3, 2, 1, 1)))


FILE_WEIGHTS = (np.arange(256) * 37 % 255 - 127).astype(np.int8).reshape(16, 16)
FILE_SCALES = ((np.arange(16) + 1) / 2048).astype(np.float16)


def int8_weights_in_a_file(x):
    return dict(y=x @ (FILE_WEIGHTS * FILE_SCALES.astype(float)[:, None]).T)


def palettes_and_blocks(x):
    table = np.array([[-1, 0, .5, 1], [2, 1, 0, -2]])
    blocks = np.array([[-4, 3.5, 1, 2], [6, 8, 1.25, 1.5]])
    return dict(y=x @ table.T, z=(x * np.array([0, 1, 0, 2])) @ blocks.T)


def layer_norm(x):
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    normal = (x - mean) / np.sqrt(variance + float.fromhex("0x1.4f8b58p-17"))
    return dict(y=normal * np.array([1, 2, 3, 4]) + np.array([0, 0, 0, 1]))


def rms_norm(x, weight):
    return dict(y=x / np.sqrt((x * x).mean(1, keepdims=True) + float.fromhex("0x1.5p-17")) * weight)


def batch_norm(x):
    mean, variance = (np.array(v).reshape(1, 2, 1, 1) for v in ([.5, -.5], [1, 4]))
    return dict(y=(x - mean) / np.sqrt(variance + 1e-5))


def pooling(x):
    mean = pool(x, 1, (1, 2, 0, 1), np.nanmean)
    return dict(y=pool(mean, 2, (0, 0, 0, 1), np.nanmax))  # the last window reaches past the end


def linear_with_bias(x):
    return dict(y=x @ np.array([[1, 0, -1], [.5, .5, .5]]).T + np.array([1, -1]))


def two_layers(x):
    hidden = np.maximum(x @ np.array([[1, -1], [.5, .25], [-2, 1]]).T, 0)
    return dict(y=softmax(hidden @ np.array([[1, 0, -1], [0, 1, 1]]).T))


def gelu_tanh(x):
    y = x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return dict(by_hand=y, built_in=y)


PROGRAMS = {
    "attention/built_in": built_in,
    "attention/causal_fp16": causal,
    "attention/rope_fp16": rope,
    "conv/conv1x1_fp16": lambda x: dict(
        y=conv(x, np.array([[1, .5], [-1, 0], [.25, 2]]).reshape(3, 2, 1, 1))),
    "conv/conv1x1_program_1_0": lambda x: dict(y=conv(x, np.array([1, .5]).reshape(1, 2, 1, 1))),
    "conv/depthwise_same": lambda x, weight: dict(y=conv(x, weight, 1, (1, 1, 1, 1), 2)),
    "conv/pooling_ceil_mode": pooling,
    "conv/strided_custom_padding": lambda x, weight, bias: dict(
        y=conv(x, weight, 2, (1, 0, 2, 1)) + bias.reshape(1, 2, 1, 1)),
    "elementwise/add_broadcast": lambda x, row: dict(y=x + row),
    "elementwise/arithmetic_fp16": lambda x: dict(y=(x * 1.5 - 0.25) / 4),
    "elementwise/cast_to_int32": lambda x: dict(y=np.trunc(x)),
    "elementwise/clip_and_round": lambda x: dict(clipped=np.clip(x, -1, 1), rounded=np.rint(x)),
    "elementwise/gelu_tanh": gelu_tanh,
    "elementwise/select_positive": lambda x: dict(
        y=np.where(x > 0, x, -np.arange(1.0, 7).reshape(2, 3))),
    "elementwise/silu_fp16": lambda x: dict(y=x * sigmoid(x)),
    "image/resizing": resizing,
    "linear/linear_with_bias": linear_with_bias,
    "linear/matmul_batched_fp16": lambda x, y: dict(z=x @ y),
    "linear/matmul_transposed": lambda x, y: dict(z=x @ y.T),
    "linear/two_layer_network": two_layers,
    "norm/batch_norm": batch_norm,
    "norm/layer_norm": layer_norm,
    "norm/rms_norm_fp16": rms_norm,
    "quantization/int8_activations_fp16": int8_activations,
    "quantization/int8_weights_fp16": int8_weights_fp16,
    "quantization/int8_weights_in_a_file": int8_weights_in_a_file,
    "quantization/palettes_and_blocks": palettes_and_blocks,
    "quantization/uint8_weights_as_arguments": lambda x: dict(y=x + np.array([-64, 127.5])),
    "recurrent/lstm_both_ways": lstm_both_ways,
    "shape/dynamic_matmul_fp16": dynamic_matmul,
    "shape/pad_reflect": lambda x: dict(y=np.pad(x, ((0, 0), (1, 2)), mode="reflect")),
    "shape/reshape_and_transpose": lambda x: dict(
        y=x.reshape(1, 2, 3, 4).transpose(0, 1, 3, 2)),
    "shape/slice_by_index_masks": lambda x: dict(y=x[::2, 1, :]),
    "shape/split_and_concat": lambda x: dict(y=np.roll(x, 3, 1)),
    "sorting/topk_and_gather": topk_and_gather,
}
# Where any numbers will not do: away from where a result jumps, and both sides of each bound.
CHOSEN = {
    "elementwise/cast_to_int32": dict(x=[2.75, -2.75, 0.5, -0.25]),
    "elementwise/clip_and_round": dict(x=[-1.75, -0.5, 0.25, 2.5, 3.5]),
    "quantization/int8_activations_fp16": dict(
        x=[(n * 23 % 300 - 150 + 0.25) / 32 for n in range(32)]),
}


def inputs_of(name, rng):
    """Those of the program's text, normal numbers rounded to their type."""
    header = re.search(r"func main<\w+>\(([^)]*)\)", (HERE / f"{name}.mil").read_text()).group(1)
    tensors = {}
    for dtype, shape, port in re.findall(r"tensor<(\w+), \[([\d, ]*)\]> (\w+)", header):
        sizes = [int(size) for size in shape.split(",")]
        numbers = CHOSEN.get(name, {}).get(port, rng.standard_normal(sizes))
        tensors[port] = np.array(numbers, NUMPY[dtype]).reshape(sizes)
    return tensors


def described(array):
    """Shape, then the numbers in a row."""
    numbers = np.asarray(array, np.float64)
    return [list(numbers.shape), [float(f"{x:.12g}") + 0.0 for x in numbers.flatten().tolist()]]


def outputs_of(name, inputs):
    given = {port: np.array(numbers, np.float64).reshape(shape)
             for port, (shape, numbers) in inputs.items()}
    return {port: described(array) for port, array in PROGRAMS[name](**given).items()}


def weight_file():
    """Two records of Core ML's weight files, version 2, where the program looks for them."""
    def record(code, data, at):
        return struct.pack("<IIQQQ4Q", 0xDEADBEEF, code, len(data), at + 64, *[0] * 5) + data
    content = struct.pack("<II7Q", 2, 2, *[0] * 7)
    for code, array in ((4, FILE_WEIGHTS), (1, FILE_SCALES)):
        content += record(code, array.tobytes(), len(content))
    return content


def main():
    check = sys.argv[1:] == ["--check"]
    weights = HERE / "quantization/weights/weight.bin"
    if not check:
        weights.parent.mkdir(exist_ok=True)
        weights.write_bytes(weight_file())
    if weights.read_bytes() != weight_file():
        sys.exit(f"{weights} is another file")
    for index, name in enumerate(PROGRAMS):
        path = HERE / f"{name}.json"
        if check:
            known = json.loads(path.read_text())
            for port, (_, numbers) in outputs_of(name, known["in"]).items():
                if not np.allclose(numbers, known["out"][port][1], rtol=1e-9, atol=1e-12):
                    sys.exit(f"{path}: {port} is not what the program computes")
            continue
        inputs = {port: described(array)
                  for port, array in inputs_of(name, np.random.default_rng(index)).items()}
        lines = {"in": inputs, "out": outputs_of(name, inputs)}
        text = ",\n".join(f' "{part}": {{\n' + ",\n".join(
            f'  "{port}": {json.dumps(value)}' for port, value in lines[part].items()) + "\n }"
                          for part in ("in", "out"))
        path.write_text("{\n" + text + "\n}\n")


main()
