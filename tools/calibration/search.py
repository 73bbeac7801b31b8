"""Finds the figures that fit a set of rows best."""
import numpy as np

LIMIT = 0.149  # no row further off than this, if that can be had


def relative_errors(predicted, measured):
    return np.asarray(predicted) / np.asarray(measured) - 1


def loss(errors):
    """Least squares of relative errors, with a wall where a row is further off than LIMIT."""
    errors = np.abs(errors)
    return float(np.mean(errors**2) + 10 * np.sum(np.maximum(0, errors - LIMIT)))


def squares(errors):
    return float(np.mean(errors**2))


def absolutes(errors):
    return float(np.mean(np.abs(errors)))


def nelder_mead(function, start, steps=600, size=0.15):
    """Minimum of `function` near `start`, by a simplex."""
    start = np.asarray(start, float)
    points = [start] + [start + size * unit for unit in np.eye(len(start))]
    values = [function(point) for point in points]
    for _ in range(steps):
        order = np.argsort(values, kind="stable")
        points, values = [points[i] for i in order], [values[i] for i in order]
        centre = np.mean(points[:-1], axis=0)
        best = centre + (centre - points[-1])
        value = function(best)
        if value < values[0]:
            further = centre + 2 * (centre - points[-1])
            if (there := function(further)) < value:
                best, value = further, there
        elif value >= values[-2]:
            best = centre + 0.5 * (points[-1] - centre)
            value = function(best)
            if value >= values[-1]:
                points = [points[0]] + [(p + points[0]) / 2 for p in points[1:]]
                values = [values[0]] + [function(p) for p in points[1:]]
                continue
        points[-1], values[-1] = best, value
    best = int(np.argmin(values))
    return points[best], values[best]


def fit(predict, measured, start, restarts=4, judge=squares):
    """Figures (positive, same keys as `start`) for which predict(figures) is nearest `measured`."""
    keys = list(start)

    def figures_of(point):
        return dict(zip(keys, np.exp(point)))

    def function(point):
        return judge(relative_errors(predict(figures_of(point)), measured))

    point, size = np.log([start[key] for key in keys]), 0.3
    for _ in range(restarts):
        point, _ = nelder_mead(function, point, size=size)
        size = max(0.02, size / 2)
    return figures_of(point)


def leave_one_out(fit_rows, predict_row, rows, measured):
    """The error of each row, predicted by figures that never saw it."""
    errors = []
    for i in range(len(rows)):
        figures = fit_rows(rows[:i] + rows[i + 1:])
        errors.append(predict_row(figures, rows[i]) / measured(rows[i]) - 1)
    return np.array(errors)
