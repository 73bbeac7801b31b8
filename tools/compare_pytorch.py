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


def measure_round(index, case, args, facts):
    dtype, accum = case
    common = ["--dtype", dtype, "--accum", accum, "--threads", args.threads, "--rounds", SAMPLES]
    ours = [args.anemone, "bench", "step", *MODEL, *common, "--quiet", "--json"]
    theirs = [sys.executable, PEER, "time", *common]
    wait_until_quiet(args.patience, args.threads)
    turns = {}
    # The one that goes first changes, so that a machine that slows down favours neither.
    for name, command in sorted({"ours": ours, "theirs": theirs}.items(), reverse=index % 2 == 1):
        turns[name] = run(command)
    (result, foreign_ours), (peer, foreign_theirs) = turns["ours"], turns["theirs"]
    row = result["rows"][0]
    facts.update(machine=result["machine"], pytorch=peer["version"], blas=peer["blas"])
    theirs_ms = statistics.median(peer["ms"])
    return {"case": case, "ours_ms": row["ms"], "theirs_ms": theirs_ms,
            "ratio": theirs_ms / row["ms"], "ours_peak_share": row["peak_share"],
            "theirs_peak_share": row["gflop"] / theirs_ms * 1e3 / row["peak_gflops"],
            "foreign": max(foreign_ours, foreign_theirs)}


def summary(rounds, is_quiet):
    quiet = [r for r in rounds if is_quiet(r)]
    counted = quiet if len(quiet) >= FEWEST else rounds
    middle = lambda key: statistics.median(r[key] for r in counted)
    ratios = [r["ratio"] for r in counted]
    return {**{key: middle(key) for key in ("ours_ms", "theirs_ms", "ratio", "ours_peak_share",
                                            "theirs_peak_share")},
            "ratio_min": min(ratios), "ratio_max": max(ratios), "counted": len(counted),
            "busy": counted is not quiet, "rounds": rounds}


def show(result):
    facts = result["facts"]
    print(f"Stories110M, 1 x 256 tokens, forward + backward, threads: {result['threads']} of "
          f"{facts['machine']['cpu']}\nPyTorch {facts['pytorch']} eager ({facts['blas']})\n")
    print("dtype  accum  Anemone ms (peak)  PyTorch ms (peak)  PyTorch / Anemone  range        rounds")
    for s in result["cases"]:
        print(f"{s['dtype']:5}  {s['accum']:5}  {s['ours_ms']:10.0f} ({s['ours_peak_share']:4.0%})  "
              f"{s['theirs_ms']:10.0f} ({s['theirs_peak_share']:4.0%})  {s['ratio']:17.2f}  "
              f"{s['ratio_min']:.2f}..{s['ratio_max']:.2f}   {s['counted']} of {len(s['rounds'])}")
    print("\nMedians of undisturbed rounds; each has a turn of both. Peak: of the processor, in the same\n"
          "round. accum: micro-steps of an update; the first begins the gradients, the others add.")
    for s in result["cases"]:
        if s["busy"]:
            print(f"{s['dtype']}, {s['accum']}: fewer than {FEWEST} rounds without other work on the machine, so all are "
                  "counted, and that favours Anemone: run it again when the machine is idle")


def main():
    parser = argparse.ArgumentParser(prog="scripts/compare_pytorch.sh", description=__doc__.split("\n")[0])
    parser.add_argument("--anemone", help=argparse.SUPPRESS)
    parser.add_argument("--check-flags", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--dtype", choices=("fp32", "bf16", "both"), default="both")
    parser.add_argument("--accum", type=int, nargs="+", default=[1, 4], metavar="N",
                        help="micro-steps of an update (default 1 and 4)")
    parser.add_argument("--rounds", type=int, default=7, help="undisturbed turns of each (default 7)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of each (default: all)")
    parser.add_argument("--patience", type=float, default=20,
                        help="seconds to wait before a round for an idle machine (default 20)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    args = parser.parse_args()
    if min(args.rounds, args.threads, *args.accum) < 1:
        parser.error("--rounds, --threads and --accum are at least 1")
    if args.check_flags:
        return

    dtypes = ["fp32", "bf16"] if args.dtype == "both" else [args.dtype]
    cases = [(dtype, accum) for dtype in dtypes for accum in args.accum]
    facts, rounds = {}, []
    is_quiet = lambda r: r["foreign"] <= allowed_foreign(args.threads)
    for index in range(2 * args.rounds):  # a disturbed round is taken again, within reason
        for case in cases:
            if sum(r["case"] == case and is_quiet(r) for r in rounds) >= args.rounds:
                continue
            r = measure_round(index, case, args, facts)
            rounds.append(r)
            print(f"round {index + 1}, {case[0]}, {case[1]}: {r['ours_ms']:.0f} ms, PyTorch {r['theirs_ms']:.0f} ms: "
                  f"{r['ratio']:.2f} (others used {r['foreign']:.0%} of the machine)", file=sys.stderr)
    result = {"facts": facts, "threads": args.threads,
              "cases": [{"dtype": case[0], "accum": case[1],
                         **summary([r for r in rounds if r["case"] == case], is_quiet)}
                        for case in cases]}
    print(json.dumps(result, indent=1)) if args.json else show(result)


if __name__ == "__main__":
    main()
