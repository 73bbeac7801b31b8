#!/usr/bin/env python3
"""LoRA on a Qwen3-0.6B-shaped model beside PEFT on PyTorch in bf16: time of a step, and peak memory.

compare_peft.py [--threads N] [--rounds N] [--tokens T] [--rank R] [--layers L] [--anemone PROGRAM]

Makes the model with random weights (1.2 GB, in a temporary folder that is removed again), then runs
processes in turns, each a few steps of one sequence; the first step of a process is left out. Peak
memory is what the system counted for the process, the pages of the mapped weights included.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
STEPS = 4
SHAPE = dict(vocab_size=151936, hidden_size=1024, intermediate_size=3072, num_attention_heads=16,
             num_key_value_heads=8, head_dim=128, max_position_embeddings=4096,
             tie_word_embeddings=True)


def make_model(folder, layers):
    import numpy as np
    import torch
    import transformers
    torch.manual_seed(0)
    config = transformers.Qwen3Config(num_hidden_layers=layers, **SHAPE)
    transformers.Qwen3ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder / "model")
    ids = np.random.default_rng(0).integers(0, SHAPE["vocab_size"], 20000).astype("<u4")
    ids.tofile(folder / "tokens.u32.bin")


def peft_process(folder, tokens, rank, threads):
    """In a process of its own: prints the times of its steps."""
    import time
    import peft
    import torch
    import transformers
    torch.set_num_threads(threads)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder / "model",
                                                              dtype=torch.bfloat16)
    model = peft.get_peft_model(model, peft.LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=5e-4)
    ids = torch.randint(0, SHAPE["vocab_size"], (1, tokens + 1))
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        optimizer.zero_grad()
        logits = model(input_ids=ids[:, :-1]).logits[0].float()
        torch.nn.functional.cross_entropy(logits, ids[0, 1:]).backward()
        optimizer.step()
        times.append(1000 * (time.perf_counter() - start))
    print(json.dumps(times))


def run(command):
    """Output and peak memory in MB of a process."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed with status {status}")
    return output.decode(), usage.ru_maxrss / 1024


def ours(program, folder, args, recompute):
    out = folder / "run"
    subprocess.run(["rm", "-rf", out], check=True)
    _, memory = run([program, "train", "--model", folder / "model", "--data",
                     folder / "tokens.u32.bin", "--batch", "1", "--seq", str(args.tokens), "--steps",
                     str(STEPS), "--lora-rank", str(args.rank), "--dtype", "bf16", "--threads",
                     str(args.threads), "--out", out, "--quiet"] + ["--recompute"] * recompute)
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [row["ms"] for row in rows], memory


def main():
    parser = argparse.ArgumentParser()
    for flag, value in (("threads", 2), ("rounds", 3), ("tokens", 512), ("rank", 8), ("layers", 28)):
        parser.add_argument(f"--{flag}", type=int, default=value)
    parser.add_argument("--anemone", default=ROOT / "build/release/cli/anemone")
    parser.add_argument("--peft-process", help=argparse.SUPPRESS)
    parser.add_argument("--make-model", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make_model:
        return make_model(pathlib.Path(args.make_model), args.layers)
    if args.peft_process:
        return peft_process(pathlib.Path(args.peft_process), args.tokens, args.rank, args.threads)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    times, memory = {}, {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        # In another process: a child's peak begins with what its parent holds.
        run([sys.executable, __file__, "--make-model", name, "--layers", str(args.layers)])
        peft = [sys.executable, __file__, "--peft-process", name, "--tokens", str(args.tokens),
                "--rank", str(args.rank), "--threads", str(args.threads)]
        for _ in range(args.rounds):
            for who in ("PEFT", "anemone", "anemone --recompute"):
                if who == "PEFT":
                    output, peak = run(peft)
                    steps = json.loads(output)
                else:
                    steps, peak = ours(args.anemone, folder, args, who.endswith("recompute"))
                times.setdefault(who, []).extend(steps[1:])
                memory.setdefault(who, []).append(peak)
    base = statistics.median(times["PEFT"])
    for who, values in times.items():
        median = statistics.median(values)
        print(f"{who:22} {median:7.0f} ms a step, {base / median:5.2f} x PEFT, "
              f"peak {statistics.median(memory[who]):6.0f} MB")


if __name__ == "__main__":
    main()
