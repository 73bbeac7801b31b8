#!/usr/bin/env python3
"""Flags: the ones of the contract are there, wrong ones are refused in one line."""
import unittest

from cli_testing import CliTest, write_model, write_shard, write_tokenizer

VERBS = {
    ("train",): "--model --init --data --val --tokenizer --out --resume --steps --batch --seq "
                "--accum --lr --min-lr --warmup --schedule --beta1 --beta2 --eps --weight-decay "
                "--clip --order --seed --device --threads --save-every --eval-every --json --quiet",
    ("generate",): "--model --tokenizer --prompt --tokens --temperature --top-k --top-p --seed "
                   "--dtype --draft-model --draft-dtype --num-draft-tokens --json",
    ("eval",): "--model --data --seq --windows --json",
    ("data",): "",
    ("data", "tokenize"): "--tokenizer -o",
    ("data", "train-tokenizer"): "--vocab -o",
    ("data", "stories"): "--count --seed -o",
    ("data", "info"): "--vocab",
    ("convert",): "",
    ("compile",): "--dialect --emit",
    ("run",): "--inputs --outputs --device",
    ("stages",): "--model --batch --seq -o",
    ("devices",): "--json",
}


class Help(CliTest):
    def test_every_verb_explains_every_flag_of_the_contract(self):
        for verb, flags in VERBS.items():
            text = self.ok(*verb, "--help")
            self.assertTrue(text.startswith("Usage:") or "\nUsage: anemone " + " ".join(verb) in text)
            for flag in flags.split():
                self.assertRegex(text, rf"(?m)^  (\S+,)?{flag}[ ,]", f"{verb} {flag}")

    def test_the_program_lists_its_verbs(self):
        text = self.ok("--help")
        for verb in VERBS:
            self.assertIn(verb[0], text)
        self.assertRegex(self.ok("--version"), r"\Aanemone \d+\.\d+\.\d+\n\Z")

    def test_devices_lists_the_cpu(self):
        self.assertIn("cpu", [device["name"] for device in self.ok_json("devices")["devices"]])
        self.assertRegex(self.ok("devices"), r"(?m)^cpu ")


class Accepted(CliTest):
    def test_train_takes_all_flags_at_once(self):
        write_model(self.dir / "model")
        write_shard(self.dir / "data.bin", 500)
        write_tokenizer(self.dir / "tok.bin")
        result = self.ok_json(
            *"train --model model --init scratch --data data.bin --val data.bin --tokenizer tok.bin "
            "--out run --steps 2 --batch 2 --seq 8 --accum 2 --lr 1e-3 --min-lr 1e-4 --warmup 1 "
            "--schedule cosine --beta1 0.8 --beta2 0.99 --eps 1e-6 --weight-decay 0.01 --clip 0 "
            "--order sequential --seed 7 --device cpu --threads 2 --save-every 1 --eval-every 1 "
            "--quiet".split())
        self.assertEqual((result["step"], result["tokens"]), (2, 2 * 2 * 2 * 8))

    def test_generate_and_eval_take_all_flags_at_once(self):
        write_model(self.dir / "model")
        write_shard(self.dir / "data.bin", 500)
        write_tokenizer(self.dir / "tok.bin")
        self.ok(*"generate --model model --tokenizer tok.bin --prompt ab --tokens 3 --temperature 0.5 "
                "--top-k 4 --top-p 0.9 --seed 3 --dtype bf16 --draft-model model --draft-dtype int8 "
                "--num-draft-tokens 2 --device cpu --threads 1 --json".split())
        self.ok(*"eval --model model --data data.bin --seq 8 --windows 2 --device cpu --threads 1 "
                "--json".split())

    def test_prompts_are_text_and_never_flags_or_lists(self):
        write_model(self.dir / "model")
        write_tokenizer(self.dir / "tok.bin")
        for prompt in ("", "-a", "--json", "[a,b]", "'a'", '"a"', "a b", "%", "a=b", "é", "\n", "a,b"):
            result = self.ok_json("generate", "--model", "model", "--tokenizer", "tok.bin",
                                  "--tokens", "0", "--prompt", prompt)
            self.assertEqual(result["text"], prompt)
            self.assertEqual(result["prompt_ids"][0], 1)


