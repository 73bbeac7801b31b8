#!/usr/bin/env python3
"""Takes `anemone bench step` and tools/pytorch_step.py in turns and prints what one is of the other.

Run by scripts/compare_pytorch.sh, which sees to it that both are there and the environment is fair.
"""
import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import time

PEER = pathlib.Path(__file__).with_name("pytorch_step.py")
MODEL = ["--model", "stories110m", "--batch", "1", "--seq", "256"]
SAMPLES = "3"  # of a turn: short, so that both see the same minute of a shared machine

# Of all processors, used by others beyond those that a turn leaves free. More than this, and the
# round says nothing: threads that spin while they wait for each other, as PyTorch's do, lose far
# more than the share that is taken from them.
QUIET = 0.06
FEWEST = 3  # quiet rounds that are enough


def busy_seconds():
    """Of all processors together since the start, including what the host took away; None elsewhere."""
    try:
        fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    except OSError:
        return None
    user, nice, system, _, _, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def run(command):
    """Its JSON, and the share of the processors that others used meanwhile."""
    usage = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    begin, busy, own = time.monotonic(), busy_seconds(), usage()
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"compare_pytorch: `{' '.join(map(str, command))}` ended with status {done.returncode}")
    if busy is None:
        return json.loads(done.stdout), 0.0
    foreign = busy_seconds() - busy - (usage() - own)
    return json.loads(done.stdout), max(0.0, foreign / (time.monotonic() - begin) / os.cpu_count())


def allowed_foreign(threads):
    return QUIET + max(0, os.cpu_count() - threads) / os.cpu_count()


def wait_until_quiet(seconds, threads):
    """Until a second passes with little work of others, or `seconds` have passed."""
    end = time.monotonic() + seconds
    while busy_seconds() is not None and time.monotonic() < end:
        before = busy_seconds()
        time.sleep(1)
        if busy_seconds() - before < allowed_foreign(threads) * os.cpu_count():
            return


def measure_round(index, dtype, args, facts):
    ours = [args.anemone, "bench", "step", *MODEL, "--dtype", dtype, "--rounds", SAMPLES, "--threads",
            args.threads, "--quiet", "--json"]
    theirs = [sys.executable, PEER, "time", "--dtype", dtype, "--threads", args.threads, "--rounds",
              SAMPLES]
    wait_until_quiet(args.patience, args.threads)
    turns = {}
    # The one that goes first changes, so that a machine that slows down favours neither.
    for name, command in sorted({"ours": ours, "theirs": theirs}.items(), reverse=index % 2 == 1):
        turns[name] = run(command)
    (result, foreign_ours), (peer, foreign_theirs) = turns["ours"], turns["theirs"]
    row = result["rows"][0]
    facts.update(machine=result["machine"], pytorch=peer["version"], blas=peer["blas"])
    theirs_ms, added_ms = statistics.median(peer["ms"]), statistics.median(peer["ms_added"])
    return {"dtype": dtype, "ours_ms": row["ms"], "theirs_ms": theirs_ms, "theirs_added_ms": added_ms,
            "ratio": theirs_ms / row["ms"], "ours_peak_share": row["peak_share"],
            "theirs_peak_share": row["gflop"] / theirs_ms * 1e3 / row["peak_gflops"],
            "foreign": max(foreign_ours, foreign_theirs)}


def summary(rounds, is_quiet):
    quiet = [r for r in rounds if is_quiet(r)]
    counted = quiet if len(quiet) >= FEWEST else rounds
    middle = lambda key: statistics.median(r[key] for r in counted)
    ratios = [r["ratio"] for r in counted]
    return {**{key: middle(key) for key in ("ours_ms", "theirs_ms", "theirs_added_ms", "ratio",
                                            "ours_peak_share", "theirs_peak_share")},
            "ratio_min": min(ratios), "ratio_max": max(ratios), "counted": len(counted),
            "busy": counted is not quiet, "rounds": rounds}


def show(result):
    facts = result["facts"]
    print(f"Stories110M, 1 x 256 tokens, forward + backward, threads: {result['threads']} of "
          f"{facts['machine']['cpu']}\nPyTorch {facts['pytorch']} eager ({facts['blas']})\n")
    print("dtype  Anemone ms (peak)  PyTorch ms (peak)  adding ms  PyTorch / Anemone  range        rounds")
    for dtype, s in result["dtypes"].items():
        print(f"{dtype:5}  {s['ours_ms']:9.0f} ({s['ours_peak_share']:4.0%})  "
              f"{s['theirs_ms']:10.0f} ({s['theirs_peak_share']:4.0%})  {s['theirs_added_ms']:9.0f}  "
              f"{s['ratio']:17.2f}  {s['ratio_min']:.2f}..{s['ratio_max']:.2f}   "
              f"{s['counted']} of {len(s['rounds'])}")
    print("\nMedians of undisturbed rounds; each has a turn of both. Peak: of the processor, in the same\n"
          "round. Adding: PyTorch where gradients are there already; the other two columns begin them.")
    for dtype, s in result["dtypes"].items():
        if s["busy"]:
            print(f"{dtype}: fewer than {FEWEST} rounds without other work on the machine, so all are "
                  "counted, and that favours Anemone: run it again when the machine is idle")


def main():
    parser = argparse.ArgumentParser(prog="scripts/compare_pytorch.sh", description=__doc__.split("\n")[0])
    parser.add_argument("--anemone", help=argparse.SUPPRESS)
    parser.add_argument("--check-flags", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--dtype", choices=("fp32", "bf16", "both"), default="both")
    parser.add_argument("--rounds", type=int, default=7, help="undisturbed turns of each (default 7)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each (default: all)")
    parser.add_argument("--patience", type=float, default=20,
                        help="seconds to wait before a round for an idle machine (default 20)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    args = parser.parse_args()
    if args.rounds < 1 or args.threads < 1:
        parser.error("--rounds and --threads are at least 1")
    if args.check_flags:
        return

    dtypes = ["fp32", "bf16"] if args.dtype == "both" else [args.dtype]
    facts, rounds = {}, []
    is_quiet = lambda r: r["foreign"] <= allowed_foreign(args.threads)
    for index in range(2 * args.rounds):  # a disturbed round is taken again, within reason
        for dtype in dtypes:
            if sum(r["dtype"] == dtype and is_quiet(r) for r in rounds) >= args.rounds:
                continue
            r = measure_round(index, dtype, args, facts)
            rounds.append(r)
            print(f"round {index + 1}, {dtype}: {r['ours_ms']:.0f} ms, PyTorch {r['theirs_ms']:.0f} ms: "
                  f"{r['ratio']:.2f} (others used {r['foreign']:.0%} of the machine)", file=sys.stderr)
    result = {"facts": facts, "threads": args.threads,
              "dtypes": {d: summary([r for r in rounds if r["dtype"] == d], is_quiet) for d in dtypes}}
    print(json.dumps(result, indent=1)) if args.json else show(result)


if __name__ == "__main__":
    main()
