#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what the headers of ia_nn include.

usage: check_includes.py [--root DIR]
       check_includes.py --self-test

A folder of include/ia_nn may include itself and what BELOW lists for it, a part of graph/ what stands in
front of it in GRAPH, and its part files/ io/ as well. The umbrella ia_nn.hpp may
include every folder but the opt-in ones. Beyond that: library headers are named in full
(<ia_nn/core/types.hpp>), exist and form no cycle; standard headers that cost much compile time stay
out of the folders that every user pays for; each header has its licence line and #pragma once, and
at most 500 lines.
"""
import os
import re
import sys

CHAIN = ["core", "arch", "math", "gemm", "ops", "int8", "rnn", "train", "graph", "onednn"]
BELOW = {folder: set(CHAIN[:i]) for i, folder in enumerate(CHAIN)}
BELOW["exec"] = {"core"}
BELOW["dispatch"] = {"core", "arch"}
BELOW["io"] = {"core"}
# Parts of graph/: each may include itself and what stands in front of it.
GRAPH = ["ir", "layers", "passes", "kernels", "run", "show", "train", "files"]
OPT_IN = {"exec", "onednn", "dispatch", "io"}
ANYONE = {"begin.hpp", "config.hpp", "version.hpp"}
REPEATED = {"begin.hpp"}  # meant to be included many times

LIGHT = {"core", "arch", "math", "gemm", "ops"}
HEAVY = {"functional", "ranges", "iostream", "algorithm", "memory", "thread"}
BANNED = {"future", "regex", "iostream", "bits/stdc++.h"}
MAX_LINES = 500

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")')


def folder_of(name):
    """The first folder of a path relative to include/ia_nn; '' for a file that lies directly there."""
    return name.split("/")[0] if "/" in name else ""


def part_of_graph(name):
    """Which of GRAPH a header of graph/ lies in, or None."""
    parts = name.split("/")
    return GRAPH.index(parts[1]) if len(parts) == 3 and parts[0] == "graph" and parts[1] in GRAPH else None


def specialises(target, name):
    """arch/vec.hpp ends by including arch/<isa>/vec.hpp, which includes arch/vec.hpp for what it
    specialises: whichever the user names first, both are complete. The one cycle that is meant."""
    parts, other = name.split("/"), target.split("/")
    return len(other) == len(parts) + 1 and other[:-2] == parts[:-1] and other[-1] == parts[-1]


def check(headers):
    """headers: {path relative to include/ia_nn: text}. Returns a list of complaints."""
    complaints = []
    graph = {}
    for name, text in sorted(headers.items()):
        folder = folder_of(name)
        say = lambda line, sentence, name=name: complaints.append(
            f"include/ia_nn/{name}:{line}: {sentence}")
        if folder and folder not in BELOW:
            say(1, f"folder '{folder}' is not in the list of folders")
            continue
        lines = text.splitlines()
        if not any("SPDX-License-Identifier: Apache-2.0" in line for line in lines[:3]):
            say(1, "the first lines lack '// SPDX-License-Identifier: Apache-2.0'")
        if name not in REPEATED and not any(
                re.match(r"\s*#\s*pragma once", line) for line in lines):
            say(1, "no #pragma once")
        if len(lines) > MAX_LINES:
            say(MAX_LINES, f"{len(lines)} lines; a header has one subject and at most {MAX_LINES}")
        graph[name] = []
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            if match[2]:
                say(number, f'"{match[2]}": write <ia_nn/...> in full')
                continue
            target = match[1]
            if not target.startswith("ia_nn/"):
                if target in BANNED:
                    say(number, f"<{target}> is too heavy for any header of the library")
                elif target in HEAVY and folder in LIGHT:
                    say(number, f"<{target}> is too heavy for '{folder}'")
                continue
            target = target[len("ia_nn/"):]
            if target not in headers:
                say(number, f"<ia_nn/{target}> does not exist")
                continue
            if not specialises(target, name):
                graph[name].append(target)
            other = folder_of(target)
            if name == "ia_nn.hpp":
                if other in OPT_IN:
                    say(number, f"the umbrella must not include the opt-in folder '{other}'")
            elif target in ANYONE:
                pass
            elif not other:
                say(number, f"<ia_nn/{target}> is for users, not for the library itself")
            elif not folder:
                say(number, f"'{name}' lies outside the folders and may include none of them")
            elif other == "io" and name.startswith("graph/files/"):
                pass
            elif other != folder and other not in BELOW[folder]:
                say(number, f"'{folder}' may not include '{other}'; it may include: "
                            + ", ".join(f for f in CHAIN if f in BELOW[folder]))
            elif part_of_graph(name) is not None and part_of_graph(target) is None and other == "graph":
                say(number, f"<ia_nn/{target}> is for users, not for the library itself")
            elif part_of_graph(name) is not None and (part_of_graph(target) or 0) > part_of_graph(name):
                say(number, f"'{GRAPH[part_of_graph(name)]}' of graph may not include "
                            f"'{GRAPH[part_of_graph(target)]}', which builds on it")
    complaints += cycles(graph)
    return complaints


def cycles(graph):
    state, found = {}, []

    def visit(node, trail):
        state[node] = "open"
        for target in graph.get(node, []):
            if state.get(target) == "open":
                loop = trail[trail.index(target):] if target in trail else [node]
                found.append("include cycle: " + " -> ".join(loop + [target]))
            elif target not in state:
                visit(target, trail + [target])
        state[node] = "done"

    for node in sorted(graph):
        if node not in state:
            visit(node, [node])
    return found


def read_tree(root):
    base = os.path.join(root, "include", "ia_nn")
    headers = {}
    for where, _, files in os.walk(base):
        for file in files:
            if file.endswith(".hpp"):
                path = os.path.join(where, file)
                with open(path, encoding="utf-8") as f:
                    headers[os.path.relpath(path, base).replace(os.sep, "/")] = f.read()
    return headers


def self_test():
    head = "// SPDX-License-Identifier: Apache-2.0\n#pragma once\n"
    good = {"config.hpp": head,
            "core/a.hpp": head + "#include <ia_nn/config.hpp>\n#include <cstddef>\n",
            "arch/avx2/b.hpp": head + "#include <ia_nn/core/a.hpp>\n",
            "arch/vec.hpp": head + "#include <ia_nn/arch/avx2/vec.hpp>\n",
            "arch/avx2/vec.hpp": head + "#include <ia_nn/arch/vec.hpp>\n",
            "rnn/c.hpp": head + "#include <ia_nn/arch/avx2/b.hpp>\n#include <memory>\n",
            "exec/d.hpp": head + "#include <ia_nn/core/a.hpp>\n#include <thread>\n",
            "graph/ir/e.hpp": head,
            "graph/run/f.hpp": head + "#include <ia_nn/graph/ir/e.hpp>\n",
            "graph/g.hpp": head + "#include <ia_nn/graph/run/f.hpp>\n",
            "io/h.hpp": head,
            "graph/files/i.hpp": head + "#include <ia_nn/io/h.hpp>\n",
            "ia_nn.hpp": head + "#include <ia_nn/rnn/c.hpp>\n"}
    assert check(good) == [], check(good)
    wrong = [
        ("core/x.hpp", "#include <ia_nn/arch/avx2/b.hpp>\n", "'core' may not include 'arch'"),
        ("exec/x.hpp", "#include <ia_nn/arch/avx2/b.hpp>\n", "'exec' may not include 'arch'"),
        ("gemm/x.hpp", "#include <ia_nn/rnn/c.hpp>\n", "'gemm' may not include 'rnn'"),
        ("gemm/x.hpp", "#include <ia_nn/exec/d.hpp>\n", "'gemm' may not include 'exec'"),
        ("gemm/x.hpp", '#include "y.hpp"\n', "write <ia_nn/...> in full"),
        ("gemm/x.hpp", "#include <ia_nn/gemm/y.hpp>\n", "does not exist"),
        ("gemm/x.hpp", "#include <algorithm>\n", "too heavy for 'gemm'"),
        ("exec/x.hpp", "#include <regex>\n", "too heavy for any header"),
        ("graph/x.hpp", "#include <ia_nn/ia_nn.hpp>\n", "for users"),
        ("ia_nn.hpp", "#include <ia_nn/exec/d.hpp>\n", "opt-in folder 'exec'"),
        ("graph/layers/x.hpp", "#include <ia_nn/graph/run/f.hpp>\n", "may not include 'run'"),
        ("graph/show/x.hpp", "#include <ia_nn/graph/g.hpp>\n", "for users"),
        ("graph/run/x.hpp", "#include <ia_nn/io/h.hpp>\n", "'graph' may not include 'io'"),
        ("fold/x.hpp", "", "not in the list of folders"),
        ("core/x.hpp", "#include <ia_nn/core/x.hpp>\n", "include cycle"),
        ("core/x.hpp", "\n" * 600, "at most 500"),
    ]
    for name, body, expected in wrong:
        said = check({**good, name: head + body})
        assert len(said) == 1 and expected in said[0], (name, body, said)
    assert len(check({**good, "core/x.hpp": ""})) == 2
    print(f"check_includes.py: self-test passed, {len(wrong) + 1} mistakes found")


def main():
    args = sys.argv[1:]
    if args == ["--self-test"]:
        self_test()
        return 0
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    if args[:1] == ["--root"] and len(args) == 2:
        root = args[1]
    elif args:
        sys.exit(__doc__)
    headers = read_tree(root)
    if not headers:
        sys.exit(f"check_includes.py: no headers under {root}/include/ia_nn")
    complaints = check(headers)
    print("\n".join(complaints + [f"{len(headers)} headers, {len(complaints)} complaints"]))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
