#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what compiling a network costs: the suite "networks".

usage: check_networks.py [--root DIR] [--compiler CXX]... [--march ARCH] [--optimize FLAGS]
                         [--filter REGEX] [--json FILE]

One translation unit for each network of examples/models, which sets it up from weights in memory
and runs it on one thread. Printed are seconds of CPU time, the compiler's largest memory, the size
of the code, and the length of the longest symbol as the linker sees it.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

UNIT = """#include "{header}"
#include <ia_nn/graph/compiled.hpp>
namespace graph = ia_nn::graph;
using net = graph::compiled<models::{network}<>>;
net make(graph::memory_weights const& w) {{ return net(w); }}
void run(net const& n, std::span<graph::source const> in, std::span<float* const> out,
         ia_nn::workspace_view scratch) {{
  n.run(1, in, out, scratch);
}}
"""


def networks_of(header):
    """Names of the networks of a header: templates of a batch."""
    with open(header, encoding="utf-8") as f:
        return re.findall(r"template <(?:ia_nn::)?index_t Batch[^{}]*>\s*struct (\w+)", f.read())


def compiled(command):
    """CPU seconds and peak memory in MB of a process."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    errors = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)} failed:\n{errors}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    parser.add_argument("--root", default=os.path.dirname(here))
    parser.add_argument("--compiler", action="append")
    parser.add_argument("--march", default="native")
    parser.add_argument("--optimize", default="-O2")
    parser.add_argument("--filter", default="")
    parser.add_argument("--json")
    args = parser.parse_args()
    compilers = args.compiler or [c for c in ("g++", "clang++-19") if shutil.which(c)]
    folder = os.path.join(args.root, "examples", "models")
    networks = [(n, network) for n in sorted(os.listdir(folder))
                for network in networks_of(os.path.join(folder, n))
                if re.search(args.filter, network)]
    rows = []
    print(f"{'compiler':<12} {'network':<14} {'CPU s':>6} {'MB':>6} {'code KB':>8} {'symbol':>7}")
    with tempfile.TemporaryDirectory() as work:
        unit, made = os.path.join(work, "net.cpp"), os.path.join(work, "net.o")
        for compiler in compilers:
            for header, name in networks:
                with open(unit, "w", encoding="utf-8") as f:
                    f.write(UNIT.format(header=os.path.join(folder, header), network=name))
                seconds, memory = compiled(
                    [compiler, "-std=c++20", *args.optimize.split(), f"-march={args.march}",
                     f"-I{args.root}/include", "-c", unit, "-o", made])
                symbols = subprocess.run(["nm", made], capture_output=True, text=True, check=True)
                longest = max(len(line.split()[-1]) for line in symbols.stdout.splitlines())
                sizes = subprocess.run(["size", made], capture_output=True, text=True, check=True)
                code = int(sizes.stdout.splitlines()[1].split()[0]) / 1024
                rows.append({"compiler": os.path.basename(compiler), "network": name,
                             "cpu_s": seconds, "peak_mb": memory, "code_kb": code,
                             "longest_symbol": longest})
                print(f"{rows[-1]['compiler']:<12} {name:<14} {seconds:>6.1f} {memory:>6.0f} "
                      f"{code:>8.0f} {longest:>7}", flush=True)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump({"suite": "networks", "rows": rows}, f, indent=1)


if __name__ == "__main__":
    main()
