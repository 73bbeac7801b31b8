#!/usr/bin/env python3
"""finetune: programs are trained and written, mistakes are one line each, the examples run."""
import json
import math
import os
import random
import struct
import subprocess
import sys
import unittest

from cli_testing import (ANEMONE, ROOT, CliTest, floats, read_floats, snapshot, write_safetensors)

# Logits of three classes from two numbers; a second function and a statistic of no interest.
NETWORK = """program(1.3)
{
    func main<ios17>(tensor<TYPE, [1, 2]> x) {
            tensor<TYPE, [8, 2]> up_weight = const()[name = string("up_weight"), val = tensor<TYPE, [8, 2]>([UP])];
            tensor<TYPE, [8]> up_bias = const()[name = string("up_bias"), val = tensor<TYPE, [8]>([0, 0, 0, 0, 0, 0, 0, 0])];
            tensor<TYPE, [3, 8]> weight = const()[name = string("weight"), val = tensor<TYPE, [3, 8]>([OUT])];
            tensor<TYPE, [3]> bias = const()[name = string("bias"), val = tensor<TYPE, [3]>([0, 0, 0])];
            int32 axis = const()[name = string("axis"), val = int32(-1)];
            tensor<TYPE, [1, 8]> up = linear(x = x, weight = up_weight, bias = up_bias)[name = string("up")];
            tensor<TYPE, [1, 8]> active = relu(x = up)[name = string("active")];
            tensor<TYPE, [1, 3]> logits = linear(x = active, weight = weight, bias = bias)[name = string("logits")];
            tensor<TYPE, [1, 3]> shares = softmax(x = logits, axis = axis)[name = string("shares")];
        } -> (logits, shares);
    func other<ios17>(tensor<TYPE, [1, 2]> x) {
            tensor<TYPE, [1, 2]> y = relu(x = x)[name = string("y")];
        } -> (y);
}
"""


def network(dtype="fp32"):
    rng = random.Random(3)
    numbers = lambda count: ", ".join(f"{rng.uniform(-0.7, 0.7):.3f}" for _ in range(count))
    return (NETWORK.replace("TYPE", dtype).replace("UP", numbers(16)).replace("OUT", numbers(24)))


def points(count, seed):
    """Points in the plane, whose class is the third of the circle that they lie in."""
    rng = random.Random(seed)
    x, labels = [], []
    for _ in range(count):
        angle, radius = rng.uniform(0, 2 * math.pi), rng.uniform(0.3, 1)
        x += [radius * math.cos(angle), radius * math.sin(angle)]
        labels.append(int(angle / (2 * math.pi / 3)))
    return x, labels


def write_points(path, count, seed, **more):
    x, labels = points(count, seed)
    write_safetensors(path, {"x": ("F32", (count, 2), floats(x)),
                             "label": ("I64", (count,), struct.pack(f"<{count}q", *labels)), **more})


class FinetuneTest(CliTest):
    def setUp(self):
        super().setUp()
        self.path("net.mil", network())
        write_points(self.dir / "train.safetensors", 200, 1)
        write_points(self.dir / "test.safetensors", 100, 2)
        self.base = ["finetune", "net.mil", "--inputs", "train.safetensors", "--targets", "label",
                     "--output", "logits"]

    def outputs(self, program):
        write_safetensors(self.dir / "one.safetensors", {"x": ("F32", (1, 2), floats([0.5, 0.25]))})
        self.ok("run", program, "--inputs", "one.safetensors", "--outputs", "y.safetensors")
        return read_floats(self.dir / "y.safetensors", "logits")


