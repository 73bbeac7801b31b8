#!/usr/bin/env python3
"""Bad input: exit status 2, one clear line, and files left as they were."""
import json
import math
import struct
import unittest

from cli_testing import (TINY, CliTest, floats, small_disk, snapshot, tiny_tensors, write_model,
                         write_safetensors, write_shard, write_tokenizer)


class BadInput(CliTest):
    def setUp(self):
        super().setUp()
        write_model(self.dir / "model")
        write_shard(self.dir / "data.bin", 500)
        write_tokenizer(self.dir / "tok.bin")
        self.path("empty", "")
        self.path("folder").mkdir()

    def refused_model(self, model, says=()):
        """By every verb that reads models."""
        self.refused("eval", "--model", model, "--data", "data.bin", "--seq", 8, says=says)
        self.refused("generate", "--model", model, "--tokenizer", "tok.bin", says=says)
        self.refused("convert", model, "out", says=says)
        self.refused("train", "--model", model, "--data", "data.bin", "--out", "run", "--seq", 8,
                     says=says)

    def refused_shard(self, shard, says=()):
        self.refused("eval", "--model", "model", "--data", shard, "--seq", 8, says=says)
        for flags in (["--data", shard], ["--data", "data.bin", "--val", shard]):
            self.refused("train", "--model", "model", "--out", "run", "--seq", 8, *flags, says=says)


class BadModels(BadInput):
    def test_llama2c_files(self):
        self.ok("convert", "model", "good.bin")
        good = (self.dir / "good.bin").read_bytes()
        self.refused_model(self.path("cut.bin", good[:-1]), ["cut.bin", str(len(good))])
        self.refused_model(self.path("long.bin", good + b"\0"), ["long.bin", str(len(good) + 1)])
        self.refused_model(self.path("header.bin", good[:20]), "header.bin")
        self.refused_model(self.path("magic.bin", b"GGUF" + good[4:]), "magic.bin")
        self.refused_model(self.path("version.bin", struct.pack("<Ii", 0x616b3432, 9) + bytes(300)),
                           "version 9")
        self.refused_model(self.path("text.bin", "Once upon a time there was a model. " * 20), "text.bin")
        self.refused_model(self.path("sizes.bin", struct.pack("<7i", 16, 24, 1000, 4, 2, 300, 32)
                                     + good[28:]), "sizes.bin")
        nan = good[:28 + 400] + floats([math.nan]) + good[28 + 404:]
        self.refused_model(self.path("nan.bin", nan), ["nan.bin", "embed_tokens", "100", "nan"])

    def test_absent_empty_and_misplaced(self):
        self.refused_model("absent", ["absent", "presets"])
        self.refused_model("empty", "empty")
        self.refused_model("folder", ["folder", "config.json"])
        self.refused_model("model/model.safetensors", "config.json")
        self.refused_model("model/config.json", "config.json")

    def test_directories(self):
        tensors = tiny_tensors()
        norm, query = "model.norm.weight", "model.layers.1.self_attn.q_proj.weight"
        cases = {
            "missing": ({k: v for k, v in tensors.items() if k != norm}, norm),
            "extra": (dict(tensors, surplus=("F32", (1,), floats([1]))), "surplus"),
            "shape": (dict(tensors, **{query: ("F32", (8, 16), bytes(512))}), query),
            "type": (dict(tensors, **{query: ("I32", (16, 16), bytes(1024))}), query),
            "nan": (dict(tensors, **{norm: ("F32", (16,), floats([1] * 15 + [math.inf]))}), norm),
        }
        for name, (content, says) in cases.items():
            self.refused_model(write_model(self.dir / name, tensors=content), says)
        for name, change in {"kv": {"num_key_value_heads": 3}, "kind": {"model_type": "bert"},
                             "float": {"hidden_size": 1.5}, "deep": {"num_hidden_layers": 3},
                             "huge": {"num_hidden_layers": 2**40}, "minus": {"vocab_size": -1},
                             "act": {"hidden_act": "gelu"}}.items():
            self.refused_model(write_model(self.dir / name, dict(TINY, **change), tiny_tensors()), name)
        weights = write_model(self.dir / "damaged") / "model.safetensors"
        whole = weights.read_bytes()
        for content in (whole[:-1], whole + b"x", whole[:100], b"", b"\xff" * 64, whole[:8] + b"[]"):
            weights.write_bytes(content)
            self.refused_model("damaged", "model.safetensors")
        weights.write_bytes(whole)
        for text in ("", "{", "[]", "null", '{"model_type": "llama"}'):
            self.path("damaged/config.json", text)
            self.refused_model("damaged", "config.json")


