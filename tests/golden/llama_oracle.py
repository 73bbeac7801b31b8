#!/usr/bin/env python3
"""A Llama-family model and AdamW in NumPy, fp64: the oracle of the training tests.

Independent of the C++ code on purpose: time-major layout, gradients written by hand, llama2.c's v0
file read directly. `llama_oracle.py check` compares its gradients with finite differences;
`llama_oracle.py losses MODEL SHARD ...` prints the loss of each update as JSON.
"""
import argparse
import json
import struct

import numpy as np

EPSILON = 1e-5
THETA = 10000.0


def read_llama2c(path):
    """Header dict and fp64 weights of a v0 file with a shared classifier."""
    with open(path, "rb") as file:
        data = file.read()
    dim, hidden, layers, heads, kv, vocab, seq = struct.unpack("7i", data[:28])
    assert vocab > 0, "only shared classifiers"
    size = dim // heads
    shapes = [("embed", (vocab, dim)), ("norm1", (layers, dim)), ("wq", (layers, heads * size, dim)),
              ("wk", (layers, kv * size, dim)), ("wv", (layers, kv * size, dim)),
              ("wo", (layers, dim, heads * size)), ("norm2", (layers, dim)),
              ("w1", (layers, hidden, dim)), ("w2", (layers, dim, hidden)),
              ("w3", (layers, hidden, dim)), ("norm", (dim,))]
    weights, at = {}, 28
    for name, shape in shapes:
        count = int(np.prod(shape))
        weights[name] = np.frombuffer(data, "<f4", count, at).reshape(shape).astype(np.float64)
        at += 4 * count
    config = dict(dim=dim, hidden=hidden, layers=layers, heads=heads, kv=kv, vocab=vocab, size=size)
    return config, weights


def write_llama2c(path, config, weights, seq):
    """The v0 file of these weights (or of gradients), with zeros for the unused rotation tables."""
    order = ("embed", "norm1", "wq", "wk", "wv", "wo", "norm2", "w1", "w2", "w3", "norm")
    with open(path, "wb") as file:
        file.write(struct.pack("7i", *(config[key] for key in
                                       ("dim", "hidden", "layers", "heads", "kv", "vocab")), seq))
        for name in order:
            file.write(weights[name].astype("<f4").tobytes())
        file.write(bytes(4 * seq * config["size"]))


def rms_norm(x, weight):
    inverse = 1 / np.sqrt((x * x).mean(-1, keepdims=True) + EPSILON)
    return x * inverse * weight, inverse


def rms_norm_backward(x, inverse, weight, dy):
    weighted = dy * weight
    dot = (weighted * x).mean(-1, keepdims=True)
    return weighted * inverse - x * inverse ** 3 * dot, (dy * x * inverse).reshape(-1, x.shape[-1]).sum(0)


def rotate(x, sign):
    """x [B, T, H, K]: pairs (2i, 2i+1) turned by t * theta^(-2i/K)."""
    steps, size = x.shape[1], x.shape[3]
    angles = np.outer(np.arange(steps), THETA ** (-np.arange(0, size, 2) / size)) * sign
    cos, sin = np.cos(angles)[None, :, None, :], np.sin(angles)[None, :, None, :]
    out = np.empty_like(x)
    out[..., 0::2] = x[..., 0::2] * cos - x[..., 1::2] * sin
    out[..., 1::2] = x[..., 0::2] * sin + x[..., 1::2] * cos
    return out


