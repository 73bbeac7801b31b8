#!/usr/bin/env bash
# coremltools 9.0 (numpy 2.3.5): the functions of a package with several of them come back in another
# order in every other process. milproto's load() walks a protobuf map, whose order is seeded per
# process; the description of the same file keeps the order in which the functions were added.
#
# Seen: a package of prefill and decode, read by 16 processes: load(spec).functions is
# ['prefill', 'decode'] in some and ['decode', 'prefill'] in others, while
# spec.description.functions is prefill, decode in all. Code that takes "the first function" of the
# loaded program takes a random one.
#
# Fails where that changes. Needs Python 3.9 to 3.13 and the network; nothing of this repository runs.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet coremltools==9.0 numpy==2.3.5
cat > "$work/write.py" <<'PYTHON'
import logging
import sys
logging.disable(logging.CRITICAL)
import numpy as np
import coremltools as ct
from coremltools.converters.mil import Builder as mb

folder = sys.argv[1]
both = ct.utils.MultiFunctionDescriptor()
for name, factor in (("prefill", 2.0), ("decode", 3.0)):
    @mb.program(input_specs=[mb.TensorSpec(shape=(1, 4))], opset_version=ct.target.iOS18)
    def program(x):
        return mb.mul(x=x, y=np.full((1, 4), factor, np.float32))

    model = ct.convert(program, minimum_deployment_target=ct.target.iOS18, skip_model_load=True)
    model.save(f"{folder}/{name}.mlpackage")
    both.add_function(f"{folder}/{name}.mlpackage", src_function_name="main", target_function_name=name)
both.default_function_name = "prefill"
ct.utils.save_multifunction(both, f"{folder}/both.mlpackage")
PYTHON
cat > "$work/read.py" <<'PYTHON'
import logging
import sys
logging.disable(logging.CRITICAL)
import coremltools as ct
from coremltools.converters.mil.frontend.milproto.load import load

model = ct.models.MLModel(sys.argv[1], skip_model_load=True)
spec = model.get_spec()
program = load(spec, specification_version=spec.specificationVersion,
               file_weights_dir=model.weights_dir or "")
print(*program.functions, "/", *(function.name for function in spec.description.functions))
PYTHON
"$work/venv/bin/python" -W ignore "$work/write.py" "$work" > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
for _ in $(seq 16); do
  "$work/venv/bin/python" -W ignore "$work/read.py" "$work/both.mlpackage" 2> "$work/log"
done | sort | uniq -c > "$work/seen"
cat "$work/seen"
for order in "prefill decode / prefill decode" "decode prefill / prefill decode"; do
  grep -q " $order\$" "$work/seen" || { echo "no process gave: $order" >&2; exit 1; }
done
[ "$(wc -l < "$work/seen")" -eq 2 ] || { echo "the description's order is no longer kept" >&2; exit 1; }
echo "as described"
