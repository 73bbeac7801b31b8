#!/usr/bin/env python3
"""Benchmarks on the command line: results, resuming, comparing, and what is refused."""
import json
import unittest

from cli_testing import CliTest

SIMULATED = ("--device", "sim:m4-max", "--values", "off", "--quiet")


class Bench(CliTest):
    def test_json_has_the_columns_of_the_published_tables(self):
        peak = json.loads(self.ok("bench", "peak", *SIMULATED, "--json"))
        self.assertEqual((peak["device"], peak["simulated"]), ("sim:m4-max", True))
        self.assertIn("cpu", peak["machine"])
        for field in ("depth", "channels", "spatial", "weight_mb", "gflop", "ms", "tflops"):
            self.assertTrue(all(row[field] > 0 for row in peak["rows"]), field)
        sram = json.loads(self.ok("bench", "sram", "--fine", *SIMULATED, "--json"))
        self.assertEqual(len(sram["rows"]), 13)
        self.assertAlmostEqual(sram["rows"][0]["weight_mb"], 0.125)

    def test_a_step_says_its_share_of_the_peak(self):
        out = self.ok("bench", "step", "--model", "stories260k", "--seq", "32", "--rounds", "3",
                      "--quiet", "--json", "--trace", "trace.json")
        row = json.loads(out)["rows"][0]
        self.assertEqual(json.loads(out)["ms"], row["ms"])
        for field in ("ms", "p10", "p90", "gflops", "peak_gflops", "peak_share", "threads"):
            self.assertGreater(row[field], 0, field)
        self.assertEqual(row["dtype"], "fp32")
        self.assertGreater(row["components"]["gemm forward"], 0)
        events = json.loads((self.dir / "trace.json").read_text())["traceEvents"]
        self.assertTrue(any("causal_attention" in event["name"] for event in events))

    def test_micro_steps_of_an_update_are_one_sample(self):
        out = self.ok("bench", "step", "--model", "stories260k", "--seq", "32", "--rounds", "3",
                      "--accum", "2", "--quiet", "--json")
        row = json.loads(out)["rows"][0]
        self.assertEqual((row["accum"], row["n"]), (2, 3))

    def test_weights_in_fewer_bits_are_fewer_bytes_of_a_token(self):
        rows = [json.loads(self.ok("bench", "decode", "--model", "stories260k", "--rounds", "3",
                                   "--dtype", dtype, "--quiet", "--json"))["rows"][0]
                for dtype in ("fp32", "bf16", "int8", "int4")]
        self.assertEqual([row["dtype"] for row in rows], ["fp32", "bf16", "int8", "int4"])
        self.assertEqual(rows[0]["bytes_per_token"], 2 * rows[1]["bytes_per_token"])
        self.assertEqual(rows[0]["bytes_per_token"], 4 * rows[2]["bytes_per_token"])
        # Groups of 32 with a scale of two bytes.
        self.assertAlmostEqual(rows[0]["bytes_per_token"], 32 / 4.5 * rows[3]["bytes_per_token"])
        for row in rows:
            self.assertGreater(row["components"]["gemm forward"], 0)

    def test_a_prompt_at_once_is_measured_for_every_type_of_weights(self):
        for dtype in ("fp32", "bf16", "int8", "int4"):
            out = self.ok("bench", "prefill", "--model", "stories260k", "--seq", "32", "--rounds",
                          "3", "--dtype", dtype, "--quiet", "--json")
            row = json.loads(out)["rows"][0]
            self.assertEqual((row["dtype"], row["tokens"], row["n"]), (dtype, 32, 3))
            self.assertGreater(row["components"]["gemm forward"], 0)

    def test_all_goes_on_where_it_stopped(self):
        chosen = ("--only", "dispatch", "--only", "inmem")
        self.ok("bench", "all", *SIMULATED, *chosen, "--out", "results")
        first = (self.dir / "results" / "inmem.json").read_bytes()
        (self.dir / "results" / "dispatch.json").unlink()
        said = self.ok("bench", "all", *SIMULATED, *chosen, "--out", "results")
        self.assertIn("1 of them from before", said)
        self.assertEqual((self.dir / "results" / "inmem.json").read_bytes(), first)
        self.refused("bench", "all", "--device", "cpu", "--only", "inmem", "--out", "results",
                     says="it holds inmem of sim:m4-max")

    def test_a_simulated_device_computes_nothing_unless_it_is_told_to(self):
        tiny = ("--model", "stories260k", "--seq", 32, "--steps", 1, "--accum", 1, "--pipeline", "dynamic")
        for benchmark, flags in (("inmem", ()), ("dispatch", ()), ("int8", ()), ("peak", ()),
                                 ("sram", ("--fine",)), ("train", tiny)):
            command = ("bench", benchmark, *flags, "--device", "sim:m4-max", "--quiet")
            self.assertIn("values off: times only", self.ok(*command).splitlines()[0])
            result = json.loads(self.ok(*command, "--json"))
            self.assertEqual(result["settings"]["values"], "off", benchmark)
            if benchmark in ("dispatch", "train"):
                computed = json.loads(self.ok(*command, "--values", "on", "--json"))
                self.assertEqual(computed["settings"]["values"], "on")
                self.assertEqual([row.get("ms") for row in computed["rows"]],
                                 [row.get("ms") for row in result["rows"]])
                self.assertNotIn("values off", self.ok(*command, "--values", "on"))
        on_cpu = json.loads(self.ok("bench", "dispatch", "--rounds", 3, "--quiet", "--json"))
        self.assertNotIn("values", on_cpu["settings"])
        self.refused("bench", "dispatch", "--values", "off", says="--values")

    def test_all_of_a_simulated_device_computes_nothing_either(self):
        into = ("--device", "sim:m4-max", "--quiet", "--only", "dispatch", "--out", "results")
        self.ok("bench", "all", *into)
        result = json.loads((self.dir / "results" / "dispatch.json").read_text())
        self.assertEqual(result["settings"]["values"], "off")
        self.refused("bench", "all", *into, "--values", "on", says=["--values off", "--fresh"])
        self.assertIn("--values off", self.ok("report", "results/dispatch.json"))

    def test_compare_ends_with_1_where_something_got_slower(self):
        self.ok("bench", "inmem", *SIMULATED, "--out", "a.json")
        slower = json.loads((self.dir / "a.json").read_text())
        slower["rows"][2]["ms"] *= 1.5
        (self.dir / "b.json").write_text(json.dumps(slower))
        self.assertIn("0 of 6", self.ok("bench", "compare", "a.json", "a.json"))
        status, out, err = self.run_cli("bench", "compare", "a.json", "b.json")
        self.assertEqual(status, 1, err)
        self.assertIn("WORSE", out)

    def test_bad_input_is_one_line(self):
        self.ok("bench", "inmem", *SIMULATED, "--out", "a.json")
        text = (self.dir / "a.json").read_text()
        for name, content, message in (
            ("empty.json", "", "the file is empty"),
            ("cut.json", text[:100], "is not JSON"),
            ("other.json", text.replace('"version": 1', '"version": 9'), "version 9"),
        ):
            (self.dir / name).write_text(content)
            self.refused("bench", "compare", "a.json", name, says=message)
        self.refused("bench", "peak", "--device", "sim:m99", says="it is none that we know")
        self.refused("bench", "peak", "--device", "gpu", says="there is no such device")
        self.refused("bench", "inmem", *SIMULATED, "--out", "no/a.json",
                     says="there is no such folder")


if __name__ == "__main__":
    unittest.main()
