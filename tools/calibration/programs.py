"""The program behind a published row; cost_model_test.cpp builds the same with Builder."""
from calibration.closed_form import FP16, Program, conv, elementwise, int8_conv, product

# Stories110M.
DIM, HIDDEN, HEADS, HEAD_SIZE, TOKENS, LAYERS = 768, 2048, 12, 64, 256, 12


def conv_program(row):
    layer = conv(row["channels"], row["spatial"], row.get("kernel", 1), count=row.get("depth", 1))
    return Program([layer], FP16 * 2 * row["channels"] * row["spatial"],
                   layer.count * layer.weight_bytes)


def int8_program(row):
    """A chain with int8 weights; `w8a8` also quantizes what goes into each layer."""
    depth, channels, spatial = row["depth"], row["channels"], row["spatial"]
    full = channels * spatial
    surfaces, baked = FP16 * 2 * full, depth * channels * (channels + FP16)
    if row["variant"] == "w8":
        return Program([int8_conv(channels, spatial, count=depth)], surfaces, baked)
    # The first quantize reads the input; all others are part of the layers beside them.
    layers = [elementwise("quantize", full, full / 2),
              int8_conv(channels, spatial, 1, 1, depth - 1),
              int8_conv(channels, spatial, 1, FP16)]
    return Program(layers, surfaces, baked)


def gemm_program(row):
    m, k, n = row["m"], row["k"], row["n"]
    return Program([product(m, k, n, weights=True)], FP16 * (m * k + m * n), FP16 * k * n)


def operation_program(row):
    elements = row["elements"]
    return Program([elementwise(row["op"], elements, elements)], FP16 * 2 * elements)


def rms_norm(channels, tokens):
    """x * pow(reduce_sum(x * x) / channels + eps, -0.5) * weight, with scalar constants."""
    full = channels * tokens
    return [elementwise("mul", 2 * full, full), elementwise("reduce_sum", full, tokens),
            elementwise("mul", tokens + 1, tokens), elementwise("add", tokens + 1, tokens),
            elementwise("pow", tokens + 1, tokens), elementwise("mul", full + tokens, full),
            elementwise("mul", full + channels, full)]


def attention_kernel():
    """The seed's forward attention: norm, q, k, v, masked attention, o, and all of it as taps."""
    full = DIM * TOKENS
    scores = HEADS * TOKENS * TOKENS
    layers = rms_norm(DIM, TOKENS)
    layers += [conv(DIM, TOKENS) for _ in range(3)]
    layers += [elementwise("transpose", full, full) for _ in range(3)]
    layers.append(product(TOKENS, HEAD_SIZE, TOKENS, HEADS))
    layers.append(elementwise("mul", scores + 1, scores))
    layers.append(elementwise("add", scores + TOKENS * TOKENS, scores))
    layers.append(elementwise("softmax", scores, scores))
    layers.append(product(TOKENS, TOKENS, HEAD_SIZE, HEADS))
    layers.append(elementwise("transpose", full, full))
    layers.append(conv(DIM, TOKENS))
    layers.append(elementwise("concat", 6 * full, 6 * full))
    baked = FP16 * (4 * DIM * DIM + DIM + TOKENS * TOKENS)
    return Program(layers, FP16 * 7 * full, baked)


def ffn_kernel():
    """The seed's forward feed-forward: norm, w1, w3, silu, product, w2, and all of it as taps."""
    full, hidden = DIM * TOKENS, HIDDEN * TOKENS
    layers = rms_norm(DIM, TOKENS)
    layers += [conv(DIM, TOKENS, out=HIDDEN) for _ in range(2)]
    layers.append(elementwise("sigmoid", hidden, hidden))
    layers += [elementwise("mul", 2 * hidden, hidden) for _ in range(2)]
    layers.append(conv(HIDDEN, TOKENS, out=DIM))
    taps = 2 * full + 3 * hidden
    layers.append(elementwise("concat", taps, taps))
    return Program(layers, FP16 * (full + taps), FP16 * (3 * DIM * HIDDEN + DIM))


def training_programs():
    """The 24 evaluations of a forward pass, as (how many, program)."""
    return [(LAYERS, attention_kernel()), (LAYERS, ffn_kernel())]


# Baked MB of the 72 kernels of a training step: five with weights a layer, one without.
def training_weight_mb():
    attention, ffn = DIM * DIM, 3 * DIM * HIDDEN
    per_layer = 4 * attention + ffn + ffn + attention + 3 * attention
    return LAYERS * FP16 * per_layer * 1e-6

