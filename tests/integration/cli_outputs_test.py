#!/usr/bin/env python3
"""What is written where: names that promise another format, models that are there, notes."""
import unittest

from cli_testing import CliTest, snapshot, write_model, write_shard, write_tokenizer

FOREIGN = ("gguf", "onnx", "pt", "pth", "safetensors", "mlpackage", "mlmodelc", "npz", "GGUF", "json")
PROGRAMS = ("mlpackage", "mlmodelc")  # what convert makes of a model too: cli_export_test.py


class Conversions(CliTest):
    def setUp(self):
        super().setUp()
        write_model(self.dir / "model")
        write_shard(self.dir / "data.bin", 500)
        write_tokenizer(self.dir / "tok.bin")

    def train(self, out, *more):
        self.ok("train", "--model", "model", "--data", "data.bin", "--seq", 8, "--steps", 1, "--out", out,
                *more)

    def test_a_name_of_another_format_is_refused(self):
        for ending in set(FOREIGN) - set(PROGRAMS):
            for name in (f"out.{ending}", f"out.{ending}/"):
                self.refused("convert", "model", name, says=[name, f".{ending.lower()} file", "NAME.bin",
                                                             "model.safetensors"])
        self.ok("convert", "model", "llama-3.2")
        self.refused("convert", "model", "", says="out: it is empty")
        self.refused("convert", "", "x", says="'': there is no such file")

    def test_directories_are_not_named_like_files(self):
        for ending in ("bin", "gguf"):
            self.refused("train", "--model", "model", "--data", "data.bin", "--seq", 8, "--out",
                         f"run.{ending}", says=["--out", f"run.{ending}", "directory"])
        self.refused("stages", "--model", "model", "--seq", 8, "-o", "step.mil", says=["-o", "directory"])
        self.refused("bench", "all", "--device", "sim:m4", "--out", "all.json", says=["--out", "directory"])

    def test_a_model_that_is_there_stays_unless_forced(self):
        self.train("run")
        for out in ("file.bin", "folder"):
            self.ok("convert", "model", out)
            self.refused("convert", "run", out, says=[out, "--force"])
            before = snapshot(self.dir)
            self.ok("convert", "run", out, "--force")
            self.assertNotEqual(snapshot(self.dir), before)
        self.refused("convert", "run", "data.bin", says=["data.bin", "--force"])
        self.path("weights/model.safetensors", "x")
        self.refused("convert", "run", "weights", says=["weights", "--force"])
        self.path("empty").mkdir()
        self.ok("convert", "run", "empty")

    def test_a_run_is_no_place_for_a_model(self):
        self.train("run")
        for out in ("run", "run/step-00000001"):
            self.refused("convert", "model", out, "--force", says=[out, "training run"])

    def test_the_tokenizer_goes_with_the_model(self):
        self.train("run", "--tokenizer", "tok.bin")
        self.assertIn("with tokenizer.bin", self.ok("convert", "run", "folder"))
        self.assertEqual((self.dir / "folder/tokenizer.bin").read_bytes(),
                         (self.dir / "tok.bin").read_bytes())
        self.ok("generate", "--model", "folder", "--tokens", 2)
        self.ok("convert", "folder", "again")
        self.ok("generate", "--model", "again", "--tokens", 2)
        self.assertIn("its tokenizer is run/tokenizer.bin", self.ok("convert", "run", "file.bin"))
        self.assertNotIn("tokenizer", self.ok("convert", "model", "bare"))

    def test_every_file_of_a_hugging_face_tokenizer_goes_along(self):
        for name in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json",
                     "special_tokens_map.json"):
            self.path(f"model/{name}", name)
        self.ok("convert", "model", "copy")
        for name in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json",
                     "special_tokens_map.json"):
            self.assertEqual((self.dir / "copy" / name).read_text(), name)


class Notes(CliTest):
    def setUp(self):
        super().setUp()
        write_model(self.dir / "model")
        write_shard(self.dir / "data.bin", 500)

    def notes(self, *flags):
        """The lines of standard error of a run that succeeds."""
        self.runs = getattr(self, "runs", 0) + 1
        status, _, err = self.run_cli("train", "--model", "model", "--data", "data.bin", "--seq", 8,
                                      "--steps", 2, "--out", f"run{self.runs}", *flags)
        self.assertEqual(status, 0, err)
        for line in err.splitlines():
            self.assertRegex(line, r"\Aanemone: note: \S.*\Z")
        return err.splitlines()

    def test_what_does_nothing_is_said(self):
        for flags, words in ((("--warmup", 100), ["--warmup 100", "--steps 2"]),
                             (("--schedule", "cosine", "--lr", "1e-4", "--min-lr", "1e-3"),
                              ["--min-lr 0.001", "--lr 0.0001"]),
                             (("--min-lr", "1e-5"), ["--min-lr", "--schedule cosine"]),
                             (("--eval-every", 1), ["--eval-every", "--val"]),
                             (("--eval-windows", 2), ["--eval-windows", "--val"])):
            lines = self.notes(*flags)
            self.assertEqual(len(lines), 1, flags)
            for word in words:
                self.assertIn(word, lines[0])

    def test_what_makes_sense_is_not_commented_on(self):
        self.assertEqual(self.notes("--warmup", 2, "--schedule", "cosine", "--min-lr", "1e-5", "--val",
                                    "data.bin", "--eval-every", 1, "--eval-windows", 2), [])


if __name__ == "__main__":
    unittest.main()
