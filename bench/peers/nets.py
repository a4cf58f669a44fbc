#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whole networks in OpenVINO, in ONNX Runtime and in this library, in turns.

    scripts/bench peers [--networks A,B] [--precisions f32,bf16,int8] [--json FILE] ...
    python3 bench/peers/nets.py [--ours build/bench/bench/bench_graph] ...

Needed: numpy and onnx, and openvino or onnxruntime or both; nets-requirements.txt has versions.
docs/benchmarking.md says how it measures. Models are made in --models and kept there.
"""
import argparse
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nets_models
import nets_report
from nets_run import RUNTIMES

HERE = Path(__file__).resolve().parent
INSTALL = "pip install -r bench/peers/nets-requirements.txt"
# The instruction sets whose executable is asked for a precision, the best first.
ISAS = {"f32": ("avx512", "avx2"), "bf16": ("amx", "avx512_bf16"),
        "int8": ("amx", "avx512_vnni", "avx512", "avx2_vnni", "avx2")}
FLAGS = {"avx2": ("avx2", "fma"), "avx2_vnni": ("avx_vnni",),
         "avx512": ("avx512f", "avx512bw", "avx512dq", "avx512vl"), "avx512_vnni": ("avx512_vnni",),
         "avx512_bf16": ("avx512_bf16",), "amx": ("amx_tile", "amx_int8", "amx_bf16")}
BOUNDS = {"f32": 1e-3, "bf16": 0.1, "int8": 0.3}  # of results, of the largest value of the first
PAUSE = 0.05  # seconds, in which teams that wait by spinning go to sleep


class Failure(Exception):
    """A sentence about what ends the run."""


class Ours:
    """bench_graph: asked for one case at a time."""

    def __init__(self, program, options, flags):
        self.program, self.options = Path(program).resolve(), options
        if not self.program.is_file():
            raise Failure(f"--ours {program}: there is no such program; scripts/bench peers builds it")
        self.built = [isa for isa, needed in FLAGS.items() if all(f in flags for f in needed)
                      and Path(f"{self.program}_{isa}").is_file()]
        self.chosen = {}  # (network, precision): the instruction set that has rows of it, or None
        self.machine = None

    def measure(self, network, precision, batch, threads):
        """(row, peak of its group), or None if our program has no such rows."""
        key = network, precision
        if key in self.chosen:
            isas = [self.chosen[key]] if self.chosen[key] else []
        else:
            isas = [isa for isa in ISAS[precision] if isa in self.built]
        for isa in isas:
            found = self.ask(isa, network, precision, batch, threads)
            if found:
                self.chosen[key] = isa
                return found
        self.chosen[key] = None
        return None

    def ask(self, isa, network, precision, batch, threads):
        case = f"{precision} {isa} {threads}t {network}/batch {batch}"
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "ours.json"
            command = [str(self.program), "--isa", isa, "--threads", str(threads), "--only", "ours",
                       "--filter", f"^{re.escape(case)}$", "--min-time", str(self.options.min_time),
                       "--json", str(file)]
            if self.options.polite:
                command.append("--polite")
            done = subprocess.run(command, capture_output=True, encoding="utf-8")
            if "nothing was measured" in done.stderr:
                return None
            if done.returncode != 0:
                raise Failure(f"{self.program.name} failed at '{case}': {last_line(done.stderr)}")
            report = json.loads(file.read_text(encoding="utf-8"))
        self.machine = report["machine"]
        (row,) = report["rows"]
        return row, self.machine["groups"][row["group"]]


class Peer:
    """A process that has one network set up and measures when it is told to."""

    def __init__(self, runtime, file, network, precision, batch, threads, polite):
        command = [sys.executable, str(HERE / "nets_run.py"), runtime, str(file), "--network",
                   network, "--precision", precision, "--batch", str(batch), "--threads",
                   str(threads)] + (["--polite"] if polite else [])
        self.what = f"{RUNTIMES[runtime].label} {precision} {threads}t {network}/batch {batch}"
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, encoding="utf-8")
        about = self.answer()
        if "error" in about:
            raise Failure(f"{self.what}: {about['error']}")
        self.version, self.ran, self.result = about["version"], about["ran"], about["result"]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            said = self.process.stderr.read()
            raise Failure(f"{self.what}: its process ended, status {self.process.wait()}: "
                          f"{last_line(said)}")
        return json.loads(line)

    def measure(self, seconds):
        print(seconds, file=self.process.stdin, flush=True)
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def last_line(text):
    return (text.strip().splitlines() or ["it said nothing"])[-1]


def distance(x, y):
    """Largest difference over the largest value of y."""
    if len(x) != len(y):
        raise Failure(f"a result has {len(x)} numbers, another one {len(y)}")
    apart = [abs(a - b) for a, b in zip(x, y)]
    if any(d != d for d in apart):  # max would pass over a NaN
        return float("nan")
    return max(apart) / max(max(abs(b) for b in y), 1e-30)


class Comparison:
    def __init__(self, options, ours, names, missing):
        self.options, self.ours, self.names, self.missing = options, ours, names, missing
        self.results, self.notes, self.versions, self.ran, self.references = [], [], {}, {}, {}
        self.operations = {}

    def note(self, sentence):
        if sentence not in self.notes:
            self.notes.append(sentence)
            print(f"note: {sentence}", file=sys.stderr)

    def open_peers(self, result):
        """The processes of those that have this precision; they must agree."""
        o, peers = self.options, {}
        key = result.network, result.batch
        try:
            for name in self.names:
                if result.precision in RUNTIMES[name].lacks:
                    self.note(RUNTIMES[name].lacks[result.precision])
                    continue
                file = nets_models.file_of(result.network, result.precision, o.models)
                peer = peers[name] = Peer(name, file, result.network, result.precision,
                                          result.batch, result.threads, o.polite)
                self.versions[name] = peer.version
                self.ran.setdefault((name, result.precision, result.network), peer.ran)
                apart = distance(peer.result, self.references.setdefault(key, peer.result))
                if not apart <= BOUNDS[result.precision]:
                    raise Failure(f"{peer.what}: its result differs by {apart:.3g} of the largest "
                                  f"value, {BOUNDS[result.precision]} is allowed")
        except BaseException:
            for peer in peers.values():
                peer.close()
            raise
        return peers

    def measure_ours(self, result):
        found = self.ours.measure(result.network, result.precision, result.batch, result.threads)
        if not found:
            return False
        row, peak = found
        if row["operations"] and abs(row["operations"] / result.operations - 1) > 0.02:
            raise Failure(f"{result.group}: ours counts {row['operations']:.6g} operations, the model "
                          f"has {result.operations:.6g}: they are not the same network")
        result.isa = row["isa"]
        result.ours.add(row["ours_ms"], row["ours_min_ms"])
        result.peaks.append(peak)
        return True

    def run(self, network, precision, batch, threads):
        if network not in self.operations:
            self.operations[network] = nets_models.build(network)[1]
        result = nets_report.Result(network, precision, batch, threads, "native",
                                    self.operations[network] * batch)
        peers = self.open_peers(result)
        contenders = list(peers) + (["ours"] if self.ours else [])
        try:
            for turn in range(self.options.rounds):
                first = turn % max(1, len(contenders))
                for name in contenders[first:] + contenders[:first]:
                    time.sleep(PAUSE)
                    if name != "ours":
                        said = peers[name].measure(self.options.min_time)
                        result.peers.setdefault(name, nets_report.Timing()).add(
                            said["median_ms"], said["min_ms"])
                    elif not self.measure_ours(result):
                        self.note(f"ours has no rows of {precision} {network}")
                        contenders.remove("ours")
        finally:
            for peer in peers.values():
                peer.close()
        if result.peers or result.ours.medians:
            self.results.append(result)
            said = [f"ours {nets_report.milliseconds(result.ours.median)}"] + [
                f"{name} {nets_report.milliseconds(peer.median)}"
                for name, peer in result.peers.items()]
            print(f"{result.group}/batch {batch}: {', '.join(said)} ms", file=sys.stderr, flush=True)


def found_peers():
    """(names of those that are installed, {name: why it is not measured})"""
    names, missing = [], {}
    for name, runtime in RUNTIMES.items():
        lacking = [m for m in runtime.modules if importlib.util.find_spec(m) is None]
        if lacking:
            missing[name] = f"there is no Python package {', '.join(lacking)}: {INSTALL}"
        else:
            names.append(name)
    return names, missing


def parsed():
    def words(known):
        def parse(text):
            for word in text.split(","):
                if word not in known:
                    raise argparse.ArgumentTypeError(f"'{word}' is none of {', '.join(known)}")
            return text.split(",")
        return parse

    def numbers(text):
        found = [int(word) for word in text.split(",")]
        if min(found) < 1:
            raise ValueError(text)
        return found

    parser = argparse.ArgumentParser(prog="nets.py", allow_abbrev=False,
                                     description=__doc__.splitlines()[0])
    parser.add_argument("--ours", metavar="PROGRAM", help="bench_graph; without, the peers alone")
    parser.add_argument("--networks", type=words(nets_models.NETWORKS),
                        default=list(nets_models.NETWORKS), metavar="A,B")
    parser.add_argument("--precisions", type=words(ISAS), default=list(ISAS), metavar="A,B")
    parser.add_argument("--batch", type=numbers, metavar="N,M",
                        help="default 1,16; 1,64 for wide_deep, as in the suite graph")
    parser.add_argument("--threads", type=numbers, default=[1, 2], metavar="N,M")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (%(default)s)")
    parser.add_argument("--min-time", type=float, default=0.5,
                        help="seconds of samples in each turn (%(default)s)")
    parser.add_argument("--models", default=str(HERE.parents[1] / "build" / "peers"),
                        help="folder of the ONNX files (%(default)s)")
    parser.add_argument("--json", help="write the report to this file, for scripts/bench report")
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    parser.add_argument("--polite", action="store_true", help="do not raise the scheduling priority")
    options = parser.parse_args()
    if options.rounds < 1 or not options.min_time > 0:
        parser.error("--rounds and --min-time must be above 0")
    return options


def run(options):
    makers = [m for m in ("numpy", "onnx") if importlib.util.find_spec(m) is None]
    if makers:
        raise Failure(f"there is no Python package {' and no '.join(makers)}, which the models are "
                      f"made with: {INSTALL}")
    names, missing = found_peers()
    for name, why in missing.items():
        print(f"{RUNTIMES[name].label} is not measured: {why}", file=sys.stderr)
    if not names:
        raise Failure("nothing to measure: neither openvino nor onnxruntime is installed")
    machine = nets_report.own_machine()
    ours = Ours(options.ours, options, machine["flags"]) if options.ours else None
    c = Comparison(options, ours, names, missing)
    if "int8" in options.precisions and "onnxruntime" not in names:
        c.note("int8 is left out: models are quantized with onnxruntime, which is not installed")
        options.precisions.remove("int8")
    try:
        measure_all(c, machine["cores"])
    finally:
        if c.results:
            tell(c, names)
    if not c.results:
        raise Failure("nothing was measured")
    return 0


def measure_all(c, cores):
    options = c.options
    for network in options.networks:
        for batch in options.batch or ([1, 64] if network == nets_models.WIDE_DEEP else [1, 16]):
            for threads in options.threads:
                if threads > cores:
                    c.note(f"{threads} threads: this process may use {cores} CPUs only")
                    continue
                for precision in options.precisions:
                    c.run(network, precision, batch, threads)
                    if options.json:  # hours may lie before an interrupt
                        save(c)


def versions_of(c):
    return {name: f"{version} ({RUNTIMES[name].label})" for name, version in c.versions.items()}


def notes_of(c):
    return c.notes + [f"{RUNTIMES[name].label} {precision} {network}: {ran}"
                      for (name, precision, network), ran in c.ran.items()]


def save(c):
    machine = nets_report.own_machine()
    if c.ours and c.ours.machine:
        machine = {key: c.ours.machine[key] for key in machine}
    command = ["peers", *without_ours(sys.argv[1:])]
    nets_report.save(nets_report.report_of(c.results, machine, versions_of(c), c.missing,
                                           notes_of(c), command), c.options.json)


def tell(c, names):
    table = nets_report.cells(c.results, {name: RUNTIMES[name].label for name in names})
    print("medians and minima of the rounds; x = peer time / our time by median, min = by minimum")
    print(nets_report.markdown_of(table) if c.options.markdown else nets_report.text_of(table))
    print()
    for name, version in versions_of(c).items():
        print(f"peer {name}: {version}")
    for name, why in c.missing.items():
        print(f"peer {name} is missing: {why}")
    for sentence in notes_of(c):
        print(f"note: {sentence}")


def without_ours(arguments):
    """The command line as scripts/bench was given it."""
    kept, words = [], iter(arguments)
    for word in words:
        if word == "--ours":
            next(words, None)
        else:
            kept.append(word)
    return kept


def main():
    options = parsed()
    try:
        return run(options)
    except Failure as sentence:
        print(f"nets: {sentence}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
