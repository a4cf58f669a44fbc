#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/rnn_gradients.safetensors: recurrent layers of PyTorch, what they were given, and
their results and gradients, computed in double and rounded to f32. tests/golden/README.md says how to
run it.

Names are <case>.<tensor>: those of the module's state_dict for weights, with "diff_" before them for
gradients; x, h0, c0, y, hn, cn, and diff_x, diff_h0, diff_c0 (of the loss), diff_y, diff_hn, diff_cn
(what the loss is made of: sum(y * diff_y) + sum(hn * diff_hn) + sum(cn * diff_cn)).
"""

import pathlib
import zlib

import safetensors.torch
import torch

T, N, I, H = 5, 3, 4, 6
CASES = {
    "lstm": lambda: torch.nn.LSTM(I, H, 2, bidirectional=True),
    "lstm_projected": lambda: torch.nn.LSTM(I, H, 2, proj_size=3),
    "gru": lambda: torch.nn.GRU(I, H, 2, bidirectional=True),
    "tanh": lambda: torch.nn.RNN(I, H, 3),
    "relu": lambda: torch.nn.RNN(I, H, nonlinearity="relu"),
}


def case(name):
    torch.manual_seed(zlib.crc32(name.encode()))
    module = CASES[name]().float().double()  # weights that f32 holds
    f32 = lambda *shape: (torch.rand(*shape) * 2 - 1).double()
    directions = 2 if module.bidirectional else 1
    out = module.proj_size or H
    states = directions * module.num_layers
    values = {"x": f32(T, N, I), "h0": f32(states, N, out)}
    diffs = {"diff_y": f32(T, N, directions * out), "diff_hn": f32(states, N, out)}
    if isinstance(module, torch.nn.LSTM):
        values["c0"], diffs["diff_cn"] = f32(states, N, H), f32(states, N, H)
    for v in values.values():
        v.requires_grad_()
    if "c0" in values:
        y, (hn, cn) = module(values["x"], (values["h0"], values["c0"]))
    else:
        y, hn = module(values["x"], values["h0"])
    results = {"y": y, "hn": hn}
    loss = (y * diffs["diff_y"]).sum() + (hn * diffs["diff_hn"]).sum()
    if "c0" in values:
        results["cn"] = cn
        loss = loss + (cn * diffs["diff_cn"]).sum()
    loss.backward()
    tensors = {**values, **diffs, **results, **dict(module.named_parameters())}
    for key, value in {**values, **dict(module.named_parameters())}.items():
        tensors["diff_" + key] = value.grad
    return {f"{name}.{key}": value.detach().float().contiguous() for key, value in tensors.items()}


def main():
    tensors = {}
    for name in CASES:
        tensors.update(case(name))
    path = pathlib.Path(__file__).parent.parent / "tests/golden/rnn_gradients.safetensors"
    safetensors.torch.save_file(tensors, path)
    print(f"{path}: {len(tensors)} tensors, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