class BadText(BadInput):
    def test_vocabularies_that_differ(self):
        write_tokenizer(self.dir / "other.bin", 301)
        self.refused("generate", "--model", "model", "--tokenizer", "other.bin",
                     says=["other.bin", "301", "300"])
        self.refused("train", "--model", "model", "--data", "data.bin", "--seq", 8, "--tokenizer",
                     "other.bin", "--out", "run", says=["other.bin", "301", "300"])

    def test_damaged_tokenizers(self):
        good = (self.dir / "tok.bin").read_bytes()
        for content in (b"", good[:-1], b"{}", b"\x0a\x05junk", b"text that is no vocabulary"):
            self.path("bad.bin", content)
            self.refused("generate", "--model", "model", "--tokenizer", "bad.bin", says="bad.bin")
            self.refused("data", "tokenize", "tok.bin", "--tokenizer", "bad.bin", "-o", "x",
                         says="bad.bin")
        for path in ("absent", "folder"):
            self.refused("generate", "--model", "model", "--tokenizer", path, says=path)

    def test_texts(self):
        for text in ("absent", "folder", "empty"):
            self.refused("data", "tokenize", text, "--tokenizer", "tok.bin", "-o", "x", says=text)
            self.refused("data", "train-tokenizer", text, "--vocab", 300, "-o", "x", says=text)
        self.path("text", "one two three\n")
        self.refused("data", "tokenize", "text", "--tokenizer", "tok.bin", "-o", "text", says="text")
        self.refused("data", "train-tokenizer", "text", "--vocab", 260, "-o", "x", says="260")
        self.refused("data", "train-tokenizer", "text", "--vocab", 9000, "-o", "x", says="9000")

    def test_long_prompts_and_too_many_tokens(self):
        base = ("generate", "--model", "model", "--tokenizer", "tok.bin")
        self.refused(*base, "--prompt", "ab" * 40, says=["--prompt", "32"])
        self.refused(*base, "--prompt", "ab", "--tokens", 40, says=["--tokens", "32"])


    def test_drafts_that_do_not_fit(self):
        base = ("generate", "--model", "model", "--tokenizer", "tok.bin")
        write_model(self.dir / "other", dict(TINY, vocab_size=299))
        self.refused(*base, "--draft-model", "other", says=["--draft-model", "299", "300"])
        self.refused(*base, "--draft-model", "absent", says="absent")
        self.refused(*base, "--draft-model", "stories15m", says=["--draft-model", "no weights"])
        self.refused(*base, "--draft-dtype", "int3", says="--draft-dtype")
        self.refused(*base, "--num-draft-tokens", 3, says=["--num-draft-tokens", "--draft-model"])
        self.refused(*base, "--draft-model", "model", "--draft-dtype", "none",
                     says=["--draft-dtype", "--draft-model"])
        for tokens in (0, 8):
            self.refused(*base, "--draft-dtype", "int8", "--num-draft-tokens", tokens,
                         says="--num-draft-tokens")


