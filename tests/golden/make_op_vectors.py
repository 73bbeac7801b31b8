#!/usr/bin/env python3
"""Writes op_vectors.json: programs of one operation with what coremltools 9.0 computes for them.

    python3 -m venv /tmp/ct && /tmp/ct/bin/pip install coremltools==9.0 numpy==2.3.5
    /tmp/ct/bin/python tests/golden/make_op_vectors.py [--every-opset FILE]

coremltools folds an operation on constants ("value inference"); the operation is written as MIL text
here, its operands as inputs of a function and its parameters as literals. Where a newer opset has
the same form of an operation as an older one, only the older one is written (--every-opset: all).
"""
import json
import logging
import pathlib
import sys
import warnings

import numpy as np

logging.disable(logging.CRITICAL)
warnings.filterwarnings("ignore")
import coremltools as ct  # noqa: E402
from coremltools.converters.mil import Builder as mb  # noqa: E402
from coremltools.converters.mil.mil import types  # noqa: E402
from coremltools.converters.mil.mil.operation import Operation  # noqa: E402
from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry  # noqa: E402

assert ct.__version__ == "9.0", ct.__version__

HERE = pathlib.Path(__file__).parent
TARGETS = [ct.target.iOS15, ct.target.iOS16, ct.target.iOS17, ct.target.iOS18]
# What is an input of the function; everything else stands in the program as a literal.
OPERANDS = {"x", "y", "a", "b", "cond", "data", "indices", "updates", "values", "input", "query", "key",
            "value", "attn_mask", "ref_tensor", "update", "weight", "bias"}
LITERAL_OPERANDS = {("fill", "value"), ("fill_like", "value"), ("non_zero", "x"),
                    ("constexpr_blockwise_shift_scale", "data")}
NAMES = {"float16": "fp16", "float32": "fp32"}
SMALL = {"uint1": types.np_uint1_dtype, "uint2": types.np_uint2_dtype, "uint3": types.np_uint3_dtype,
         "uint4": types.np_uint4_dtype, "uint6": types.np_uint6_dtype, "int4": types.np_int4_dtype}


class Small:
    """Numbers of a type that numpy lacks."""

    def __init__(self, dtype, numbers):
        self.dtype, self.numbers = dtype, np.array(numbers)

    def array(self):
        return self.numbers.astype(SMALL[self.dtype])


def type_name(array):
    return NAMES.get(str(array.dtype), str(array.dtype))


def number(value, dtype):
    if dtype == "bool":
        return "true" if value else "false"
    if dtype in ("fp16", "fp32"):
        if np.isnan(value) or np.isinf(value):
            return "nan" if np.isnan(value) else "inf" if value > 0 else "-inf"
        return repr(float(np.format_float_positional(value, unique=True)))
    return str(int(value))


def type_text(dtype, shape):
    return dtype if len(shape) == 0 else "tensor<%s, [%s]>" % (dtype, ", ".join(map(str, shape)))


def literal(value):
    if isinstance(value, str):
        return 'string("%s")' % value
    if isinstance(value, Small):
        dtype, array = value.dtype, value.numbers
    else:
        array = np.asarray(value)
        dtype = type_name(array)
    numbers = ", ".join(number(v, dtype) for v in array.flatten())
    return "%s(%s)" % (type_text(dtype, array.shape), numbers if array.ndim == 0 else "[%s]" % numbers)


def dump(array):
    array = np.asarray(array)
    dtype = type_name(array)
    numbers = []
    for value in array.flatten():
        if dtype in ("fp16", "fp32") and not np.isfinite(value):
            numbers.append(number(value, dtype))
        elif dtype in ("fp16", "fp32"):
            short = float(np.format_float_positional(value, unique=True))
            numbers.append(int(short) if short == int(short) and str(short) != "-0.0" else short)
        else:
            numbers.append(int(value))
    return [dtype, list(array.shape), numbers]


def form_of(op, target):
    """The class that an operation has at an opset, or None."""
    forms = SSAOpRegistry.core_ops.get(op, {})
    older = [known for known in forms if known.value <= target.value]
    return forms[max(older, key=lambda known: known.value)] if older else None


