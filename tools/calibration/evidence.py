"""How far the fits can be trusted: errors of rows left out, and whether a capacity shows."""
import numpy as np

from calibration import fits, programs, search
from calibration.closed_form import total_us


def quiet_left_out(chips, published):
    """Errors of the quiet run's rows, each predicted by a fit to the other 22."""
    base = chips.figures("m4-max")

    def fit_rows(rows):
        fitted = fits.fit_conv_rows(rows, base, fits.QUIET_FIGURES, 5, search.loss)
        return fits.with_surfaces(base, fitted)

    return search.leave_one_out(
        fit_rows, lambda figures, row: fits.predicted_ms("conv", row, figures),
        fits.quiet_rows(published), lambda row: row["ms"])


def training_left_out(chips, published):
    """Errors of each chip's forward pass with the on-chip rate of the other chips of its kind."""
    errors = {}
    for group in (fits.TRAINING_NEW, fits.TRAINING_OLD):
        for name in group:
            others = [other for other in group if other != name]
            rate = fits.solve_onchip(chips.figures, others, published)
            table = published[name]
            figures = {**chips.figures(table["chip"]), "onchip_gbs": rate}
            row = table["rows"][0]
            errors[name] = fits.forward_ms(figures) / fits.middle(row, "forward_ms") - 1
    return errors


def client_left_out(figures, table):
    """Errors of a copying client's rows, its own two figures fitted to the others."""
    def fit_rows(rows):
        return fits.fit_client(figures, {**table, "rows": rows})

    return search.leave_one_out(
        fit_rows, lambda fitted, row: fits.predicted_ms(table["kind"], row, *fitted),
        table["rows"], lambda row: row["ms"])


# ---- is there a capacity?

EXPLANATIONS = {
    "neither": (),
    "aliasing": ("alias_factor",),
    "capacity": ("knee_mb", "slow_gbs"),
    "both": ("alias_factor", "knee_mb", "slow_gbs"),
}
STARTS = {"knee_mb": 24.0, "slow_gbs": 100.0}


def explain(rows, base, extra):
    """Fits the quiet run with some explanations of its slow rows; gives what predicts a row, in ms.

    `knee_mb`, `slow_gbs`: bytes of a layer beyond the knee take that much longer.
    """
    names = [name for name in fits.QUIET_FIGURES if name != "alias_factor"]
    start = {name: base[name] for name in names}
    start.update({name: STARTS.get(name, base.get(name)) for name in extra})

    def predict_row(fitted, row):
        figures = {**fits.with_surfaces({**base, "alias_factor": 1}, fitted)}
        case = programs.conv_program(row)
        beyond = max(0, case.layers[0].weight_bytes - fitted.get("knee_mb", 1e9) * 1e6)
        slow = case.layers[0].count * beyond / (fitted.get("slow_gbs", 1e9) * 1e3)
        return (total_us(case, figures) + slow) / 1e3

    def predict(fitted):
        return [predict_row(fitted, row) for row in rows]

    fitted = search.fit(predict, [row["ms"] for row in rows], start, 5)
    return lambda row: predict_row(fitted, row), fitted


def corrected_information(errors, parameters):
    """AICc of log errors: lower is better, and 10 less is overwhelming."""
    n, k = len(errors), parameters + 1
    spread = float(np.mean(np.log1p(errors) ** 2))
    return n * np.log(spread) + 2 * k + 2 * k * (k + 1) / (n - k - 1)


def compare_explanations(chips, published):
    """(name, figures, AICc, median and worst error, rms left out) of each explanation."""
    rows, base = fits.quiet_rows(published), chips.figures("m4-max")
    measured = [row["ms"] for row in rows]
    results = []
    for name, extra in EXPLANATIONS.items():
        predict_row, fitted = explain(rows, base, extra)
        errors = search.relative_errors([predict_row(row) for row in rows], measured)
        left_out = search.leave_one_out(
            lambda some, extra=extra: explain(some, base, extra)[0],
            lambda predict, row: predict(row), rows, lambda row: row["ms"])
        added = {key: fitted[key] for key in extra}
        results.append((name, added, corrected_information(errors, 6 + len(extra)),
                        np.median(np.abs(errors)), np.max(np.abs(errors)),
                        float(np.sqrt(np.mean(left_out**2)))))
    return results
