# SPDX-License-Identifier: Apache-2.0
"""bench/peers/nets.py with programs and processes made up: what it asks, compares, prints, writes.

The networks themselves are tested where numpy and onnx are installed; a line says so where not.
"""
import contextlib
import importlib.util
import io
import json
import subprocess
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROGRAM = ROOT / "bench" / "peers" / "nets.py"
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench" / "peers")]
sys.dont_write_bytecode = True
import nets  # noqa: E402
import nets_models  # noqa: E402
import nets_report  # noqa: E402
import nets_run  # noqa: E402
import report  # noqa: E402
import report_json  # noqa: E402

# A bench_graph: of each <precision> <isa> in its list it has every case.
GRAPH = """#!{python}
import json, re, sys
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
isa, threads = arguments["--isa"], int(arguments["--threads"])
precision, network, batch = re.fullmatch(r"\\^(\\S+) \\S+ \\dt (\\S+)/batch (\\d+)\\$",
                                         arguments["--filter"].replace("\\\\", "")).groups()
assert arguments["--only"] == "ours"
if {fails!r}:
    sys.exit({fails!r})
if (precision, isa) not in {has!r}:
    sys.exit("bench: nothing was measured: no case fits --isa, --threads and --filter")
group = f"{{precision}} {{isa}} {{threads}}t {{network}}"
machine = {{"cpu": "Some CPU", "cpu_id": "family 1", "cores": 2, "flags": ["avx2"],
           "caches": {{"l1d": 1024, "l2": 2048, "l3": 0}}, "peaks": {{}}, "compiler": "gcc 12",
           "groups": {{group: {{"peak": "f32 fma ymm", "unit": "Gop/s", "before": 100.0,
                               "after": 110.0, "steady": True}}}}}}
row = {{"suite": "graph", "group": group, "case": "batch " + batch, "type": precision, "isa": isa,
       "threads": threads, "ours_ms": 2.0, "ours_min_ms": 1.0, "operations": {operations}}}
json.dump({{"machine": machine, "rows": [row], "geomeans": []}}, open(arguments["--json"], "w"))
"""
FLAGS = ["avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"]


class FakePeer:
    """A process that takes `ms`, and half of it at least."""
    ms = {"openvino": 4.0, "onnxruntime": 3.0}
    results = {"openvino": [1.0, 2.0], "onnxruntime": [1.0, 2.0]}
    closed = 0

    def __init__(self, runtime, file, network, precision, batch, threads, polite):
        self.runtime, self.what = runtime, f"{runtime} {precision}"
        self.version, self.ran, self.result = "1.2", "53 fake", self.results[runtime]

    def measure(self, seconds):
        return {"median_ms": self.ms[self.runtime], "min_ms": self.ms[self.runtime] / 2}

    def close(self):
        FakePeer.closed += 1


