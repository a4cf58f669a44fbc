#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times forward and backward of the recurrent layers of the suite `train_rnn` in PyTorch, in
milliseconds per call.

    python3 bench/peers/train_torch.py [--threads N] [--filter REGEX] [--runs N] [--json FILE]

Cases bear the names that `scripts/bench train_rnn` gives them. A call is forward and backward with
gradients of the source and of all parameters, which are cleared (set to None) before. The figures come
from another process than ours, at another time: a hint, not a comparison. Needed: torch.
"""

import argparse
import json
import re
import statistics
import sys
import time


def cases():
    """(name, cell, T, layers, bidirectional); N, I, H = 20, 800, 800."""
    for cell in ("lstm", "gru", "tanh", "relu"):
        yield f"{cell} 300x20x800x800", cell, 300, 1, False
    for cell in ("lstm", "gru", "tanh", "relu"):
        yield f"{cell} 5 layers 50x20x800x800", cell, 50, 5, False
        yield f"{cell} 5 layers 20x20x800x800 concat", cell, 20, 5, True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--filter", default="", help='searched in "<type> <threads>t/<case>"')
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", help="write the rows to this file")
    options = parser.parse_args()
    try:
        import torch
    except ImportError as e:
        print(f"nothing to measure: {e}; pip install torch", file=sys.stderr)
        return 1
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}")
    modules = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "tanh": torch.nn.RNN,
               "relu": torch.nn.RNN}
    rows = []
    for kind, dtype in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        for name, cell, steps, layers, both in cases():
            group = f"{kind} {options.threads}t"
            if not re.search(options.filter, f"{group}/{name}"):
                continue
            more = {"nonlinearity": cell} if cell in ("tanh", "relu") else {}
            module = modules[cell](800, 800, layers, bidirectional=both, **more).to(dtype)
            x = (torch.rand(steps, 20, 800) * 2 - 1).to(dtype).requires_grad_()
            diff = (torch.rand(steps, 20, 800 * (2 if both else 1)) * 2 - 1).to(dtype)

            def call():
                module.zero_grad(set_to_none=True)
                x.grad = None
                module(x)[0].backward(diff)

            call()
            samples = []
            for _ in range(options.runs):
                start = time.perf_counter()
                call()
                samples.append(time.perf_counter() - start)
            ms, least = statistics.median(samples) * 1e3, min(samples) * 1e3
            print(f"{group:10} {name:36} {ms:10.1f} ms, least {least:10.1f} ms", flush=True)
            rows.append({"peer": "torch", "version": torch.__version__, "type": kind,
                         "threads": options.threads, "case": name, "ms": ms, "min_ms": least})
    if not rows:
        print("nothing was measured: no case fits --filter", file=sys.stderr)
        return 1
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