class BadShards(BadInput):
    def test_shards(self):
        good = (self.dir / "data.bin").read_bytes()
        for path in ("absent", "folder", "empty"):
            self.refused_shard(path, path)
            self.refused("data", "info", path, "--vocab", 300, says=path)
        self.path("odd.bin", good[:-1])
        self.refused_shard("odd.bin", ["odd.bin", "999 bytes"])
        self.path("short.bin", good[:16])
        self.refused_shard("short.bin", ["short.bin", "8 tokens"])
        self.path("wrong.bin", good[:246] + struct.pack("<H", 300) + good[248:])
        self.refused_shard("wrong.bin", ["wrong.bin", "token 123", "id 300"])
        self.refused("data", "info", "wrong.bin", "--vocab", 300, says=["token 123", "id 300"])

    def test_a_sequential_block_must_fit(self):
        self.refused("train", "--model", "model", "--data", "data.bin", "--out", "run", "--seq", 32,
                     "--batch", 16, "--order", "sequential", says=["data.bin", "513"])

    def test_sequences_longer_than_the_model(self):
        self.refused("train", "--model", "model", "--data", "data.bin", "--out", "run", "--seq", 33,
                     says=["--seq", "33", "32"])
        self.refused("eval", "--model", "model", "--data", "data.bin", "--seq", 33,
                     says=["--seq", "33", "32"])


class BadTypes(BadInput):
    def test_bf16_belongs_to_the_cpu(self):
        one_line = ["--dtype bf16", "sim:m4-max has a type of its own", "--device cpu"]
        self.refused("train", "--model", "model", "--data", "data.bin", "--out", "run", "--seq", 8,
                     "--dtype", "bf16", "--device", "sim:m4-max", says=one_line)
        self.refused("bench", "step", "--model", "model", "--dtype", "bf16", "--device", "sim:m4-max",
                     says=one_line)
        self.refused("train", "--model", "model", "--data", "data.bin", "--out", "run", "--seq", 8,
                     "--dtype", "fp16", says=["--dtype", "fp16", "bf16"])


class BadOutputs(BadInput):
    def test_places_that_cannot_be_written(self):
        self.path("text", "one two three\n")
        for place in ("empty/below", "/proc/nowhere/below"):
            for command in (("convert", "model", f"{place}/m.bin"), ("convert", "model", place),
                            ("data", "stories", "--count", 1, "-o", place),
                            ("data", "tokenize", "text", "--tokenizer", "tok.bin", "-o", place),
                            ("train", "--model", "model", "--data", "data.bin", "--seq", 8,
                             "--tokenizer", "tok.bin", "--out", place)):
                self.refused(*command, says=place)
        self.refused("convert", "model", "model", says="model")
        self.refused("convert", "model", "empty", says="empty")
        self.refused("train", "--model", "model", "--data", "data.bin", "--seq", 8, "--out", "empty",
                     says="empty")
        self.refused("data", "stories", "--count", 1, "-o", "folder", says="folder")

    def test_a_full_disk_leaves_nothing_of_a_conversion(self):
        full = dict(preexec_fn=small_disk(4096))
        self.ok("convert", "model", "old.bin")
        for out in ("new.bin", "old.bin", "new"):
            self.refused("convert", "model", out, "--force", says=[out, "File too large"], **full)
        self.refused("data", "stories", "--count", 100, "-o", "x", says="x", **full)


