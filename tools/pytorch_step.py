#!/usr/bin/env python3
"""The peer of `anemone bench step`: the same Llama model and the same micro-step in eager PyTorch.

pytorch_step.py check [MODEL.bin SHARD.bin]   the loss and all gradients against the fp64 oracle
pytorch_step.py time --dtype fp32 --threads 2 --rounds 3   times of forward + backward, as JSON

Imported by nothing: scripts/compare_pytorch.sh runs it in turn with the program.
"""
import argparse
import contextlib
import json
import pathlib
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "tests" / "golden"
sys.path.insert(0, str(GOLDEN))
import llama_oracle as oracle  # noqa: E402

STORIES110M = dict(dim=768, hidden=2048, layers=12, heads=12, kv=12, vocab=32000, size=64)
SEQUENCE = 256
WARM_UP = 3  # as many as bench step has


class RmsNorm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        x = x.float()
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + oracle.EPSILON) * self.weight


def rotate(x, cos, sin):
    """x [B, T, H, K]: pairs (2i, 2i+1) turned by an angle that grows with t."""
    even, odd = x.float().reshape(*x.shape[:-1], -1, 2).unbind(-1)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(3).type_as(x)


def attend(q, k, v, mask):
    """q, k, v [B, H, T, K]. PyTorch 2 has a fused one, and it would be unfair not to use it."""
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    scores = q @ k.transpose(2, 3) / q.shape[-1] ** 0.5 + mask
    return F.softmax(scores.float(), -1).type_as(q) @ v


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.kv, self.size = c["heads"], c["kv"], c["size"]
        linear = lambda inputs, outputs: nn.Linear(inputs, outputs, bias=False)
        self.norm1, self.norm2 = RmsNorm(c["dim"]), RmsNorm(c["dim"])
        self.wq = linear(c["dim"], self.heads * self.size)
        self.wk, self.wv = (linear(c["dim"], self.kv * self.size) for _ in range(2))
        self.wo = linear(self.heads * self.size, c["dim"])
        self.w1, self.w3 = (linear(c["dim"], c["hidden"]) for _ in range(2))
        self.w2 = linear(c["hidden"], c["dim"])

    def forward(self, x, cos, sin, mask):
        n = self.norm1(x)
        q, k, v = (w(n).view(*n.shape[:2], -1, self.size) for w in (self.wq, self.wk, self.wv))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if self.kv < self.heads:
            k, v = (t.repeat_interleave(self.heads // self.kv, 2) for t in (k, v))
        mixed = attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), mask)
        x = x + self.wo(mixed.transpose(1, 2).flatten(2))
        n = self.norm2(x)
        return x + self.w2(F.silu(self.w1(n)) * self.w3(n))


class Llama(nn.Module):
    def __init__(self, c, sequence):
        super().__init__()
        self.embed = nn.Embedding(c["vocab"], c["dim"])
        nn.init.normal_(self.embed.weight, std=0.02)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c["layers"]))
        self.norm = RmsNorm(c["dim"])
        angles = np.outer(np.arange(sequence),
                          oracle.THETA ** (-np.arange(0, c["size"], 2) / c["size"]))[:, None]
        self.cos, self.sin = (torch.from_numpy(f(angles)).float() for f in (np.cos, np.sin))
        self.mask = torch.full((sequence, sequence), float("-inf")).triu(1)

    def forward(self, tokens, targets):
        x = self.embed(tokens)
        for layer in self.layers:
            x = layer(x, self.cos, self.sin, self.mask)
        logits = F.linear(self.norm(x), self.embed.weight)  # tied classifier
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def step(model, tokens, targets, dtype):
    with torch.autocast("cpu", dtype=torch.bfloat16) if dtype == "bf16" else contextlib.nullcontext():
        loss = model(tokens, targets)
    loss.backward()
    return loss


# --- the same model? ---

