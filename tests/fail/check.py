#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles one file of tests/fail with and without IA_NN_SHOULD_FAIL.

usage: check.py [--must-refuse KIND] FILE -- COMPILER FLAG...

Without the macro the file must compile; with it, it must not, and the compiler's output must hold
the sentence of the file's first line. With --must-refuse the verdict has to be exactly that KIND of
complaint: so the checker is tested by files that are wrong on purpose.
"""
import os
import re
import subprocess
import sys


def readable(line):
    """A line of a compiler, with the text that stands in template arguments as it was written: \\'
    is ', and pieces of one text (clang++ shows 32 characters of each) are together."""
    line = re.sub(r'"\}(?:, | *)(?:\w+::)*shown_text<[^{}]*>\{"', "", line)
    return line.replace("\\'", "'")


def verdict(path, command):
    """Returns (kind, text); kind is 'good' or the name of what is wrong."""
    with open(path, encoding="utf-8") as f:
        first = f.readline()
    match = re.match(r"// expect: (ia_nn: \S.*?)\s*$", first)
    if not match:
        return "no_sentence", "the first line is not '// expect: ia_nn: ...'"
    sentence = match.group(1)

    def compile_with(extra):
        return subprocess.run(
            command + extra + ["-fsyntax-only", path],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env=dict(os.environ, LC_ALL="C"))

    plain = compile_with([])
    if plain.returncode != 0:
        return "never_compiles", "must compile without IA_NN_SHOULD_FAIL:\n" + plain.stderr
    failing = compile_with(["-DIA_NN_SHOULD_FAIL"])
    if failing.returncode == 0:
        return "always_compiles", "must not compile with IA_NN_SHOULD_FAIL, but does"
    # The sentence of a static_assert stands in the diagnostic; that of a consteval throw in the
    # source line the compiler echoes under it. Echoes of the tested file itself do not count, or a
    # sentence in its comments would satisfy the test.
    echo_counts = False
    for line in failing.stderr.splitlines():
        diagnostic = re.match(r"(?:In file included from )?(\S+?):\d+(?::\d+)?[:,]", line)
        if diagnostic:
            echo_counts = os.path.realpath(diagnostic.group(1)) != os.path.realpath(path)
        if sentence in readable(line) and (diagnostic or echo_counts):
            return "good", sentence
    return "other_sentence", f"the output does not say '{sentence}':\n" + failing.stderr


def main():
    args = sys.argv[1:]
    refuse = None
    if args[:1] == ["--must-refuse"]:
        refuse, args = args[1], args[2:]
    if len(args) < 3 or args[1] != "--":
        sys.exit(__doc__)
    kind, text = verdict(args[0], args[2:])
    wanted = refuse or "good"
    if kind != wanted:
        print(f"{args[0]}: {kind} (wanted: {wanted})\n{text}")
        return 1
    print(f"{args[0]}: {kind} as wanted: {text.splitlines()[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
