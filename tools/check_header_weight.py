#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what including the library costs in compile time: the suite "compile".

usage: check_header_weight.py [--root DIR] [--runs N] [--compiler CXX]... [--march ARCH]
                              [--optimize FLAGS] [--json FILE] [--budget CASE=MS]... [--filter REGEX]

A case is a translation unit bench/compile/<case>.<who>.cpp; `ia_nn` is ours, the others are peers
that are left out by name where their header is not installed. Each run compiles all units of a case
once, in turn, to an object file. Printed are minimum and median per unit, and how many bytes the
preprocessor hands to the compiler. --budget makes the status 1 if our minimum for CASE exceeds MS
milliseconds (the minimum, because the budget is for the compiler and not for its neighbours).
"""
import argparse
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def include_dirs(root):
    dirs = [f"-I{root}/include"]
    if os.path.isdir("/usr/include/eigen3"):
        dirs += ["-isystem", "/usr/include/eigen3"]
    return dirs


def collect(root, pattern):
    cases = {}
    folder = os.path.join(root, "bench", "compile")
    for name in sorted(os.listdir(folder)):
        match = re.fullmatch(r"(\w+)\.(\w+)\.cpp", name)
        if match and pattern.search(match[1]):
            cases.setdefault(match[1], {})[match[2]] = os.path.join(folder, name)
    return cases


def machine(compilers):
    model = ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            model = next((l.split(":", 1)[1].strip() for l in f if l.startswith("model name")), "")
    except OSError:
        pass
    versions = {c: subprocess.run([c, "--version"], capture_output=True, text=True,
                                  check=True).stdout.splitlines()[0] for c in compilers}
    return {"cpu": model, "cores": os.cpu_count(), "compilers": versions}


def timed(command):
    begin = time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return (time.perf_counter() - begin) * 1e3, done


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    parser.add_argument("--root", default=os.path.dirname(here))
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--compiler", action="append")
    parser.add_argument("--march", default="native")
    parser.add_argument("--optimize", default="-O2")
    parser.add_argument("--json")
    parser.add_argument("--budget", action="append", default=[], metavar="CASE=MS")
    parser.add_argument("--filter", default="")
    parser.add_argument("--threads", help="accepted and ignored: a compiler has one thread")
    parser.add_argument("--isa", help="accepted and ignored: see --march")
    args = parser.parse_args()
    if args.runs < 1:
        parser.error("--runs must be at least 1")
    budgets = {}
    for text in args.budget:
        match = re.fullmatch(r"(\w+)=(\d+(?:\.\d+)?)", text)
        if not match:
            parser.error(f"--budget {text}: write CASE=MILLISECONDS")
        budgets[match[1]] = float(match[2])

    compilers = args.compiler or [c for c in ("g++", "clang++-19") if shutil.which(c)]
    cases = collect(args.root, re.compile(args.filter))
    unknown = set(budgets) - set(cases)
    if unknown:
        parser.error(f"no case {', '.join(sorted(unknown))} under bench/compile")
    rows, geomeans, late = [], [], []
    print(f"{'group':<22} {'case':<10} {'header':<10} {'min ms':>8} {'median':>8} {'MB in':>7} "
          f"{'ratio':>6} {'by min':>6}")
    with tempfile.TemporaryDirectory() as work:
        for compiler in compilers:
            base = [compiler, "-std=c++20", *args.optimize.split(), f"-march={args.march}",
                    *include_dirs(args.root)]
            label = os.path.basename(compiler)
            group = f"header {args.march} 1t {label}"
            logs = {}
            for case, units in cases.items():
                sizes, times = {}, {}
                for who, path in list(units.items()):
                    _, done = timed(base + ["-E", "-P", path])
                    if done.returncode == 0:
                        sizes[who], times[who] = len(done.stdout), []
                    elif who == "ia_nn":
                        sys.exit(f"{path} does not compile with {compiler}:\n{done.stderr}")
                    else:
                        print(f"{label}: {case}.{who} left out: its header is not installed")
                if "ia_nn" not in times:
                    sys.exit(f"case {case} has no unit of ours")
                for _ in range(args.runs):
                    for who in times:
                        ms, done = timed(base + ["-c", units[who], "-o", os.path.join(work, "o.o")])
                        if done.returncode != 0:
                            sys.exit(f"{units[who]} does not compile with {compiler}:\n{done.stderr}")
                        times[who].append(ms)
                ours, ours_min = statistics.median(times["ia_nn"]), min(times["ia_nn"])
                if case in budgets and ours_min > budgets[case]:
                    late.append(f"{case} with {label}: {ours_min:.0f} ms, budget {budgets[case]:.0f} ms")
                peers = {who: t for who, t in times.items() if who != "ia_nn"}
                for who, samples in times.items():
                    ratio, by_min = statistics.median(samples) / ours, min(samples) / ours_min
                    print(f"{group:<22} {case:<10} {who:<10} {min(samples):>8.0f} "
                          f"{statistics.median(samples):>8.0f} {sizes[who] / 1e6:>7.2f} "
                          + ("" if who == "ia_nn" else f"{ratio:>6.2f} {by_min:>6.2f}"))
                if peers:
                    fastest = {"median": min(statistics.median(t) for t in peers.values()),
                               "min": min(min(t) for t in peers.values())}
                    figures = [(who, statistics.median(t), min(t)) for who, t in peers.items()]
                    figures.append(("best", fastest["median"], fastest["min"]))
                    for who, median, least in figures:
                        rows.append({
                            "suite": "compile", "group": group, "case": case, "type": "header",
                            "isa": args.march, "threads": 1, "ours_ms": ours, "peer": who,
                            "peer_ms": median, "ratio": median / ours,
                            "ratio_min": least / ours_min, "peak_pct": None})
                        logs.setdefault(who, []).append(math.log(median / ours))
            geomeans += [{"group": group, "peer": who, "ratio": math.exp(sum(l) / len(l))}
                         for who, l in logs.items()]
    for mean in geomeans:
        print(f"geometric mean {mean['group']}, {mean['peer']}: {mean['ratio']:.2f}")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump({"machine": machine(compilers), "rows": rows, "geomeans": geomeans}, f,
                      indent=1)
            f.write("\n")
    for line in late:
        print("over budget:", line)
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