def ios(target):
    return target.value + 9  # numbered by specification version


def for_builder(value):
    if isinstance(value, Small):
        return value.array()
    if isinstance(value, tuple):
        return [for_builder(v) for v in value]
    # A copy: thresholded_relu writes into its operand.
    return value.copy() if isinstance(value, np.ndarray) else value


def infer(op, target, arguments):
    """The results of coremltools, or None where it has none."""
    found = []

    @mb.program(input_specs=[mb.TensorSpec(shape=(1,))], opset_version=target)
    def program(unused):
        result = getattr(mb, op)(**{k: for_builder(v) for k, v in arguments.items()})
        results = result if isinstance(result, (list, tuple)) else [result]
        values = [r.val for r in results]
        if values[0] is None and hasattr(results[0].op, "materialized_val_inference"):
            values = results[0].op.materialized_val_inference()
            values = list(values) if isinstance(values, tuple) else [values]
        if all(v is not None for v in values):
            for r, v in zip(results, values):
                dtype = types.nptype_from_builtin(r.dtype)
                array = np.asarray(v)
                # Type inference has the last word about the element type.
                found.append(array.astype(dtype) if array.dtype != dtype else array)
        return unused

    return found or None


def program_text(op, target, arguments, results, attributes):
    inputs, calls, bracket = {}, [], []
    for name, value in arguments.items():
        if isinstance(value, tuple) and name in OPERANDS:
            names = ["%s%d" % (name[0], i) for i in range(len(value))]
            inputs.update(zip(names, value))
            calls.append("%s = (%s)" % (name, ", ".join(names)))
        elif isinstance(value, tuple):
            calls.append("%s = (%s)" % (name, ", ".join(literal(v) for v in value)))
        elif name in OPERANDS and (op, name) not in LITERAL_OPERANDS and not attributes and not isinstance(
                value, Small):
            inputs[name] = np.asarray(value)
            calls.append("%s = %s" % (name, name))
        elif attributes:
            bracket.append("%s = %s" % (name, literal(value)))
        else:
            calls.append("%s = %s" % (name, literal(value)))
    head = ", ".join("%s %s" % (type_text(type_name(v), v.shape), k) for k, v in inputs.items())
    outs = ", ".join("%s out%d" % (type_text(type_name(r), r.shape), i) for i, r in enumerate(results))
    tail = "[%s]" % ", ".join(bracket) if bracket else ""
    return ("func main<ios%d>(%s) { %s = %s(%s)%s; } -> (%s);"
            % (ios(target), head, outs, op, ", ".join(calls), tail,
               ", ".join("out%d" % i for i in range(len(results)))), inputs)


CASES, LEFT, EVERY_OPSET = [], [], "--every-opset" in sys.argv


def case(op, first=15, attributes=False, last=18, **arguments):
    """One operation at every opset where its form changes."""
    previous = None
    for target in TARGETS:
        form = form_of(op, target)
        if form is None or not first <= ios(target) <= last:
            continue
        if form is previous and not EVERY_OPSET:
            continue
        previous = form
        try:
            results = infer(op, target, arguments)
        except Exception as error:  # refused by coremltools at this opset
            LEFT.append((op, ios(target), str(error)[:100]))
            continue
        if results is None:
            LEFT.append((op, ios(target), "no value"))
            continue
        text, inputs = program_text(op, target, arguments, results, attributes)
        CASES.append({"text": text, "in": {k: dump(v) for k, v in inputs.items()},
                      "out": [dump(r) for r in results]})


rng = np.random.default_rng(20)
F16, F32 = np.float16, np.float32


def f32(*numbers):
    return np.array(numbers, F32)


def i32(*numbers):
    return np.array(numbers, np.int32)


def bools(*numbers):
    return np.array(numbers, bool)


def uniform(shape, low=-2.0, high=2.0, dtype=F32):
    # Few digits: the file stays small, and fp16 and fp32 hold the same numbers.
    return (np.round(rng.uniform(low, high, shape) * 64) / 64).astype(dtype)


