#!/usr/bin/env python3
"""compile and run: values worked out by hand, texts that compile again, errors with places."""
import struct
import unittest

from cli_testing import ROOT, CliTest, floats, read_floats, read_safetensors, write_safetensors

PROGRAMS = ROOT / "tests" / "programs"
ERRORS = ROOT / "tests" / "errors"

SMALL = """program(1.3)
{
    func main<ios18>(tensor<fp32, [2]> x) {
            tensor<fp32, [2]> y = add(x = x, y = x)[name = string("y")];
        } -> (y);
}
"""


class Run(CliTest):
    def run_program(self, program, inputs):
        write_safetensors(self.dir / "in.safetensors", inputs)
        self.ok("run", PROGRAMS / program, "--inputs", "in.safetensors", "--outputs",
                "out.safetensors")
        return self.dir / "out.safetensors"

    def test_a_row_is_added_to_every_row(self):
        out = self.run_program("elementwise/add_broadcast.mil",
                               {"x": ("F32", (3, 4), floats(range(12))),
                                "row": ("F32", (4,), floats([10, 20, 30, 40]))})
        self.assertEqual(read_floats(out, "y"), [10, 21, 32, 43, 14, 25, 36, 47, 18, 29, 40, 51])

    def test_both_results_of_a_program(self):
        out = self.run_program("elementwise/clip_and_round.mil",
                               {"x": ("F32", (5,), floats([-2, -0.5, 0.5, 1.5, 2.6]))})
        self.assertEqual(read_floats(out, "clipped"), [-1, -0.5, 0.5, 1, 1])
        self.assertEqual(read_floats(out, "rounded"), [-2, 0, 0, 2, 3])

    def test_halves_and_constants_of_a_convolution(self):
        halves = lambda values: struct.pack(f"<{len(values)}e", *values)
        out = self.run_program("conv/conv1x1_fp16.mil",
                               {"x": ("F16", (1, 2, 1, 4), halves([1, 2, 3, 4, 10, 20, 30, 40]))})
        dtype, shape, content = read_safetensors(out)["y"]
        self.assertEqual((dtype, shape), ("F16", (1, 3, 1, 4)))
        self.assertEqual(list(struct.unpack("<12e", content)),
                         [6, 12, 18, 24, -1, -2, -3, -4, 20.25, 40.5, 60.75, 81])

    def test_bad_inputs(self):
        program = self.path("small.mil", SMALL)
        base = ("run", program, "--outputs", "out")
        self.refused(*base, says="--inputs")
        for name, tensors, says in (
                ("missing", {"z": ("F32", (2,), floats([1, 2]))}, "'x'"),
                ("shape", {"x": ("F32", (3,), floats([1, 2, 3]))}, ["'x'", "[3]", "[2]"]),
                ("type", {"x": ("I32", (2,), bytes(8))}, ["'x'", "int32", "fp32"])):
            write_safetensors(self.dir / name, tensors)
            self.refused(*base, "--inputs", name, says=[name, *([says] if isinstance(says, str)
                                                               else says)])
        for name, content in (("empty", b""), ("junk", b"\xff" * 40)):
            self.path(name, content)
            self.refused(*base, "--inputs", name, says=name)
        self.refused(*base, "--inputs", "absent", says="absent")
        self.refused(*base, "--inputs", ".", says=".")
        write_safetensors(self.dir / "in", {"x": ("F32", (2,), floats([1, 2]))})
        self.refused(*base, "--inputs", "in", "--function", "other", says="other")
        self.refused("run", program, "--inputs", "in", "--outputs", "in/x", says="in/x")
        self.refused("run", program, "--inputs", "in", "--outputs", "nowhere/x", says="nowhere/x")

    def test_weight_files(self):
        text = SMALL.replace("add(x = x, y = x)", "add(x = x, y = w)").replace(
            "            tensor<fp32, [2]> y",
            '            tensor<fp32, [2]> w = const()[name = string("w"), val = tensor<fp32, [2]>('
            'BLOBFILE(path = string("@model_path/weights/w.bin"), offset = uint64(64)))];\n'
            "            tensor<fp32, [2]> y", 1)
        program = self.path("w.mil", text)
        write_safetensors(self.dir / "in", {"x": ("F32", (2,), floats([1, 2]))})
        base = ("run", program, "--inputs", "in", "--outputs", "out")
        self.refused(*base, says=["w.mil:4:", "weights/w.bin"])
        self.path("weights/w.bin", "")
        self.refused(*base, says="weights/w.bin")
        self.path("weights/w.bin", b"x" * 200)
        self.refused(*base, says="weights/w.bin")


class Compile(CliTest):
    def test_every_program_is_counted_and_printed_again(self):
        programs = sorted(PROGRAMS.rglob("*.mil"))
        self.assertTrue(programs)
        for program in programs:
            functions = self.ok_json("compile", program)["functions"]
            self.assertLessEqual({"operations", "flops", "bytes_read"}, set(functions[0]))
            for dialect in "ABC":
                text = self.ok("compile", program, "--dialect", dialect, "--emit", "mil")
                again = self.path("again.mil", text)
                self.assertEqual(self.ok("compile", again, "--dialect", dialect), text, program)
                counts = self.ok_json("compile", again)["functions"][0]
                self.assertEqual(counts["operations"], functions[0]["operations"], program)

    def test_every_wrong_program_is_refused_at_a_line_and_column(self):
        programs = sorted(ERRORS.glob("*.mil"))
        self.assertTrue(programs)
        for program in programs:
            line = self.refused("compile", program)
            self.assertRegex(line, rf"{program.name}:\d+:\d+: ")
            self.refused("run", program, "--outputs", "out", says=program.name)

    def test_errors_name_the_place(self):
        cases = {"adx(x = x, y = x)": ["small.mil:4:35", "adx"], "add(x = x, y = u)": [":4:", "u"],
                 "add(x = x)": [":4:", "y"], "add(x = x, y = x": [":4:"]}
        for wrong, says in cases.items():
            self.path("small.mil", SMALL.replace("add(x = x, y = x)", wrong))
            self.refused("compile", "small.mil", says=says)
        self.path("small.mil", SMALL.replace("fp32, [2]> y", "fp32, [3]> y"))
        self.refused("compile", "small.mil", says=[":4:", "[3]", "[2]"])

    def test_files_that_are_no_programs(self):
        for content in (b"", b"\0" * 10, b"\xff\xfe", b"program", b"program(1.3)", b"(" * 10**5,
                        b"{" * 10**5, SMALL.encode()[:-20], SMALL.encode() * 2):
            self.path("x.mil", content)
            self.refused("compile", "x.mil", says="x.mil:")
        self.refused("compile", "absent", says="absent")
        self.refused("compile", ".", says=".")

    def test_no_cut_or_changed_text_breaks_the_program(self):
        text = (PROGRAMS / "attention" / "rope_fp16.mil").read_bytes()
        for at in range(0, len(text), 97):
            for changed in (text[:at], text[:at] + b"(" + text[at:], text[:at] + text[at + 9:],
                            text[:at] + b"-9" + text[at + 1:]):
                self.path("x.mil", changed)
                status, _, err = self.run_cli("compile", "x.mil")
                self.assertIn(status, (0, 2), err)
                self.assertEqual(err.count("\n"), 0 if status == 0 else 1, err)


if __name__ == "__main__":
    unittest.main()