class Refused(CliTest):
    def setUp(self):
        super().setUp()
        write_model(self.dir / "model")
        write_shard(self.dir / "data.bin", 500)
        write_tokenizer(self.dir / "tok.bin")
        self.path("text.txt", "one\n<|endoftext|>\ntwo\n")
        self.train = "train --model model --data data.bin --out run --seq 8 --steps 2".split()
        self.generate = "generate --model model --tokenizer tok.bin".split()
        self.eval = "eval --model model --data data.bin --seq 8".split()

    def test_unknown_verbs_and_flags(self):
        self.refused(says="--help")
        self.refused("tarin", says="tarin")
        self.refused("data", says="--help")
        self.refused("data", "tokenise", says="tokenise")
        for verb in VERBS:
            self.refused(*verb, "--bogus", says=" ")
        for line in (self.train, self.generate, self.eval, ["devices"]):
            self.refused(*line, "--bogus", says="--bogus")
            self.refused(*line, "--bogus=3", says="--bogus")
            self.refused(*line, "surplus", says="surplus")

    def test_missing_flags_are_named(self):
        self.refused("train", "--data", "data.bin", "--out", "run", says="--model")
        self.refused("train", "--model", "model", "--out", "run", says="--data")
        self.refused("train", "--model", "model", "--data", "data.bin", says="--out")
        self.refused(*self.train, "--resume", "run", says="--resume")
        self.refused("generate", says="--model")
        self.refused("generate", "--model", "model", says="--tokenizer")
        self.refused("eval", "--data", "data.bin", says="--model")
        self.refused("eval", "--model", "model", says="--data")
        self.refused("data", "tokenize", "text.txt", "-o", "x", says="--tokenizer")
        self.refused("data", "tokenize", "text.txt", "--tokenizer", "tok.bin", says="-o")
        self.refused("data", "stories", "-o", "x", says="--count")
        self.refused("data", "train-tokenizer", "text.txt", "-o", "x", says="--vocab")
        self.refused("data", "info", "data.bin", says="--vocab")
        self.refused("convert", "model", says="out")
        self.refused("compile", says="file")
        self.refused(*self.train, "--lr", says="--lr")

    def test_values_of_the_wrong_kind(self):
        huge = "99999999999999999999999"
        cases = {
            "--steps": ("many", "-1", "1.5", huge, ""), "--batch": ("0", "-1", "x", huge, 2**62),
            "--seq": ("0", "-3", huge, 2**62, 33), "--accum": ("0", huge, 2**62),
            "--lr": ("nan", "inf", "-1", "fast", "1e400"), "--min-lr": ("nan", "-1"),
            "--warmup": ("-1", "x"), "--schedule": ("linear", ""), "--beta1": ("1", "-0.1", "nan"),
            "--beta2": ("1", "2", "x"), "--eps": ("-1", "nan", "inf"),
            "--weight-decay": ("-1", "nan"), "--clip": ("-1", "nan"), "--order": ("shuffled",),
            "--seed": ("x", "-1", huge), "--device": ("gpu", ""), "--threads": ("-1", "x", huge, 2000),
            "--save-every": ("-1", "x"), "--eval-every": ("-1",), "--eval-windows": ("0",),
            "--init": ("zeros",), "--progress": ("loud",),
        }
        for flag, values in cases.items():
            for value in values:
                self.refused(*self.train, flag, value, says=flag)

    def test_values_of_the_wrong_kind_in_other_verbs(self):
        for flag, values in {"--tokens": ("-1", "x", 10**6), "--temperature": ("-1", "nan", "inf"),
                             "--top-k": ("-1", 2**40), "--top-p": ("0", "1.5", "nan"),
                             "--seed": ("-1",), "--threads": ("-1",), "--device": ("gpu",)}.items():
            for value in values:
                self.refused(*self.generate, flag, value, says=flag)
        for flag, values in {"--seq": ("0", "-1", 33, "x"), "--windows": ("-1", 10**6),
                             "--threads": ("-1", 5000)}.items():
            for value in values:
                self.refused(*self.eval, flag, value, says=flag)
        for batch in ("0", "-1", 2**62):
            self.refused("stages", "--model", "demo", "-o", "x", "--batch", batch, says="--batch")
        for count in ("0", "-1", "x", 2**40):
            self.refused("data", "stories", "-o", "x", "--count", count, says="--count")
            self.refused("data", "train-tokenizer", "text.txt", "-o", "x", "--vocab", count,
                         says="--vocab")
            self.refused("data", "info", "data.bin", "--vocab", count, says="--vocab")
        self.refused("compile", "x.mil", "--dialect", "D", says="--dialect")
        self.refused("compile", "x.mil", "--emit", "llvm", says="--emit")

    def test_messages_stay_one_line_whatever_names_hold(self):
        self.refused("eval", "--model", "a\nb\tc", "--data", "data.bin", says="a")
        self.refused("eval", "--model", "m" * 5000, "--data", "data.bin")
        self.refused("compile", "no\nfile")


if __name__ == "__main__":
    unittest.main()