def whole(shape, low=-9, high=10, dtype=np.int32):
    return rng.integers(low, high, shape).astype(dtype)


def unary():
    domains = {"acos": (-1, 1), "asin": (-1, 1), "atanh": (-0.9, 0.9), "sqrt": (0, 4), "tan": (-1.4, 1.4)}
    for op in ["abs", "acos", "asin", "atan", "atanh", "ceil", "cos", "cosh", "erf", "exp", "exp2", "floor",
               "identity", "round", "sign", "sin", "sinh", "sqrt", "square", "tan", "tanh", "relu", "relu6",
               "sigmoid", "softplus", "softsign"]:
        for dtype in (F32, F16):
            case(op, x=uniform((2, 3), *domains.get(op, (-4, 4)), dtype))
    case("round", x=f32(0.5, 1.5, 2.5, -0.5, -1.5))
    case("softplus", x=f32(-100, 50, 100))
    for op in ["abs", "sign", "square"]:
        case(op, x=whole((5,)))
    case("exp2", x=whole((4,), -3, 4))
    for mode in ["EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION"]:
        case("gelu", x=uniform((6,), -4, 4), mode=mode)
    case("gelu", x=uniform((3,)))
    case("logical_not", x=bools(True, False))
    for op in ["log", "rsqrt", "inverse"]:
        case(op, x=uniform((4,), 0.25, 3))
        case(op, x=uniform((4,), 0.25, 3), epsilon=F32(0.5))
        case(op, x=uniform((4,), 0.25, 3, F16), epsilon=F16(0.5))
        case(op, first=17, x=uniform((4,), 0.25, 3), epsilon=F16(0.5))
        case(op, first=17, x=uniform((4,), 0.25, 3, F16), epsilon=F32(0.5))
    case("clip", x=uniform((5,), -3, 3), alpha=F32(-1), beta=F32(1.5))
    case("clip", last=16, x=uniform((5,), -3, 3), alpha=F32(2), beta=F32(1))
    case("clip", first=17, x=uniform((5,), -3, 3, F16), alpha=F32(-1), beta=F32(1.5))
    case("threshold", x=uniform((5,)), alpha=F32(0.25))
    case("threshold", x=whole((5,)), alpha=np.int32(2))
    for op, given in [("leaky_relu", ["alpha"]), ("elu", ["alpha"]), ("thresholded_relu", ["alpha"]),
                      ("clamped_relu", ["alpha", "beta"]), ("linear_activation", ["alpha", "beta"]),
                      ("scaled_tanh", ["alpha", "beta"]), ("sigmoid_hard", ["alpha", "beta"])]:
        numbers = dict(zip(given, (0.75, 1.25)))
        for dtype in (F32, F16):
            case(op, x=uniform((6,), -3, 3, dtype), **{k: dtype(v) for k, v in numbers.items()})
        case(op, first=17, x=uniform((6,), -3, 3), **{k: F16(v) for k, v in numbers.items()})
        case(op, first=17, x=uniform((6,), -3, 3, F16), **{k: F32(v) for k, v in numbers.items()})
    case("prelu", x=uniform((1, 3, 2, 2)), alpha=f32(0.5, -1, 2))
    case("prelu", first=17, x=uniform((1, 3, 2), dtype=F16), alpha=f32(0.5, -1, 2))
    case("softplus_parametric", x=uniform((1, 3, 2, 2)), alpha=f32(0.5, 1, 2), beta=f32(1, 2, 0.5))
    for axis in (None, 0, 1, -2):
        case("softmax", x=uniform((2, 3)), **({} if axis is None else {"axis": np.int32(axis)}))
    x = np.array([300.7, -1.5, 70000.0, 127.9, 0], F32)
    for dtype in ("int32", "fp16", "bool", "fp32"):
        case("cast", x=x if dtype != "fp16" else x / 2, dtype=dtype)
    for dtype in ("int8", "uint8", "int16", "uint16"):
        case("cast", first=17, x=f32(3.7, 100.2, 1), dtype=dtype)
        case("cast", first=17, x=whole((4,), 0, 100, np.dtype(dtype)), dtype="fp32")
    case("cast", x=bools(True, False), dtype="int32")
    case("cast", x=whole((3,)), dtype="fp16")


