#!/usr/bin/env python3
"""From stories to a model and back through every file format; real data against the oracle."""
import json
import re
import struct
import sys
import unittest

from cli_testing import (ROOT, TINY, CliTest, read_safetensors, shared_data, write_model, write_shard,
                         write_tokenizer)

# Its config.json is all of a model that somebody brings along.
CONFIG = dict(TINY, vocab_size=400, max_position_embeddings=64)


def oracle():
    """tests/golden/llama_oracle.py; the test is skipped without NumPy."""
    try:
        import numpy
    except ImportError:
        raise unittest.SkipTest("NumPy is absent") from None
    sys.path.insert(0, str(ROOT / "tests" / "golden"))
    import llama_oracle
    return numpy, llama_oracle


class EndToEnd(CliTest):
    def test_from_stories_to_a_model_that_tells_one(self):
        self.ok(*"data stories --count 60 --seed 5 -o text.txt".split())
        self.ok(*"data train-tokenizer text.txt --vocab 400 -o words.model".split())
        made = self.ok_json(*"data tokenize text.txt --tokenizer words.model -o data.bin".split())
        self.assertEqual(made["stories"], 60)
        self.assertEqual(made["tokens"] * 2, (self.dir / "data.bin").stat().st_size)
        info = self.ok_json(*"data info data.bin --vocab 400".split())
        self.assertEqual((info["tokens"], info["documents"]), (made["tokens"], 60))

        self.path("config/config.json", json.dumps(CONFIG))
        trained = self.ok_json(
            *"train --model config --init scratch --data data.bin --val data.bin --tokenizer words.model "
            "--out run --steps 30 --batch 4 --seq 32 --lr 1e-2 --eval-every 10 --save-every 10".split())
        self.assertLessEqual({"loss", "grad_norm", "lr", "tokens", "tokens_per_s", "val_loss"},
                             set(trained))
        lines = [json.loads(line) for line in (self.dir / "run/metrics.jsonl").read_text().splitlines()]
        self.assertEqual([line["step"] for line in lines], list(range(1, 31)))
        self.assertLess(lines[-1]["loss"], lines[0]["loss"] - 0.5)

        evaluated = self.ok_json(*"eval --model run --data data.bin --seq 32 --windows 32".split())
        self.assertEqual((evaluated["windows"], evaluated["tokens"]), (32, 1024))
        self.assertAlmostEqual(evaluated["loss"], trained["val_loss"], delta=1e-6)
        self.check_generating("run")
        self.check_conversions(evaluated["loss"])

    def check_generating(self, model):
        base = ("generate", "--model", model, "--prompt", "Once upon a time", "--tokens", 20)
        for flags in (["--temperature", 0], ["--temperature", 0.8, "--top-p", 0.9, "--seed", 3]):
            first, second = (self.ok_json(*base, *flags) for _ in range(2))
            self.assertEqual(set(first), {"prompt_ids", "prompt_ms", "ids", "text", "tokens_per_s",
                                          "drafted", "accepted"})
            self.assertEqual(first["ids"], second["ids"])
            self.assertTrue(first["text"].startswith("Once upon a time"))
            self.assertEqual(first["prompt_ids"][0], 1)
            self.assertLessEqual(len(first["ids"]), 20)
            # Whoever drafts, the text is the model's own.
            for draft in (["--draft-dtype", "int8"], ["--draft-model", model, "--num-draft-tokens", 7]):
                drafted = self.ok_json(*base, *flags, *draft)
                self.assertEqual(drafted["ids"], first["ids"])
                self.assertGreater(drafted["accepted"], 0)
                self.assertLessEqual(drafted["accepted"], drafted["drafted"])
        # 8 bits of every weight seldom change which token is the most probable.
        greedy, *narrow = (self.ok_json(*base, "--temperature", 0, "--dtype", dtype)["ids"]
                           for dtype in ("fp32", "bf16", "int8"))
        for ids in narrow:
            self.assertEqual(greedy[:5], ids[:5])
        others = [self.ok_json(*base, "--seed", seed)["ids"] for seed in (1, 2)]
        self.assertNotEqual(*others)
        self.assertTrue(self.ok(*base).startswith("Once upon a time"))

    def check_conversions(self, loss):
        self.ok("convert", "run", "model.bin")
        self.ok("convert", "model.bin", "back")
        checkpoint = self.dir / "run" / (self.dir / "run/latest").read_text().strip()
        self.assertEqual(read_safetensors(self.dir / "back/model.safetensors"),
                         read_safetensors(checkpoint / "model.safetensors"))
        for model in ("model.bin", "back"):
            evaluated = self.ok_json("eval", "--model", model, "--data", "data.bin", "--seq", 32,
                                     "--windows", 32)
            self.assertEqual(evaluated["loss"], loss)
        base = "train --data data.bin --seq 32 --steps 2 --quiet".split()
        losses = [self.ok_json(*base, "--model", model, "--out", f"from-{index}")["loss"]
                  for index, model in enumerate(("model.bin", "back", "run"))]
        self.assertEqual(len(set(losses)), 1)

    def test_a_model_larger_than_caches_drafts_for_itself(self):
        large = dict(TINY, hidden_size=1024, intermediate_size=2048, num_hidden_layers=1)
        self.path("config/config.json", json.dumps(large))
        write_shard(self.dir / "data.bin", 20)
        write_tokenizer(self.dir / "tok.bin")
        self.ok(*"train --model config --init scratch --data data.bin --tokenizer tok.bin --out run "
                "--steps 1 --batch 1 --seq 8".split())
        base = "generate --model run --temperature 1 --tokens 20".split()
        alone, drafted = (self.ok_json(*base, *more) for more in (["--draft-dtype", "none"], []))
        self.assertEqual(alone["drafted"], 0)
        self.assertGreater(drafted["accepted"], 0)
        self.assertEqual(drafted["ids"], alone["ids"])
        self.assertEqual(self.ok_json(*base, "--dtype", "bf16")["drafted"], 0)

    def test_every_verb_takes_every_kind_of_model(self):
        write_model(self.dir / "folder")
        write_shard(self.dir / "data.bin", 500)
        write_tokenizer(self.dir / "tok.bin")
        data = ("--data", "data.bin", "--seq", 8)
        self.ok("train", "--model", "folder", *data, "--steps", 1, "--out", "run")
        self.ok("convert", "run", "file.bin")
        simulated = ("--device", "sim:m4-max", "--batch", 1, "--seq", 8)
        for model in ("folder", "run", "file.bin", "stories260k"):
            preset = model == "stories260k"
            for verb in (("bench", "decode", "--rounds", 3, "--quiet"),
                         ("bench", "step", "--rounds", 3, "--quiet", "--seq", 8),
                         ("bench", "train", "--steps", 1, "--quiet", *simulated),
                         ("bench", "train", "--steps", 1, "--quiet", "--seq", 8, "--values", "on"),
                         ("train", "--values", "off", "--steps", 1, *simulated),
                         ("train", "--steps", 1, *data, "--out", f"trained-{model[:4]}"),
                         ("train", "--init", "scratch", "--steps", 1, *data, "--out",
                          f"new-{model[:4]}"),
                         ("stages", "-o", f"stages-{model[:4]}", "--seq", 8)):
                self.ok(*verb, "--model", model)
            if not preset:
                self.ok("generate", "--model", model, "--tokenizer", "tok.bin", "--tokens", 2)
                self.ok("eval", "--model", model, *data)
                self.ok("convert", model, f"again-{model[:4]}")

    def test_every_verb_says_the_same_of_a_model_that_is_none(self):
        write_shard(self.dir / "data.bin", 500)
        for verb in (("bench", "decode"), ("bench", "step"), ("bench", "train"), ("stages", "-o", "x"),
                     ("train", "--data", "data.bin", "--out", "x"), ("eval", "--data", "data.bin"),
                     ("generate",)):
            self.refused(*verb, "--model", "stories15n", says=["stories15n", "no such file",
                                                               "did you mean 'stories15m'?"])
        self.refused("convert", "stories15n", "x", says="did you mean 'stories15m'?")

    def test_separate_classifiers_survive_conversion(self):
        config = dict(TINY, tie_word_embeddings=False)
        self.path("config/config.json", json.dumps(config))
        self.path("data.bin", struct.pack("<100H", *range(100)))
        self.ok(*"train --model config --init scratch --data data.bin --seq 8 --steps 1 --out run".split())
        self.ok("convert", "run", "a.bin")
        self.ok("convert", "a.bin", "b")
        self.ok("convert", "b", "c.bin")
        self.assertIn("lm_head.weight", read_safetensors(self.dir / "b/model.safetensors"))
        self.assertEqual((self.dir / "a.bin").read_bytes(), (self.dir / "c.bin").read_bytes())

    def test_halves_are_read(self):
        tensors = {}
        for name, (_, shape, content) in read_safetensors(
                write_model(self.dir / "full") / "model.safetensors").items():
            values = struct.unpack(f"<{len(content) // 4}f", content)
            tensors[name] = ("F16", shape, struct.pack(f"<{len(values)}e", *values))
        write_model(self.dir / "half", tensors=tensors)
        self.path("data.bin", struct.pack("<100H", *range(100)))
        losses = [self.ok_json("eval", "--model", model, "--data", "data.bin", "--seq", 16)["loss"]
                  for model in ("full", "half")]
        self.assertAlmostEqual(*losses, delta=0.02)
        self.assertNotEqual(*losses)


