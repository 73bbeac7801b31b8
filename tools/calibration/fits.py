"""Fits the figures of chips.json to the published tables. Each function fits one thing."""
import numpy as np

from calibration import programs, search
from calibration.closed_form import layer_us, total_us

QUIET = ("m4-max-sram-probe-quiet", "m4-max-peak-quiet")
# A training step's forward evaluations on chips of one kind, which share one on-chip rate.
TRAINING_NEW = ("m4-max-training", "m4-pro-training", "m5-training", "m3-ultra-training")
TRAINING_OLD = ("m1-pro-training", "m1-max-training")
PEAKS = {
    "m3-pro": ("m3-pro-peak",),
    "m3-ultra": ("m3-ultra-peak", "m3-ultra-peak-macos15"),
    "m4": ("m4-peak",),
    "m4-pro": ("m4-pro-peak",),
    "m5": ("m5-peak",),
}
FROM_M1_PRO = "carried over from Apple M1 Pro"
SAME_MEMORY = "the same memory as its stream"


def program_of(kind, row):
    make = {"conv": programs.conv_program, "gemm": programs.gemm_program,
            "operation": programs.operation_program, "int8": programs.int8_program}
    return make[kind](row)


def forward_ms(figures):
    """24 evaluations of a forward pass."""
    return sum(n * total_us(p, figures) for n, p in programs.training_programs()) / 1e3


def middle(row, name):
    return (row[name + "_min"] + row[name + "_max"]) / 2


def predicted_ms(kind, row, figures, copy_gbs=None):
    """What the model says of a row's time; None where it says nothing."""
    if kind == "training":
        return forward_ms(figures) if "forward_ms_min" in row and row["kernels"] == 72 else None
    if kind == "layer":
        layer = programs.conv_program(row).layers[0]
        return layer_us(layer, figures) / 1e3
    if kind == "compile":
        return None
    return total_us(program_of(kind, row), figures, copy_gbs) / 1e3


def measured_ms(kind, row):
    if kind == "training":
        return middle(row, "forward_ms")
    return row["layer_us"] / 1e3 if kind == "layer" else row["ms"]


# ---- the quiet run

QUIET_FIGURES = ("dispatch_us", "floor_us", "layer_us", "chain_gbs", "stream_gbs",
                 "stream_start_us", "alias_factor")


def quiet_rows(published):
    return [row for name in QUIET for row in published[name]["rows"]]


def with_surfaces(base, fitted):
    """Surfaces are read and written through the memory that weights are streamed from."""
    return {**base, **fitted, "surface_gbs": fitted.get("stream_gbs", base["stream_gbs"])}


def fit_conv_rows(rows, base, names, restarts=6, judge=search.squares):
    cases = [programs.conv_program(row) for row in rows]

    def predict(fitted):
        figures = with_surfaces(base, fitted)
        return [total_us(case, figures) / 1e3 for case in cases]

    start = {name: max(base[name], 1e-3) for name in names}
    return search.fit(predict, [row["ms"] for row in rows], start, restarts, judge)


def fit_quiet(chips, published):
    """The M4 Max, from its quiet run; the on-chip rate comes from training."""
    rows = quiet_rows(published)
    for _ in range(2):
        fitted = fit_conv_rows(rows, chips.figures("m4-max"), QUIET_FIGURES, judge=search.loss)
        for name, value in fitted.items():
            chips.fitted("m4-max", name, value, "quiet run, Apple M4 Max")
        chips.set("m4-max", "surface_gbs", fitted["stream_gbs"], "inferred", SAME_MEMORY)
        fit_onchip(chips, published)


def fit_noise(chips, published):
    """How much longer an evaluation takes on a machine as people find it: the median excess."""
    figures = chips.figures("m4-max")
    excess = []
    for name in ("m4-max-sram-probe-noisy", "m4-max-sram-coarse-noisy",
                 "m4-max-inmem-bench-noisy", "m4-max-peak-noisy"):
        for row in published[name]["rows"]:
            excess.append(1e3 * (row["ms"] - predicted_ms("conv", row, figures)))
    chips.fitted("m4-max", "noise_us", float(np.median(excess)), "noisy run, Apple M4 Max")
    return np.array(excess)


# ---- activations, from training

def solve_onchip(figures_of, tables, published):
    """One rate for all tables: least squares of relative errors."""
    measured = [middle(published[name]["rows"][0], "forward_ms") for name in tables]

    def predict(fitted):
        return [forward_ms({**figures_of(published[name]["chip"]), **fitted}) for name in tables]

    return search.fit(predict, measured, {"onchip_gbs": 60.0}, 3)["onchip_gbs"]


def fit_onchip(chips, published):
    for tables, what in ((TRAINING_NEW, "training on Apple M3 Ultra, M4 Pro, M4 Max, M5"),
                         (TRAINING_OLD, "training on Apple M1 Pro, M1 Max")):
        rate = solve_onchip(chips.figures, tables, published)
        for name in tables:
            chips.fitted(published[name]["chip"], "onchip_gbs", rate, what)
    chips.set("m1", "onchip_gbs", rate, "inferred", FROM_M1_PRO)


# ---- other chips

