#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns the C++ code blocks of Markdown documents into translation units.

usage: extract.py --root DIR --out DIR DOCUMENT...
       extract.py --self-test

    ```cpp run      a complete program: compiled and executed
    ```cpp          some lines: compiled inside a function, after #include <ia_nn/ia_nn.hpp>;
                    #include lines and blocks that start with 'namespace' or 'template' stay outside
    ```cpp ignore   a listing of signatures: not compiled, so it may not hold code that does
                    something (return, loops, branches, printing)

A table with a column `in full` has one named `here` too. Both hold one code each, layers of
graph/layers.hpp, and the two of a row must make the same nodes (same_layers.hpp): so a default that
changes in a header fails where the table says it.

All plain blocks and such tables of one document become one translation unit. Prints one line per generated file,
"snippets,<name>,<file>" or "run,<name>,<file>". C++ under any other info string is an error: code
that silently goes unchecked is what this script is there to prevent.
"""
import os
import re
import sys

FENCE = re.compile(r"^(?P<indent> {0,3})(?P<fence>`{3,})\s*(?P<info>[^`]*?)\s*$")
DOES_SOMETHING = re.compile(r"\breturn\b|\bfor\s*\(|\bwhile\s*\(|\bif\s*\(|std::cout|printf\s*\(")
CODE = re.compile(r"^`([^`]+)`$")
OUTSIDE = re.compile(r"^\s*(?:namespace|template)\b")


class Mistake(Exception):
    pass


def blocks(text, name):
    """Yields (info, first line number, lines) of every fenced block."""
    opened = None
    for number, line in enumerate(text.splitlines(), 1):
        match = FENCE.match(line)
        if opened is None:
            if match:
                opened = (match["fence"], match["info"], number + 1, [], len(match["indent"]))
        elif match and match["info"] == "" and len(match["fence"]) >= len(opened[0]):
            yield opened[1], opened[2], opened[3]
            opened = None
        else:
            indent = opened[4]
            opened[3].append(line[indent:] if line[:indent].isspace() else line)
    if opened:
        raise Mistake(f"{name}:{opened[2] - 1}: the code block is never closed")


def cells(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def equal_codes(text, name):
    """Yields (line number, code, code) of each row of a table with a column `in full`."""
    header = fence = None
    for number, line in enumerate(text.splitlines(), 1):
        match = FENCE.match(line)
        if match and (fence is None or (match["info"] == "" and len(match["fence"]) >= fence)):
            fence = len(match["fence"]) if fence is None else None
        if fence or not line.startswith("|"):
            header = None
            continue
        row = cells(line)
        if header is None:
            header = row
            if "in full" in header and "here" not in header:
                raise Mistake(f"{name}:{number}: a table with 'in full' has no column 'here'")
            continue
        if "in full" not in header or set(line) <= set("|-: "):
            continue
        if len(row) != len(header):
            raise Mistake(f"{name}:{number}: {len(row)} cells, the table has {len(header)} columns")
        codes = [CODE.match(row[header.index(column)]) for column in ("here", "in full")]
        if None in codes:
            raise Mistake(f"{name}:{number}: 'here' and 'in full' hold one `code` each")
        yield number, codes[0][1], codes[1][1]


def convert(text, name):
    """Returns (snippet source or None, [program source])."""
    includes, bodies, programs = [], [], []
    for number, short, full in equal_codes(text, name):
        if not bodies:
            includes.append('#include "same_layers.hpp"\n')
        made = ", ".join(f"[](inputs const& in) {{ auto [x, s, v, i] = in; return {code}; }}"
                         for code in (short, full))
        bodies.append(f'namespace row_{number} {{\nusing namespace same_layers;\n'
                      f'#line {number} "{name}"\nstatic_assert(are_same({made}), '
                      '"ia_nn: the two codes of this row make different layers");\n}\n')
    for info, first, lines in blocks(text, name):
        words = info.split()
        language = words[0].lower() if words else ""
        if language in ("c++", "cxx", "cc", "hpp"):
            raise Mistake(f"{name}:{first - 1}: write ```cpp instead of ```{info}")
        if language != "cpp":
            continue
        kind = " ".join(words[1:])
        here = f'#line {first} "{name}"\n'
        code = "\n".join(lines) + "\n"
        if kind == "run":
            programs.append(here + code)
        elif kind == "ignore":
            if DOES_SOMETHING.search(re.sub(r"//.*", "", code)):
                raise Mistake(f"{name}:{first}: a block marked 'cpp ignore' does something; only "
                              "listings of signatures may go uncompiled")
        elif kind == "":
            kept = []
            for offset, line in enumerate(lines):
                if line.lstrip().startswith("#include"):
                    includes.append(f'#line {first + offset} "{name}"\n{line}\n')
                    line = ""
                kept.append(line)
            code = "\n".join(kept) + "\n"
            meaningful = next((l for l in kept if l.strip() and not l.lstrip().startswith("//")), "")
            if OUTSIDE.match(meaningful):
                bodies.append(f"namespace line_{first} {{\n{here}{code}}}\n")
            else:
                bodies.append(f"[[maybe_unused]] static void line_{first}() {{\n{here}{code}}}\n")
        else:
            raise Mistake(f"{name}:{first - 1}: unknown info string '{info}'")
    snippets = None
    if bodies:
        snippets = "#include <ia_nn/ia_nn.hpp>\n" + "".join(includes) + "".join(bodies)
    return snippets, programs


def write_if_changed(path, text):
    """An unchanged snippet is not compiled again."""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                return
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def self_test():
    document = ("text\n```cpp\n#include <vector>\nint a = 1;\n```\n```cpp run\nint main() {}\n```\n"
                "```sh\nls\n```\n```cpp ignore\nvoid f(int);\n```\n"
                "```cpp\ntemplate <class T> T g(T);\n```\n"
                "```cpp\nusing namespace ia_nn;\nf();\n```\n")
    snippets, programs = convert(document, "doc.md")
    assert programs == ['#line 7 "doc.md"\nint main() {}\n'], programs
    assert snippets.index("#include <vector>") < snippets.index("line_3()"), snippets
    assert '#line 3 "doc.md"\n\nint a = 1;\n}' in snippets, snippets
    assert "namespace line_16 {" in snippets and "void line_19()" in snippets and "void f" not in snippets, snippets
    table = "| theirs | here | in full |\n|---|---|---|\n| `F()` | `f(x)` | `f(x, 1)` |\n"
    assert list(equal_codes(table, "doc.md")) == [(3, "f(x)", "f(x, 1)")]
    assert "static_assert" in convert(table, "doc.md")[0]
    assert not list(equal_codes("```text\n" + table + "```\n", "doc.md"))
    assert not list(equal_codes(table.replace("in full", "more"), "doc.md"))
    for bad in (table.replace("here", "there"), table.replace("`f(x)`", "f(x)"),
                table.replace("| `f(x)`", ""), "```cpp ignore\nreturn 1;\n```\n", "```c++\n```\n", "```cpp sometimes\n```\n",
                "```cpp\nint a;\n"):
        try:
            convert(bad, "bad.md")
        except Mistake:
            continue
        raise AssertionError("accepted: " + bad)
    print("extract.py: self-test passed")


def main():
    args = sys.argv[1:]
    if args == ["--self-test"]:
        self_test()
        return
    if len(args) < 4 or args[0] != "--root" or args[2] != "--out":
        sys.exit(__doc__)
    root, out = args[1], args[3]
    os.makedirs(out, exist_ok=True)
    for path in args[4:]:
        relative = os.path.relpath(path, root)
        stem = re.sub(r"\W", "_", os.path.splitext(relative)[0]).lower()
        with open(path, encoding="utf-8") as f:
            snippets, programs = convert(f.read(), relative)
        if snippets:
            write_if_changed(os.path.join(out, stem + ".cpp"), snippets)
            print(f"snippets,{stem},{stem}.cpp")
        for number, program in enumerate(programs, 1):
            name = f"{stem}_run{number}"
            write_if_changed(os.path.join(out, name + ".cpp"), program)
            print(f"run,{name},{name}.cpp")


if __name__ == "__main__":
    try:
        main()
    except Mistake as mistake:
        sys.exit(f"ia_nn: {mistake}")
