#!/usr/bin/env python3
"""Values that are right: models, token files and vocabularies as other programs write them."""
import gzip
import io
import json
import pickle
import sqlite3
import struct
import unittest
import zipfile

from cli_testing import TINY, CliTest, floats, tiny_tensors, write_model, write_shard, write_tokenizer


def npy(ids, descr="<u2", code="H", shape=None):
    """As numpy.save writes an array."""
    shape = shape or f"({len(ids)},)"
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header = header.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + struct.pack(f"<{len(ids)}{code}", *ids)


def llmc(ids, magic, version, code):
    """As dev/data/data_common.py of llm.c writes tokens."""
    return struct.pack("<256i", magic, version, len(ids), *[0] * 253) + struct.pack(f"<{len(ids)}{code}", *ids)


class TokenFiles(CliTest):
    def setUp(self):
        super().setUp()
        write_model(self.dir / "model")
        self.ids = write_shard(self.dir / "flat.bin", 40)

    def loss(self, shard):
        return self.ok_json("eval", "--model", "model", "--data", shard, "--seq", 8)["loss"]

    def test_headers_of_other_programs_are_no_tokens(self):
        want = self.loss("flat.bin")
        for content in (npy(self.ids), npy(self.ids, "<i8", "q"), npy(self.ids, "<u4", "I"),
                        llmc(self.ids, 20240520, 1, "H"), llmc(self.ids, 20240801, 7, "I")):
            self.path("shard", content)
            self.assertEqual(self.loss("shard"), want)
            self.ok(*"train --model model --data shard --val shard --seq 8 --steps 1 --out run".split())
            self.assertIn("40 tokens", self.ok(*"data info shard --vocab 300".split()))
            for file in sorted((self.dir / "run").rglob("*"), reverse=True):
                file.rmdir() if file.is_dir() else file.unlink()

    def test_files_of_other_kinds_are_called_by_name(self):
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as z:
            z.writestr("ids.npy", npy(self.ids))
        sqlite3.connect(self.dir / "data.db").execute("create table t (x)").connection.commit()
        for content, says in (
                (b"Once upon a time there was a cat.\n", ["looks like text", "anemone data tokenize"]),
                ("Es war einmal ein K\u00f6nig".encode(), "looks like text"),
                (archive.getvalue(), [".npz", "numpy.save"]),
                (gzip.compress(bytes(80)), ["gzip", "unpack"]),
                (pickle.dumps(self.ids, protocol=2), "pickle"),
                (pickle.dumps(self.ids), "pickle"),
                ((self.dir / "model/model.safetensors").read_bytes(), "safetensors"),
                ((self.dir / "data.db").read_bytes(), "SQLite"),
                (b"<!DOCTYPE html>\n<html>", "web page"),
                (npy([1.5] * 40, "<f8", "d"), "'<f8'"),
                (npy(self.ids, ">u2"), "'>u2'"),
                (npy(self.ids, shape="(5, 8)"), "[5, 8]")):
            self.path("other", content)
            self.refused(*"eval --model model --data other --seq 8".split(), says=["other", *([says] if isinstance(says, str) else says)])
            self.refused(*"train --model model --data other --seq 8 --steps 1 --out run".split(), says="other")

    def test_binary_data_is_no_text(self):
        write_tokenizer(self.dir / "tok.bin")
        for name in ("flat.bin", "model/model.safetensors"):
            self.refused("data", "tokenize", name, "--tokenizer", "tok.bin", "-o", "x",
                         says=[name, "not text"])
            self.refused("data", "train-tokenizer", name, "--vocab", 300, "-o", "x",
                         says=[name, "not text"])


class SideFiles(CliTest):
    def setUp(self):
        super().setUp()
        write_model(self.dir / "model")
        write_tokenizer(self.dir / "tok.bin")
        self.path("text", "a cat and a hat and a rat\n" * 20)
        self.ok(*"data tokenize text --tokenizer tok.bin -o data.bin".split())

    def train(self, *more):
        return ("train", "--model", "model", "--data", "data.bin", "--seq", 8, "--steps", 1, "--out", "run", *more)

    def test_a_shard_comes_with_what_made_it(self):
        side = json.loads((self.dir / "data.bin.json").read_text())
        self.assertEqual(side["tokens"] * 2, (self.dir / "data.bin").stat().st_size)
        self.assertEqual((side["vocab_size"], side["dtype"], side["bos"], side["eos"]), (300, "uint16", 1, 2))
        self.assertEqual(side["tokenizer"]["file"], "tok.bin")
        self.ok(*self.train("--tokenizer", "tok.bin"))

    def test_another_vocabulary_or_tokenizer_is_refused(self):
        write_model(self.dir / "wide", dict(TINY, vocab_size=400))
        self.refused(*"eval --model wide --data data.bin --seq 8".split(), says=["300", "400"])
        self.refused("train", "--model", "wide", *self.train()[3:], says=["300", "400"])
        content = bytearray((self.dir / "tok.bin").read_bytes())
        content[-1] ^= 1
        self.path("other.bin", bytes(content))
        self.refused(*self.train("--tokenizer", "other.bin"), says=["data.bin", "tok.bin", "other.bin"])

    def test_a_shard_that_was_cut_is_refused(self):
        whole = (self.dir / "data.bin").read_bytes()
        self.path("data.bin", whole[:-20])
        self.refused(*self.train(), says=["data.bin.json", "cut or replaced"])
        (self.dir / "data.bin.json").unlink()
        self.ok(*self.train())  # as without it always

    def test_what_is_in_the_way_stays(self):
        self.path("new.bin.json", "{}")
        self.refused(*"data tokenize text --tokenizer tok.bin -o new.bin".split(), says="new.bin.json")
        self.path("text.json", "a cat\n")
        self.refused(*"data tokenize text.json --tokenizer tok.bin -o text".split(), says="text.json")