def attend(q, k):
    """Probabilities [B, H, T, T]; q [B, T, H, K], k the same with keys already repeated."""
    scores = np.einsum("bihk,bjhk->bhij", q, k) / np.sqrt(q.shape[-1])
    steps = q.shape[1]
    scores = np.where(np.tril(np.ones((steps, steps), bool)), scores, -np.inf)
    p = np.exp(scores - scores.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def forward(config, w, tokens):
    """Logits [B, T, V], and what the backward pass needs."""
    batch, steps = tokens.shape
    group = config["heads"] // config["kv"]
    x, saved = w["embed"][tokens], []
    for l in range(config["layers"]):
        n1, r1 = rms_norm(x, w["norm1"][l])
        q = rotate((n1 @ w["wq"][l].T).reshape(batch, steps, config["heads"], -1), 1)
        k = rotate((n1 @ w["wk"][l].T).reshape(batch, steps, config["kv"], -1), 1)
        v = (n1 @ w["wv"][l].T).reshape(batch, steps, config["kv"], -1)
        kr, vr = np.repeat(k, group, 2), np.repeat(v, group, 2)
        p = attend(q, kr)
        mixed = np.einsum("bhij,bjhk->bihk", p, vr).reshape(batch, steps, -1)
        x2 = x + mixed @ w["wo"][l].T
        n2, r2 = rms_norm(x2, w["norm2"][l])
        gate, up = n2 @ w["w1"][l].T, n2 @ w["w3"][l].T
        s = 1 / (1 + np.exp(-gate))
        hidden = gate * s * up
        saved.append((x, n1, r1, q, kr, vr, p, mixed, x2, n2, r2, gate, up, s, hidden))
        x = x2 + hidden @ w["w2"][l].T
    n, r = rms_norm(x, w["norm"])
    return n @ w["embed"].T, (saved, x, n, r)


def forward_backward(config, w, tokens, targets):
    """Mean loss over tokens [B, T] and its gradients, by the names of `w`."""
    batch, steps = tokens.shape
    group = config["heads"] // config["kv"]
    grads = {name: np.zeros_like(value) for name, value in w.items()}
    logits, (saved, x, n, r) = forward(config, w, tokens)
    logits = logits - logits.max(-1, keepdims=True)
    logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    loss = -np.take_along_axis(logp, targets[..., None], -1).mean()

    d = np.exp(logp)
    np.put_along_axis(d, targets[..., None], np.take_along_axis(d, targets[..., None], -1) - 1, -1)
    d /= targets.size
    flat = lambda a: a.reshape(-1, a.shape[-1])
    grads["embed"] += flat(d).T @ flat(n)
    dx, grads["norm"] = rms_norm_backward(x, r, w["norm"], d @ w["embed"])
    for l in reversed(range(config["layers"])):
        x, n1, r1, q, kr, vr, p, mixed, x2, n2, r2, gate, up, s, hidden = saved[l]
        grads["w2"][l] = flat(dx).T @ flat(hidden)
        dhidden = dx @ w["w2"][l]
        dgate = dhidden * up * s * (1 + gate * (1 - s))
        dup = dhidden * gate * s
        grads["w1"][l], grads["w3"][l] = flat(dgate).T @ flat(n2), flat(dup).T @ flat(n2)
        dn, grads["norm2"][l] = rms_norm_backward(x2, r2, w["norm2"][l],
                                                  dgate @ w["w1"][l] + dup @ w["w3"][l])
        dx = dx + dn
        grads["wo"][l] = flat(dx).T @ flat(mixed)
        dmixed = (dx @ w["wo"][l]).reshape(batch, steps, config["heads"], -1)
        dp = np.einsum("bihk,bjhk->bhij", dmixed, vr)
        ds = p * (dp - (dp * p).sum(-1, keepdims=True)) / np.sqrt(config["size"])
        shared = lambda a: a.reshape(batch, steps, config["kv"], group, -1).sum(3)
        dq = rotate(np.einsum("bhij,bjhk->bihk", ds, kr), -1).reshape(batch, steps, -1)
        dk = rotate(shared(np.einsum("bhij,bihk->bjhk", ds, q)), -1).reshape(batch, steps, -1)
        dv = shared(np.einsum("bhij,bihk->bjhk", p, dmixed)).reshape(batch, steps, -1)
        for name, g in (("wq", dq), ("wk", dk), ("wv", dv)):
            grads[name][l] = flat(g).T @ flat(n1)
        dn, grads["norm1"][l] = rms_norm_backward(
            x, r1, w["norm1"][l], dq @ w["wq"][l] + dk @ w["wk"][l] + dv @ w["wv"][l])
        dx = dx + dn
    np.add.at(grads["embed"], tokens, dx)
    return loss, grads


def train(config, w, tokens, args):
    """Losses and gradient norms of sequential updates with a constant learning rate."""
    m = {name: np.zeros_like(value) for name, value in w.items()}
    v = {name: np.zeros_like(value) for name, value in w.items()}
    block, losses, norms = args.batch * args.seq, [], []
    for step in range(args.steps):
        window = tokens[step * block:step * block + block + 1].astype(np.int64)
        loss, g = forward_backward(config, w, window[:-1].reshape(args.batch, args.seq),
                                   window[1:].reshape(args.batch, args.seq))
        norm = np.sqrt(sum((value ** 2).sum() for value in g.values()))
        scale = min(1.0, args.clip / (norm + 1e-6)) if args.clip > 0 else 1.0
        for name in w:
            gradient = g[name] * scale
            # Per layer, norms are vectors and the rest matrices; only matrices decay.
            if not name.startswith("norm"):
                w[name] *= 1 - args.lr * args.weight_decay
            m[name] = args.beta1 * m[name] + (1 - args.beta1) * gradient
            v[name] = args.beta2 * v[name] + (1 - args.beta2) * gradient ** 2
            mean = m[name] / (1 - args.beta1 ** (step + 1))
            root = np.sqrt(v[name] / (1 - args.beta2 ** (step + 1))) + args.eps
            w[name] -= args.lr * mean / root
        losses.append(loss)
        norms.append(norm)
    return losses, norms


def check():
    """Gradients against central differences on a tiny random model with shared key heads."""
    rng = np.random.default_rng(0)
    config = dict(dim=8, hidden=10, layers=2, heads=4, kv=2, vocab=11, size=2)
    shapes = dict(embed=(11, 8), norm1=(2, 8), wq=(2, 8, 8), wk=(2, 4, 8), wv=(2, 4, 8),
                  wo=(2, 8, 8), norm2=(2, 8), w1=(2, 10, 8), w2=(2, 8, 10), w3=(2, 10, 8), norm=(8,))
    w = {name: rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
    tokens, targets = rng.integers(0, 11, (2, 2, 5))
    _, grads = forward_backward(config, w, tokens, targets)
    worst = 0.0
    for name, value in w.items():
        for index in rng.integers(0, value.size, 10):
            at = np.unravel_index(index, value.shape)
            saved, h = value[at], 1e-5
            value[at] = saved + h
            above = forward_backward(config, w, tokens, targets)[0]
            value[at] = saved - h
            below = forward_backward(config, w, tokens, targets)[0]
            value[at] = saved
            worst = max(worst, abs((above - below) / (2 * h) - grads[name][at]))
    print(f"largest difference to finite differences: {worst:.2e}")
    assert worst < 1e-8


def greedy(config, w, prompt, count):
    """Ids that always taking the most probable token adds to a prompt, until BOS or EOS."""
    ids = list(prompt)
    while len(ids) < len(prompt) + count:
        best = int(forward(config, w, np.array([ids]))[0][0, -1].argmax())
        if best in (1, 2):
            break
        ids.append(best)
    return ids[len(prompt):]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("check")
    losses = verbs.add_parser("losses")
    losses.add_argument("model")
    losses.add_argument("shard", help="uint16 tokens")
    add_training_flags(losses)
    args = parser.parse_args()
    if args.verb == "check":
        return check()
    config, w = read_llama2c(args.model)
    values, norms = train(config, w, np.fromfile(args.shard, "<u2"), args)
    print(json.dumps({"losses": values, "grad_norms": norms}))


def add_training_flags(parser):
    for flag, value in (("steps", 20), ("batch", 1), ("seq", 128)):
        parser.add_argument(f"--{flag}", type=int, default=value)
    for flag, value in (("lr", 1e-3), ("clip", 1.0), ("beta1", 0.9), ("beta2", 0.95), ("eps", 1e-8),
                        ("weight_decay", 0.1)):
        parser.add_argument(f"--{flag.replace('_', '-')}", type=float, default=value)


if __name__ == "__main__":
    main()