def binary():
    shapes = [((2, 3), (2, 3)), ((2, 1, 3), (4, 1)), ((3,), ())]
    for op in ["add", "sub", "mul", "real_div", "floor_div", "mod", "pow", "maximum", "minimum", "equal",
               "not_equal", "greater", "greater_equal", "less", "less_equal"]:
        for x, y in shapes:
            low = 0.25 if op == "pow" else -3
            divisor = 0.5 if op in ("real_div", "floor_div", "mod") else -3
            case(op, x=np.asarray(uniform(x, low, 3)), y=np.asarray(uniform(y, divisor, 3)))
        case(op, x=uniform((4,), 0.25, 3, F16), y=uniform((4,), 0.25, 3, F16))
        if op != "real_div":  # int32 operands: the facts say to avoid it; coremltools gives floats
            case(op, x=whole((2, 3), 0 if op == "pow" else -9), y=whole((3,), 1, 5))
    case("equal", x=i32(1, 2, 3), y=i32(1, 0, 3))
    for op in ["logical_and", "logical_or", "logical_xor"]:
        case(op, x=bools(True, True, False, False), y=bools(True, False, True, False))
    case("select", cond=bools(True, False, True), a=uniform((3,)), b=uniform((3,)))
    case("select", cond=np.array([[True], [False]]), a=uniform((2, 3)), b=uniform((2, 3)))


def reductions():
    for op in ["sum", "mean", "max", "min", "prod", "l1_norm", "l2_norm", "log_sum", "log_sum_exp",
               "sum_square"]:
        x = uniform((2, 3, 2), 0.5, 2)
        case("reduce_" + op, x=x)
        case("reduce_" + op, x=x, axes=i32(1), keep_dims=True)
        case("reduce_" + op, x=x, axes=i32(-1, 0), keep_dims=False)
        if op not in ("mean", "l2_norm", "log_sum", "log_sum_exp"):
            case("reduce_" + op, x=whole((2, 3)), axes=i32(1))
    for op in ["reduce_argmax", "reduce_argmin"]:
        x = f32(1, 3, 3, -2, 0, -2).reshape(2, 3)
        case(op, x=x)
        case(op, x=x, axis=np.int32(0), keep_dims=True)
        case(op, first=17, x=x, axis=np.int32(1), output_dtype="uint16")
        case(op, x=whole((2, 4)), axis=np.int32(-1))


def linear():
    case("matmul", x=uniform((2, 3)), y=uniform((3, 2)))
    case("matmul", x=uniform((3,)), y=uniform((3, 2)))
    case("matmul", x=uniform((2, 1, 2, 3)), y=uniform((2, 4, 3)), transpose_y=True)
    case("matmul", x=uniform((3, 2)), y=uniform((3, 2)), transpose_x=True)
    case("matmul", x=whole((2, 3)), y=whole((3, 2)))
    case("matmul", first=17, x=uniform((2, 3), dtype=F16), y=uniform((3, 2)))
    case("linear", x=uniform((2, 3)), weight=uniform((4, 3)), bias=uniform((4,)))
    case("linear", x=uniform((3,)), weight=uniform((2, 3)))
    case("linear", first=17, x=uniform((2, 3), dtype=F16), weight=uniform((2, 3)), bias=uniform((2,)))
    case("linear", first=17, x=uniform((2, 3)), weight=uniform((2, 3), dtype=F16),
         bias=uniform((2,), dtype=F16))
    case("einsum", values=(uniform((2, 3, 1, 4)), uniform((2, 4, 2, 3))), equation="nchw,nwhu->nchu")
    case("einsum", values=(uniform((2, 2, 3)), uniform((3, 2, 2))), equation="abc,cbd->abd")
    q, k, v = uniform((1, 2, 3, 4)), uniform((1, 2, 5, 4)), uniform((1, 2, 5, 3))
    case("scaled_dot_product_attention", query=q, key=k, value=v)
    case("scaled_dot_product_attention", query=q, key=k, value=v, attn_mask=uniform((3, 5)))
    mask = np.ones((3, 5), bool)
    mask[0, 2:] = False
    case("scaled_dot_product_attention", query=q, key=k, value=v, attn_mask=mask)


