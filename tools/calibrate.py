#!/usr/bin/python3
"""Fits the figures of chips.json to results/published and says how well they fit.

  tools/calibrate.py                 fits; prints the errors of every table
  tools/calibrate.py --left-out      the same with errors of rows that the fit did not see (slower)
  tools/calibrate.py --capacity      whether the quiet run shows an on-chip capacity
  tools/calibrate.py --write         fits and writes chips.json and predictions.json
  tools/calibrate.py --check         exit status 1 if either differs from what --write would write

Needs numpy. docs/calibration.md explains the formula, the tables and the fits.
"""
import argparse
import json
import pathlib
import sys

try:
    import numpy as np
except ImportError:
    sys.exit("tools/calibrate.py: needs numpy (Debian: apt-get install python3-numpy, and run it with "
             "/usr/bin/python3)")

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from calibration import evidence, fits, tables  # noqa: E402


def percent(errors):
    errors = np.abs(np.asarray(errors))
    return f"{100 * np.median(errors):6.1f} {100 * np.max(errors):6.1f}"


def table_errors(chips, table):
    """Relative errors of the rows that the model has an opinion on, and what a client adds."""
    figures, copy_gbs = chips.figures(table["chip"]), None
    if table.get("client_copies"):
        figures, copy_gbs = fits.fit_client(figures, table)
    errors = []
    for row in table["rows"]:
        predicted = fits.predicted_ms(table["kind"], row, figures, copy_gbs)
        if predicted is not None:
            errors.append(predicted / fits.measured_ms(table["kind"], row) - 1)
    client = f"client: {figures['dispatch_us']:.0f} us, {copy_gbs:.1f} GB/s" if copy_gbs else ""
    return errors, client


def left_out_errors(chips, published):
    """Name of the table → errors of its rows when left out of the fit."""
    errors = evidence.training_left_out(chips, published)
    errors = {name: [error] for name, error in errors.items()}
    quiet = evidence.quiet_left_out(chips, published)
    first = len(published[fits.QUIET[0]]["rows"])
    errors[fits.QUIET[0]], errors[fits.QUIET[1]] = quiet[:first], quiet[first:]
    errors["quiet run"] = quiet
    for name, table in published.items():
        if table.get("client_copies") and len(table["rows"]) > 3:
            errors[name] = evidence.client_left_out(chips.figures(table["chip"]), table)
    return errors


def report(chips, published, with_left_out):
    left_out = left_out_errors(chips, published) if with_left_out else {}
    print("simulated against published, |error| in %       fit             left out")
    print(f"{'table':32} {'state':6} {'rows':>4} {'median':>6} {'worst':>6}  median  worst")

    def line(name, state, errors, note=""):
        out = percent(left_out[name]) if name in left_out else " " * 13
        print(f"{name:32} {state:6} {len(errors):4} {percent(errors)}  {out}  {note}".rstrip())

    quiet = []
    for name, table in published.items():
        errors, client = table_errors(chips, table)
        if errors:
            line(name, table["state"], errors, client)
        if name in fits.QUIET:
            quiet += errors
    line("quiet run", "quiet", quiet)


def report_capacity(chips, published):
    print("quiet run of the M4 Max   AICc  median  worst  left out, rms   (errors in %)")
    for name, added, aicc, median, worst, rms in evidence.compare_explanations(chips, published):
        figures = ", ".join(f"{key} {value:.3g}" for key, value in added.items())
        print(f"{name:22} {aicc:7.1f} {100 * median:7.1f} {100 * worst:6.1f} {100 * rms:14.1f}   "
              f"{figures}".rstrip())


def predictions(chips, published):
    """The product's own time of every published row, in ms: no client's copies. Text of the file."""
    lines = []
    for name, table in published.items():
        figures = chips.figures(table["chip"])
        times = [fits.predicted_ms(table["kind"], row, figures) for row in table["rows"]]
        times = [None if time is None else float(f"{time:.7g}") for time in times]
        if any(time is not None for time in times):
            lines.append(f"  {json.dumps(name)}: {json.dumps(times)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def check(wanted):
    """Names the files that are not as wanted."""
    stale = [path for path, text in wanted.items()
             if not path.exists() or not tables.close(path.read_text(), text)]
    for path in stale:
        print(f"{path.relative_to(tables.ROOT)}: differs from the fit; "
              "run tools/calibrate.py --write", file=sys.stderr)
    return 1 if stale else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("left-out", "capacity", "write", "check"):
        parser.add_argument(f"--{flag}", action="store_true")
    options = parser.parse_args()
    published = tables.read_published()
    chips = tables.Chips(tables.CHIPS.read_text())
    fits.fit_all(chips, published)
    wanted = {tables.CHIPS: chips.text(), tables.PREDICTIONS: predictions(chips, published)}
    if options.check:
        return check(wanted)
    if options.write:
        for path, text in wanted.items():
            path.write_text(text)
    if options.capacity:
        report_capacity(chips, published)
    else:
        report(chips, published, options.left_out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