def fit_peaks(chips, published):
    """The rate of small layers' weights, from chains at 64 columns."""
    for chip, tables in PEAKS.items():
        rows = [row for name in tables for row in published[name]["rows"]]
        rows = [row for row in rows if row["spatial"] == 64]
        # Median-like, because one of the tables is noisy.
        fitted = fit_conv_rows(rows, chips.figures(chip), ("chain_gbs",), 3, search.absolutes)
        chips.fitted(chip, "chain_gbs", fitted["chain_gbs"], f"peaks, {chips.title(chip)}")


def fit_gemv(chips, published, chip):
    """The weight stream of a chip and its start, from products with a vector."""
    rows = published[f"{chip}-gemv"]["rows"]
    base = {**chips.figures(chip), "alias_factor": 1}
    cases = [programs.gemm_program(row) for row in rows]

    def predict(fitted):
        figures = with_surfaces(base, fitted)
        return [total_us(case, figures) / 1e3 for case in cases]

    start = {"stream_gbs": base["stream_gbs"], "stream_start_us": 10.0}
    fitted = search.fit(predict, [row["ms"] for row in rows], start)
    what = f"GEMV, {chips.title(chip)}"
    chips.fitted(chip, "stream_gbs", fitted["stream_gbs"], what)
    chips.fitted(chip, "stream_start_us", round(fitted["stream_start_us"], 2), what)
    chips.fitted(chip, "alias_factor", 1, what + ": 4096 and 8192 are no slower than others")
    chips.set(chip, "surface_gbs", fitted["stream_gbs"], "inferred", SAME_MEMORY)


def fit_client(base, table, also=None):
    """Figures with what a client that copies its surfaces adds: its route's dispatch and its copies.

    They belong to the client, so they are never kept. `also`: a figure to fit with them.
    """
    cases = [program_of(table["kind"], row) for row in table["rows"]]

    def figures_of(fitted):
        figures = {**base, "dispatch_us": fitted["dispatch_us"], "floor_us": fitted["dispatch_us"]}
        if also:
            figures[also] = fitted[also]
        return figures

    def predict(fitted):
        figures = figures_of(fitted)
        return [total_us(case, figures, fitted["copy_gbs"]) / 1e3 for case in cases]

    start = {"dispatch_us": base["dispatch_us"], "copy_gbs": 15.0}
    if also:
        start[also] = base[also]
    fitted = search.fit(predict, [row["ms"] for row in table["rows"]], start)
    return figures_of(fitted), fitted["copy_gbs"]


def fit_m6(chips, published):
    """The peak of the M6 from square products."""
    figures, _ = fit_client(chips.figures("m6"), published["m6-gemm"], "peak_tflops")
    chips.fitted("m6", "peak_tflops", figures["peak_tflops"], "GEMM, Apple M6")


def fit_power(chips, published):
    """Watts at the peak, from the rail's power during square products."""
    for chip in ("m1", "m2-max", "m4", "m4-pro", "m4-max", "m5"):
        figures = chips.figures(chip)
        share, extra = [], []
        for row in published[f"{chip}-gemm"]["rows"]:
            if "rail_watts" not in row:
                continue
            flops = 2 * row["m"] * row["k"] * row["n"]
            share.append(flops / (figures["peak_tflops"] * 1e9 * row["ms"]))
            extra.append(row["rail_watts"] - figures["busy_watts"])
        slope = float(np.dot(share, extra) / np.dot(share, share))
        chips.fitted(chip, "full_watts", figures["busy_watts"] + slope,
                     f"rail power of GEMMs, {chips.title(chip)}")


def fit_compile(chips, published):
    """Time for each baked MB: 72 kernels of a training step, six for each of 12 layers."""
    megabytes = programs.training_weight_mb()
    base_ms = published["m5-compile"]["rows"][0]["compile_ms"]
    reference = middle(published["m4-max-training"]["rows"][0], "compile_ms")
    for chip in ("m4-max", "m4", "m4-pro", "m5", "m3-ultra", "m1-pro", "m1-max"):
        total = middle(published[f"{chip}-training"]["rows"][0], "compile_ms")
        base = base_ms * total / reference
        what = f"compilation of 72 kernels, {chips.title(chip)}"
        chips.fitted(chip, "compile_ms", base, what)
        chips.fitted(chip, "compile_ms_per_mb", (total - 72 * base) / megabytes, what)
    for name in ("compile_ms", "compile_ms_per_mb"):
        chips.set("m1", name, chips.figures("m1-pro")[name], "inferred", FROM_M1_PRO)


# Where every search begins, so that the result does not depend on what the file held.
STARTS = {"dispatch_us": 90, "floor_us": 120, "layer_us": 0.05, "chain_gbs": 200,
          "stream_gbs": 120, "stream_start_us": 40, "alias_factor": 2.5, "onchip_gbs": 100,
          "surface_gbs": 120, "peak_tflops": 30}


def forget(chips):
    for chip in chips.document["chips"]:
        for name, figure in chip["engine"].items():
            if figure["grade"] == "fitted" and name in STARTS:
                figure["value"] = STARTS[name]


def fit_all(chips, published):
    """Everything, in the order in which one needs the other."""
    forget(chips)
    for _ in range(2):
        fit_quiet(chips, published)
        fit_peaks(chips, published)
        fit_gemv(chips, published, "m2")
        fit_gemv(chips, published, "m5-pro")
    fit_onchip(chips, published)
    fit_noise(chips, published)
    fit_m6(chips, published)
    fit_power(chips, published)
    fit_compile(chips, published)
