#!/usr/bin/env python3
"""Remainders and quotients of floats against rational arithmetic, each float type, extreme operands."""
import math
import random
import struct
import unittest
from fractions import Fraction

from cli_testing import CliTest, read_safetensors, write_safetensors

# Name in MIL, in safetensors, bits of the significand, of the exponent, smallest exponent, storage.
TYPES = [("fp16", "F16", 11, 5, -24, "H"), ("bf16", "BF16", 8, 8, -133, "H"),
         ("fp32", "F32", 24, 8, -149, "I"), ("fp64", "F64", 53, 11, -1074, "Q")]


class Format:
    """One float type, decoded and rounded without the help of floating point."""

    def __init__(self, precision, exponent_bits, lowest):
        self.precision, self.lowest = precision, lowest
        self.exponent_bits = exponent_bits
        self.fraction_bits = precision - 1
        self.largest = (Fraction(2) ** precision - 1) * Fraction(2) ** (
            2 ** (exponent_bits - 1) - precision)

    def decode(self, bits):
        """A Fraction, or a float for what is none."""
        sign = -1 if bits >> (self.fraction_bits + self.exponent_bits) else 1
        exponent = bits >> self.fraction_bits & ((1 << self.exponent_bits) - 1)
        fraction = bits & ((1 << self.fraction_bits) - 1)
        if exponent == (1 << self.exponent_bits) - 1:
            return math.nan if fraction else sign * math.inf
        if exponent:
            fraction |= 1 << self.fraction_bits
        return sign * fraction * Fraction(2) ** (self.lowest + max(exponent, 1) - 1)

    def round(self, value):
        """The nearest number of the type, halves to even; infinite beyond the largest."""
        if value == 0:
            return Fraction(0)
        size = abs(value)
        exponent = size.numerator.bit_length() - size.denominator.bit_length()
        if Fraction(2) ** exponent > size:
            exponent -= 1
        step = Fraction(2) ** max(exponent - self.precision + 1, self.lowest)
        nearest = round(size / step) * step  # Python's round of a Fraction: halves to even
        if nearest > self.largest:
            return math.inf if value > 0 else -math.inf
        return nearest if value > 0 else -nearest


class Remainders(CliTest):
    """10,000 pairs a type: random bits, near quotients, and huge or tiny ones."""

    def operands(self, name, fmt, rng, count):
        bits = fmt.fraction_bits + fmt.exponent_bits + 1
        any_number = lambda: rng.getrandbits(bits)
        near = lambda other: (other + rng.randrange(-3 << fmt.fraction_bits, 3 << fmt.fraction_bits)
                              ) % (1 << bits)
        pairs = []
        while len(pairs) < count:
            y = any_number()
            x = any_number() if rng.random() < 0.5 else near(y)
            a, b = fmt.decode(x), fmt.decode(y)
            if isinstance(a, Fraction) and isinstance(b, Fraction) and b != 0:
                pairs.append((x, y, a, b))
        return pairs

    def compute(self, name, dtype, storage, pairs):
        n = len(pairs)
        write_safetensors(self.dir / "in.safetensors", {
            key: (dtype, (n,), struct.pack(f"<{n}{storage}", *[pair[at] for pair in pairs]))
            for at, key in enumerate("xy")})
        self.path("p.mil", f"""program(1.3) {{
            func main<ios18>(tensor<{name}, [{n}]> x, tensor<{name}, [{n}]> y) {{
              tensor<{name}, [{n}]> rest = mod(x = x, y = y);
              tensor<{name}, [{n}]> floor = floor_div(x = x, y = y);
            }} -> (rest, floor);
        }}""")
        self.ok("run", "p.mil", "--inputs", "in.safetensors", "--outputs", "out.safetensors")
        out = read_safetensors(self.dir / "out.safetensors")
        return [struct.unpack(f"<{n}{storage}", out[key][2]) for key in ("rest", "floor")]

    def test_they_are_the_exact_ones_rounded_once(self):
        for name, dtype, precision, exponent_bits, lowest, storage in TYPES:
            fmt = Format(precision, exponent_bits, lowest)
            pairs = self.operands(name, fmt, random.Random(7), 10000)
            rests, floors = self.compute(name, dtype, storage, pairs)
            wrong = []
            for (_, _, a, b), rest, floor in zip(pairs, rests, floors):
                quotient = a // b
                want = fmt.round(a - quotient * b), fmt.round(Fraction(quotient))
                got = fmt.decode(rest), fmt.decode(floor)
                if got != want:
                    wrong.append((float(a), float(b), got, want))
            self.assertEqual(wrong[:3], [], f"{name}: {len(wrong)} of {len(pairs)}")


if __name__ == "__main__":
    unittest.main()
