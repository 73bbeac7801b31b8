#!/usr/bin/env python3
"""Reports: one page, Markdown and text of the same results, and what is refused."""
import json
import unittest
from html.parser import HTMLParser

from cli_testing import ROOT, CliTest

# One of each kind: each fit takes its time under sanitizers.
PUBLISHED = [ROOT / "results" / "published" / f"m4-max-{name}-quiet.json"
             for name in ("peak", "sram-probe", "training")]


class Page(HTMLParser):
    """Counts elements, and holds that all of them are closed."""

    OPEN = {"meta", "br", "hr", "img", "link", "input"}

    def __init__(self, text):
        super().__init__()
        self.counts, self.stack, self.text = {}, [], []
        self.feed(text)
        assert not self.stack, self.stack

    def handle_starttag(self, tag, attributes):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if tag not in self.OPEN:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, tag

    def handle_data(self, data):
        self.text.append(data)


class Report(CliTest):
    def measure(self, *arguments, out):
        self.ok("bench", *arguments, "--device", "sim:m4-max", "--values", "off", "--out", out)
        return json.loads((self.dir / out).read_text())["rows"]

    def test_a_page_of_simulated_and_published_results(self):
        rows = self.measure("sram", out="sram.json") + self.measure("peak", out="peak.json")
        self.measure("train", "--steps", 1, "--accum", 2, out="train.json")
        self.ok("train", "--model", "stories110m", "--init", "scratch", "--device", "sim:m4-max",
                "--values", "off", "--steps", 1, "--accum", 3, "--trace", "run.trace", "--report")
        self.ok("report", "sram.json", "peak.json", "train.json", *PUBLISHED, "--trace", "run.trace",
                "-o", "report.html")
        text = (self.dir / "report.html").read_text()
        page = Page(text)
        words = " ".join(page.text)
        for row in rows:
            self.assertIn(f"{row['ms']:.4g}", words)
        self.assertGreaterEqual(page.counts["figure"], 6)
        self.assertGreaterEqual(page.counts["table"], 8)
        self.assertIn("simulated", words)
        self.assertIn("published", words)
        self.assertNotIn("script", page.counts)
        self.assertNotIn(str(self.dir), text)

    def test_without_gnuplot_the_page_says_what_to_install(self):
        self.measure("peak", out="peak.json")
        self.ok("report", "peak.json", "-o", "report.html", "--gnuplot", "/nowhere/gnuplot")
        text = (self.dir / "report.html").read_text()
        self.assertEqual(text.count("<figure>"), text.count("gnuplot-nox"))
        self.assertNotIn("<svg", text)

    def test_all_formats_have_the_same_sections(self):
        self.measure("dispatch", out="dispatch.json")
        text = self.ok("report", "dispatch.json")
        markdown = self.ok("report", "dispatch.json", "--markdown")
        self.ok("report", "dispatch.json", "-o", "report.md")
        # But for the command that made it.
        self.assertEqual((self.dir / "report.md").read_text().splitlines()[:-2],
                         markdown.splitlines()[:-2])
        titles = [line[3:] for line in text.splitlines() if line.startswith("== ")]
        self.assertEqual(titles, ["Runs", "Figures", "dispatch", "How to make it again"])
        self.assertEqual([line[3:] for line in markdown.splitlines() if line.startswith("## ")],
                         titles)

    def test_the_commands_make_the_same_results_again(self):
        base = ("--model", "stories260k", "--rounds", "3", "--dtype", "bf16", "--quiet", "--out")
        self.ok("bench", "step", "--seq", "32", "--accum", "2", *base, "step.json")
        self.ok("bench", "decode", *base, "decode.json")
        said = " ".join(self.ok("report", "step.json", "decode.json").split())
        for part in ("bench step", "--seq 32", "--accum 2", "--dtype bf16", "bench decode"):
            self.assertIn(part, said)

    def test_bad_input_is_one_clear_line(self):
        self.measure("dispatch", out="dispatch.json")
        self.refused("report", "dispatch.json", "-o", "nowhere/report.html",
                     says=["nowhere/report.html", "no such folder"])
        self.refused("report", "dispatch.json", "-o", "report.pdf", says=["report.pdf", ".html"])
        self.refused("report", "missing.json", says="missing.json")
        self.path("other.json", "{}")
        self.refused("report", "other.json", says=["other.json", "no result"])
        self.refused("report", "dispatch.json", "--trace", "other.json", says=["other.json", "no trace"])
        empty = json.loads((self.dir / "dispatch.json").read_text())
        empty["rows"] = []
        self.path("empty.json", json.dumps(empty))
        self.refused("report", "empty.json", says="nothing to report")
        self.refused("report", says="results")


if __name__ == "__main__":
    unittest.main()
