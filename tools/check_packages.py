#!/usr/bin/env python3
"""Packages beside coremltools: what it writes runs here with its values, what we write loads there.

    scripts/check_coremltools.sh        sets up coremltools and calls this with the program

Values are those of coremltools' own folding of constants (numpy), because a Mac's Core ML is not at
hand: each program is built twice, once on constants and once on inputs.
"""
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
from coremltools.converters.mil.mil import types  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = pathlib.Path(sys.argv[1]).resolve()
rng = np.random.default_rng(7)


def array(*shape):
    return rng.standard_normal(shape).astype(np.float32)


# Name, lowest target, inputs, function of them: every operation has value inference.
X, Y = array(2, 3, 4), array(2, 3, 4)
WEIGHT, BIAS = array(6, 8), array(6)
CASES = [
    ("arithmetic", ct.target.iOS15, [X, Y], lambda x, y: mb.mul(x=mb.add(x=x, y=y), y=mb.exp(x=x))),
    ("remainder", ct.target.iOS15, [X, Y], lambda x, y: mb.mod(x=x, y=y)),
    ("linear", ct.target.iOS16, [array(5, 8)],
     lambda x: mb.linear(x=x, weight=WEIGHT, bias=BIAS)),
    ("norm", ct.target.iOS17, [X],
     lambda x: mb.layer_norm(x=x, axes=[-1], gamma=np.ones(4, np.float32),
                             beta=np.zeros(4, np.float32))),
    ("softmax", ct.target.iOS15, [X], lambda x: mb.softmax(x=x, axis=1)),
    ("shapes", ct.target.iOS17, [X],
     lambda x: mb.concat(values=[mb.reshape(x=mb.transpose(x=x, perm=[2, 0, 1]), shape=[0, -1]),
                                 mb.reshape(x=x, shape=[2, 12])], axis=0)),
    ("reductions", ct.target.iOS15, [X],
     lambda x: mb.reduce_log_sum_exp(x=mb.square(x=x), axes=[1], keep_dims=True)),
    ("attention", ct.target.iOS18, [array(1, 2, 5, 8), array(1, 2, 5, 8), array(1, 2, 5, 8)],
     lambda q, k, v: mb.scaled_dot_product_attention(query=q, key=k, value=v)),
]


def folded(inputs, function, target):
    values = []

    @mb.program(input_specs=[mb.TensorSpec(shape=(1,))], opset_version=target)
    def on_constants(unused):
        values.append(function(*[mb.const(val=x) for x in inputs]).val)
        return unused
    return values[0]


def build(inputs, function, target):
    """mb.program wants the parameters by name."""
    names = [f"x{i}" for i in range(len(inputs))]
    scope = {"function": function}
    exec(f"def body({', '.join(names)}):\n    return function({', '.join(names)})", scope)
    specs = [mb.TensorSpec(shape=x.shape) for x in inputs]
    return mb.program(input_specs=specs, opset_version=target)(scope["body"])


def run(package, tensors, folder):
    np.savez(folder / "in.npz", **tensors)
    subprocess.run([PROGRAM, "run", package, "--inputs", folder / "in.npz", "--outputs",
                    folder / "out.npz"], check=True, stdout=subprocess.DEVNULL)
    return dict(np.load(folder / "out.npz"))


def check_values(folder):
    for name, target, inputs, function in CASES:
        want = folded(inputs, function, target)
        for precision in (ct.precision.FLOAT32, ct.precision.FLOAT16):
            model = ct.convert(build(inputs, function, target), convert_to="mlprogram",
                               compute_precision=precision, minimum_deployment_target=target,
                               skip_model_load=True)
            package = folder / f"{name}.mlpackage"
            model.save(str(package))
            tensors = {f"x{i}": x for i, x in enumerate(inputs)}
            (got,) = run(package, tensors, folder).values()
            tolerance = 2e-6 if precision == ct.precision.FLOAT32 else 1e-2
            scale = np.abs(want).max()
            worst = np.abs(got.astype(np.float64) - want).max() / scale
            if got.shape != want.shape or not worst <= tolerance:
                sys.exit(f"{name}, {precision}: {worst:.2e} of the largest value, {tolerance}")
            print(f"ok  {name:<12} {precision.name}  {worst:.1e}")


def check_state(folder):
    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 4)),
                             mb.StateTensorSpec((1, 4), dtype=types.fp16)],
                opset_version=ct.target.iOS18)
    def counter(x, s):
        total = mb.add(x=mb.read_state(input=s), y=mb.cast(x=x, dtype="fp16"))
        mb.coreml_update_state(state=s, value=total)
        return total
    package = folder / "state.mlpackage"
    ct.convert(counter, convert_to="mlprogram", minimum_deployment_target=ct.target.iOS18,
               skip_model_load=True).save(str(package))
    np.savez(folder / "in.npz", x=np.ones((1, 4), np.float32))
    subprocess.run([PROGRAM, "run", package, "--inputs", folder / "in.npz", "--outputs",
                    folder / "out.npz", "--repeat", "3"], check=True, stdout=subprocess.DEVNULL)
    if dict(np.load(folder / "out.npz"))["s"].tolist() != [[3, 3, 3, 3]]:
        sys.exit("the state is not kept from run to run")
    print("ok  state")


def opened(package):
    """Reads a package and its program as coremltools does before it converts one."""
    model = ct.models.MLModel(str(package), skip_model_load=True)
    spec = model.get_spec()
    return model, load(spec, specification_version=spec.specificationVersion,
                       file_weights_dir=model.weights_dir or "")


def check_model(folder):
    """A Llama model as a package: both functions, the weights and the metadata."""
    for flags in ([], ["--dtype", "fp32"], ["--states"]):
        package = folder / "llama.mlpackage"
        subprocess.run([PROGRAM, "convert", ROOT / "tests/golden/tiny.bin", package, "--force", "--seq",
                        "16", *flags], check=True, stdout=subprocess.DEVNULL)
        model, program = opened(package)
        if sorted(program.functions) != ["decode", "prefill"]:
            sys.exit(f"the functions are {list(program.functions)}")
        if model.user_defined_metadata["context_length"] != "16":
            sys.exit(f"the metadata are {dict(model.user_defined_metadata)}")
        tables = {name: function.find_ops(prefix="model_embed_tokens_weight", op_type="const")[0].val.val
                  for name, function in program.functions.items()}
        raw = np.fromfile(ROOT / "tests/golden/tiny.bin", "<f4", 50 * 24, offset=28).reshape(50, 24)
        for name, table in tables.items():
            if not np.array_equal(table, raw.astype(table.dtype)):
                sys.exit(f"{name}: the embeddings are others")
        kinds = {op.op_type for function in program.functions.values() for op in function.operations}
        print(f"ok  model {' '.join(flags)}: {len(kinds)} kinds of operations")


def check_loads(folder):
    """Every program of tests/programs that Core ML could hold, written by us."""
    loaded = 0
    for text in sorted((ROOT / "tests" / "programs").glob("*/*.mil")):
        package = folder / f"{text.stem}.mlpackage"
        done = subprocess.run([PROGRAM, "convert", text, package, "--force"], capture_output=True)
        if done.returncode != 0:
            continue
        opened(package)
        loaded += 1
    if loaded < 25:
        sys.exit(f"only {loaded} packages were written")
    print(f"ok  coremltools {ct.__version__} loads {loaded} packages of ours")


with tempfile.TemporaryDirectory() as directory:
    check_values(pathlib.Path(directory))
    check_state(pathlib.Path(directory))
    check_model(pathlib.Path(directory))
    check_loads(pathlib.Path(directory))
