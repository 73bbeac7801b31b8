#!/usr/bin/env python3
"""Writes the files that golden_test.cpp compares with: make_golden.py [SHARED_DATA_FOLDER]

tiny.bin, tiny.tokens.bin      a random model with shared key heads, and tokens with some structure
tiny.gradients.bin             gradients of the first batch, as a v0 file
tiny.json                      logits of one row, losses and gradient norms of training runs
stories260K.json               the same for the real model, when its folder is given
"""
import argparse
import json
import pathlib
import sys

import numpy as np

import llama_oracle as oracle

HERE = pathlib.Path(__file__).parent


def options(**given):
    parser = argparse.ArgumentParser()
    oracle.add_training_flags(parser)
    return argparse.Namespace(**{**vars(parser.parse_args([])), **given})


def runs(config, weights, tokens, cases):
    result = []
    for case in cases:
        copy = {name: value.copy() for name, value in weights.items()}
        losses, norms = oracle.train(config, copy, tokens, options(**case))
        result.append({"options": case, "losses": losses, "grad_norms": norms})
    return result


def write_json(name, content):
    (HERE / name).write_text(json.dumps(content, indent=1) + "\n")


def tiny():
    rng = np.random.default_rng(1)
    config = dict(dim=24, hidden=40, layers=2, heads=6, kv=2, vocab=50, size=4)
    shapes = dict(embed=(50, 24), norm1=(2, 24), wq=(2, 24, 24), wk=(2, 8, 24), wv=(2, 8, 24),
                  wo=(2, 24, 24), norm2=(2, 24), w1=(2, 40, 24), w2=(2, 24, 40), w3=(2, 40, 24),
                  norm=(24,))
    weights = {name: (1 + rng.normal(0, 0.1, shape)) if "norm" in name else
               rng.normal(0, 0.2, shape) for name, shape in shapes.items()}
    oracle.write_llama2c(HERE / "tiny.bin", config, weights, seq=32)
    config, weights = oracle.read_llama2c(HERE / "tiny.bin")  # rounded to fp32
    # Each token tends to follow its neighbour, so that there is something to learn.
    tokens = np.cumsum(rng.integers(1, 4, 4000)) % 47 + 3
    tokens.astype("<u2").tofile(HERE / "tiny.tokens.bin")
    block = tokens[:2 * 16 + 1]
    _, gradients = oracle.forward_backward(config, weights, block[:-1].reshape(2, 16),
                                           block[1:].reshape(2, 16))
    oracle.write_llama2c(HERE / "tiny.gradients.bin", config, gradients, seq=32)
    logits = oracle.forward(config, weights, tokens[None, :16])[0][0]
    cases = [dict(batch=1, seq=32), dict(batch=3, seq=13, clip=0.0),
             dict(batch=2, seq=16, lr=1e-2, steps=100)]
    write_json("tiny.json", {"logits": logits.tolist(), "runs": runs(config, weights, tokens, cases)})


def stories260k(data):
    config, weights = oracle.read_llama2c(data / "stories260K.bin")
    tokens = np.fromfile(data / "tinystories-valid.tok512.u16.bin", "<u2").astype(np.int64)
    logits = oracle.forward(config, weights, tokens[None, :48])[0][0]
    cases = [dict(batch=1, seq=128), dict(batch=1, seq=128, clip=0.0), dict(batch=4, seq=64),
             dict(batch=4, seq=64, clip=0.0)]
    write_json("stories260K.json",
               {"last_logits": logits[-1].tolist(),
                "greedy_from_bos": oracle.greedy(config, weights, [1], 120),
                "runs": runs(config, weights, tokens, cases)})


if __name__ == "__main__":
    oracle.check()
    tiny()
    if len(sys.argv) > 1:
        stories260k(pathlib.Path(sys.argv[1]))
