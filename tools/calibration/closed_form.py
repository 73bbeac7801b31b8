"""The cost model's closed form, a mirror of anemone/devices/ane_spec/cost_{layer,model}.cpp.

Figures are a dictionary with the names of EngineFigures. docs/calibration.md explains the formula.
A test in C++ holds both to the same numbers through results/published/predictions.json.
"""
import dataclasses
import math

WINOGRAD = 1.45  # 3x3 with stride 1 and at least 256 channels
OTHER_KERNELS = 0.9
ALIASED_CHANNELS = 4096
PASSES = {"gelu": 2, "softmax": 3, "l2_norm": 3, "instance_norm": 3, "layer_norm": 25}
STAIRCASE = ((1, 1), (4, 0.5), (9, 0.22))
FP16 = 2  # bytes


@dataclasses.dataclass
class Layer:
    flops: float = 0
    efficiency: float = 1
    smaller_operand_bytes: float = 0
    weight_bytes: float = 0
    aliased: bool = False
    activation_bytes: float = 0
    count: int = 1
    packed: bool = False  # the weights are int8
    int8: bool = False    # so are both operands


@dataclasses.dataclass
class Program:
    layers: list
    surface_bytes: float
    baked_bytes: float = 0


def is_aliased(first, second):
    def power(n):
        return n >= ALIASED_CHANNELS and n & (n - 1) == 0

    return power(first) and power(second)


def conv(channels, spatial, kernel=1, out=None, count=1):
    """A convolution of `kernel` squared taps from `channels` to `out` (the same number)."""
    out = out or channels
    taps = kernel * kernel
    weight_bytes = FP16 * taps * channels * out
    x_bytes = FP16 * channels * spatial
    wide = WINOGRAD if channels >= 256 else OTHER_KERNELS
    return Layer(2 * taps * channels * out * spatial, 1 if kernel == 1 else wide,
                 min(weight_bytes, x_bytes), weight_bytes, is_aliased(channels, out),
                 x_bytes + FP16 * out * spatial, count)


def int8_conv(channels, spatial, in_bytes=FP16, out_bytes=FP16, count=1):
    """A 1x1 convolution with int8 weights; activations of 1 byte come from and go to a quantize."""
    layer = conv(channels, spatial, count=count)
    layer.packed = True
    layer.int8 = in_bytes == 1
    layer.activation_bytes = (in_bytes + out_bytes) * channels * spatial
    return layer


def product(m, k, n, batch=1, weights=False):
    """batch x [m, k] [k, n]; with `weights` the second factor is one."""
    x, y, out = (FP16 * batch * size for size in (m * k, k * n, m * n))
    held = FP16 * min(m * k, k * n)
    if weights:
        return Layer(2 * m * k * n, 1, held, y, is_aliased(k, n), x + out)
    return Layer(2 * batch * m * k * n, 1, held, 0, False, x + y + out)


def elementwise(op, read, written):
    """`read` and `written` count elements."""
    return Layer(activation_bytes=PASSES.get(op, 1) * FP16 * (read + written))


def staircase(ratio):
    if ratio <= STAIRCASE[0][0]:
        return STAIRCASE[0][1]
    for (low, at_low), (high, at_high) in zip(STAIRCASE, STAIRCASE[1:]):
        if ratio <= high:
            return at_low + math.log2(ratio / low) / math.log2(high / low) * (at_high - at_low)
    return STAIRCASE[-1][1]


def fetched_bytes(layer, figures):
    return layer.weight_bytes / (figures["int8_weight_gain"] if layer.packed else 1)


def streams(layer, figures):
    return fetched_bytes(layer, figures) > figures["resident_mb"] * 1e6


def layer_us(layer, figures):
    fits = staircase(layer.smaller_operand_bytes / (figures["working_set_mb"] * 1e6))
    gain = figures["int8_arithmetic_gain"] if layer.int8 else 1
    compute = layer.flops / (figures["peak_tflops"] * 1e6 * layer.efficiency * fits * gain)
    fetched = fetched_bytes(layer, figures)
    if streams(layer, figures):
        slowdown = figures["alias_factor"] if layer.aliased else 1
        weights = fetched * slowdown / (figures["stream_gbs"] * 1e3)
    else:
        weights = fetched / (figures["chain_gbs"] * 1e3)
    activations = layer.activation_bytes / (figures["onchip_gbs"] * 1e3)
    return figures["layer_us"] + max(compute, weights, activations)


def total_us(program, figures, copy_gbs=None):
    """Of one evaluation. `copy_gbs`: of a client that copies its surfaces, which is not ours."""
    work = program.surface_bytes / (figures["surface_gbs"] * 1e3)
    if any(streams(layer, figures) for layer in program.layers):
        work += figures["stream_start_us"]
    work += sum(layer.count * layer_us(layer, figures) for layer in program.layers)
    engine = max(figures["floor_us"], figures["dispatch_us"] + work)
    return engine + (program.surface_bytes / (copy_gbs * 1e3) if copy_gbs else 0)
