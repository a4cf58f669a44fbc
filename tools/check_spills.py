#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the vector stack traffic in the loops of compiled functions.

usage: check_spills.py [--all] [--allow-none] REGEX FILE...
       check_spills.py --self-test

Disassembles each object file or executable and looks at the functions whose demangled name matches
REGEX. A loop is an address range closed by a backward jump. For each innermost loop that multiplies
and adds (FMA, dot product or tile instructions) a line is printed: how many of those it has, how
many vector loads from the stack and stores to it. --all prints the other loops as well.

Status 1: such a loop loads vectors from the stack or stores them there. Status 2: nothing matched,
or no matching function has such a loop (with --allow-none: status 0), because a check that looked
at nothing has not passed.

The stack is what rsp addresses, and rbp in functions that set it up as a frame pointer.
"""
import re
import subprocess
import sys

FUNCTION = re.compile(r"^([0-9a-f]+) <(.*)>:$")
INSTRUCTION = re.compile(r"^\s*([0-9a-f]+):\s+(.*?)\s*$")
JUMP = re.compile(r"^(?:bnd |notrack )?j[a-z]+\s+(?:\*)?([0-9a-f]+)(?:\s|$)")
MULTIPLY_ADD = re.compile(
    r"^(?:\{e?vex\} )?(?:vfn?m(?:add|sub)\d+[ps][sdh]|vpdpbu?s|vpdpbssd|vpdpwssd|vdpbf16ps|vpmaddwd|vpmaddubsw|"
    r"vpmadd52|tdp)")
VECTOR = re.compile(r"%[xyz]mm\d+")
MEMORY = re.compile(r"[-0-9a-fx]*\((%r[sb]p)[,)]")
FRAME = re.compile(r"^(?:mov\s+%rsp,%rbp|lea\s+[-0-9a-fx]*\(%rsp\),%rbp)\b")


def functions(disassembly):
    """Yields (name, [(address, instruction)])."""
    name, body = None, []
    for line in disassembly.splitlines():
        match = FUNCTION.match(line)
        if match:
            if name and body:
                yield name, body
            name, body = match[2], []
            continue
        match = INSTRUCTION.match(line)
        if match and name:
            body.append((int(match[1], 16), match[2].split("#")[0].strip()))
    if name and body:
        yield name, body


def stack_access(text, frame):
    """'load', 'store' or None for one instruction in AT&T order (destination last)."""
    if not VECTOR.search(text):
        return None
    memory = MEMORY.search(text)
    if not memory or (memory[1] == "%rbp" and not frame):
        return None
    after = text[memory.end():] if memory[0].endswith(")") else text[text.index(")", memory.start()):]
    return "load" if VECTOR.search(after) or re.search(r"\),?%k\d", after) else "store"


def loops(body):
    """Returns [(first, last, innermost)] by address."""
    first, last = body[0][0], body[-1][0]
    starts = {address for address, _ in body}
    found = set()
    for address, text in body:
        match = JUMP.match(text)
        if match:
            target = int(match[1], 16)
            if first <= target <= address <= last and target in starts:
                found.add((target, address))
    result = []
    for begin, end in sorted(found):
        inner = not any((b, e) != (begin, end) and begin <= b and e <= end for b, e in found)
        result.append((begin, end, inner))
    return result


def examine(disassembly, pattern, show_all):
    """Returns (rows, matched functions, loops that multiply and add, bad loops)."""
    rows, matched, relevant, bad = [], 0, 0, 0
    for name, body in functions(disassembly):
        if not pattern.search(name):
            continue
        matched += 1
        frame = any(FRAME.match(text) for _, text in body)
        for begin, end, inner in loops(body):
            inside = [text for address, text in body if begin <= address <= end]
            products = sum(1 for text in inside if MULTIPLY_ADD.match(text))
            access = [stack_access(text, frame) for text in inside]
            loads, stores = access.count("load"), access.count("store")
            counts = inner and products > 0
            relevant += counts
            bad += counts and loads + stores > 0
            if counts or show_all:
                rows.append((f"{begin:x}-{end:x}", "innermost" if inner else "outer", len(inside),
                             products, loads, stores, name))
    return rows, matched, relevant, bad


def self_test():
    clean = """
