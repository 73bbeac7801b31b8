#!/usr/bin/env python3
"""Runs that stop and go on end as if they had never stopped."""
import json
import shutil
import signal
import time
import unittest

from cli_testing import TINY, CliTest, snapshot, write_model, write_shard, write_tokenizer

METRICS = {"step", "loss", "grad_norm", "lr", "tokens", "ms"}


class Runs(CliTest):
    def setUp(self):
        super().setUp()
        write_model(self.dir / "model")
        write_shard(self.dir / "data.bin", 700)
        self.base = ("train --model model --data data.bin --val data.bin --seq 8 --batch 2 --accum 2 "
                     "--lr 1e-2 --quiet").split()

    def metrics(self, run):
        """Lines of metrics.jsonl without the times."""
        lines = [json.loads(line) for line in
                 (self.dir / run / "metrics.jsonl").read_text().splitlines()]
        for line in lines:
            self.assertEqual(set(line) - {"val_loss"}, METRICS)
            del line["ms"]
        return lines

    def checkpoint(self, run):
        return self.dir / run / (self.dir / run / "latest").read_text().strip()

    def assert_same_run(self, run, other):
        self.assertEqual(self.metrics(run), self.metrics(other))
        for name in ("model.safetensors", "optimizer.safetensors", "config.json"):
            self.assertEqual((self.checkpoint(run) / name).read_bytes(),
                             (self.checkpoint(other) / name).read_bytes(), name)

    def wait_for_steps(self, run, count):
        path, deadline = self.dir / run / "metrics.jsonl", time.monotonic() + 20
        while time.monotonic() < deadline:
            if path.exists() and path.read_text().count("\n") >= count:
                return
            time.sleep(0.001)
        self.fail(f"{run} made no {count} updates")


class Resume(Runs):
    def test_stopping_at_a_step_and_going_on(self):
        for order in ("random", "sequential"):
            base = [*self.base, "--order", order]
            self.ok(*base, "--out", f"{order}-whole", "--steps", 9, "--eval-every", 3)
            self.ok(*base, "--out", f"{order}-parts", "--steps", 3, "--eval-every", 3)
            for steps in (6, 9):
                self.ok("train", "--resume", f"{order}-parts", "--steps", steps, "--quiet")
            self.assert_same_run(f"{order}-parts", f"{order}-whole")

    def test_interrupting_saves_and_goes_on(self):
        for order in ("random", "sequential"):
            whole, parts = f"{order}-whole", f"{order}-parts"
            base = [*self.base, "--order", order, "--steps", 400]
            self.ok(*base, "--out", whole)
            with self.start(*base, "--out", parts, "--json") as process:
                self.wait_for_steps(parts, 5)
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=20)
            self.assertEqual((process.returncode, err), (0, b""))
            result = json.loads(out.splitlines()[-1])
            self.assertTrue(result["interrupted"])
            self.assertLess(result["step"], 400)
            self.ok("train", "--resume", parts, "--quiet")
            self.assert_same_run(parts, whole)

    def test_killing_loses_only_what_came_after_the_checkpoint(self):
        for order in ("random", "sequential"):
            whole, parts = f"{order}-whole", f"{order}-parts"
            base = [*self.base, "--order", order, "--steps", 600, "--save-every", 50]
            self.ok(*base, "--out", whole)
            with self.start(*base, "--out", parts) as process:
                self.wait_for_steps(parts, 70)
                process.kill()
            self.assertLess(json.loads((self.checkpoint(parts) / "trainer_state.json").read_text())
                            ["step"], 600)
            self.ok("train", "--resume", parts, "--quiet")
            self.assert_same_run(parts, whole)

    def test_what_is_given_again_wins(self):
        self.ok(*self.base, "--out", "run", "--steps", 2)
        self.ok("train", "--resume", "run", "--steps", 4, "--lr", "1e-3", "--batch", 1, "--quiet")
        self.ok("train", "--resume", "run", "--steps", 5, "--quiet")
        lines = self.metrics("run")
        self.assertEqual([line["lr"] for line in lines], [1e-2, 1e-2, 1e-3, 1e-3, 1e-3])
        self.assertEqual([line["tokens"] for line in lines], [32, 32, 16, 16, 16])

    def test_the_same_command_line_goes_on_with_resume_in_the_place_of_out(self):
        again = [*self.base, "--init", "scratch", "--eval-every", 2]
        self.ok(*again, "--steps", 4, "--out", "whole")
        self.ok(*again, "--steps", 2, "--out", "run")
        self.ok(*again, "--steps", 4, "--resume", "run")
        self.assert_same_run("run", "whole")

    def test_another_seed_on_resume_changes_the_data(self):
        self.ok(*self.base, "--out", "a", "--steps", 2, "--order", "random")
        shutil.copytree(self.dir / "a", self.dir / "b")
        shutil.copytree(self.dir / "a", self.dir / "c")
        self.ok("train", "--resume", "a", "--steps", 3, "--quiet")
        self.ok("train", "--resume", "b", "--steps", 3, "--quiet", "--seed", 7)
        self.ok("train", "--resume", "c", "--steps", 3, "--quiet", "--seed", 7)
        a, b, c = (self.metrics(name)[-1]["loss"] for name in "abc")
        self.assertNotEqual(a, b)
        self.assertEqual(b, c)

    def test_sequential_positions_follow_from_the_step_whatever_accum_was(self):
        # Learning rate 0 keeps the weights: the loss tells which tokens an update saw.
        still = "train --model model --data data.bin --seq 8 --batch 1 --order sequential".split()
        still += ["--lr", "0", "--weight-decay", "0", "--quiet"]
        self.ok(*still, "--out", "ones", "--steps", 2)
        self.ok("train", "--resume", "ones", "--steps", 3, "--accum", 2, "--quiet")
        self.ok(*still, "--out", "twos", "--steps", 3, "--accum", 2)
        self.assertEqual(self.metrics("ones")[2]["loss"], self.metrics("twos")[2]["loss"])

    def test_what_a_killed_save_left_is_cleared_away(self):
        self.ok(*self.base, "--out", "run", "--steps", 2)
        (self.dir / "run" / "step-00000003.tmp").mkdir()
        (self.dir / "run" / "latest.tmp99").write_text("")
        (self.dir / "run" / "notes.txt").write_text("mine")
        self.ok("train", "--resume", "run", "--steps", 4, "--quiet")
        self.assertEqual(sorted(p.name for p in (self.dir / "run").iterdir()),
                         ["latest", "metrics.jsonl", "notes.txt", "step-00000004"])

    def test_resuming_a_finished_run_changes_nothing(self):
        self.ok(*self.base, "--out", "run", "--steps", 2)
        before = snapshot(self.dir)
        self.assertEqual(self.ok_json("train", "--resume", "run")["updates"], 0)
        self.assertEqual(snapshot(self.dir), before)


