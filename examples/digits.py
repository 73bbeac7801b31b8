#!/usr/bin/env python3
"""Handwriting of a sort, and a small network that does not know it yet:
examples/digits.py FOLDER [SAMPLES] writes train.safetensors, test.safetensors and digits.mil.

A digit is drawn as the strokes of a seven-segment display, turned, sheared, scaled, moved, of some
thickness and with noise: images [N, 1, 28, 28] fp32, labels int32 [N]. The network is two
convolutions with batch norm, pooling and a linear layer, in fp16, one image a run.
"""
import pathlib
import sys

import numpy as np

from toy_files import Mil, Value, write_safetensors

SIZE = 28
# Corners of the display: x to the right, y down.
CORNERS = {"a": (-1, -2), "b": (1, -2), "c": (-1, 0), "d": (1, 0), "e": (-1, 2), "f": (1, 2)}
SEGMENTS = ["ab", "ac", "bd", "cd", "ce", "df", "ef"]
LIT = ["1110111", "0010010", "1011101", "1011011", "0111010", "1101011", "1101111", "1010010",
       "1111111", "1111011"]


def distances(start, end):
    """Of every pixel from a stroke."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(float)
    along = np.array(end) - np.array(start)
    t = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / max(along @ along, 1e-9)
    t = np.clip(t, 0, 1)
    return np.hypot(x - start[0] - t * along[0], y - start[1] - t * along[1])


def draw(digit, random):
    angle, shear = random.uniform(-0.25, 0.25), random.uniform(-0.3, 0.3)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    form = turn @ np.array([[1, shear], [0, 1]]) @ np.diag(random.uniform([3, 3.2], [5, 5.2]))
    middle = SIZE / 2 + random.uniform(-3, 3, 2)
    thickness = random.uniform(0.8, 2.0)
    image = np.zeros((SIZE, SIZE))
    for lit, (start, end) in zip(LIT[digit], SEGMENTS):
        if lit == "1":
            ends = [middle + form @ np.array(CORNERS[corner]) + random.normal(0, 0.4, 2)
                    for corner in (start, end)]
            image = np.maximum(image, np.clip(thickness + 0.5 - distances(*ends), 0, 1))
    return np.clip(image + random.normal(0, 0.15, image.shape), 0, 1)


def write_samples(path, count, seed):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, count).astype(np.int32)
    images = np.stack([draw(label, random) for label in labels])[:, None].astype(np.float32)
    write_safetensors(path, {"image": images, "label": labels})


def write_network(path, seed=0):
    random = np.random.default_rng(seed)
    weight = lambda *shape: (random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
                             .astype(np.float16))
    half = np.float16
    mil = Mil("tensor<fp16, [1, 1, 28, 28]> image")
    x, size, channels = Value("image"), SIZE, 1
    for layer, outputs in enumerate((8, 16)):
        name = f"conv{layer}"
        mil.constant(f"{name}_weight", weight(outputs, channels, 3, 3))
        for part, value in (("mean", 0), ("variance", 1), ("gamma", 1), ("beta", 0)):
            mil.constant(f"norm{layer}_{part}", np.full(outputs, value, half))
        planes = ("fp16", (1, outputs, size, size))
        x = mil.op(name, "conv", planes, x=x, weight=Value(f"{name}_weight"),
                   strides=[1, 1], pad_type="same", pad=[0, 0, 0, 0], dilations=[1, 1], groups=1)
        x = mil.op(f"norm{layer}", "batch_norm", planes, x=x, epsilon=half(1e-3),
                   **{part: Value(f"norm{layer}_{part}")
                      for part in ("mean", "variance", "gamma", "beta")})
        x = mil.op(f"relu{layer}", "relu", planes, x=x)
        size, channels = size // 2, outputs
        x = mil.op(f"pool{layer}", "max_pool", ("fp16", (1, outputs, size, size)), x=x,
                   kernel_sizes=[2, 2], strides=[2, 2], pad_type="valid", pad=[0, 0, 0, 0],
                   ceil_mode=False)
    features = channels * size * size
    mil.constant("classifier_weight", weight(10, features))
    mil.constant("classifier_bias", np.zeros(10, half))
    x = mil.op("features", "reshape", ("fp16", (1, features)), x=x, shape=[1, features])
    mil.op("logits", "linear", ("fp16", (1, 10)), x=x, weight=Value("classifier_weight"),
           bias=Value("classifier_bias"))
    mil.write(path, ["logits"])


def main():
    folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    folder.mkdir(parents=True, exist_ok=True)
    write_samples(folder / "train.safetensors", count, seed=1)
    write_samples(folder / "test.safetensors", max(count // 4, 1), seed=2)
    write_network(folder / "digits.mil")


if __name__ == "__main__":
    main()