class Trained(FinetuneTest):
    FLAGS = ["--train", "*weight", "--train", "*bias", "--batch", 20, "--lr", 0.02, "--steps"]

    def test_loss_falls_accuracy_rises_and_the_program_changes(self):
        before = self.outputs("net.mil")
        result = self.ok_json(*self.base, *self.FLAGS, 150, "--eval", "test.safetensors", "--out",
                              "out.mlpackage")
        self.assertLess(result["loss"], result["first_loss"] / 2)
        self.assertLess(result["before"]["accuracy"], 0.7)
        self.assertGreater(result["after"]["accuracy"], 0.9)
        self.assertEqual(result["parameters"], 8 * 2 + 8 + 3 * 8 + 3)
        self.assertNotEqual(self.outputs("out.mlpackage"), before)

    def test_the_same_seed_writes_the_same_package(self):
        for out in ("a", "b"):
            self.ok(*self.base, *self.FLAGS, 5, "--out", f"{out}.mlpackage")
        self.assertEqual(snapshot(self.dir / "a.mlpackage"), snapshot(self.dir / "b.mlpackage"))
        self.ok(*self.base, *self.FLAGS, 5, "--seed", 7, "--out", "c.mlpackage")
        self.assertNotEqual(snapshot(self.dir / "a.mlpackage"), snapshot(self.dir / "c.mlpackage"))

    def test_all_else_of_a_package_is_kept(self):
        self.path("half.mil", network("fp16"))
        self.ok("convert", "half.mil", "half.mlpackage")
        self.ok("finetune", "half.mlpackage", *self.base[2:], "--train", "weight", "--steps", 5,
                "--out", "new.mlpackage")
        for package in ("half", "new"):
            self.ok("convert", f"{package}.mlpackage", f"{package}_back/net.mil")
        before, after = ((self.dir / f"{name}_back" / "net.mil").read_text().splitlines()
                         for name in ("half", "new"))
        self.assertEqual(before, after)  # weights lie in the file beside the text
        blobs = [self.dir / f"{name}_back" / "weights" / "weight.bin" for name in ("half", "new")]
        self.assertEqual(*(blob.stat().st_size for blob in blobs))
        self.assertNotEqual(*(blob.read_bytes() for blob in blobs))

    def test_no_steps_write_what_was_there(self):
        self.ok("convert", "net.mil", "net.mlpackage")
        self.ok(*self.base, "--train", "*", "--steps", 0, "--out", "out.mlpackage")
        self.assertEqual(snapshot(self.dir / "out.mlpackage"), snapshot(self.dir / "net.mlpackage"))

    def test_a_simulated_engine_trains_too(self):
        device = ["--device", "sim:m4-max", "--pipeline"]
        for pipeline in ("static", "dynamic"):
            result = self.ok_json(*self.base, *self.FLAGS, 40, *device, pipeline, "--out",
                                  f"{pipeline}.mlpackage")
            self.assertLess(result["loss"], result["first_loss"])
            self.assertTrue(result["simulated"])
        # A process compiles so many programs only (ane.c1), and static ones are compiled anew.
        self.refused(*self.base, *self.FLAGS, 1000, *device, "static", "--out", "more.mlpackage",
                     says=["--pipeline static", "programs more", "dynamic"])

    def test_updates_are_printed_and_kept(self):
        out = self.ok(*self.base, "--train", "weight", "--steps", 3, "--metrics", "log.jsonl",
                      "--out", "out.mil")
        self.assertRegex(out, r"step 1/3  loss \d\.\d{4}  norm .*samples/s")
        self.assertRegex(out.splitlines()[-1], r"\Aout\.mil: loss \d\.\d+ -> \d\.\d+ in 3 updates\Z")
        lines = (self.dir / "log.jsonl").read_text().splitlines()
        self.assertEqual([json.loads(line)["step"] for line in lines], [1, 2, 3])


