#!/usr/bin/env python3
"""convert MODEL x.mlpackage: what a package says next is what the model says, by ports and states."""
import json
import struct
import unittest

from cli_testing import (TINY, CliTest, read_safetensors, shared_data, write_model, write_safetensors)

STEPS = 12


def integers(values):
    return ("I32", (len(values),), struct.pack(f"<{len(values)}i", *values))


def column(tensor, index):
    """What follows token `index`, of logits [1, V, 1, N]."""
    dtype, (_, vocabulary, _, columns), content = tensor
    values = struct.unpack(f"<{vocabulary * columns}{'e' if dtype == 'F16' else 'f'}", content)
    return values[index::columns]


def best(values):
    return max(range(len(values)), key=values.__getitem__)


class Driver:
    """Prefill once, then decode a token at a time: what a program around the package does."""

    def __init__(self, test, package, sequence):
        self.test, self.package, self.sequence, self.caches = test, package, sequence, {}

    def run(self, function, inputs):
        write_safetensors(self.test.dir / "in.safetensors", {**inputs, **self.caches})
        self.test.ok("run", self.package, "--function", function, "--inputs", "in.safetensors",
                     "--outputs", "out.safetensors")
        out = read_safetensors(self.test.dir / "out.safetensors")
        logits = out.pop("logits")
        # Ports come out as NAME_out, states under their own names.
        self.caches = {name.removesuffix("_out"): tensor for name, tensor in out.items()}
        return logits

    def prefill(self, ids):
        filled = ids + [0] * (self.sequence - len(ids))
        return column(self.run("prefill", {"tokens": integers(filled)}), len(ids) - 1)

    def decode(self, token, position):
        return column(self.run("decode", {"tokens": integers([token]),
                                          "position": integers([position])}), 0)

    def greedy(self, prompt, count):
        ids, position = [best(self.prefill(prompt))], len(prompt)
        while len(ids) < count:
            ids.append(best(self.decode(ids[-1], position)))
            position += 1
        return ids


class Export(CliTest):
    def test_packages_go_on_as_generate_does(self):
        model, tokenizer = shared_data("stories260K.bin"), shared_data("tok512.bin")
        expected = self.ok_json("generate", "--model", model, "--tokenizer", tokenizer, "--prompt",
                                "Once upon a time", "--tokens", STEPS, "--temperature", 0)
        for name, flags in (("wide", ["--dtype", "fp32"]), ("half", []), ("state", ["--states"])):
            self.ok("convert", model, f"{name}.mlpackage", "--seq", 48, *flags)
            driver = Driver(self, f"{name}.mlpackage", 48)
            ids = driver.greedy(expected["prompt_ids"], STEPS)
            self.assertEqual(ids, expected["ids"], name)

    def test_decode_from_nothing_is_prefill(self):
        model = write_model(self.dir / "model")
        self.ok("convert", model, "m.mlpackage", "--seq", 8, "--dtype", "fp32")
        driver, ids = Driver(self, "m.mlpackage", 8), [1, 5, 299, 17, 5, 5, 0, 42]
        logits = driver.run("prefill", {"tokens": integers(ids)})
        driver.caches = {name: (dtype, shape, b"\0" * len(content))
                         for name, (dtype, shape, content) in driver.caches.items()}
        for position, token in enumerate(ids):
            for got, want in zip(driver.decode(token, position), column(logits, position)):
                self.assertAlmostEqual(got, want, delta=1e-5)

    def test_a_run_a_file_and_a_directory_give_the_same_package(self):
        write_model(self.dir / "model")
        self.ok("convert", "model", "file.bin")
        self.ok("convert", "file.bin", "again")
        for source in ("model", "file.bin", "again"):
            self.ok("convert", source, f"{source}.mlpackage", "--seq", 8)
        weights = [(self.dir / f"{source}.mlpackage/Data/com.apple.CoreML/weights/weight.bin")
                   .read_bytes() for source in ("model", "file.bin", "again")]
        self.assertEqual(weights[0], weights[1])
        self.assertEqual(weights[0], weights[2])

    def test_separate_classifiers_are_in_the_package(self):
        config = dict(TINY, tie_word_embeddings=False)
        tied, own = write_model(self.dir / "tied"), self.path("config/config.json",
                                                             json.dumps(config)).parent
        self.path("data.bin", struct.pack("<100H", *range(100)))
        self.ok(*f"train --model {own} --init scratch --data data.bin --seq 8 --steps 1 --out "
                "own".split())
        sizes = {}
        for model in (tied, "own"):
            self.ok("convert", model, "m.mlpackage", "--seq", 8, "--force")
            sizes[model] = sum(path.stat().st_size
                               for path in (self.dir / "m.mlpackage").rglob("weight.bin"))
        table = 2 * TINY["vocab_size"] * TINY["hidden_size"]
        self.assertLess(abs(sizes["own"] - sizes[tied] - table), 256)

    def test_the_engine_takes_ports_and_refuses_states(self):
        write_model(self.dir / "model")
        self.ok("convert", "model", "ports.mlpackage", "--seq", 16)
        self.ok("convert", "model", "states.mlpackage", "--seq", 16, "--states")
        for function in ("prefill", "decode"):
            rules = {}
            for package in ("ports", "states"):
                out = self.run_cli("check", f"{package}.mlpackage", "--function", function, "--chip",
                                   "m4-max", "--json")[1]
                rules[package] = {(finding["rule"], finding["where"], finding["message"])
                                  for finding in json.loads(out)["findings"]}
            # Ids and positions are integers, which tables are asked with: Core ML does that on the CPU.
            for rule, where, message in rules["ports"]:
                self.assertIn(rule, ("ane.c13", "ane.c59"), message)
                self.assertRegex(where + message, "gather|int32")
            self.assertTrue(any("state" in message for _, _, message in rules["states"]))

    def test_text_and_compiled_models_too(self):
        write_model(self.dir / "model")
        for out in ("m.mil", "m.mlmodelc"):
            self.ok("convert", "model", out, "--seq", 8)
            info = self.ok("info", out)
            self.assertIn("decode", info)

    def test_flags_that_do_not_fit_are_refused_or_noted(self):
        write_model(self.dir / "model")
        for flags, says in (("--seq 33", "33 is outside [1, 32]"), ("--seq 0", "0 is outside"),
                            ("--seq 8 --dtype bf16", "bf16"), ("--states --dtype fp32", "fp16"),
                            ("--states --no-decode", "caches")):
            self.refused("convert", "model", "m.mlpackage", *flags.split(), says=says)
        self.refused("convert", "model", "m.mlmodel", says=".mlpackage")
        self.refused("convert", "stories15m", "m.mlpackage", says="no weights")
        self.ok("convert", "model", "m.mlpackage")  # 32 tokens: all that the model has
        self.refused("convert", "model", "m.mlpackage", says=["m.mlpackage", "--force"])
        self.ok("convert", "model", "m.mlpackage", "--force", "--no-decode", "--context-length", 8)
        status, _, err = self.run_cli("convert", "model", "m.bin", "--states")
        self.assertEqual((status, err.count("\n")), (0, 1))
        self.assertIn("--states has no effect", err)


if __name__ == "__main__":
    unittest.main()