class Nets(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        FakePeer.closed = 0
        for what, name, by in ((nets, "Peer", FakePeer), (nets, "PAUSE", 0),
                               (nets.nets_models, "file_of", lambda *_: "no file"),
                               (nets.nets_models, "build", lambda _: (None, 1e6, 0))):
            patch = mock.patch.object(what, name, by)
            patch.start()
            self.addCleanup(patch.stop)

    def graph(self, has, fails="", operations="1e6 * int(batch)"):
        """A program that has the rows of `has`, built for every instruction set."""
        program = self.folder / "bench_graph"
        program.write_text(GRAPH.format(python=sys.executable, has=list(has), fails=fails,
                                        operations=operations))
        program.chmod(0o755)
        for isa in nets.FLAGS:
            (self.folder / f"bench_graph_{isa}").touch()
        return program

    def compare(self, program, precisions=("f32",), networks=("mnist",), names=tuple(FakePeer.ms),
                rounds=2):
        options = types.SimpleNamespace(min_time=0.1, polite=True, rounds=rounds, models="")
        ours = nets.Ours(program, options, FLAGS) if program else None
        c = nets.Comparison(options, ours, list(names), {})
        with contextlib.redirect_stderr(io.StringIO()):
            for network in networks:
                for precision in precisions:
                    c.run(network, precision, 16, 1)
        return c

    def test_table_of_medians_and_minima(self):
        c = self.compare(self.graph([("f32", "avx512")]))
        table = nets_report.cells(c.results, {"openvino": "OpenVINO", "onnxruntime": "ORT"})
        self.assertEqual(table, [
            ["network", "precision", "batch", "thr", "ours ms", "OpenVINO ms", "x", "min", "ORT ms",
             "x", "min"],
            ["mnist", "f32", "16", "1", "2.0000", "4.0000", "2.00", "2.00", "3.0000", "1.50",
             "1.50"]])
        self.assertEqual(nets_report.text_of(table).splitlines()[1].split(), table[1])
        self.assertEqual(nets_report.markdown_of(table).splitlines()[2],
                         "| " + " | ".join(table[1]) + " |")
        self.assertEqual(len(c.results[0].ours.medians), 2)
        self.assertEqual(FakePeer.closed, 2)

    def test_rounds(self):
        timing = nets_report.Timing()
        for median, minimum in ((3, 2), (1, 0.5), (2, 1)):
            timing.add(median, minimum)
        self.assertEqual((timing.median, timing.minimum), (2, 0.5))

    def test_precisions_that_ours_has_appear(self):
        c = self.compare(self.graph([("f32", "avx512")]), ("f32", "int8"), ("mnist", "mobilenet"))
        self.assertEqual([r.ours.median for r in c.results], [2.0, None, 2.0, None])
        self.assertEqual(c.results[1].isa, "native")
        self.assertIn("ours has no rows of int8 mnist", c.notes)
        c = self.compare(self.graph([("int8", "avx512_vnni"), ("int8", "avx2")]), ("int8",))
        self.assertEqual((c.results[0].ours.median, c.results[0].isa), (2.0, "avx512_vnni"))
        c = self.compare(self.graph([("int8", "avx2")]), ("int8",))  # no better one has it
        self.assertEqual(c.results[0].group, "int8 avx2 1t mnist")

    def test_what_a_peer_lacks_is_said(self):
        c = self.compare(None, ("bf16",))
        self.assertEqual(list(c.results[0].peers), ["openvino"])
        self.assertRegex(c.notes[0], "ONNX Runtime has no bf16")
        c = self.compare(None, ("bf16",), names=["onnxruntime"])
        self.assertEqual(c.results, [])

    def test_differences_end_the_run(self):
        with mock.patch.dict(FakePeer.results, onnxruntime=[1.0, 2.01]):
            with self.assertRaisesRegex(nets.Failure, "onnxruntime f32: its result differs by 0.005"):
                self.compare(None)
            self.assertEqual(FakePeer.closed, 2)
            self.compare(None, ("int8",))
        with mock.patch.dict(FakePeer.results, onnxruntime=[1.0, float("nan")]):
            with self.assertRaisesRegex(nets.Failure, "differs by nan"):
                self.compare(None)
        with self.assertRaisesRegex(nets.Failure, "not the same network"):
            self.compare(self.graph([("f32", "avx512")], operations="1.1e6 * int(batch)"))

    def test_ours_fails(self):
        with self.assertRaisesRegex(nets.Failure, "bench_graph failed at 'f32 avx512 1t mnist/batch "
                                                  "16': bench: out of luck"):
            self.compare(self.graph([], fails="bench: out of luck"))
        with self.assertRaisesRegex(nets.Failure, "there is no such program"):
            self.compare(self.folder / "missing")

    def test_json_is_read_by_report(self):
        c = self.compare(self.graph([("f32", "avx512")]), ("f32", "int8"))
        machine = {key: c.ours.machine[key] for key in nets_report.own_machine()}
        file = self.folder / "nets.json"
        nets_report.save(nets_report.report_of(c.results, machine, c.versions, {"x": "not there"},
                                               c.notes, ["peers", "--rounds", "2"]), file)
        loaded = report_json.load(file)
        best = next(row for row in loaded["rows"] if row["peer"] == "best")
        self.assertEqual((best["peer_ms"], best["ratio"]), (3.0, 1.5))
        # 16e6 operations in 2 ms of 105e9 a second
        self.assertAlmostEqual(best["peak_pct"], 16e6 / 2e-3 / 105e9 * 100)
        self.assertEqual({m["peer"]: round(m["ratio"], 6) for m in loaded["geomeans"]},
                         {"openvino": 2.0, "onnxruntime": 1.5, "best": 1.5})
        text = "\n".join(report.text_of(loaded, report.PARTS))
        self.assertIn("scripts/bench peers --rounds 2", text)
        self.assertIn("| batch 16 | 2.0000 | 3.0000 | onnxruntime | 1.50 | 1.50 | 7.6 |", text)
        self.assertIn("| batch 16 | – | 3.0000 | onnxruntime | – | – | – |", text)

    def test_own_machine_is_enough_for_report(self):
        c = self.compare(None)
        file = self.folder / "nets.json"
        nets_report.save(nets_report.report_of(c.results, nets_report.own_machine(), c.versions, {},
                                               c.notes, ["peers"]), file)
        report.text_of(report_json.load(file), report.PARTS)

    def test_samples(self):
        calls = []
        said = nets_run.measure(lambda: calls.append(1), 0.01)
        self.assertGreaterEqual(said["median_ms"], said["min_ms"])
        self.assertGreaterEqual(said["samples"], nets_run.FEWEST)
        self.assertGreater(len(calls), 2 * said["samples"])  # an empty call is repeated

    def test_missing_packages(self):
        run = [sys.executable, "-I", "-S", "-B", "-c",
               f"import sys; sys.path.insert(0, {str(PROGRAM.parent)!r}); sys.argv[1:] = []; "
               "import nets; sys.exit(nets.main())"]
        done = subprocess.run(run, capture_output=True, encoding="utf-8")
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stderr, r"\Anets: there is no Python package numpy and no onnx, which "
                         r"the models are made with: pip install -r "
                         r"bench/peers/nets-requirements\.txt\n\Z")

    def test_command_line(self):
        for arguments in (["--networks", "alexnet"], ["--precisions", "f64"], ["--rounds", "0"],
                          ["--threads", "0"]):
            done = subprocess.run([sys.executable, "-B", str(PROGRAM), *arguments],
                                  capture_output=True, encoding="utf-8")
            self.assertEqual(done.returncode, 2, done)
        with mock.patch.object(sys, "argv", ["nets.py", "--ours", "x", "--rounds", "3"]):
            self.assertEqual(nets.without_ours(sys.argv[1:]), ["--rounds", "3"])


class Networks(unittest.TestCase):
    def test_operations_and_weights(self):
        if any(importlib.util.find_spec(m) is None for m in ("numpy", "onnx")):
            print("the networks are not built: numpy or onnx is not installed", file=sys.stderr)
            return
        import onnx
        # Multiply-adds as the papers and torchvision count them, and weights with all four numbers
        # of a batch norm. The dense layer's offsets are not among the multiply-adds.
        for network, million_macs, weights in (("resnet50_v1.5", 4089, 25610152),
                                               ("resnet50_v1", 3858, 25610152),
                                               ("mobilenet", 569, 4253864),
                                               ("inception_v3", 5713, 23869000),
                                               ("mnist", 3.024, 215370)):
            model, operations, parameters = nets_models.build(network)
            self.assertAlmostEqual(operations / 2e6, million_macs, delta=0.5, msg=network)
            self.assertEqual(parameters, weights, network)
            onnx.checker.check_model(model, full_check=True)


if __name__ == "__main__":
    unittest.main()