class Mistakes(FinetuneTest):
    def refuse(self, *flags, says, base=None, train="weight"):
        """Flags that are in the base replace what is there."""
        base = list(self.base if base is None else base)
        for flag in flags[::2]:
            if flag in base:
                at = base.index(flag)
                del base[at:at + 2]
        self.refused(*base, *(["--train", train] if train else []), "--out", "out.mlpackage",
                     *flags, says=says)

    def test_flags(self):
        self.refused(*self.base, "--train", "weight", says="--out")
        self.refuse("--batch", 0, says="--batch")
        self.refuse("--lr", -1, says="--lr")
        self.refuse("--loss", "hinge", says="--loss")
        self.refuse("--device", "npu", says="npu")
        self.refuse("--pipeline", "fast", says=["--pipeline", "fast"])
        self.refuse(says=["--train", "needed"], train=None)
        self.refuse(says=["no constant", "weight"], train="wait")
        self.refuse(says=["does not depend on 'axis'", "weight"], train="axis")
        self.refuse("--function", "third", says=["third", "main, other"])
        self.refuse("--output", "logit", says=["--output logit", "'logits'"])
        self.refuse("--output", "shares", says=["softmax", "--output logits"])
        self.refuse(base=self.base[:-2], says=["--output", "logits, shares"])
        self.refuse("--output", "x", says=["--output x"])

    def test_the_output_must_be_free(self):
        self.path("out.mlpackage/some.file", "x")
        self.refuse(says=["out.mlpackage", "--force"])
        self.refused(*self.base, "--train", "weight", "--out", "out.gguf", says=".mlpackage")
        self.refused(*self.base, "--train", "weight", "--out", "net.mil", "--force", says="net.mil")

    def test_a_place_that_cannot_be_written_is_found_before_training(self):
        self.refused(*self.base, "--train", "weight", "--steps", 10**9, "--out",
                     "train.safetensors/out.mlpackage", says="train.safetensors")

    def test_samples(self):
        self.refuse("--inputs", "none.safetensors", says="none.safetensors")
        self.refuse("--targets", "lable", says=["lable", "'label'"])
        many = (2, 3)
        for name, tensors, says in (
                ("missing", {"label": ("I32", (2,), bytes(8))}, ["'x'"]),
                ("shape", {"x": ("F32", many, bytes(24)), "label": ("I32", (2,), bytes(8))},
                 ["'x'", "[3]", "[1, 2]"]),
                ("type", {"x": ("I32", (2, 2), bytes(16)), "label": ("I32", (2,), bytes(8))},
                 ["'x'", "int32", "fp32"]),
                ("count", {"x": ("F32", (2, 2), bytes(16)), "label": ("I32", (3,), bytes(12))},
                 ["'label'", "3 samples"]),
                ("floats", {"x": ("F32", (2, 2), bytes(16)), "label": ("F32", (2,), bytes(8))},
                 ["targets 'label'", "fp32"]),
                ("class", {"x": ("F32", (2, 2), bytes(16)),
                           "label": ("I32", (2,), struct.pack("<2i", 1, 3))},
                 ["sample 1", "class 3", "0 to 2"]),
                ("negative", {"x": ("F32", (2, 2), bytes(16)),
                              "label": ("I32", (2,), struct.pack("<2i", -1, 2))},
                 ["sample 0", "class -1"])):
            write_safetensors(self.dir / name, tensors)
            self.refuse("--inputs", name, says=[name, *says])
            if name != "missing":
                self.refuse("--eval", name, says=[name, *says[:1]])

    def test_a_loss_that_is_no_number_stops_the_run(self):
        self.refuse("--lr", 1e25, "--clip", 0, "--steps", 20, says=["update", "diverged"])

    def test_states_and_control_flow_are_refused(self):
        self.path("state.mil", """program(1.3)
{
    func main<ios18>(tensor<fp32, [1, 2]> x, state<tensor<fp32, [1, 2]>> sum) {
            tensor<fp32, [1, 2]> old = read_state(input = sum)[name = string("old")];
            tensor<fp32, [2]> weight = const()[name = string("weight"), val = tensor<fp32, [2]>([1, 2])];
            tensor<fp32, [1, 2]> y = mul(x = old, y = weight)[name = string("y")];
            tensor<fp32, [1, 2]> logits = add(x = y, y = x)[name = string("logits")];
        } -> (logits);
}
""")
        self.refuse(base=["finetune", "state.mil", *self.base[2:]], says=["state 'sum'"])


class Examples(CliTest):
    """Short forms: the loss falls, held-out accuracy rises, the package differs."""

    def example(self, name, *arguments):
        try:
            import numpy  # noqa: F401
        except ImportError:
            raise unittest.SkipTest("no NumPy")
        environment = {**os.environ, "ANEMONE": ANEMONE, "PYTHONDONTWRITEBYTECODE": "1",
                       "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]}
        done = subprocess.run([ROOT / "examples" / f"{name}.sh", self.dir / name,
                               *map(str, arguments)], capture_output=True, text=True,
                              env=environment, timeout=240)
        self.assertEqual(done.returncode, 0, done.stderr)
        accuracy = [float(line.split("accuracy ")[1].split("%")[0])
                    for line in done.stdout.splitlines() if "accuracy" in line]
        self.assertEqual(len(accuracy), 2, done.stdout)
        return accuracy

    def test_digits_are_read(self):
        before, after = self.example("finetune_digits", 600, 90)
        self.assertLess(before, 30)
        self.assertGreater(after, 70)
        first, last = (snapshot(self.dir / "finetune_digits" / name)
                       for name in ("digits.mlpackage", "trained.mlpackage"))
        self.assertEqual(first.keys(), last.keys())
        self.assertNotEqual(first, last)

    def test_clocks_go_on(self):
        before, after = self.example("finetune_clocks", 400, 100)
        self.assertLess(before, 30)
        self.assertGreater(after, 60)


if __name__ == "__main__":
    unittest.main()
