#!/usr/bin/env python3
"""Runs the networks of cpu_bench (finetune_bench with --update) and tools/pytorch_cnn.py interleaved and prints what one is of the other.

Run by scripts/compare_pytorch_cnn.sh, which sees to it that both are there and the environment is
fair. A turn is short, so that both see the same minute of a shared machine; its time is the median
of its passes, or the fastest one, which threads that others take processors from still reach.
"""
import argparse
import pathlib
import statistics
import sys

from compare_pytorch import run, wait_until_quiet

PEER = pathlib.Path(__file__).with_name("pytorch_cnn.py")
NETWORKS = {"resnet50": "ResNet50", "mobilenet_v2": "MobileNetV2"}


def own_turn(args, network, dtype):
    kind = "update/" if args.update else ""
    done, foreign = run([args.bench,
                         f"--benchmark_filter=^{NETWORKS[network]}/{kind}{dtype}/threads:{args.threads}/",
                         "--benchmark_format=json", "--benchmark_min_time=0.1",
                         f"--benchmark_repetitions={args.repetitions}"])
    times = [each["real_time"] for each in done["benchmarks"] if each["run_type"] == "iteration"]
    return times, foreign


def peer_turn(args, network, layout):
    done, foreign = run([sys.executable, PEER, "--network", network, "--threads", args.threads,
                         *(["--channels-last"] if layout == "channels-last" else []),
                         *(["--update"] if args.update else [])])
    args.version = done["torch"]
    return done["ms"], foreign


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="train instead of a forward pass")
    parser.add_argument("--bench", help="default: the program that has the networks")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--patience", type=float, default=5, help="seconds to wait for a quiet one")
    args = parser.parse_args()
    if not args.bench:
        program = "finetune/finetune_bench" if args.update else "devices/cpu/cpu_bench"
        args.bench = f"build/release/anemone/{program}"
    for network in NETWORKS:
        turns = {"fp32": lambda: own_turn(args, network, "fp32"),
                 "fp16": lambda: own_turn(args, network, "fp16"),
                 "PyTorch": lambda: peer_turn(args, network, "channels-first"),
                 "PyTorch channels-last": lambda: peer_turn(args, network, "channels-last")}
        medians, fastest, others = ({name: [] for name in turns} for _ in range(3))
        for _ in range(args.rounds):
            for name, turn in turns.items():
                wait_until_quiet(args.patience, args.threads)
                times, foreign = turn()
                medians[name].append(statistics.median(times))
                fastest[name].append(min(times))
                others[name].append(foreign)
        what = "update" if args.update else "forward"
        print(f"{network}, {what}, batch 1, {args.threads} threads, PyTorch {args.version}, "
              f"{args.rounds} rounds", flush=True)
        for name in turns:
            ratio = statistics.median(a / b for a, b in zip(medians[name], medians["fp32"]))
            best = min(fastest[name]) / min(fastest["fp32"])
            print(f"  {name:22} median {statistics.median(medians[name]):7.1f} ms = {ratio:5.2f} x ours, "
                  f"fastest {min(fastest[name]):7.1f} ms = {best:5.2f} x, "
                  f"others used {100 * statistics.median(others[name]):.0f} %")


if __name__ == "__main__":
    main()
