#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that the table of docs/from-pytorch.md has every layer and every option.

usage: check_layers.py --root DIR

The table's rows are compiled (extract.py), which holds what they say against the headers. This holds
against the table what the headers have: each function of graph/layers/ that makes a layer must stand
in a row, every option of a layer in the last column of a row of a layer that has it, and every number that
may be left out in the row of the layer without it.
"""
import os
import re
import sys

from extract import equal_codes

FUNCTION = re.compile(r"constexpr (?:value|std::array<value, N>) (\w+)\(([^)]*)\)", re.S)
STRUCT = re.compile(r"struct (\w+_layer) \{\n(.*?)\n\};", re.S)
MEMBER = re.compile(r"^  [\w:]+ ((?:\w+(?: = [^,;]+|\{\})?(?:, )?)+);", re.M)
# What makes no other layer: what it is called, and how exactly it multiplies.
NOT_ASKED = {"name", "precision", "channels", "columns"}
# These have no name that another library would know.
NOT_LAYERS = {"apply", "input", "constant", "activation", "custom"}


def read(path):
    """A header without comments and without what is in namespace detail."""
    with open(path, encoding="utf-8") as f:
        text = re.sub(r"^namespace detail \{.*?^\} // namespace detail$", "", f.read(),
                      flags=re.S | re.M)
    return re.sub(r"//.*", "", text)


def main():
    if len(sys.argv) != 3 or sys.argv[1] != "--root":
        sys.exit(__doc__)
    root = sys.argv[2]
    folder = os.path.join(root, "include", "ia_nn", "graph", "layers")
    headers = [read(os.path.join(folder, name)) for name in sorted(os.listdir(folder))]
    options = {name: {m.split(" = ")[0].strip("{} ") for line in MEMBER.findall(body)
                      for m in line.split(", ")} - NOT_ASKED
               for text in headers for name, body in STRUCT.findall(text)}
    functions, numbers = {}, {}
    for text in headers:
        for name, parameters in FUNCTION.findall(text):
            functions.setdefault(name, set()).update(re.findall(r"\b(\w+_layer)\b", parameters))
            if re.search(r"f32 \w+ =", parameters):
                numbers[name] = parameters.count("f32")
    for name in NOT_LAYERS:
        functions.pop(name, None)

    with open(os.path.join(root, "docs", "from-pytorch.md"), encoding="utf-8") as f:
        rows = list(equal_codes(f.read(), "docs/from-pytorch.md"))
    complaints = []
    written = {struct: set() for struct in options}
    for name, structs in sorted(functions.items()):
        full = [code for _, short, code in rows if re.search(rf"\b{name}[(<]", f"{short} {code}")]
        if not full:
            complaints.append(f"no row has the layer {name}")
        if name in numbers and not any(short == f"{name}(x)" and code.count(",") == numbers[name]
                                     for _, short, code in rows):
            complaints.append(f"no row writes out the numbers of {name}(x)")
        for struct in structs:
            written[struct].update(*(re.findall(r"\.(\w+) =", code) for code in full))
    for struct, wanted in options.items():
        for option in sorted(wanted - written[struct]):
            complaints.append(f"no row writes out .{option} of {struct}")
    if not functions or not any(options.values()):
        complaints.append("no layers were found in the headers")
    for sentence in complaints:
        print("docs/from-pytorch.md: " + sentence)
    print(f"{len(functions)} layers, {len(rows)} rows, {len(complaints)} complaints")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    main()
