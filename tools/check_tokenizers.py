#!/usr/bin/env python3
"""Compares ids and texts of our tokenizer.json reader with the `tokenizers` library's.

    cmake --build --preset release --target print_token_ids
    pip install tokenizers==0.23.3
    tools/check_tokenizers.py [--text FILE ...] [--random N] [TOKENIZER.json ...]

Without names it takes tests/golden/tokenizers. Texts are cut into paragraphs; random ones are made
of characters of many kinds, and of the added tokens. Exits with 1 where something differs.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "build/release/tests/golden/print_token_ids"
# Where tables of characters differ by their version is no matter of ours.
RANGES = [(0x20, 0x7E)] * 6 + [(0x20, 0x20)] * 4 + [
    (0x0, 0x20), (0x7F, 0xFF), (0xA0, 0x17F), (0x300, 0x341), (0x370, 0x377), (0x391, 0x3A1),
    (0x400, 0x4FF), (0x5D0, 0x5EA), (0x620, 0x64A), (0x660, 0x669), (0x900, 0x939),
    (0x0E01, 0x0E3A), (0x1100, 0x1112), (0x1161, 0x1175), (0x1680, 0x1680), (0x1E00, 0x1EFF),
    (0x2000, 0x2064), (0x2070, 0x2071), (0x20D0, 0x20DC), (0x2100, 0x214F), (0x2150, 0x2182),
    (0x2460, 0x24FF), (0x2581, 0x2581), (0x3000, 0x303F), (0x3041, 0x3096), (0x3099, 0x30FF),
    (0x32D0, 0x33FF), (0x4E00, 0x9FA0), (0xAC00, 0xD7A3), (0xE000, 0xE010), (0xF900, 0xFA6D),
    (0xFB00, 0xFB06), (0xFE70, 0xFE72), (0xFEFF, 0xFF65), (0x1D400, 0x1D454), (0x1F300, 0x1F5FF),
    (0x20000, 0x20100), (0x180E, 0x180E)]


def random_text(chooser, tokens):
    parts = []
    for _ in range(chooser.randrange(1, 30)):
        if chooser.random() < 0.08:
            parts.append(chooser.choice(tokens))
        else:
            times = chooser.choice((1, 1, 1, 2, 3))
            parts.append(chr(chooser.randint(*chooser.choice(RANGES))) * times)
    return "".join(parts)


def texts_of(arguments, tokens):
    texts = []
    for path in arguments.text:
        texts += pathlib.Path(path).read_text().split("\n\n")
    chooser = random.Random(arguments.seed)
    return texts + [random_text(chooser, tokens) for _ in range(arguments.random)]


def ours(path, texts):
    with tempfile.TemporaryFile("w+") as lines:
        lines.writelines(json.dumps(text) + "\n" for text in texts)
        lines.seek(0)
        begin = time.perf_counter()
        output = subprocess.run([PROGRAM, path], stdin=lines, stdout=subprocess.PIPE, check=True)
    results = [json.loads(line) for line in output.stdout.splitlines()]
    return results, time.perf_counter() - begin


def compare(path, arguments):
    """The number of texts that differ."""
    library = Tokenizer.from_file(str(path))
    library.no_truncation()
    library.no_padding()
    tokens = [token.content for token in library.get_added_tokens_decoder().values()]
    texts = texts_of(arguments, tokens)
    results, seconds = ours(path, texts)
    different = 0
    for text, (ids, decoded) in zip(texts, results, strict=True):
        expected = library.encode(text).ids
        expected_text = library.decode(expected)
        # Bytes that end no character stay bytes here (docs/tokenizers.md).
        if ids == expected and (decoded == expected_text or "\ufffd" in expected_text):
            continue
        different += 1
        if different <= arguments.show:
            print(f"  {text!r}\n    ours {ids}\n    its  {expected}\n    {decoded!r}\n    "
                  f"{expected_text!r}")
    count = sum(map(len, texts))
    print(f"{path.name}: {len(texts)} texts, {count} characters, {different} differ, "
          f"{seconds:.2f} s")
    return different


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tokenizers", nargs="*", type=pathlib.Path)
    parser.add_argument("--text", action="append", default=[])
    parser.add_argument("--random", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=3, help="differences to print of each")
    arguments = parser.parse_args()
    paths = arguments.tokenizers or [
        path for path in sorted((ROOT / "tests/golden/tokenizers").glob("*.json"))
        if not path.name.endswith(".cases.json")]
    sys.exit(1 if sum(compare(path, arguments) for path in paths) else 0)


if __name__ == "__main__":
    main()
