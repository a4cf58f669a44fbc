#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times the layers of the suite `rnn` in PyTorch and ONNX Runtime, in milliseconds per call.

    python3 bench/peers/rnn_torch.py [--threads N] [--filter REGEX] [--runs N] [--json FILE]

Cases bear the names that `scripts/bench rnn` gives them, so that the figures can be laid side by
side. They come from another process than ours, at another time: a hint, not a comparison.

Needed, whichever is there: torch; onnxruntime with numpy and onnx. The cells are those that each of
them has: GRUs of torch are linear before reset, ONNX has both forms.
"""

import argparse
import json
import re
import statistics
import sys
import time
import warnings


def cases():
    """(name, cell, T, N, I, H, layers, bidirectional) of the built-in list."""
    rows = [(cell, 300, 20, 800, 800, 1, False, "")
            for cell in ("lstm", "gru", "gru_rb", "tanh", "relu")]
    rows += [(cell, 200, 12, 161, 1760, 1, False, " of 1600") for cell in ("gru", "gru_rb")]
    for t, n, i, h in ((100, 1, 64, 64), (1, 1, 40, 40), (50, 1, 256, 256), (25, 16, 512, 512),
                       (25, 64, 1024, 1024)):
        rows += [(cell, t, n, i, h, 1, False, "") for cell in ("lstm", "gru")]
    for cell in ("lstm", "gru"):
        rows += [(cell, 100, 20, 800, 800, 5, both, " concat" if both else "")
                 for both in (False, True)]
    for cell, t, n, i, h, layers, both, tail in rows:
        count = f"{layers} layers " if layers > 1 else ""
        yield f"{cell} {count}{t}x{n}x{i}x{h}{tail}", cell, t, n, i, h, layers, both


def milliseconds(call, runs):
    call()
    start = time.perf_counter()
    call()
    once = time.perf_counter() - start
    repeat = max(1, int(2e-4 / max(once, 1e-9)))  # short calls are timed in bundles
    samples = []
    for _ in range(runs):
        start = time.perf_counter()
        for _ in range(repeat):
            call()
        samples.append((time.perf_counter() - start) / repeat)
    return statistics.median(samples) * 1e3


class Torch:
    name = "torch"
    types = ("f32", "bf16", "s8 dynamic")

    def __init__(self, threads):
        import torch

        self.torch = torch
        torch.set_num_threads(threads)
        self.version = torch.__version__

    def make(self, kind, cell, t, n, i, h, layers, both):
        torch = self.torch
        modules = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU,
                   "tanh": torch.nn.RNN, "relu": torch.nn.RNN}
        if cell not in modules or (kind == "s8 dynamic" and cell not in ("lstm", "gru")):
            return None
        more = {"nonlinearity": cell} if cell in ("tanh", "relu") else {}
        module = modules[cell](i, h, layers, bidirectional=both, **more).eval()
        x = torch.rand(t, n, i) * 2 - 1
        if kind == "bf16":
            module, x = module.to(torch.bfloat16), x.to(torch.bfloat16)
        elif kind == "s8 dynamic":
            quantize = getattr(getattr(torch.ao, "quantization", None), "quantize_dynamic", None)
            if quantize is None:
                return None  # it is to leave torch
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module = quantize(torch.nn.Sequential(module), {torch.nn.LSTM, torch.nn.GRU},
                                  dtype=torch.qint8)[0]

        def call():
            with torch.inference_mode():
                module(x)

        return call


class OnnxRuntime:
    name = "onnxruntime"
    types = ("f32", "s8 dynamic")

    def __init__(self, threads):
        import numpy
        import onnx
        import onnxruntime

        self.np, self.onnx, self.ort, self.threads = numpy, onnx, onnxruntime, threads
        self.version = onnxruntime.__version__

    def make(self, kind, cell, t, n, i, h, layers, both):
        np, helper, proto = self.np, self.onnx.helper, self.onnx.TensorProto
        if kind == "s8 dynamic" and cell != "lstm":
            return None  # there is an operator for LSTM alone
        operators = {"lstm": ("LSTM", 4), "gru": ("GRU", 3), "gru_rb": ("GRU", 3)}
        operator, gates = operators.get(cell, ("RNN", 1))
        random = np.random.default_rng(1)
        directions = 2 if both else 1
        nodes, weights, source, features = [], [], "x", i

        def weight(name, values):
            weights.append(self.onnx.numpy_helper.from_array(values, name))
            return name

        for layer in range(layers):
            def draw(*shape):
                return ((random.random(shape) * 2 - 1) / np.sqrt(h)).astype(np.float32)

            attributes = {"hidden_size": h, "direction": "bidirectional" if both else "forward"}
            if operator == "GRU":
                attributes["linear_before_reset"] = int(cell == "gru")
            if operator == "RNN":
                attributes["activations"] = [cell.capitalize()] * directions
            b = weight(f"b{layer}", draw(directions, 2 * gates * h))
            if kind == "s8 dynamic":
                def quantized(name, k):  # (D, k, G*H), a scale per direction
                    w = draw(directions, k, gates * h)
                    scale = np.abs(w).max(axis=(1, 2)) / 127
                    q = np.rint(w / scale[:, None, None]).astype(np.int8)
                    return (weight(name, q), weight(name + "_scale", scale.astype(np.float32)),
                            weight(name + "_zero", np.zeros(directions, np.int8)))

                w, w_scale, w_zero = quantized(f"w{layer}", features)
                r, r_scale, r_zero = quantized(f"r{layer}", h)
                inputs = [source, w, r, b, "", "", "", "", w_scale, w_zero, r_scale, r_zero]
                nodes.append(helper.make_node("DynamicQuantizeLSTM", inputs, [f"y{layer}"],
                                              domain="com.microsoft", **attributes))
            else:
                inputs = [source, weight(f"w{layer}", draw(directions, gates * h, features)),
                          weight(f"r{layer}", draw(directions, gates * h, h)), b]
                nodes.append(helper.make_node(operator, inputs, [f"y{layer}"], **attributes))
            source, features = f"y{layer}", directions * h  # (T, D, N, H)
            if layer + 1 < layers:  # the next layer reads (T, N, D * H)
                nodes.append(helper.make_node("Transpose", [source], [f"t{layer}"],
                                              perm=[0, 2, 1, 3]))
                shape = weight(f"s{layer}", np.array([t, n, features], np.int64))
                nodes.append(helper.make_node("Reshape", [f"t{layer}", shape], [f"x{layer}"]))
                source = f"x{layer}"
        graph = helper.make_graph(
            nodes, "rnn", [helper.make_tensor_value_info("x", proto.FLOAT, [t, n, i])],
            [helper.make_tensor_value_info(source, proto.FLOAT, [t, directions, n, h])], weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14),
                                                        helper.make_opsetid("com.microsoft", 1)])
        model.ir_version = 8
        options = self.ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        session = self.ort.InferenceSession(model.SerializeToString(), options,
                                            providers=["CPUExecutionProvider"])
        x = {"x": (random.random((t, n, i)) * 2 - 1).astype(np.float32)}
        return lambda: session.run(None, x)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--filter", default="",
                        help='searched in "<library> <type> <threads>t/<case>"')
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", help="write the rows to this file")
    options = parser.parse_args()

    peers, missing = [], []
    for peer in (Torch, OnnxRuntime):
        try:
            peers.append(peer(options.threads))
        except ImportError as e:
            missing.append(f"{peer.name} is not measured: {e}")
    for sentence in missing:
        print(sentence, file=sys.stderr)
    if not peers:
        print("nothing to measure: neither torch nor onnxruntime (with numpy and onnx) is "
              "installed; pip install torch, or pip install onnxruntime onnx", file=sys.stderr)
        return 1

    rows = []
    for peer in peers:
        print(f"{peer.name} {peer.version}")
        for kind in peer.types:
            group = f"{peer.name} {kind} {options.threads}t"
            for name, *extents in cases():
                if not re.search(options.filter, f"{group}/{name}"):
                    continue
                try:
                    call = peer.make(kind, *extents)
                    ms = None if call is None else milliseconds(call, options.runs)
                except (RuntimeError, NotImplementedError) as e:  # not in this build of the library
                    print(f"{group:28} {name:34} {str(e).splitlines()[0]}")
                    continue
                if ms is None:
                    continue
                print(f"{group:28} {name:34} {ms:12.5f} ms", flush=True)
                rows.append({"peer": peer.name, "version": peer.version, "type": kind,
                             "threads": options.threads, "case": name, "ms": ms})
    if not rows:
        print("nothing was measured: no case fits --filter", file=sys.stderr)
        return 1
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