class Models(CliTest):
    def test_a_head_of_its_own_is_used_and_said(self):
        tensors = tiny_tensors()
        _, shape, _ = tensors["model.embed_tokens.weight"]
        tensors["lm_head.weight"] = tiny_tensors(seed=7)["model.embed_tokens.weight"]
        write_shard(self.dir / "data.bin", 40)
        write_model(self.dir / "tied", TINY, tensors)
        write_model(self.dir / "untied", dict(TINY, tie_word_embeddings=False), tensors)
        run = "eval --data data.bin --seq 8 --json --model".split()
        status, out, err = self.run_cli(*run, "tied")
        self.assertEqual(status, 0)
        self.assertRegex(err, r"\Aanemone: note: tied: [^\n]*lm_head.weight differs[^\n]*\n\Z")
        self.assertEqual(json.loads(out)["loss"], self.ok_json(*run[:-2], "--model", "untied")["loss"])
        self.assertEqual(self.run_cli("convert", "tied", "out")[0], 0)
        self.assertFalse(json.loads((self.dir / "out/config.json").read_text())["tie_word_embeddings"])

    def test_marks_keep_their_ids(self):
        write_model(self.dir / "model", dict(TINY, bos_token_id=0, eos_token_id=[0, 5], pad_token_id=3))
        self.ok("convert", "model", "out")
        config = json.loads((self.dir / "out/config.json").read_text())
        self.assertEqual([config[k] for k in ("bos_token_id", "eos_token_id", "pad_token_id")], [0, [0, 5], 3])

    def test_unknown_keys_are_refused_by_name(self):
        write_shard(self.dir / "data.bin", 40)
        for key, value in (("rope_parameters", {"rope_type": "longrope", "factor": 2.0}),
                           ("partial_rotary_factor", 0.5), ("new_feature", 1), ("sliding_window", 8)):
            write_model(self.dir / "model", dict(TINY, **{key: value}))
            self.refused(*"eval --model model --data data.bin --seq 8".split(), says=["config.json", key])

    def test_rows_beyond_the_tokenizer_are_never_sampled(self):
        # Every token is followed by row 299, then 298, ...: the last layer's norm points there.
        config = dict(TINY, tie_word_embeddings=False)
        tensors = tiny_tensors(config)
        tensors["lm_head.weight"] = ("F32", (300, 16), floats([float(row) for row in range(300) for _ in range(16)]))
        tensors["model.embed_tokens.weight"] = ("F32", (300, 16), floats([1.0] * 4800))
        for name in tensors:
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                kind, shape, content = tensors[name]
                tensors[name] = (kind, shape, bytes(len(content)))
        write_model(self.dir / "model", config, tensors)
        write_tokenizer(self.dir / "tok.bin", 290)
        for flags in (["--temperature", 0], ["--temperature", 50, "--seed", 3],
                      ["--temperature", 0, "--draft-dtype", "int8"]):
            got = self.ok_json("generate", "--model", "model", "--tokenizer", "tok.bin", "--prompt", "ab",
                               "--tokens", 20, *flags)
            self.assertEqual(len(got["ids"]), 20)
            self.assertLess(max(got["ids"]), 290)
        self.assertEqual(self.ok_json("generate", "--model", "model", "--tokenizer", "tok.bin", "--prompt", "ab",
                                      "--tokens", 3, "--temperature", 0)["ids"], [289] * 3)


class Tokenizers(CliTest):
    def test_a_word_longer_than_the_library_takes(self):
        self.path("text", "the cat sat on the mat\n" * 50 + "ab" * 40000 + "\n")
        status, out, err = self.run_cli(*"data train-tokenizer text --vocab 280 -o t.model".split())
        self.assertEqual((status, out), (0, "t.model: 280 tokens\n"))
        self.assertRegex(err, r"\Aanemone: note: text: cut lines[^\n]*\n\Z")
        self.assertEqual(sorted(p.name for p in self.dir.iterdir()), ["t.model", "text"])

    def test_too_little_text_says_how_many_pieces_it_gives(self):
        self.path("text", "the the")
        self.refused(*"data train-tokenizer text --vocab 270 -o t.model".split(), says=["270", "268"])
        self.ok(*"data train-tokenizer text --vocab 268 -o t.model".split())


if __name__ == "__main__":
    unittest.main()
