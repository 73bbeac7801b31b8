#!/usr/bin/env python3
"""Takes `anemone bench prefill` and `bench decode` and llama.cpp in turns, and prints the ratios.

Run by scripts/compare_llama_cpp.sh, which sees to it that llama-cpp-python and gguf are there.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
PAIRS = [("bf16", "bf16"), ("int8", "q8_0"), ("int4", "q4_0")]
TOKENS = 32  # of a turn of decoding: short, so that both see the same minute of a shared machine


def run(*command):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"compare_llama_cpp: `{' '.join(map(str, command))}` ended with "
                 f"status {done.returncode}")
    return json.loads(done.stdout)


def theirs(args, quantization, threads, facts, *what):
    model = args.models / f"{quantization}.gguf"
    result = run(sys.executable, HERE / "llama_cpp_times.py", model, "--threads", threads, *what)
    facts["llama_cpp_python"] = result["version"]
    facts["llama_cpp_uses"] = result["system"]
    return result


def prefill_turn(args, dtype, quantization, threads, prompt, facts, peer_first):
    rounds = 3 if prompt * args.weights < 1e11 else 1  # samples of a turn, beside a warm-up

    def ours():
        return run(args.anemone, "bench", "prefill", "--model", args.models / "hf",
                   "--dtype", dtype, "--seq", prompt, "--threads", threads, "--rounds", 3, "--quiet", "--json")["ms"]

    def peer():
        return statistics.median(theirs(args, quantization, threads, facts, "--prompt", prompt,
                                        "--rounds", rounds)["prefill_ms"])
    return in_turn(ours, peer, peer_first)


def decode_turn(args, dtype, quantization, threads, facts, peer_first):
    def ours():
        return run(args.anemone, "bench", "decode", "--model", args.models / "hf", "--dtype", dtype,
                   "--threads", threads, "--rounds", TOKENS // 8, "--quiet", "--json")["ms"]

    def peer():
        return statistics.median(theirs(args, quantization, threads, facts, "--tokens",
                                        TOKENS)["token_ms"])
    return in_turn(ours, peer, peer_first)


def in_turn(ours, peer, peer_first):
    """Both times. The one that goes first changes: a machine that slows down favours neither."""
    if peer_first:
        other = peer()
        return ours(), other
    own = ours()
    return own, peer()


def measure(args):
    facts, rows = {}, []
    cases = [(threads, pair, prompt) for threads in args.threads for pair in PAIRS
             if pair[0] in args.dtype for prompt in [*args.prompt, 0]]
    turns = {case: [] for case in cases}
    for index in range(args.rounds):
        for case in cases:
            threads, (dtype, quantization), prompt = case
            peer_first = index % 2 == 1
            turns[case].append(
                prefill_turn(args, dtype, quantization, threads, prompt, facts, peer_first)
                if prompt else
                decode_turn(args, dtype, quantization, threads, facts, peer_first))
            print(f"round {index + 1}: {case} {turns[case][-1]}", file=sys.stderr)
    for (threads, (dtype, quantization), prompt), times in turns.items():
        own, other = (statistics.median(column) for column in zip(*times))
        ratios = sorted(theirs / ours for ours, theirs in times)
        rows.append({"what": f"prefill {prompt}" if prompt else "decode", "threads": threads,
                     "ours": dtype, "theirs": quantization,
                     "ours_tokens_per_s": 1e3 * max(prompt, 1) / own,
                     "theirs_tokens_per_s": 1e3 * max(prompt, 1) / other,
                     "ratio": statistics.median(ratios), "lowest": ratios[0],
                     "highest": ratios[-1],
                     # Both at their fastest: others that use the processors count least in it.
                     "fastest_ratio": min(t for _, t in times) / min(o for o, _ in times)})
    return {**facts, "shape": args.shape, "rounds": args.rounds, "rows": rows}


def table(result):
    lines = [f"{result['shape']}, llama-cpp-python {result['llama_cpp_python']}, medians of "
             f"{result['rounds']} rounds, tokens/s", "",
             "| | threads | ours | theirs | ratio (lowest to highest) | of the fastest |",
             "|---|---|---|---|---|---|"]
    for row in result["rows"]:
        lines.append(f"| {row['what']} | {row['threads']} | {row['ours_tokens_per_s']:.0f} "
                     f"({row['ours']}) | {row['theirs_tokens_per_s']:.0f} ({row['theirs']}) | "
                     f"{row['ratio']:.2f} ({row['lowest']:.2f} to {row['highest']:.2f}) | {row['fastest_ratio']:.2f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--anemone", default="build/release/cli/anemone")
    parser.add_argument("--models", type=pathlib.Path, default=pathlib.Path("."),
                        help="folder that tools/random_model.py wrote")
    parser.add_argument("--shape", choices=["stories110m", "qwen3-0.6b"], default="stories110m")
    parser.add_argument("--dtype", nargs="+", choices=[pair[0] for pair in PAIRS],
                        default=[pair[0] for pair in PAIRS])
    parser.add_argument("--prompt", nargs="*", type=int, default=[256, 1024],
                        help="tokens of prompts")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--check-flags", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.check_flags:
        return
    args.weights = {"stories110m": 110e6, "qwen3-0.6b": 600e6}[args.shape]
    result = measure(args)
    print(json.dumps(result, indent=2) if args.json else table(result))


if __name__ == "__main__":
    main()
