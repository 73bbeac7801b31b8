#!/usr/bin/env python3
"""Packages that coremltools makes are trained along their gradients, and stay packages for it.

    scripts/check_coremltools.sh        sets up coremltools and calls this with the program

The gradients are central differences of the same network in NumPy, in double precision. With a large
epsilon and no moments AdamW's step is the gradient itself times a rate of one, so that they can be
read from the difference between the packages before and after one step.
"""
import json
import logging
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

logging.disable(logging.CRITICAL)
import coremltools as ct  # noqa: E402
from coremltools.converters.mil import Builder as mb  # noqa: E402
from coremltools.converters.mil.frontend.milproto.load import load  # noqa: E402

PROGRAM = pathlib.Path(sys.argv[1]).resolve()
PLAIN_STEP = ["--steps", "1", "--lr", "1e8", "--eps", "1e8", "--beta1", "0", "--beta2", "0",
              "--weight-decay", "0", "--clip", "0"]
rng = np.random.default_rng(11)
SAMPLES, CLASSES = 6, 3


def array(*shape):
    return rng.normal(0, 0.6, shape)


# --- the same networks for coremltools and for NumPy; `w` holds the weights by name ---

def conv_weights():
    return {"filter": array(4, 2, 3, 3), "filter_bias": array(4), "gamma": array(4) + 1.5,
            "beta": array(4), "mean": array(4) * 0.2, "variance": np.abs(array(4)) + 0.5,
            "dense": array(CLASSES, 4), "dense_bias": array(CLASSES)}


def conv_mil(x, w):
    x = mb.conv(x=x, weight=w("filter"), bias=w("filter_bias"), pad_type="same", strides=[1, 1])
    x = mb.batch_norm(x=x, mean=w("mean"), variance=w("variance"), gamma=w("gamma"),
                      beta=w("beta"), epsilon=w.number(1e-3))
    x = mb.max_pool(x=mb.relu(x=x), kernel_sizes=[2, 2], strides=[2, 2], pad_type="valid")
    x = mb.reduce_mean(x=x, axes=[2, 3], keep_dims=False)
    return mb.linear(x=x, weight=w("dense"), bias=w("dense_bias"), name="logits")