0000000000000010 <void tile<14, 2>(float*)>:
  10:\tvmovups 0x40(%rsp),%zmm1
  18:\tvfmadd231ps (%rdi){1to16},%zmm1,%zmm2
  1e:\tvfmadd231ps 0x8(%rbp,%rax,4),%zmm1,%zmm3
  24:\tdec    %rax
  27:\tjne    18 <void tile<14, 2>(float*)+0x8>
  29:\tvmovups %zmm2,0x40(%rsp)
  2f:\tret
"""
    assert examine(clean, re.compile("tile"), False)[1:] == (1, 1, 0)
    assert examine(clean, re.compile("other"), False)[1] == 0
    # The same with a frame pointer: the operand of the second FMA is on the stack.
    framed = clean.replace("  10:\t", "   e:\tmov    %rsp,%rbp\n  10:\t")
    rows, _, _, bad = examine(framed, re.compile("tile"), False)
    assert bad == 1 and rows[0][3:6] == (2, 1, 0), rows
    spilled = clean.replace("dec    %rax", "vmovaps %ymm4,-0x20(%rsp)")
    rows, _, _, bad = examine(spilled, re.compile("tile"), False)
    assert bad == 1 and rows[0][3:6] == (2, 0, 1), rows
    # In the outer loop only: allowed, and printed with --all.
    outer = clean.replace("  2f:\tret", "  2f:\tjmp    10 <x+0x0>\n  31:\tret")
    assert examine(outer, re.compile("tile"), False)[1:] == (1, 1, 0)
    assert len(examine(outer, re.compile("tile"), True)[0]) == 2
    # Masked and indexed forms.
    assert stack_access("vmovups %zmm0,0x80(%rsp,%rax,4){%k1}", False) == "store"
    assert stack_access("vaddps 0x80(%rsp,%rax,4),%zmm0,%zmm1{%k1}", False) == "load"
    assert stack_access("vmovups (%rsp),%xmm15", False) == "load"
    assert stack_access("mov    (%rsp),%rax", False) is None
    assert stack_access("vmovups (%rdi),%ymm1", False) is None
    assert stack_access("vcmpps $0x1,0x40(%rsp),%zmm1,%k1", False) == "load"
    for text in ("vfmadd231ps %zmm1,%zmm2,%zmm3", "vfnmadd132ps (%rax),%ymm1,%ymm2",
                 "vpdpbusd %zmm1,%zmm2,%zmm3", "vdpbf16ps %zmm1,%zmm2,%zmm3", "tdpbusd %tmm1,%tmm2,%tmm3",
                 "vpmaddwd %ymm1,%ymm2,%ymm3", "{vex} vpdpbusd %ymm1,%ymm2,%ymm3",
                 "vpdpbusds %zmm1,%zmm2,%zmm3", "tdpbf16ps %tmm1,%tmm2,%tmm3"):
        assert MULTIPLY_ADD.match(text), text
    assert not MULTIPLY_ADD.match("vaddps %zmm1,%zmm2,%zmm3")
    print("check_spills.py: self-test passed")


def main():
    args = sys.argv[1:]
    if args == ["--self-test"]:
        self_test()
        return 0
    options = {arg for arg in args if arg.startswith("--")}
    rest = [arg for arg in args if not arg.startswith("--")]
    if options - {"--all", "--allow-none"} or len(rest) < 2:
        sys.exit(__doc__)
    pattern = re.compile(rest[0])
    rows, matched, relevant, bad = [], 0, 0, 0
    for path in rest[1:]:
        text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", "-C", path], check=True,
                              capture_output=True, text=True).stdout
        found = examine(text, pattern, "--all" in options)
        rows += found[0]
        matched, relevant, bad = matched + found[1], relevant + found[2], bad + found[3]
    if rows:
        print(f"{'loop':<16} {'kind':<9} {'instr':>5} {'mul-add':>7} {'loads':>5} {'stores':>6}  function")
    for where, kind, size, products, loads, stores, name in rows:
        short = name if len(name) <= 120 else name[:117] + "..."
        print(f"{where:<16} {kind:<9} {size:>5} {products:>7} {loads:>5} {stores:>6}  {short}")
    print(f"{matched} functions matched, {relevant} innermost loops multiply and add, "
          f"{bad} of them with vector stack traffic")
    if bad:
        return 1
    return 0 if relevant or "--allow-none" in options else 2


if __name__ == "__main__":
    sys.exit(main())