def norms():
    x = uniform((2, 3, 4))
    case("layer_norm", x=x, axes=i32(-1))
    case("layer_norm", x=x, axes=i32(1, 2), gamma=uniform((3, 4)), beta=uniform((3, 4)), epsilon=F32(0.01))
    case("layer_norm", first=17, x=x.astype(F16), axes=i32(2), gamma=uniform((4,)), beta=uniform((4,)))
    case("l2_norm", x=uniform((2, 3, 2, 2)))
    case("l2_norm", x=uniform((3, 2, 2)), epsilon=F32(0.5))


def shapes():
    x = uniform((2, 3, 4))
    for dtype in (F32, F16, np.int32, bool):
        y = x.astype(dtype) if dtype != bool else x > 0
        case("reshape", x=y, shape=i32(4, -1))
        case("transpose", x=y, perm=i32(2, 0, -2))
    case("reshape", x=x, shape=i32(0, 0, 4))
    case("reshape", x=x, shape=i32(0, -1, 2))
    case("reshape", first=17, x=x, shape=i32(0, -1))
    case("reshape", first=17, x=whole((2, 3), 0, 9, np.uint8), shape=np.array([3, 2], np.int16))
    case("expand_dims", x=uniform((2,)), axes=i32(0, -1))
    case("squeeze", x=uniform((1, 2, 1)))
    case("squeeze", x=uniform((1, 2, 1)), axes=i32(-1))
    for axis in (None, 0, 2, -1):
        case("flatten2d", x=x, **({} if axis is None else {"axis": np.int32(axis)}))
    case("reverse", x=x, axes=i32(1, -1))
    case("reverse", x=uniform((3,)))
    case("shape", x=x)
    case("tile", x=uniform((1, 2)), reps=i32(3, 2))
    case("stack", values=(uniform((2,)), uniform((2,))), axis=np.int32(1))
    case("stack", values=(uniform((2,)), uniform((2,))), axis=np.int32(-2))
    case("concat", values=(uniform((2, 1)), uniform((2, 3))), axis=np.int32(1))
    case("concat", values=(uniform((1, 2)), uniform((3, 2))), axis=np.int32(-2))
    case("split", x=uniform((2, 4)), num_splits=np.int32(2), axis=np.int32(1))
    case("split", x=uniform((2, 4)), split_sizes=i32(1, 3), axis=np.int32(-1))
    for mode in ("constant", "reflect", "replicate"):
        more = {"constant_val": F32(1.5)} if mode == "constant" else {}
        case("pad", x=uniform((2, 3)), pad=i32(1, 0, 2, 1), mode=mode, **more)
    case("pad", x=uniform((1, 1, 3)), pad=i32(1, 2))
    case("fill", shape=i32(2, 2), value=F32(1.5))
    case("fill", shape=i32(3), value=np.int32(4))
    case("fill", shape=i32(1, 2))
    case("fill_like", ref_tensor=uniform((2, 2)), value=np.int32(3))
    case("fill_like", ref_tensor=whole((2,)))


