#!/usr/bin/env python3
"""Greedy decoding by llama2.c's run.c and by `anemone generate`, in turns, on the same 110M weights.

  tools/compare_run_c.py PATH/run.c --tokenizer PATH/tokenizer.bin

run.c (https://github.com/karpathy/llama2.c) is compiled as its `make runomp` does. Without --model the
weights are random: what a token costs does not depend on what they are, but how many drafted tokens are
right does. Texts of fp32 must begin alike. `read` is what a plain read of memory would give that did nothing
but read all fp32 weights for every token.
"""
import argparse
import array
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import sys
import tempfile

DIM, HIDDEN, LAYERS, HEADS, VOCAB, POSITIONS = 768, 2048, 12, 12, 32000, 256
STOPS = (1, 2)  # BOS and EOS end a text
# How `anemone generate` is run, by the name of the row.
OWN = {"fp32, no drafts": ["--dtype", "fp32", "--draft-dtype", "none"],
       "fp32": ["--dtype", "fp32"],
       "bf16": ["--dtype", "bf16"],
       "int8": ["--dtype", "int8"]}


def fail(message):
    sys.exit(f"compare_run_c: {message}")


def write_model(path):
    """llama2.c's first format, with a classifier of its own: one that is tied repeats its input."""
    generator = random.Random(1)
    noise = array.array("f", (generator.gauss(0, 0.02) for _ in range(1 << 20)))

    def write(file, count):
        start = generator.randrange(len(noise))
        while count > 0:
            part = noise[start:start + count]
            part.tofile(file)
            count, start = count - len(part), 0

    def ones(file, count):
        array.array("f", [1.0] * count).tofile(file)

    with open(path, "wb") as file:
        array.array("i", [DIM, HIDDEN, LAYERS, HEADS, HEADS, -VOCAB, POSITIONS]).tofile(file)
        write(file, VOCAB * DIM)
        ones(file, LAYERS * DIM)
        write(file, 4 * LAYERS * DIM * DIM)
        ones(file, LAYERS * DIM)
        write(file, 3 * LAYERS * DIM * HIDDEN)
        ones(file, DIM)
        ones(file, POSITIONS * DIM // HEADS)  # tables that neither reads
        array.array("f", [0.0] * (DIM * (max(STOPS) + 1))).tofile(file)
        write(file, (VOCAB - max(STOPS) - 1) * DIM)


def run(command, threads):
    """Its outputs; random weights need not write UTF-8."""
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads))
    done = subprocess.run([str(part) for part in command], capture_output=True, env=environment)
    if done.returncode != 0:
        fail(f"`{command[0]}` ended with status {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def peer_rate(program, model, o):
    text, log = run([program, model, "-t", "0", "-n", str(o.tokens), "-i", "", "-z", o.tokenizer], o.threads)
    found = re.search(r"achieved tok/s: ([0-9.]+)", log + text)
    if not found:
        fail("run.c did not say `achieved tok/s`")
    return float(found.group(1)), text


def own_rate(model, o, flags):
    text, _ = run([o.anemone, "generate", "--model", model, "--tokenizer", o.tokenizer, "--prompt", "",
                   "--temperature", "0", "--tokens", o.tokens - 1, "--threads", o.threads, *flags, "--json"],
                  o.threads)
    return json.loads(text)


def read_rate(o):
    """Tokens/s of a program that read every fp32 weight once a token, at the rate of a plain read, and did nothing else."""
    text, _ = run([o.anemone, "bench", "decode", "--model", "stories110m", "--dtype", "fp32", "--rounds", "3",
                   "--threads", o.threads, "--quiet", "--json"], o.threads)
    row = json.loads(text)["rows"][0]
    return row["read_gbs"] * 1e9 / row["bytes_per_token"]


def compare(program, model, o):
    """tokens/s of each row, in rounds, and the share of drafted tokens that were right."""
    rates, right = {"run.c": [], "read": [], **{name: [] for name in OWN}}, None
    for _ in range(o.rounds):
        rate, peer_text = peer_rate(program, model, o)
        rates["run.c"].append(rate)
        rates["read"].append(read_rate(o))
        for name, flags in OWN.items():
            result = own_rate(model, o, flags)
            rates[name].append(result["tokens_per_s"])
            if name.startswith("fp32") and peer_text.strip()[:40] != result["text"].strip()[:40]:
                fail(f"the texts differ: {peer_text[:40]!r} and {result['text'][:40]!r}")
            if result["drafted"]:
                right = result["accepted"] / result["drafted"]
    return rates, right


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=pathlib.Path, help="run.c")
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True, help="llama2.c's tokenizer.bin, 32000 tokens")
    parser.add_argument("--model", type=pathlib.Path, help="llama2.c's format; random 110M weights without it")
    parser.add_argument("--anemone", default="build/release/cli/anemone", help="the program (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=POSITIONS, help="of a text (%(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    o = parser.parse_args()
    for path in (o.source, o.tokenizer, o.model, pathlib.Path(o.anemone)):
        if path and not path.exists():
            fail(f"there is no {path}")
    if not 2 <= o.tokens <= POSITIONS or o.rounds < 1:
        fail(f"--tokens must be 2 to {POSITIONS}, --rounds 1 or more")
    with tempfile.TemporaryDirectory() as folder:
        program, model = pathlib.Path(folder, "run"), pathlib.Path(folder, "stories110m.bin")
        run(["gcc", "-Ofast", "-fopenmp", "-march=native", o.source, "-lm", "-o", program], o.threads)
        if not o.model:
            write_model(model)
        rates, right = compare(program, o.model or model, o)
    peer = rates["run.c"]
    print(f"{o.threads} threads, at most {o.tokens} tokens, median of {o.rounds} rounds; {right:.0%} of drafts right")
    for name, values in rates.items():
        ratios = sorted(own / other for own, other in zip(values, peer))
        print(f"{name:<18} {statistics.median(values):7.1f} tokens/s, {statistics.median(ratios):.2f} x run.c"
              f" ({ratios[0]:.2f} to {ratios[-1]:.2f})")


main()
