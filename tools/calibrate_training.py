#!/usr/bin/env python3
"""Fits the hosts of chips.json to published training steps, and says how well the steps are met.

  tools/calibrate_training.py           predicts every published step; prints the errors
  tools/calibrate_training.py --write   fits the hosts and writes chips.json; build again afterwards
  tools/calibrate_training.py --check   exit status 1 if chips.json is not what --write would write

The predictions are those of the program (--anemone PATH), which schedules host and device. The host
of the M4 Max is fitted by hand to the published breakdown of its step (docs/calibration.md); another
chip's is the same, slower by one factor that its own steps give. Needs numpy for --write.
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys
import tempfile

from calibration import tables

REFERENCE = "m4-max"
FIGURES = ("gemm_gflops", "elementwise_gbs", "exponentials_per_ns", "copy_gbs")
PIPELINES = {72: "static", 99: "static-ane"}
# No step is published for these: as slow as the M4's.
CARRIED = ("m2", "m3")


def predicted_ms(program, chip, pipeline, chips_text):
    """Of a micro-step of Stories110M."""
    with tempfile.TemporaryDirectory() as folder:
        table, report = pathlib.Path(folder, "chips.json"), pathlib.Path(folder, "report.json")
        table.write_text(chips_text)
        subprocess.run([program, "train", "--model", "stories110m", "--init", "scratch", "--device",
                        f"sim:{chip}", "--values", "off", "--pipeline", pipeline, "--batch", "1",
                        "--steps", "2", "--accum", "10", "--quiet", "--chips", str(table),
                        "--report-json", str(report)], check=True)
        return json.loads(report.read_text())["ms_per_step"]


def published_steps(published):
    """Chip → [(table, pipeline, ms)]"""
    steps = {}
    for name, table in published.items():
        if table["kind"] != "training":
            continue
        for row in table["rows"]:
            middle = (row["ms_per_step_min"] + row["ms_per_step_max"]) / 2
            steps.setdefault(table["chip"], []).append((name, PIPELINES[row["kernels"]], middle))
    return steps


def set_host(chips, chip, factor):
    reference = chips.figures(REFERENCE, "host")
    for name in FIGURES:
        what = f"tools/calibrate_training.py: steps of {chips.title(chip)}"
        chips.set(chip, name, reference[name] * factor, "fitted", what, "host")


def mean_log_error(program, chips, chip, steps):
    ratios = [predicted_ms(program, chip, pipeline, chips.text()) / ms for _, pipeline, ms in steps]
    return sum(map(math.log, ratios)) / len(ratios)


def fit(program, chips, steps):
    for chip, rows in steps.items():
        if chip == REFERENCE:
            continue
        low, high = 0.1, 3.0  # a faster host makes shorter steps
        for _ in range(12):
            middle = math.sqrt(low * high)
            set_host(chips, chip, middle)
            if mean_log_error(program, chips, chip, rows) > 0:
                low = middle
            else:
                high = middle
    for chip in CARRIED:
        for name in FIGURES:
            value = chips.figures("m4", "host")[name]
            chips.set(chip, name, value, "inferred", "carried over from Apple M4", "host")


def report(program, chips, steps):
    print(f"{'table':32} {'pipeline':12} {'published':>9} {'simulated':>9}  error")
    for chip, rows in steps.items():
        for name, pipeline, ms in rows:
            found = predicted_ms(program, chip, pipeline, chips.text())
            print(f"{name:32} {pipeline:12} {ms:9.1f} {found:9.1f} {100 * (found / ms - 1):+6.1f}%")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anemone", default=str(tables.ROOT / "build/release/cli/anemone"))
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    chips = tables.Chips(tables.CHIPS.read_text())
    steps = published_steps(tables.read_published())
    if options.write or options.check:
        fit(options.anemone, chips, steps)
    if options.check:
        return 0 if tables.close(chips.text(), tables.CHIPS.read_text()) else 1
    if options.write:
        tables.CHIPS.write_text(chips.text())
    report(options.anemone, chips, steps)
    return 0


if __name__ == "__main__":
    sys.exit(main())
