#!/usr/bin/env python3
"""Names of verbs and flags: those of other programs, misspelled ones, and where help is."""
import json
import re
import unittest

from cli_testing import ROOT, CliTest, write_model, write_shard, write_tokenizer

DOCUMENT = ROOT / "docs" / "command-line.md"


def documented_aliases():
    """(verb, flag, other name) of the table in docs/command-line.md."""
    for verbs, flag, others in re.findall(r"(?m)^\| ([a-z, ]+) \| `(--[a-z0-9-]+)` \| (.+) \|$",
                                          DOCUMENT.read_text()):
        for other in re.findall(r"`(--?[a-z0-9-]+)`", others):
            yield verbs.split(",")[0].split(), flag, other


WITHOUT_VALUE = {"--recompute"}


class OtherNames(CliTest):
    def test_every_documented_name_is_that_flag(self):
        aliases = list(documented_aliases())
        self.assertGreater(len(aliases), 60)
        for verb, flag, other in aliases:
            for name in {other, other[:2] + other[2:].replace("-", "_")}:
                # Without a value the error names the flag that was meant; some take none.
                if flag in WITHOUT_VALUE:
                    self.assertNotIn("no such flag", self.run_cli(*verb, name)[2])
                else:
                    self.refused(*verb, name, says=f"{flag}: ")

    def test_the_names_in_the_program_are_documented(self):
        source = (ROOT / "cli" / "flag_aliases.cpp").read_text()
        known = set(re.findall(r'\{"(--?[a-z0-9-]+)", "--', source))
        self.assertEqual(known - {other for _, _, other in documented_aliases()}, set())

    def test_a_training_run_as_other_programs_start_it(self):
        write_model(self.dir / "model")
        write_shard(self.dir / "data.bin", 500)
        result = self.ok_json(
            *"train --model_path model --train-data data.bin --val_data data.bin --output_dir run "
            "--max_steps=3 --batch-size 2 --max-seq-len 8 --gradient_accumulation_steps 2 "
            "--learning_rate 1e-3 --warmup-steps 1 --max-grad-norm 1 --wd 0.1 --adam-beta2 0.99 "
            "--random-seed 3 --num-threads 1 --quiet".split())
        self.assertEqual((result["step"], result["tokens"], result["out"]), (3, 3 * 2 * 2 * 8, "run"))

    def test_text_as_other_programs_ask_for_it(self):
        write_model(self.dir / "model")
        write_tokenizer(self.dir / "tok.bin")
        base = ("--model", "model", "--tokenizer", "tok.bin", "--json")
        wanted = json.loads(self.ok("generate", *base, "--prompt", "ab", "--tokens", 3,
                                    "--temperature", 0))
        for line in ("-p ab -n 3 --temp 0", "--prompt ab --max_new_tokens 3 --temperature 0",
                     "--prompt=ab --n-predict=3 --temp=0", "--top_k 0 -p ab --max-tokens 3 --temp 0"):
            got = json.loads(self.ok("generate", *base, *line.split()))
            self.assertEqual((got["ids"], got["text"]), (wanted["ids"], wanted["text"]), line)

    def test_values_that_look_like_other_names_stay_values(self):
        write_model(self.dir / "model")
        write_tokenizer(self.dir / "tok.bin")
        for prompt in ("--batch-size", "-n", "--max_new_tokens", "help", "--temp=3", "--"):
            result = self.ok_json("generate", "--model", "model", "--tokenizer", "tok.bin", "-n", 0,
                                  "--prompt", prompt)
            self.assertEqual(result["text"], prompt)

    def test_the_same_flag_by_two_names_is_given_twice(self):
        self.refused("train", "--batch", 1, "--batch-size", 2, says="--batch")

    def test_help_does_not_list_them(self):
        for verb in ("train", "generate", "eval"):
            self.assertNotIn("--batch-size", self.ok(verb, "--help"))
        self.assertIn("docs/command-line.md", self.ok("--help"))

    def test_verbs(self):
        for other, verb in (("evaluate", "eval"), ("sample", "generate"), ("fine-tune", "finetune"),
                            ("benchmark", "bench")):
            self.assertEqual(self.ok(other, "--help"), self.ok(verb, "--help"))


class Misspelled(CliTest):
    def test_flags(self):
        for verb, wrong, right in ((["train"], "--modle", "--model"), (["train"], "--step", "--steps"),
                                   (["train"], "--learning-rat", "--learning-rate"),
                                   (["generate"], "-prompt", "--prompt"),
                                   (["generate"], "--temprature=1", "--temperature"),
                                   (["data", "info"], "--vocb", "--vocab"),
                                   (["bench", "peak"], "--divice", "--device")):
            self.refused(*verb, wrong, says=[wrong, f"did you mean '{right}'?",
                                             f"see anemone {' '.join(verb)} --help"])
        self.assertNotIn("did you mean", self.refused("train", "--xyzzy", says="train --help"))

    def test_verbs(self):
        for line, right in ((["trian"], "train"), (["genrate", "--model", "x"], "generate"),
                            (["data", "tokenise"], "tokenize"), (["bench", "peek"], "peak"),
                            (["help", "trian"], "train"), (["gen"], "generate"), (["conv"], "convert"),
                            (["trian", "--help"], "train")):
            self.refused(*line, says=f"did you mean '{right}'?")
        self.refused("data", "tokenise", says="see anemone data --help")
        self.refused("", says="''")
        self.refused("train", "", says="''")

    def test_flags_before_the_verb(self):
        self.refused("--model", "x", "train", says=["--model", "behind the verb"])

    def test_a_verb_that_is_missing_is_listed(self):
        self.refused(says=["train", "generate", "see anemone --help"])
        self.refused("bench", says=["peak", "compare", "see anemone bench --help"])

    def test_errors_of_a_verb_name_its_help(self):
        for line in (["train", "--lr", "x"], ["eval"], ["data", "info"], ["train", "--schedule", "x"]):
            verb = " ".join(word for word in line[:2] if word.isalpha())
            self.refused(*line, says=f"see anemone {verb} --help")


class Help(CliTest):
    def test_help_is_a_verb_too(self):
        self.assertEqual(self.ok("help"), self.ok("--help"))
        self.assertEqual(self.ok("help", "train"), self.ok("train", "--help"))
        self.assertEqual(self.ok("help", "data", "tokenize"), self.ok("data", "tokenize", "--help"))
        self.assertEqual(self.ok("version"), self.ok("--version"))


if __name__ == "__main__":
    unittest.main()
