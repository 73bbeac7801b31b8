#!/usr/bin/env bash
# coremltools 9.0 (numpy 2.3.5): scatter_along_axis on constants is folded as if its mode were "update",
# whatever the mode is. The default is "add", and what Core ML computes where an operand is an input.
#
# Seen: [10, 20, 30] with 1 and 2 added to place 1 becomes [10, 2, 30] in the converted program instead of
# [10, 23, 30]; the same for mul (40) and max (20). The operation is gone, a constant with the wrong
# numbers stands in its place.
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

right = {"update": [10, 2, 30], "add": [10, 23, 30], "mul": [10, 40, 30], "max": [10, 20, 30]}
for mode, wanted in right.items():
    @mb.program(input_specs=[mb.TensorSpec(shape=(3,))], opset_version=ct.target.iOS17)
    def program(x):
        table = mb.scatter_along_axis(data=np.array([10, 20, 30], np.float32), indices=np.array([1, 1], np.int32),
                                      updates=np.array([1, 2], np.float32), axis=0, mode=mode)
        return mb.add(x=x, y=table)

    model = ct.convert(program, convert_to="mlprogram", minimum_deployment_target=ct.target.iOS17,
                       compute_precision=ct.precision.FLOAT32)
    (block,) = model.get_spec().mlProgram.functions["main"].block_specializations.values()
    (constant,) = [op for op in block.operations if op.type == "const"]
    written = list(constant.attributes["val"].immediateValue.tensor.floats.values)
    print("%-6s written %s, right %s" % (mode, written, wanted))
    assert written == [10, 2, 30], "this is no longer so"
PYTHON
"$work/venv/bin/python" "$work/fold.py" 2>/dev/null
