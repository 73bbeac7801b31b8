#!/usr/bin/env python3
"""Sequences to go on with, and a small transformer that cannot yet:
examples/clocks.py FOLDER [SAMPLES] writes train.safetensors, test.safetensors and clocks.mil.

A sequence starts anywhere on a clock of 12 hours and goes on by a step of its own, 1 to 11. The next
hour follows from the last two, so that only attention finds it: tokens int32 [N, 16], next int32
[N, 16]. The network is one layer of causal attention and a feed-forward layer, in fp32, one
sequence a run.
"""
import pathlib
import sys

import numpy as np

from toy_files import Mil, Value, write_safetensors

HOURS, LENGTH, MODEL, HEADS, HIDDEN = 12, 16, 32, 2, 64


def write_samples(path, count, seed):
    random = np.random.default_rng(seed)
    start, step = random.integers(0, HOURS, (count, 1)), random.integers(1, HOURS, (count, 1))
    hours = ((start + step * np.arange(LENGTH + 1)) % HOURS).astype(np.int32)
    write_safetensors(path, {"tokens": np.ascontiguousarray(hours[:, :-1]),
                             "next": np.ascontiguousarray(hours[:, 1:])})


class Network:
    """Statements of a transformer on [1, LENGTH, MODEL]."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.mil = Mil(f"tensor<int32, [1, {LENGTH}]> tokens")

    def op(self, name, kind, shape, /, **arguments):
        return self.mil.op(name, kind, ("fp32", shape), **arguments)

    def weight(self, name, *shape):
        numbers = self.random.normal(0, shape[-1] ** -0.5, shape)
        return Value(self.mil.constant(name, numbers.astype(np.float32)))

    def filled(self, name, value, *shape):
        return Value(self.mil.constant(name, np.full(shape, value, np.float32)))

    def linear(self, name, x, inputs, outputs):
        return self.op(name, "linear", (1, LENGTH, outputs), x=x,
                       weight=self.weight(f"{name}_weight", outputs, inputs),
                       bias=self.filled(f"{name}_bias", 0, outputs))

    def norm(self, name, x):
        return self.op(name, "layer_norm", (1, LENGTH, MODEL), x=x, axes=[-1],
                       gamma=self.filled(f"{name}_gamma", 1, MODEL),
                       beta=self.filled(f"{name}_beta", 0, MODEL), epsilon=np.float32(1e-5))

    def heads(self, name, x):
        size = MODEL // HEADS
        parts = self.op(f"{name}_parts", "reshape", (1, LENGTH, HEADS, size), x=x,
                        shape=[-1, LENGTH, HEADS, size])
        return self.op(f"{name}_heads", "transpose", (1, HEADS, LENGTH, size), x=parts,
                       perm=[0, 2, 1, 3])

    def attention(self, x):
        q, k, v = (self.heads(name, self.linear(name, x, MODEL, MODEL)) for name in "qkv")
        square = (1, HEADS, LENGTH, LENGTH)
        later = np.triu(np.full((LENGTH, LENGTH), -1e4, np.float32), 1)
        mask = Value(self.mil.constant("mask", later))
        scores = self.op("scores", "matmul", square, x=q, y=k, transpose_y=True)
        scores = self.op("scaled", "mul", square, x=scores,
                         y=np.float32((MODEL // HEADS) ** -0.5))
        scores = self.op("masked", "add", square, x=scores, y=mask)
        shares = self.op("shares", "softmax", square, x=scores, axis=-1)
        mixed = self.op("mixed", "matmul", (1, HEADS, LENGTH, MODEL // HEADS), x=shares, y=v)
        mixed = self.op("together", "transpose", (1, LENGTH, HEADS, MODEL // HEADS), x=mixed,
                        perm=[0, 2, 1, 3])
        mixed = self.op("rows", "reshape", (1, LENGTH, MODEL), x=mixed, shape=[-1, LENGTH, MODEL])
        return self.linear("o", mixed, MODEL, MODEL)

    def write(self, path):
        rows = (1, LENGTH, MODEL)
        x = self.op("embedded", "gather", rows, x=self.weight("embedding_weight", HOURS, MODEL),
                    indices=Value("tokens"), axis=0)
        x = self.op("placed", "add", rows, x=x, y=self.weight("position_weight", LENGTH, MODEL))
        x = self.op("attended", "add", rows, x=x, y=self.attention(self.norm("norm1", x)))
        up = self.linear("up", self.norm("norm2", x), MODEL, HIDDEN)
        up = self.op("active", "gelu", (1, LENGTH, HIDDEN), x=up, mode="EXACT")
        x = self.op("fed", "add", rows, x=x, y=self.linear("down", up, HIDDEN, MODEL))
        self.linear("logits", self.norm("norm3", x), MODEL, HOURS)
        self.mil.write(path, ["logits"])


def main():
    folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    folder.mkdir(parents=True, exist_ok=True)
    write_samples(folder / "train.safetensors", count, seed=1)
    write_samples(folder / "test.safetensors", max(count // 4, 1), seed=2)
    Network(seed=0).write(folder / "clocks.mil")


if __name__ == "__main__":
    main()
