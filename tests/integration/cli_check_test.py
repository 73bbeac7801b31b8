#!/usr/bin/env python3
"""check: what the Neural Engine would refuse, where, and predictions that say what they are."""
import json
import re
import unittest

from cli_testing import ROOT, CliTest

PROGRAMS = ROOT / "tests" / "programs"
ERRORS = ROOT / "tests" / "errors" / "ane"
BROUGHT = PROGRAMS / "ane" / "brought_along.mil"
FINE = PROGRAMS / "attention" / "causal_fp16.mil"
# An operation that nobody knows, one that breaks its rule, and open sizes between them.
MIXED = """program(1.3)
{
    func main<ios18>(tensor<fp16, [1, ?, 1, 64]> x) {
        tensor<fp16, [1, ?, 1, 64]> a = frobnicate(x = x);
        tensor<fp16, [1, ?, 1, 64]> b = clip(x = a, alpha = fp16(1), beta = fp16(0));
        tensor<fp16, [1, ?, 1, 64]> c = gelu(x = b);
    } -> (c);
}
"""


class Check(CliTest):
    def check(self, *arguments):
        """(exit status, standard output) of a run without a word on standard error."""
        status, out, err = self.run_cli("check", *arguments)
        self.assertEqual(err, "", arguments)
        return status, out

    def test_a_program_that_people_bring(self):
        status, out = self.check(BROUGHT, "--chip", "m4-max")
        self.assertEqual(status, 1)
        for rule in ("ane.c3  silently wrong", "ane.c10  compile refused",
                     "ane.c7  compile refused", "ane.c11  compile refused"):
            self.assertIn(rule, out)
        self.assertIn("Apple M4 Max, macOS 26: compile refused, 4 rules stop it", out)
        self.assertIn("24:51", out)
        self.assertIn("softmax over 257 elements", out)
        self.assertIn("simulated", out)
        self.assertLessEqual(max(map(len, out.splitlines()[1:])), 100)

    def test_a_program_that_nothing_stops(self):
        status, out = self.check(FINE, "--chip", "m5")
        self.assertEqual(status, 0)
        self.assertIn("no known rule stops it", out)
        self.assertIn("simulated", out)

    def test_every_error_program_is_found_where_it_says(self):
        programs = sorted(ERRORS.glob("*.mil"))
        self.assertTrue(programs)
        for program in programs:
            first = program.read_text().splitlines()[0]
            place, rule, chip = re.match(r"// expect: (\S+) (\S+) (\S+)$", first).groups()
            status, out = self.check(program, "--chip", chip, "--json")
            report = json.loads(out)
            finding, = report["findings"]
            self.assertEqual((finding["rule"], finding["where"]), (rule, place), program)
            self.assertEqual(status, 1 if finding["stops"] else 0, program)
            self.assertEqual(finding["stops"], finding["effect"] != "slow", program)

    def test_json_says_that_it_is_simulated(self):
        status, out = self.check(BROUGHT, "--chip", "m1", "--json")
        report = json.loads(out)
        self.assertEqual((status, report["simulated"], report["chip"], report["verdict"]),
                         (1, True, "m1", "compile refused"))
        prediction = report["prediction"]
        for key in ("latency_us", "energy_mj", "compile_ms", "memory_bytes", "flops"):
            self.assertGreater(prediction[key], 0, key)
        times = [op["us"] for op in prediction["costliest"]]
        self.assertEqual(times, sorted(times, reverse=True))
        self.assertEqual(len(times), 8)
        self.assertEqual(prediction["costliest"][0]["name"], "logits")

    def test_all_chips_in_one_line_each(self):
        status, out = self.check(ERRORS / "ane_c42.mil", "--all-chips")
        self.assertEqual(status, 1)
        lines = {line.split()[0]: line for line in out.splitlines()[3:]}
        self.assertIn("silently wrong", lines["m2"])
        self.assertTrue(lines["m2"].endswith(" c42"))
        self.assertIn(" ok ", lines["m4-max"])
        self.assertIn("simulated", out)
        status, out = self.check(FINE, "--all-chips", "--json")
        report = json.loads(out)
        self.assertTrue(report["simulated"])
        self.assertEqual({chip["chip"] for chip in report["chips"]}, set(lines))

    def test_fp32_programs_are_predicted_in_fp16(self):
        status, out = self.check(PROGRAMS / "norm" / "layer_norm.mil", "--chip", "m4")
        self.assertEqual(status, 1)
        self.assertIn("ane.c59", out)
        self.assertIn("ane.c60", out)
        self.assertIn("as if it ran, in fp16", out)

    def test_composite_operations_are_taken_apart(self):
        program = self.path("norm.mil", """program(1.3)
{
    func main<ios18>(tensor<fp16, [1, 64, 1, 16]> x, tensor<fp16, [64]> w) {
        tensor<fp16, [1, 64, 1, 16]> y = anemone.rms_norm(x = x, weight = w);
    } -> (y);
}
""")
        status, out = self.check(program, "--chip", "m4-max")
        self.assertEqual(status, 0, out)
        self.assertNotIn("anemone.rms_norm", out)
        self.assertIn("reduce_", out)

    def test_bad_input(self):
        self.refused("check", FINE, says="--chip")
        self.refused("check", FINE, "--chip", "m9", says=["m9", "m4-max"])
        self.refused("check", FINE, "--chip", "m4", "--all-chips", says="--all-chips")
        self.refused("check", FINE, "--chip", "m4", "--function", "other", says="other")
        self.refused("check", "absent.mil", "--chip", "m4", says="absent.mil")

    def test_what_is_not_valid_is_a_finding_and_the_rest_is_checked(self):
        status, out = self.check(ROOT / "tests" / "errors" / "clip_bounds.mil", "--chip", "m4")
        self.assertEqual(status, 1)
        self.assertIn("clip_bounds.mil:5:34: clip.c1", out)
        self.assertIn(": invalid, 1 operation or size set aside", out)
        self.assertNotIn("no known rule stops it", out)
        self.assertIn("Predicted as if it ran", out)
        program = self.path("mixed.mil", MIXED)
        status, out = self.check(program, "--chip", "m4-max")
        self.assertEqual(status, 1)
        for text in (":3:50: input 'x' has open sizes", "--shape x=1,64", ":4:41: unknown operation",
                     "frobnicate", ":5:41: ", "ane.c8", "invalid, 3 operations or sizes set aside, 1 rule stops it"):
            self.assertIn(text, out)
        status, out = self.check(program, "--chip", "m4-max", "--json", "--shape", "x=1,8,1,64")
        report = json.loads(out)
        self.assertEqual([found["where"] for found in report["invalid"]], ["4:41", "5:41"])
        self.assertEqual(report["verdict"], "invalid")
        self.assertGreater(report["prediction"]["latency_us"], 0)


if __name__ == "__main__":
    unittest.main()