def conv_numpy(x, w):
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    n, _, height, width = x.shape
    y = np.zeros((n, 4, height, width))
    for i in range(3):
        for j in range(3):
            part = padded[:, :, i:i + height, j:j + width]
            y += np.einsum("nchw,oc->nohw", part, w["filter"][:, :, i, j])
    plane = lambda v: v[None, :, None, None]
    y += plane(w["filter_bias"])
    y = (y - plane(w["mean"])) / np.sqrt(plane(w["variance"]) + 1e-3)
    y = np.maximum(y * plane(w["gamma"]) + plane(w["beta"]), 0)
    y = y.reshape(n, 4, height // 2, 2, width // 2, 2).max((3, 5)).mean((2, 3))
    return y @ w["dense"].T + w["dense_bias"]


def attention_weights():
    return {**{name: array(8, 8) for name in ("q", "k", "v")}, "gamma": array(8) + 1,
            "beta": array(8), "up": array(16, 8), "up_bias": array(16),
            "dense": array(CLASSES, 16), "dense_bias": array(CLASSES)}


def attention_mil(x, w):
    y = mb.layer_norm(x=x, axes=[-1], gamma=w("gamma"), beta=w("beta"), epsilon=w.number(1e-5))
    q, k, v = (mb.matmul(x=y, y=w(name), transpose_y=True) for name in ("q", "k", "v"))
    shares = mb.softmax(x=mb.mul(x=mb.matmul(x=q, y=k, transpose_y=True),
                                 y=w.number(0.25)), axis=-1)
    x = mb.add(x=x, y=mb.matmul(x=shares, y=v))
    up = mb.silu(x=mb.linear(x=x, weight=w("up"), bias=w("up_bias")))
    return mb.linear(x=mb.reduce_mean(x=up, axes=[1], keep_dims=False), weight=w("dense"),
                     bias=w("dense_bias"), name="logits")


def attention_numpy(x, w):
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    y = y * w["gamma"] + w["beta"]
    q, k, v = (y @ w[name].T for name in ("q", "k", "v"))
    scores = q @ k.transpose(0, 2, 1) / 4
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    x = x + shares @ v
    up = x @ w["up"].T + w["up_bias"]
    up = up / (1 + np.exp(-up))
    return up.mean(1) @ w["dense"].T + w["dense_bias"]


def recurrent_weights(gates):
    def make():
        return {"ih": array(gates * 4, 5), "hh": array(gates * 4, 4), "bias": array(gates * 4),
                "dense": array(CLASSES, 4), "dense_bias": array(CLASSES)}
    return make


def recurrent_mil(kind):
    def build(x, w):
        start = {"initial_h": w.zeros(1, 4)}
        if kind == "lstm":
            start["initial_c"] = w.zeros(1, 4)
        y = getattr(mb, kind)(x=x, weight_ih=w("ih"), weight_hh=w("hh"), bias=w("bias"),
                              direction="forward", output_sequence=False, **start)[1]
        return mb.linear(x=y, weight=w("dense"), bias=w("dense_bias"), name="logits")
    return build


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_numpy(x, w):  # gates in the order input, forget, output, cell
    h = c = np.zeros((x.shape[1], 4))
    for step in x:
        i, f, o, z = np.split(step @ w["ih"].T + h @ w["hh"].T + w["bias"], 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(z)
        h = sigmoid(o) * np.tanh(c)
    return h @ w["dense"].T + w["dense_bias"]


def gru_numpy(x, w):  # gates in the order reset, output, update; the reset is before the product
    h = np.zeros((x.shape[1], 4))
    for step in x:
        r, o, z = np.split(step @ w["ih"].T + w["bias"], 3, axis=1)
        hr, ho, hz = np.split(w["hh"], 3)
        r, z = sigmoid(r + h @ hr.T), sigmoid(z + h @ hz.T)
        h = (1 - z) * np.tanh(o + (r * h) @ ho.T) + z * h
    return h @ w["dense"].T + w["dense_bias"]


# Name, weights, for coremltools, for NumPy, shape of a run, axis of the samples in it.
CASES = [
    ("conv", conv_weights, conv_mil, conv_numpy, (1, 2, 6, 6), 0),
    ("attention", attention_weights, attention_mil, attention_numpy, (1, 5, 8), 0),
    ("lstm", recurrent_weights(4), recurrent_mil("lstm"), lstm_numpy, (6, 1, 5), 1),
    ("gru", recurrent_weights(3), recurrent_mil("gru"), gru_numpy, (6, 1, 5), 1),
]
FROZEN = {"mean", "variance"}


class Constants:
    """Weights as named constants of a program."""

    def __init__(self, weights, dtype):
        self.weights, self.dtype = weights, dtype

    def __call__(self, name):
        return mb.const(val=self.weights[name].astype(self.dtype), name=name)

    def number(self, value):
        return self.dtype(value)

    def zeros(self, *shape):
        return np.zeros(shape, self.dtype)


def make_package(path, build, weights, shape, dtype):
    kind = ct.converters.mil.mil.types.fp16 if dtype == np.float16 else \
        ct.converters.mil.mil.types.fp32

    @mb.program(input_specs=[mb.TensorSpec(shape=shape, dtype=kind)], opset_version=ct.target.iOS17)
    def program(x):
        return build(x, Constants(weights, dtype))

    # Nothing but the program: no pass may fold a constant into another.
    model = ct.convert(program, convert_to="mlprogram", pass_pipeline=ct.PassPipeline.EMPTY,
                       compute_precision=ct.precision.FLOAT32, skip_model_load=True,
                       minimum_deployment_target=ct.target.iOS17)
    model.user_defined_metadata["kept"] = "yes"
    model.save(str(path))


def constants_of(path):
    """Name → array of every float constant of a package, as coremltools reads it."""
    model = ct.models.MLModel(str(path), skip_model_load=True)
    program = load(model.get_spec(), specification_version=model.get_spec().specificationVersion,
                   file_weights_dir=model.weights_dir)
    return {op.outputs[0].name: op.outputs[0].val
            for op in program.functions["main"].operations if op.op_type == "const"
            and getattr(op.outputs[0].val, "dtype", None) in (np.float16, np.float32)}


def mean_loss(logits, labels):
    high = logits.max(1, keepdims=True)
    total = np.log(np.exp(logits - high).sum(1)) + high[:, 0]
    return (total - logits[np.arange(len(labels)), labels]).mean()


def slopes(forward, weights, name, x, labels):
    result = np.zeros_like(weights[name])
    for index in np.ndindex(result.shape):
        sides = []
        for step in (1e-5, -1e-5):
            moved = {**weights, name: weights[name].copy()}
            moved[name][index] += step
            sides.append(mean_loss(forward(x, moved), labels))
        result[index] = (sides[0] - sides[1]) / 2e-5
    return result


def samples_for(shape, axis, dtype):
    """(x as NumPy's network takes it, x with samples first)"""
    if axis == 0:
        x = array(SAMPLES, *shape[1:]).astype(dtype)
        return x.astype(float), x
    x = array(SAMPLES, *shape).astype(dtype)  # a whole input is one sample
    return np.concatenate(list(x), axis=axis).astype(float), x


def check(folder, case, dtype):
    name, make, build, forward, shape, axis = case
    weights = {key: value.astype(dtype).astype(float) for key, value in make().items()}
    before, after = folder / f"{name}.mlpackage", folder / f"{name}_after.mlpackage"
    make_package(before, build, weights, shape, dtype)
    x, stored = samples_for(shape, axis, dtype)
    labels = rng.integers(0, CLASSES, SAMPLES)
    data = folder / f"{name}.npz"
    np.savez(data, x=stored, label=labels)
    trained = sorted(set(weights) - FROZEN)
    command = [PROGRAM, "finetune", before, "--inputs", data, "--targets", "label", "--batch",
               str(SAMPLES), "--out", after, "--force", "--json", "--quiet", *PLAIN_STEP]
    for key in trained:
        command += ["--train", key]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        return [f"{name}: {done.stderr.strip()}"]
    problems = []
    loss = json.loads(done.stdout.splitlines()[-1])["first_loss"]
    expected = mean_loss(forward(x, weights), labels)
    if abs(loss - expected) > 1e-5:
        problems.append(f"loss {loss}, NumPy has {expected}")
    old, new = constants_of(before), constants_of(after)
    if ct.models.MLModel(str(after), skip_model_load=True).user_defined_metadata["kept"] != "yes":
        problems.append("the metadata are lost")
    worst = 0
    for key, value in old.items():
        if new[key].dtype != value.dtype or new[key].shape != value.shape:
            problems.append(f"{key} has become {new[key].dtype} {new[key].shape}")
        if key not in trained:
            if not np.array_equal(new[key], value):
                problems.append(f"{key} is frozen and has changed")
            continue
        step = old[key].astype(float) - new[key].astype(float)
        slope = slopes(forward, weights, key, x, labels)
        # A stored number has half a unit of its last place.
        room = np.abs(new[key].astype(float)).max() * np.finfo(dtype).eps + 1e-6
        worst = max(worst, np.abs(step - slope).max() / room)
        if np.abs(step - slope).max() > room or not np.abs(slope).max() > 1e-4:
            problems.append(f"{key} went {np.abs(step - slope).max():.2g} beside its slope of up "
                            f"to {np.abs(slope).max():.2g}")
    kept = "weights in the blob" if (after / "Data/com.apple.CoreML/weights/weight.bin").exists() \
        else "no blob"
    print(f"{name} {np.dtype(dtype).name}: {len(trained)} constants, differences up to "
          f"{worst:.2f} of what rounding leaves; {kept}")
    return [f"{name} {np.dtype(dtype).name}: {problem}" for problem in problems]


def main():
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            for dtype in (np.float32, np.float16):
                problems += check(pathlib.Path(folder), case, dtype)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