class RealData(CliTest):
    """stories260K and its text, from ../shared/data."""

    def test_losses_are_those_of_the_oracle(self):
        model, shard = shared_data("stories260K.bin"), shared_data("tinystories-valid.tok512.u16.bin")
        numpy, llama = oracle()
        config, weights = llama.read_llama2c(model)
        tokens = numpy.fromfile(shard, "<u2").astype(numpy.int64)
        expected = []
        for window in range(4):
            part = tokens[window * 128:window * 128 + 129]
            expected.append(llama.forward_backward(config, weights, part[None, :-1],
                                                   part[None, 1:])[0])
        result = self.ok_json("eval", "--model", model, "--data", shard, "--seq", 128, "--windows", 4)
        self.assertAlmostEqual(result["loss"], sum(expected) / 4, delta=1e-4)

    def test_greedy_ids_are_those_of_the_oracle(self):
        model, tokenizer = shared_data("stories260K.bin"), shared_data("tok512.bin")
        _, llama = oracle()
        config, weights = llama.read_llama2c(model)
        many_tokens = "Lily and Tom went to the park. They saw a big dog. The dog was sad."  # run at once
        for prompt in ("", "Once upon a time", "Lily and Tom", "The dog said: \"Hé!\"", many_tokens):
            result = self.ok_json("generate", "--model", model, "--tokenizer", tokenizer, "--prompt",
                                  prompt, "--tokens", 25, "--temperature", 0)
            self.assertEqual(result["ids"], llama.greedy(config, weights, result["prompt_ids"], 25))

    def test_tokenizing_gives_the_published_shard(self):
        text, shard = shared_data("tinystories-valid-excerpt.txt"), "tinystories-valid.tok512.u16.bin"
        self.ok("data", "tokenize", text, "--tokenizer", shared_data("tok512.bin"), "-o", "x.bin")
        self.assertEqual((self.dir / "x.bin").read_bytes(), shared_data(shard).read_bytes())

    def test_a_text_without_separators_is_split_into_its_stories(self):
        text = shared_data("tinystories-train-excerpt.txt")
        made = self.ok_json("data", "tokenize", text, "--tokenizer", shared_data("tok512.bin"), "-o",
                            "x.bin")
        # Counted in Python: split where a newline has no other one beside it.
        lines = "\n".join(line.rstrip() for line in text.read_text().split("\n"))
        stories = re.split(r"(?<!\n)\n(?!\n)", lines)
        self.assertEqual(made["stories"], sum(bool(story.strip()) for story in stories))

    def test_losses_do_not_depend_on_the_number_of_threads(self):
        base = ("--model", shared_data("stories260K.bin"), "--data",
                shared_data("tinystories-valid.tok512.u16.bin"), "--seq", 128)
        losses = [[self.ok_json("eval", *base, "--windows", 8, "--threads", n)["loss"],
                   self.ok_json("train", *base, "--steps", 3, "--threads", n, "--quiet", "--out",
                                f"run{n}")["loss"]] for n in (1, 2)]
        self.assertEqual(*losses)

    def test_the_vocabulary_of_another_model_is_refused(self):
        self.refused("generate", "--model", shared_data("stories260K.bin"), "--tokenizer",
                     shared_data("llama2_tokenizer.bin"), says=["llama2_tokenizer.bin", "32000", "512"])
        self.refused("eval", "--model", shared_data("stories260K.bin"), "--seq", 128, "--data",
                     shared_data("tinystories-valid.llama2-32k.u16.bin"), says=["token ", "512"])


if __name__ == "__main__":
    unittest.main()
