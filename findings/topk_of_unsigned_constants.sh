#!/usr/bin/env bash
# coremltools 9.0 (numpy 2.3.5): topk of constant uint8 or uint16 numbers (allowed from iOS 17 on) takes a zero
# for the largest number, and of int8 numbers -128: the numbers are sorted by their negatives, which wrap.
#
# Seen: topk(x = [0, 7, 3], k = 1) in uint16 gives 0 at index 0 instead of 7 at index 1, and the converted
# program holds that as a constant. fp32 and int32 give 7 at index 1.
#
# Fails where that changes. Needs Python 3.9 to 3.13 and the network; nothing of this repository runs.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet coremltools==9.0 numpy==2.3.5
cat > "$work/fold.py" <<'PYTHON'
import logging
logging.disable(logging.CRITICAL)
import numpy as np
import coremltools as ct
from coremltools.converters.mil import Builder as mb

seen = {"float32": 1, "int32": 1, "uint8": 0, "uint16": 0, "int8": 0}  # the index that is written
for dtype, wanted in seen.items():
    numbers = np.array([-128 if dtype == "int8" else 0, 7, 3], dtype)

    @mb.program(input_specs=[mb.TensorSpec(shape=(1,))], opset_version=ct.target.iOS17)
    def program(x):
        values, indices = mb.topk(x=numbers, k=1, axis=0)
        return mb.add(x=x, y=mb.cast(x=indices, dtype="fp32"))

    model = ct.convert(program, convert_to="mlprogram", minimum_deployment_target=ct.target.iOS17,
                       compute_precision=ct.precision.FLOAT32)
    (block,) = model.get_spec().mlProgram.functions["main"].block_specializations.values()
    (constant,) = [op for op in block.operations if op.type == "const"]
    index = int(constant.attributes["val"].immediateValue.tensor.floats.values[0])
    print("%-8s %s: the largest is said to be at index %d (right: 1)" % (dtype, numbers.tolist(), index))
    assert index == wanted, "this is no longer so"
PYTHON
"$work/venv/bin/python" "$work/fold.py" 2>/dev/null
