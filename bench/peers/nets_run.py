# SPDX-License-Identifier: Apache-2.0
"""Runs one network in OpenVINO or ONNX Runtime, in a process of its own, for nets.py.

It sets up, writes a line of JSON about what will run, and waits without using a CPU. Each line it
reads is a number of seconds to measure for; it answers with a line of the median, the minimum and
the number of samples.
"""
import argparse
import collections
import contextlib
import json
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

import nets_models

SHORTEST_SAMPLE = 20e-6  # as in bench/harness.cpp: calls are repeated until a sample takes that long
LONGEST_WARM = 2e-3  # shorter samples have an untimed call in front
FEWEST, MOST = 9, 3000
SETS = {nets_models.WIDE_DEEP: 61}  # of indices, so that look-ups find no rows in a cache


class OpenVino:
    name = "openvino"
    label = "OpenVINO"
    modules = ("openvino",)
    lacks = {}

    def __init__(self, file, precision, batch, threads, sets):
        import openvino

        self.version = openvino.__version__.split("-")[0]
        core = openvino.Core()
        model = core.read_model(file)
        shapes = {x.any_name: [batch, *list(x.partial_shape)[1:]] for x in model.inputs}
        model.reshape(shapes)
        config = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1,
                  "INFERENCE_NUM_THREADS": threads,
                  # What is not quantized. Its own default is bf16 where there are instructions.
                  "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32"}
        self.model = core.compile_model(model, "CPU", config)
        self.request = self.model.create_infer_request()
        self.sets = [{name: openvino.Tensor(array) for name, array in inputs.items()}
                     for inputs in sets]
        self.turn = 0
        if len(self.sets) == 1:
            self.request.set_tensors(self.sets[0])

    def __call__(self):
        if len(self.sets) > 1:
            self.request.set_tensors(self.sets[self.turn])
            self.turn = (self.turn + 1) % len(self.sets)
        self.request.infer(share_outputs=True)

    def first_result(self):
        """Of the first set of inputs, in one row."""
        self.turn = 0
        self()
        return self.request.get_output_tensor(0).data.reshape(-1).copy()

    def what_ran(self):
        count = collections.Counter()
        for op in self.model.get_runtime_model().get_ops():
            info = op.get_rt_info()
            if str(info["layerType"].value) in ("Convolution", "FullyConnected", "MatMul"):
                count[str(info["primitiveType"].value)] += 1
        return count


class OnnxRuntime:
    name = "onnxruntime"
    label = "ONNX Runtime"
    modules = ("onnxruntime",)
    lacks = {"bf16": "ONNX Runtime has no bf16 kernels for x86 CPUs, so it has no such rows"}

    def __init__(self, file, precision, batch, threads, sets):
        import onnxruntime

        self.version = onnxruntime.__version__
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_free_dimension_override_by_name("batch", batch)
        options.log_severity_level = 3  # a warning says that the optimized file is for this CPU
        with tempfile.TemporaryDirectory() as folder:
            options.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
            self.session = onnxruntime.InferenceSession(str(file), options,
                                                        providers=["CPUExecutionProvider"])
            self.ran = self.count(options.optimized_model_filepath)
        self.bindings = []
        for inputs in sets:
            binding = self.session.io_binding()
            for name, array in inputs.items():
                binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
            binding.bind_output(self.session.get_outputs()[0].name)
            self.bindings.append(binding)
        self.turn = 0

    @staticmethod
    def count(file):
        import onnx

        kinds = ("Conv", "FusedConv", "QLinearConv", "Gemm", "FusedGemm", "QGemm", "MatMul",
                 "MatMulInteger", "QLinearMatMul")
        nodes = onnx.load(file, load_external_data=False).graph.node
        return collections.Counter(
            node.op_type + (" nchwc" if node.domain.endswith("nchwc") else "")
            for node in nodes if node.op_type in kinds)

    def __call__(self):
        self.session.run_with_iobinding(self.bindings[self.turn])
        self.turn = (self.turn + 1) % len(self.bindings)

    def first_result(self):
        self.turn = 0
        self()
        return self.bindings[0].copy_outputs_to_cpu()[0].reshape(-1)

    def what_ran(self):
        return self.ran


RUNTIMES = {r.name: r for r in (OpenVino, OnnxRuntime)}


def own_session(polite):
    """Leads a session and asks for its weight, as the workers of bench/driver.cpp do."""
    os.setsid()
    if polite:
        return
    with contextlib.suppress(OSError):  # no session scheduling, or not the right to
        Path("/proc/self/autogroup").write_text("-20", encoding="ascii")


def measure(call, seconds):
    call()  # others have been in the caches, and the team is asleep
    start = time.perf_counter()
    call()
    once = max(time.perf_counter() - start, 1e-9)
    repeat = -int(-SHORTEST_SAMPLE // once)
    warm = once < LONGEST_WARM
    samples = []
    for _ in range(max(FEWEST, min(MOST, int(seconds / (once * (repeat + warm)))))):
        if warm:
            call()
        start = time.perf_counter()
        for _ in range(repeat):
            call()
        samples.append((time.perf_counter() - start) / repeat)
    return {"median_ms": statistics.median(samples) * 1e3, "min_ms": min(samples) * 1e3,
            "samples": len(samples)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runtime", choices=list(RUNTIMES))
    parser.add_argument("file")
    for name in ("network", "precision"):
        parser.add_argument("--" + name, required=True)
    for name in ("batch", "threads"):
        parser.add_argument("--" + name, type=int, required=True)
    parser.add_argument("--polite", action="store_true")
    options = parser.parse_args()

    own_session(options.polite)
    # One thread stays on the CPU that ours is bound to; several have as many CPUs as there are.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer

    def answer(thing):
        print(json.dumps(thing), file=answers, flush=True)

    sets = list(nets_models.inputs_of(options.network, options.batch,
                                      SETS.get(options.network, 1)))
    try:
        peer = RUNTIMES[options.runtime](options.file, options.precision, options.batch,
                                         options.threads, sets)
        result = peer.first_result()
    except Exception as e:  # whatever a library throws: nets.py makes a sentence of it
        answer({"error": re.sub(r"\s+", " ", str(e)).strip()[:300] or type(e).__name__})
        return 1
    ran = ", ".join(f"{count} {what}" for what, count in sorted(peer.what_ran().items()))
    answer({"version": peer.version, "ran": ran, "result": [float(x) for x in result]})
    for line in sys.stdin:
        answer(measure(peer, float(line)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
