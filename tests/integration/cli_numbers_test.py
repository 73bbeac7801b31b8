#!/usr/bin/env python3
"""Numbers on the command line: decimal, finite, and the same for every flag of every verb."""
import re
import unittest

from cli_testing import CliTest, write_model, write_shard

# What C reads as a number and a person does not, or not as the same one.
NO_NUMBERS = ("nan", "NaN", "-nan", "inf", "-inf", "infinity", "1e400", "0x10", "0b11", "0o17", "0x1p3",
              "1'000", "1_000", "1,000", " 5", "5 ", "+5", "5k", "1e", "e3", "1e+", "1e+-3", ".", "-", "--",
              "", "१", "1.2.3", "5\n")
NO_WHOLE_NUMBERS = NO_NUMBERS + ("1.5", "1e-1", "0.1e0", "1e30", "99999999999999999999999")


class Numbers(CliTest):
    def verbs(self, *above):
        """Every verb that has flags, from the help."""
        help_text = self.ok(*above, "--help")
        if "Subcommands:" not in help_text:
            return [above]
        names = re.findall(r"(?m)^  ([a-z0-9-]+) ", help_text.split("Subcommands:")[1])
        return [verb for name in names for verb in self.verbs(*above, name)]

    def numeric_flags(self):
        """(verb, flag, type) of every flag whose help says that it takes a number."""
        for verb in self.verbs():
            for flag, kind in re.findall(r"(?m)^  (?:-\w,)?(--[a-z0-9-]+) (U?INT|FLOAT)\b",
                                         self.ok(*verb, "--help")):
                yield verb, flag, kind

    def test_every_numeric_flag_of_every_verb_refuses_what_is_no_decimal_number(self):
        flags = list(self.numeric_flags())
        self.assertGreater(len(flags), 50)
        self.assertEqual({kind for _, _, kind in flags}, {"INT", "UINT", "FLOAT"})
        for index, (verb, flag, kind) in enumerate(flags):
            words = NO_NUMBERS if kind == "FLOAT" else NO_WHOLE_NUMBERS
            # All words for all flags are a thousand runs: each flag gets the worst and some of the rest.
            for word in {"nan", "0x10", "", *words[index % 5::5]}:
                self.refused(*verb, f"{flag}={word}" if word else flag, *([] if word else [""]),
                             says=[flag + ":", "number", " ".join(verb) + " --help"])

    def steps(self, text):
        return self.ok_json("train", "--model", "model", "--data", "data.bin", "--seq", 8, "--quiet",
                            "--out", f"run{text}", "--steps", text)["step"]

    def test_leading_zeros_are_no_octal(self):
        write_model(self.dir / "model")
        write_shard(self.dir / "data.bin", 500)
        self.assertEqual(self.steps("010"), 10)
        self.assertEqual(self.steps("08"), 8)

    def test_a_whole_number_may_have_a_point_or_an_exponent(self):
        write_model(self.dir / "model")
        write_shard(self.dir / "data.bin", 500)
        for text, steps in {"1e1": 10, "0.5E+1": 5, "30e-1": 3, "4.0": 4, "0e9": 0}.items():
            self.assertEqual(self.steps(text), steps, text)

    def test_an_empty_value_behind_an_equals_sign_takes_no_other_argument(self):
        self.refused("train", "--steps=", "7", says="7: no such argument")
        self.refused("train", "--steps=", says="--steps: ''")

    def test_what_fits_64_bits_and_not_the_flag_is_out_of_its_range(self):
        for value in ("3000000000", "-3000000000", "5e9"):
            self.refused("train", "--threads", value, says=["--threads = ", "no value that it takes"])

    def test_values_that_are_missing_or_given_twice(self):
        self.refused("train", "--lr", says="--lr: its value is missing")
        self.refused("train", "--lr", 1, "--lr", 2, says="--lr: it is given more than once")

    def test_a_tolerance_of_nan_does_not_make_everything_equal(self):
        self.ok("bench", "inmem", "--device", "sim:m4-max", "--quiet", "--out", "a.json")
        self.refused("bench", "compare", "a.json", "a.json", "--tolerance", "nan", says="--tolerance")


if __name__ == "__main__":
    unittest.main()