def slices():
    x = uniform((4, 5))
    for begin, end, stride in [((1, 0), (3, 5), (1, 2)), ((-1, 4), (0, -5), (-1, -2)), ((0, 2), (100, 3), (3, 1))]:
        case("slice_by_index", x=x, begin=i32(*begin), end=i32(*end), stride=i32(*stride))
    case("slice_by_index", x=x, begin=i32(1, 1), end=i32(2, 4))
    case("slice_by_index", x=x, begin=i32(1, -2), end=i32(2, 4), begin_mask=bools(True, False),
         end_mask=bools(False, True))
    case("slice_by_index", x=x, begin=i32(-1, 3), end=i32(0, 0), stride=i32(1, -1),
         squeeze_mask=bools(True, False), end_mask=bools(False, True), begin_mask=bools(False, False))
    case("slice_by_size", x=x, begin=i32(1, -3), size=i32(2, -1))
    case("slice_by_size", x=whole((4,)), begin=i32(0), size=i32(3))
    case("slice_update", x=x, update=uniform((2, 2)), begin=i32(1, 1), end=i32(3, 5), stride=i32(1, 2))
    case("slice_update", x=x, update=uniform((5,)), begin=i32(-1, 0), end=i32(0, 0),
         squeeze_mask=bools(True, False), end_mask=bools(False, True))
    case("slice_update", x=x, update=uniform((4, 1)), begin=i32(0, 4), end=i32(4, 0), stride=i32(1, -5))


def indices():
    x = uniform((3, 4))
    case("gather", x=x, indices=i32(2, 0), axis=np.int32(0))
    case("gather", x=x, indices=whole((2, 2), 0, 4), axis=np.int32(-1))
    case("gather", x=x, indices=np.array(1, np.int32))
    case("gather", last=16, x=x, indices=i32(-1, 1), axis=np.int32(1))
    case("gather", first=16, x=uniform((2, 3)), indices=whole((2, 2), 0, 3), axis=np.int32(1),
         batch_dims=np.int32(1))
    case("gather", first=17, x=x, indices=np.array([1, 3], np.uint8), axis=np.int32(1))
    case("gather_along_axis", x=x, indices=whole((3, 2), 0, 4), axis=np.int32(1))
    case("gather_along_axis", x=x, indices=whole((1, 4), 0, 3))
    # coremltools updates whatever the mode is (findings/scatter_along_axis_mode.sh).
    case("scatter_along_axis", data=uniform((2, 3)), indices=i32(2, 0, 1, 2).reshape(2, 2),
         updates=uniform((2, 2), 0.5, 2), axis=np.int32(1), mode="update")


def sorting():
    for x in (uniform((2, 5)), whole((2, 5)), uniform((2, 5), dtype=F16)):
        numbers = np.unique(np.concatenate([x.flatten(), np.arange(20, 30)]))[:10]  # no equal ones
        x = rng.permutation(numbers).reshape(2, 5).astype(x.dtype)
        for axis in (0, -1):
            for ascending in (True, False):
                given = {"x": x, "axis": np.int32(axis), "ascending": ascending}
                case("argsort", **given)
                case("topk", k=np.int32(2), **given)
        case("argsort", x=x)
        case("topk", x=x)
        case("topk", first=16, x=x, k=np.int32(2), return_indices=False)
    case("topk", first=17, x=f32(3, 1, 2), k=np.int32(2), output_indices_dtype="uint16")
    case("topk", first=17, x=np.array([3, 1, 2], np.int8), k=np.int8(2))
    case("non_zero", x=f32(0, 2, 0, -1).reshape(2, 2))


def positions():
    for exclusive in (False, True):
        for reverse in (False, True):
            case("cumsum", x=uniform((2, 3)), axis=np.int32(1), exclusive=exclusive,
                 reverse=reverse)
    case("cumsum", x=whole((4,)))
    for lower, upper in [(-1, -1), (0, -1), (-1, 1), (1, 0)]:
        case("band_part", x=uniform((3, 4)), lower=np.int32(lower), upper=np.int32(upper))
    case("range_1d", end=np.int32(7), start=np.int32(1), step=np.int32(2))
    case("range_1d", end=F32(0.3), start=F32(0), step=F32(0.1))
    case("range_1d", end=np.int32(-4), start=np.int32(4), step=np.int32(-3))