class Checkpoints(BadInput):
    """A run of two updates, then damage."""

    def setUp(self):
        super().setUp()
        self.ok(*"train --model model --data data.bin --tokenizer tok.bin --out run --steps 2 --seq 8"
                .split())
        self.at = self.dir / "run" / "step-00000002"

    def test_out_must_not_hold_a_run(self):
        self.refused("train", "--model", "model", "--data", "data.bin", "--seq", 8, "--out", "run",
                     says=["run", "--resume"])

    def test_resume_needs_a_run(self):
        for place in ("absent", "folder", "empty", "model", "data.bin"):
            self.refused("train", "--resume", place, says=place)

    def test_a_resumed_run_keeps_its_weights(self):
        self.refused("train", "--resume", "run", "--init", "scratch", says="--init")
        self.refused("train", "--resume", "run", "--model", "stories15m", says="--model")

    def test_resume_takes_the_run_not_a_checkpoint_in_it(self):
        self.refused("train", "--resume", "run/step-00000002", "--steps", 3, says="step-00000002")

    def test_out_must_not_hold_other_peoples_files(self):
        (self.dir / "other").mkdir()
        (self.dir / "other" / "metrics.jsonl").write_text("hello\n")
        for out in ("other", "model"):
            self.refused("train", "--model", "model", "--data", "data.bin", "--seq", 8, "--out", out,
                         says=out)

    def test_damaged_checkpoints(self):
        state = json.loads((self.at / "trainer_state.json").read_text())
        no_steps = {k: v for k, v in state["options"].items() if k != "steps"}
        damages = {
            "trainer_state.json": [b"", b"{", (self.at / "trainer_state.json").read_bytes()[:200],
                                   b"[]", b'{"step": "x"}',
                                   json.dumps(dict(state, step=-1)).encode(),
                                   json.dumps(dict(state, options=no_steps)).encode()],
            "optimizer.safetensors": [b"", (self.at / "optimizer.safetensors").read_bytes()[:-4]],
            "model.safetensors": [b"", (self.at / "model.safetensors").read_bytes()[:-4]],
            "config.json": [b"", b"{}"],
        }
        for name, contents in damages.items():
            whole = (self.at / name).read_bytes()
            for content in contents:
                (self.at / name).write_bytes(content)
                self.refused("train", "--resume", "run", "--steps", 3, says=name)
            (self.at / name).unlink()
            self.refused("train", "--resume", "run", "--steps", 3,
                         says="step-00000002" if name != "model.safetensors" else name)
            (self.at / name).write_bytes(whole)
        write_safetensors(self.at / "optimizer.safetensors", {"m.x": ("F32", (1,), floats([0]))})
        self.refused("train", "--resume", "run", "--steps", 3, says=["optimizer.safetensors", "m."])

    def test_latest_must_name_a_checkpoint(self):
        for text in ("", ".", "..", "../model", "metrics.jsonl", "/"):
            self.path("run/latest", text)
            self.refused("train", "--resume", "run", "--steps", 3, says="latest")
        self.path("run/latest", "step-00000009\n")
        self.refused("train", "--resume", "run", "--steps", 3, says="step-00000009")

    def test_a_full_disk_keeps_the_checkpoint_and_the_run_goes_on_later(self):
        before = snapshot(self.at)
        status, _, err = self.run_cli("train", "--resume", "run", "--steps", 4,
                                      preexec_fn=small_disk(8192))
        self.assertEqual(status, 2, err)
        self.assertRegex(err, r"\Aanemone: [^\n]*File too large[^\n]*\n\Z")
        self.assertEqual(snapshot(self.at), before)
        self.assertEqual([p.name for p in (self.dir / "run").glob("*.tmp*")], [])
        self.assertEqual(self.ok_json("train", "--resume", "run", "--steps", 4)["updates"], 2)

    def test_metrics_that_are_no_json_do_not_stop_a_run(self):
        with open(self.dir / "run" / "metrics.jsonl", "a") as file:
            file.write('[]\n{"step": "x"}\n{"step": 3, "lo')
        self.ok("train", "--resume", "run", "--steps", 3)
        lines = (self.dir / "run" / "metrics.jsonl").read_text().splitlines()
        self.assertEqual([json.loads(line)["step"] for line in lines], [1, 2, 3])

    def test_a_run_goes_on_without_the_file_that_its_vocabulary_came_from(self):
        (self.dir / "tok.bin").unlink()
        self.ok("train", "--resume", "run", "--steps", 3)
        self.ok("generate", "--model", "run", "--tokens", 2)


if __name__ == "__main__":
    unittest.main()
