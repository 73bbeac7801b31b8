"""What the tests of the command line share: running it, and making small inputs by hand.

The program's path comes from the environment variable ANEMONE (CMakeLists.txt sets it).
"""
import json
import math
import os
import pathlib
import random
import resource
import shutil
import signal
import struct
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED_DATA = ROOT.parent / "shared" / "data"
ANEMONE = os.environ.get("ANEMONE", str(ROOT / "build" / "release" / "cli" / "anemone"))

# A model that trains in a millisecond: shared key/value heads, tied classifier.
TINY = dict(vocab_size=300, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=32,
            rope_theta=10000.0, rms_norm_eps=1e-5, tie_word_embeddings=True, model_type="llama")


def snapshot(directory):
    """Every path below a directory with its content; None for a directory."""
    return {str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
            for path in sorted(pathlib.Path(directory).rglob("*"))}


class CliTest(unittest.TestCase):
    """A test with an empty directory `self.dir`, in which the program runs."""

    maxDiff = None

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="anemone-cli-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def start(self, *arguments, **options):
        return subprocess.Popen([ANEMONE, *map(str, arguments)], cwd=self.dir,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **options)

    def run_cli(self, *arguments, **options):
        """(exit status, stdout, stderr)"""
        with self.start(*arguments, **options) as process:
            try:
                out, err = process.communicate(timeout=60)
            finally:
                process.kill()
        return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")

    def ok(self, *arguments):
        """Standard output of a run that must succeed without a word on standard error."""
        status, out, err = self.run_cli(*arguments)
        self.assertEqual((status, err), (0, ""), f"anemone {' '.join(map(str, arguments))}")
        return out

    def ok_json(self, *arguments):
        """The object on the last line."""
        return json.loads(self.ok(*arguments, "--json").splitlines()[-1])

    def refused(self, *arguments, says=(), **options):
        """Exit status 2, one line that holds all of `says`, files as before. Returns the line."""
        before = snapshot(self.dir)
        status, _, err = self.run_cli(*arguments, **options)
        command = f"anemone {' '.join(map(str, arguments))}"
        self.assertEqual(status, 2, f"{command}\n{err}")
        self.assertRegex(err, r"\Aanemone: [^\n]+\n\Z", command)
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(str(part), err, command)
        self.assertEqual(sorted(snapshot(self.dir)), sorted(before), command)
        self.assertEqual(snapshot(self.dir), before, command)
        return err

    def path(self, name, content=None):
        """A path below the test's directory; with `content`, written."""
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path


# --- files ---

def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


def write_safetensors(path, tensors):
    """tensors: name → (dtype, shape, bytes)"""
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape),
                        "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    """name → (dtype, shape, bytes)"""
    content = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:8 + size])
    header.pop("__metadata__", None)
    data = content[8 + size:]
    return {name: (entry["dtype"], tuple(entry["shape"]), data[slice(*entry["data_offsets"])])
            for name, entry in header.items()}


def read_floats(path, name):
    """Elements of an F32 tensor."""
    dtype, _, content = read_safetensors(path)[name]
    assert dtype == "F32", dtype
    return list(struct.unpack(f"<{len(content) // 4}f", content))


def tiny_tensors(config=TINY, seed=1):
    """Random weights under Hugging Face's names: name → (dtype, shape, bytes)."""
    d, f, v = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    kv = d // config["num_attention_heads"] * config["num_key_value_heads"]
    shapes = {"model.embed_tokens.weight": (v, d)}
    for layer in range(config["num_hidden_layers"]):
        for part, shape in (("input_layernorm", (d,)), ("self_attn.q_proj", (d, d)),
                            ("self_attn.k_proj", (kv, d)), ("self_attn.v_proj", (kv, d)),
                            ("self_attn.o_proj", (d, d)), ("post_attention_layernorm", (d,)),
                            ("mlp.gate_proj", (f, d)), ("mlp.up_proj", (f, d)),
                            ("mlp.down_proj", (d, f))):
            shapes[f"model.layers.{layer}.{part}.weight"] = shape
    shapes["model.norm.weight"] = (d,)
    rng = random.Random(seed)
    return {name: ("F32", shape, floats([rng.gauss(0, 0.3) if len(shape) > 1 else 1.0
                                         for _ in range(math.prod(shape))]))
            for name, shape in shapes.items()}


def write_model(directory, config=TINY, tensors=None):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config))
    write_safetensors(directory / "model.safetensors", tensors or tiny_tensors(config))
    return directory


def write_shard(path, count, vocab=300, seed=2):
    rng = random.Random(seed)
    ids = [rng.randrange(3, vocab) for _ in range(count)]
    pathlib.Path(path).write_bytes(struct.pack(f"<{count}H", *ids))
    return ids


def write_tokenizer(path, vocab=300):
    """A llama2.c vocabulary: the fixed tokens, single letters, then fillers."""
    pieces = [b"<unk>", b"\n<s>\n", b"\n</s>\n"] + [b"<0x%02X>" % byte for byte in range(256)]
    pieces += [b" "] + [bytes([letter]) for letter in b"abcdefghijklmnopqrstuvwxyz"]
    pieces += [b"filler%d" % i for i in range(vocab - len(pieces))]
    content = struct.pack("<i", max(map(len, pieces)))
    for index, piece in enumerate(pieces[:vocab]):
        content += struct.pack("<fi", -float(index), len(piece)) + piece
    pathlib.Path(path).write_bytes(content)


# --- the system ---

def small_disk(limit):
    """For `preexec_fn`: files cannot grow beyond `limit` bytes, as on a full disk."""
    def apply():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return apply


def shared_data(name):
    """A file of ../shared/data; the test is skipped where it is absent."""
    path = SHARED_DATA / name
    if not path.exists():
        raise unittest.SkipTest(f"{path} is absent")
    return path