def quantized():
    for dtype in ("int8", "uint8"):
        for axis in (None, 0, 1):
            many = () if axis is None else ((2, 3)[axis],)
            scale = np.asarray(uniform(many, 0.25, 1))
            zero = np.asarray(whole(many, 0, 9, np.dtype(dtype)))
            more = {} if axis is None else {"axis": np.int32(axis)}
            case("quantize", input=uniform((2, 3), -40, 40), scale=scale, zero_point=zero, output_dtype=dtype,
                 **more)
            case("quantize", input=uniform((2, 3), -40, 40), scale=scale, output_dtype=dtype, **more)
            stored = whole((2, 3), 0, 100, np.dtype(dtype))
            case("dequantize", input=stored, scale=scale, zero_point=zero, **more)
            case("dequantize", input=stored, scale=scale, **more)
            if axis is not None:
                case("constexpr_affine_dequantize", attributes=True, last=17, quantized_data=stored, scale=scale,
                     zero_point=zero, axis=np.int32(axis))


def packed_bytes(numbers, width):
    bits = np.concatenate([[(n >> i) & 1 for i in range(width)] for n in numbers])
    return np.packbits(bits.astype(np.uint8), bitorder="little")


def compressed():
    case("constexpr_cast", attributes=True, last=17, source_val=uniform((3,), dtype=F16), output_dtype="fp32")
    case("constexpr_cast", first=18, source_val=uniform((3,), dtype=F16), output_dtype="fp32")
    for width in (1, 2, 4, 6, 8):
        numbers = rng.integers(0, 2**width, 6)
        case("constexpr_lut_to_dense", attributes=True, last=17, indices=packed_bytes(numbers, width),
             lut=np.arange(2**width).astype(F16) / 4, shape=np.array([2, 3], np.uint32))
    case("constexpr_sparse_to_dense", attributes=True, last=17, nonzero_data=uniform((4,)),
         mask=np.packbits([1, 0, 1, 0, 0, 0, 0, 1, 0, 1], bitorder="little"), shape=np.array([2, 5], np.uint32))
    for width in (1, 2, 3, 4, 6):
        index = Small("uint%d" % width, rng.integers(0, 2**width, (4, 2)))
        case("constexpr_lut_to_dense", first=18, indices=index, lut=uniform((1, 1, 2**width, 1)))
        if width < 4:
            case("constexpr_lut_to_dense", first=18, indices=index, lut=uniform((2, 1, 2**width, 1), dtype=F16))
            case("constexpr_lut_to_dense", first=18, indices=index, lut=uniform((1, 2, 2**width, 3)),
                 vector_axis=np.int32(0))
            case("constexpr_lut_to_dense", first=18, indices=index, lut=uniform((2, 1, 2**width, 2)),
                 vector_axis=np.int32(1))
    for dtype, low, high in [("int4", -8, 8), ("uint4", 0, 16)]:
        data = Small(dtype, rng.integers(low, high, (4, 6)))
        for blocks in [(1, 1), (4, 1), (2, 3)]:
            scale = uniform(blocks, 0.25, 2)
            case("constexpr_blockwise_shift_scale", first=18, data=data, scale=scale)
            case("constexpr_blockwise_shift_scale", first=18, data=data, scale=scale,
                 offset=Small(dtype, rng.integers(max(low, -4), 4, blocks)))
    case("constexpr_blockwise_shift_scale", first=18, data=whole((4,), -99, 99, np.int8), scale=f32(0.5, 0.25),
         offset=np.array([3, -7], np.int8))
    mask = Small("uint1", [[1, 0, 1], [0, 1, 1]])
    case("constexpr_sparse_to_dense", first=18, nonzero_data=uniform((4,), dtype=F16), mask=mask)


def main():
    for group in (unary, binary, reductions, linear, norms, shapes, slices, indices, sorting, positions,
                  quantized, compressed):
        group()
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in CASES)
    path = pathlib.Path(sys.argv[-1]) if EVERY_OPSET else HERE / "op_vectors.json"
    path.write_text("[\n%s\n]\n" % lines)
    names = {c["text"].split(" = ")[1].split("(")[0] for c in CASES}
    print("%d cases of %d operations, %d bytes" % (len(CASES), len(names), path.stat().st_size))
    for op, target, why in LEFT:
        print("left out: %s at ios%d: %s" % (op, target, why))


if __name__ == "__main__":
    main()
