#!/usr/bin/env python3
"""Whether transformers computes with what `anemone convert` writes what it computed before.

check_models.py [ANEMONE]; needs torch, transformers and safetensors. Takes the golden models of
tests/golden/families, converts each to a directory of ours, loads that with transformers, and
compares logits in fp64 with expected.json. A second conversion must give the same bytes.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
import transformers

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests/golden"
# transformers computes norms in fp32 whatever the type of the weights.
TOLERANCE = 1e-5


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/release/cli/anemone"
    tokens = np.fromfile(GOLDEN / "tiny.tokens.bin", "<u2")[:16].astype(np.int64)
    failed = False
    for directory in sorted((GOLDEN / "families").iterdir()):
        expected = np.array(json.loads((directory / "expected.json").read_text())["logits"])
        with tempfile.TemporaryDirectory() as folder:
            out, again = pathlib.Path(folder) / "out", pathlib.Path(folder) / "again"
            for source, target in ((directory, out), (out, again)):
                subprocess.run([program, "convert", source, target], check=True,
                               stdout=subprocess.DEVNULL)
            same = all((out / name).read_bytes() == (again / name).read_bytes()
                       for name in ("config.json", "model.safetensors"))
            model = transformers.AutoModelForCausalLM.from_pretrained(
                out, dtype=torch.float64, attn_implementation="eager")
        with torch.no_grad():
            logits = model(input_ids=torch.tensor(tokens)[None]).logits[0].numpy()
        worst = np.abs(logits - expected).max()
        good = worst < TOLERANCE and same
        failed |= not good
        print(f"{directory.name:20} {type(model).__name__:20} largest difference {worst:.1e}"
              f"{'' if same else ', written again it differs'}{'' if good else '  WRONG'}")
    print(f"transformers {transformers.__version__}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