def oracle_names(layers):
    """(name in the oracle, its layer or None, name here)"""
    yield from (("embed", None, "embed.weight"), ("norm", None, "norm.weight"))
    for layer in range(layers):
        for name in ("norm1", "wq", "wk", "wv", "wo", "norm2", "w1", "w2", "w3"):
            yield name, layer, f"layers.{layer}.{name}.weight"


def check(args):
    config, weights = oracle.read_llama2c(args.model)
    tokens = np.fromfile(args.shard, "<u2").astype(np.int64)[:2 * args.seq + 1]
    x, y = tokens[:-1].reshape(2, -1), tokens[1:].reshape(2, -1)
    loss, gradients = oracle.forward_backward(config, weights, x, y)
    names = list(oracle_names(config["layers"]))
    at = lambda arrays, name, layer: arrays[name] if layer is None else arrays[name][layer]
    # Operands with 8 bits make gradients that are off by some percent, and losses by far less.
    for dtype, loss_allowed, gradient_allowed in (("fp32", 1e-5, 1e-4), ("bf16", 2e-2, 1e-1)):
        model = Llama(config, args.seq)
        model.load_state_dict({mine: torch.from_numpy(at(weights, name, layer)).float()
                               for name, layer, mine in names})
        off = abs(step(model, torch.from_numpy(x), torch.from_numpy(y), dtype).item() - loss)
        parameters, worst = dict(model.named_parameters()), 0.0
        for name, layer, mine in names:
            expected = at(gradients, name, layer)
            difference = parameters[mine].grad.double().numpy() - expected
            worst = max(worst, np.linalg.norm(difference) / np.linalg.norm(expected))
        print(f"{dtype}: loss {loss:.6f}, off by {off:.1e} (allowed {loss_allowed:.0e}); gradients off "
              f"by {worst:.1e} (allowed {gradient_allowed:.0e})")
        if off > loss_allowed or worst > gradient_allowed:
            sys.exit(f"pytorch_step: {args.model}: {dtype}: not the same model as the fp64 oracle's")


# --- its time ---

def blas_library():
    """The BLAS that this process has loaded: Debian's PyTorch takes whichever is installed."""
    maps = pathlib.Path("/proc/self/maps")
    if not maps.exists():
        return "unknown"
    names = {pathlib.Path(line.split()[-1]).name for line in maps.read_text().splitlines()
             if "/" in line}
    found = sorted(n for n in names if any(w in n for w in ("openblas", "libblas", "mkl", "blis")))
    return ", ".join(found) or "built in"


def times_ms(model, data, args):
    """Of a micro-step: the mean over an update, whose first begins the gradients and whose others add
    to them, as those of bench step do."""
    times = []
    for i in range(WARM_UP + args.rounds):
        model.zero_grad(set_to_none=True)
        begin = time.perf_counter()
        for _ in range(args.accum):
            step(model, *data, args.dtype)
        if i >= WARM_UP:
            times.append(1e3 * (time.perf_counter() - begin) / args.accum)
    return times


def measure(args):
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    model = Llama(STORIES110M, SEQUENCE)
    data = torch.randint(0, STORIES110M["vocab"], (2, 1, SEQUENCE))
    print(json.dumps({"version": torch.__version__, "blas": blas_library(), "dtype": args.dtype,
                      "threads": torch.get_num_threads(),
                      "parameters": sum(p.numel() for p in model.parameters()),
                      "accum": args.accum, "ms": times_ms(model, data, args)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    c = verbs.add_parser("check")
    c.add_argument("model", nargs="?", default=GOLDEN / "tiny.bin")
    c.add_argument("shard", nargs="?", default=GOLDEN / "tiny.tokens.bin")
    c.add_argument("--seq", type=int, default=32)
    t = verbs.add_parser("time")
    t.add_argument("--dtype", choices=("fp32", "bf16"), default="fp32")
    t.add_argument("--threads", type=int, required=True)
    t.add_argument("--rounds", type=int, default=3)
    t.add_argument("--accum", type=int, default=1, help="micro-steps of an update")
    args = parser.parse_args()
    check(args) if args.verb == "check" else measure(args)


if __name__ == "__main__":
    main()
