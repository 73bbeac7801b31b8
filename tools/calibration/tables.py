"""Reads and writes results/published and chips.json."""
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PUBLISHED = ROOT / "results" / "published"
PREDICTIONS = PUBLISHED / "predictions.json"
CHIPS = ROOT / "anemone" / "devices" / "ane_spec" / "chips.json"


def read_published():
    """Name without ".json" → table."""
    paths = sorted(path for path in PUBLISHED.glob("*.json") if path != PREDICTIONS)
    return {path.stem: json.loads(path.read_text()) for path in paths}


def close(left, right):
    """The same text, but for the last digits of numbers: other processors round differently."""
    def same(a, b):
        if isinstance(a, dict) and isinstance(b, dict):
            return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
        if isinstance(a, list) and isinstance(b, list):
            return len(a) == len(b) and all(map(same, a, b))
        if isinstance(a, (int, float)) and isinstance(b, (int, float)):
            return abs(a - b) <= 0.005 * max(abs(a), abs(b))
        return a == b

    return same(json.loads(left), json.loads(right))


class Chips:
    """The table of chips; figures that a chip lacks are those of the one it is carried from."""

    def __init__(self, text):
        self.document = json.loads(text)
        self.by_name = {chip["name"]: chip for chip in self.document["chips"]}

    def figures(self, name, part="engine"):
        """Every figure's value."""
        chip = self.by_name[name]
        parent = chip.get("carried_from")
        values = self.figures(parent, part) if parent else {}
        values.update({key: figure["value"] for key, figure in chip[part].items()})
        return values

    def title(self, name):
        return self.by_name[name]["title"]

    def set(self, name, figure, value, grade, source, part="engine"):
        rounded = float(f"{value:.4g}")
        if rounded == int(rounded):
            rounded = int(rounded)
        self.by_name[name][part][figure] = {"value": rounded, "grade": grade, "source": source}

    def fitted(self, name, figure, value, what, part="engine"):
        self.set(name, figure, value, "fitted", f"tools/calibrate.py: {what}", part)

    def text(self):
        """One figure a line."""
        lines = ["{", f'  "about": {json.dumps(self.document["about"])},', '  "chips": [']
        chips = self.document["chips"]
        for chip in chips:
            lines.append("    {")
            for key, value in chip.items():
                if key not in ("engine", "host"):
                    lines.append(f"      {json.dumps(key)}: {json.dumps(value)},")
            for part, comma in (("engine", ","), ("host", "")):
                lines += self._part_lines(part, chip[part], comma)
            lines.append("    }" if chip is chips[-1] else "    },")
        return "\n".join(lines + ["  ]", "}", ""])

    def _part_lines(self, part, figures, comma):
        if not figures:
            return [f'      "{part}": {{}}{comma}']
        order = list(self.by_name["m4-max"][part])  # it has every figure
        rows = [f'        "{key}": {json.dumps(figures[key])}' for key in order if key in figures]
        return [f'      "{part}": {{', ",\n".join(rows), f"      }}{comma}"]