class Updates(Runs):
    def test_an_update_is_its_micro_steps_together(self):
        sizes = {"a": (4, 1), "b": (2, 2), "c": (1, 4)}
        for name, (batch, accum) in sizes.items():
            self.ok(*"train --model model --data data.bin --seq 8 --steps 3 --order sequential".split(),
                    "--quiet", "--out", name, "--batch", batch, "--accum", accum)
        for name in "bc":
            for left, right in zip(self.metrics("a"), self.metrics(name)):
                self.assertAlmostEqual(left["loss"], right["loss"], delta=1e-5)
                self.assertAlmostEqual(left["grad_norm"], right["grad_norm"], delta=1e-4)

    def test_losses_do_not_depend_on_the_number_of_threads(self):
        for threads in (1, 2):
            self.ok(*self.base, "--out", f"run{threads}", "--steps", 5, "--threads", threads)
        self.assertEqual(self.metrics("run1"), self.metrics("run2"))

    def test_schedules(self):
        self.ok(*self.base, *"--out run --steps 6 --warmup 2 --schedule cosine --min-lr 1e-3".split())
        rates = [line["lr"] for line in self.metrics("run")]
        # min + (lr - min) / 2 * (1 + cos(pi * n / 4)), n = 0..3
        for rate, expected in zip(rates, [0.005, 0.01, 0.01, 0.00868198, 0.0055, 0.00231802]):
            self.assertAlmostEqual(rate, expected, delta=1e-8)

    def test_a_configuration_alone_is_enough_from_scratch(self):
        self.path("config/config.json", json.dumps(TINY))
        base = "train --model config --data data.bin --seq 8 --quiet".split()
        self.refused(*base, "--out", "run", says="config")
        result = self.ok_json(*base, "--init", "scratch", "--out", "run", "--steps", 2)
        self.assertEqual(result["step"], 2)

    def test_validation_and_checkpoints_come_when_asked(self):
        self.ok(*self.base, *"--out run --steps 7 --eval-every 3 --save-every 2".split())
        self.assertEqual([line["step"] for line in self.metrics("run") if "val_loss" in line],
                         [3, 6, 7])
        self.assertEqual([path.name for path in (self.dir / "run").glob("step-*")],
                         ["step-00000007"])
        write_tokenizer(self.dir / "tok.bin")
        self.ok("generate", "--model", "run", "--tokenizer", "tok.bin", "--tokens", 2)

    def test_standard_output(self):
        lines = self.ok(*self.base[:-1], "--out", "a", "--steps", 3).splitlines()
        self.assertEqual(sum(line.startswith("step ") and "loss" in line for line in lines), 3)
        self.assertEqual(self.ok(*self.base, "--out", "b", "--steps", 3), "")
        out = self.ok(*self.base, "--out", "c", "--steps", 3, "--json")
        self.assertEqual(out.count("\n"), 1)
        self.assertLessEqual({"step", "loss", "grad_norm", "lr", "tokens", "val_loss"},
                             set(json.loads(out)))


if __name__ == "__main__":
    unittest.main()
