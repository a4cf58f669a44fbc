#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/golden/gradients.safetensors: gradients, losses, steps and rates of PyTorch.

usage: make_golden_gradients.py [FOLDER]
       (python3 -m venv torch && torch/bin/pip install torch==2.13.0 numpy)

Inputs are numbers of f32, everything is computed in double and rounded to f32. Images have their
channels last in the file. tests/train/golden.cpp computes the same with ia_nn; another version of
PyTorch makes other numbers, which are as good.
"""
import json
import os
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

LIMIT = 120_000  # bytes
TENSORS = {}


def put(name, value):
    assert name not in TENSORS, name
    if isinstance(value, torch.Tensor):
        value = value.detach().numpy()
    TENSORS[name] = np.ascontiguousarray(value, dtype="<i4" if value.dtype.kind == "i" else "<f4")


def draw(*shape, scale=1.0):
    return (scale * torch.randn(*shape)).float().double()


def last(x):  # channels to the end
    return x.movedim(1, -1)


def gradients(name, f, x, images=False, result=True, **others):
    """f(x, **others) and what each of them gets from a random gradient of the result."""
    as_file = last if images else lambda v: v
    x = x.clone().requires_grad_()
    others = {k: v.clone().requires_grad_() for k, v in others.items()}
    y = f(x, **others)
    dy = draw(*y.shape)
    y.backward(dy)
    put(name + ".x", as_file(x))
    if result:
        put(name + ".y", as_file(y))
    put(name + ".dy", as_file(dy))
    put(name + ".dx", as_file(x.grad))
    for k, v in others.items():
        put(f"{name}.{k}", v)
        put(f"{name}.d{k}", v.grad)


def functions():
    edges = [-30, -6, -3, -2.5, -1, -0.5, 0, 0.25, 0.5, 1, 2, 2.5, 3, 6, 30]
    x = torch.cat([torch.tensor(edges).double(), draw(20, scale=2)])
    positive = x.abs() + 0.25
    dy = draw(x.numel())
    put("slopes.x", x)
    put("slopes.positive", positive)
    put("slopes.dy", dy)
    table = {
        "identity": lambda v: v * 1, "relu": F.relu, "leaky_relu": lambda v: F.leaky_relu(v, 0.125),
        "clip": lambda v: torch.clamp(v, -1, 2), "relu6": F.relu6, "elu": lambda v: F.elu(v, 0.75),
        "selu": F.selu, "celu": lambda v: F.celu(v, 0.5), "sigmoid": torch.sigmoid,
        "hard_sigmoid": F.hardsigmoid, "tanh": torch.tanh, "softplus": F.softplus,
        "softsign": F.softsign, "gelu": F.gelu, "gelu_tanh": lambda v: F.gelu(v, approximate="tanh"),
        "swish": F.silu, "swish_1.5": lambda v: v * torch.sigmoid(1.5 * v), "hard_swish": F.hardswish,
        "mish": F.mish, "square": torch.square, "sqrt": torch.sqrt, "abs": torch.abs,
        "exp": lambda v: torch.exp(v), "log": torch.log, "linear": lambda v: -1.5 * v + 2,
    }
    for name, f in table.items():
        v = (positive if name in ("sqrt", "log") else x.clamp(max=8) if name == "exp" else x).clone()
        v.requires_grad_()
        f(v).backward(dy)
        put("slopes." + name, v.grad)


def norms():
    def layer(x, gamma, beta):
        return F.layer_norm(x, x.shape[1:], gamma, beta, 1e-5)

    def batch(x, gamma, beta):
        return F.batch_norm(x, None, None, gamma, beta, True, 0.1, 1e-5)

    gradients("layer_norm", layer, draw(4, 19) + 3, gamma=draw(19), beta=draw(19))
    gradients("batch_norm", batch, draw(13, 7) + 3, gamma=draw(7), beta=draw(7))
    gradients("group_norm", lambda x, gamma, beta: F.group_norm(x, 3, gamma, beta, 1e-5),
              draw(2, 6, 5, 3) + 3, True, gamma=draw(6), beta=draw(6))
    gradients("instance_norm", lambda x: F.instance_norm(x, eps=1e-5), draw(2, 5, 4, 3), True)
    gradients("softmax", lambda x: F.softmax(x, 1), draw(3, 11, scale=2))
    gradients("log_softmax", lambda x: F.log_softmax(x, 1), draw(3, 11, scale=2))
    gradients("softmax_middle", lambda x: F.softmax(x, 1), draw(2, 5, 4))
    for size in (3, 4):
        gradients(f"lrn{size}", lambda x: F.local_response_norm(x, size, 0.5, 0.75, 1.5),
                  draw(2, 7, 3, 2), True)


def pools():
    gradients("max_pool", lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True), draw(2, 5, 8, 7), True)
    gradients("max_pool_dilated", lambda x: F.max_pool2d(x, 2, 1, 0, 2), draw(2, 3, 6, 5), True)
    gradients("max_pool_line", lambda x: F.max_pool1d(x, 3, 2), draw(2, 3, 9), True)
    gradients("max_pool_volume", lambda x: F.max_pool3d(x, 2, 2), draw(1, 3, 4, 5, 4), True)
    gradients("max_pool_adaptive", lambda x: F.adaptive_max_pool2d(x, (3, 2)), draw(2, 3, 7, 5), True)
    for count in (False, True):
        gradients(f"average_pool_{count}".lower(),
                  lambda x: F.avg_pool2d(x, 3, 2, 1, True, count), draw(2, 5, 8, 7), True)
    gradients("average_pool_adaptive", lambda x: F.adaptive_avg_pool2d(x, (3, 2)), draw(2, 3, 7, 5), True)


def pairs():
    quarter = lambda *shape: torch.randint(-4, 5, shape).double() / 4
    table = {"add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "divide": torch.div,
             "minimum": torch.minimum, "maximum": torch.maximum}
    shapes = {"whole": (2, 3, 5), "row_of_image": (2, 1, 5), "element_of_row": (2, 3, 1),
              "element_of_image": (2, 1, 1), "row": (1, 1, 5), "image": (1, 3, 5)}
    for name, f in table.items():
        for shape, extents in shapes.items():
            b = quarter(*extents) + (3 if name == "divide" else 0)
            gradients(f"{name}.{shape}", lambda x, b: f(x, b), quarter(2, 3, 5), result=False, b=b)


def moves():
    for mode, name in (("constant", "constant"), ("reflect", "reflect"), ("replicate", "edge"),
                       ("circular", "wrap")):
        gradients(f"pad_{name}", lambda x: F.pad(x, (2, 1, 1, 2), mode), draw(2, 3, 4, 3), True)
    x = torch.randint(-3, 4, (3, 6, 4)).double()
    for name, f in (("sum", lambda v: v.sum(1)), ("mean", lambda v: v.mean(1)),
                    ("max", lambda v: v.amax(1)), ("min", lambda v: v.amin(1)),
                    ("l2", lambda v: v.norm(dim=1))):
        gradients("reduce_" + name, f, x)
    index = torch.tensor([3, 1, 3, 0, 2, 3])
    put("embedding.index", index)
    gradients("embedding", lambda table: F.embedding(index, table, padding_idx=2), draw(5, 7))


def losses():
    x, t = draw(3, 7), torch.rand(3, 7).float().double()
    labels = torch.tensor([4, 0, 6])
    table = {
        "mean_squared_error": lambda v: F.mse_loss(v, t), "l1_loss": lambda v: F.l1_loss(v, t),
        "huber_loss": lambda v: F.huber_loss(v, t, delta=0.5),
        "smooth_l1_loss": lambda v: F.smooth_l1_loss(v, t, beta=0.25),
        "binary_cross_entropy": lambda v: F.binary_cross_entropy_with_logits(
            v, t, pos_weight=torch.tensor(1.5).double()),
        "cross_entropy": lambda v: F.cross_entropy(v, labels),
    }
    put("loss.x", x)
    put("loss.target", t)
    put("loss.labels", labels)
    for name, f in table.items():
        v = x.clone().requires_grad_()
        loss = f(v)
        loss.backward()
        put(name + ".loss", loss.reshape(1))
        put(name + ".dx", v.grad)


def optimizers():
    start, slopes = draw(9), draw(5, 9)
    put("optimizer.x", start)
    put("optimizer.gradients", slopes)
    make = {
        "sgd": lambda p: torch.optim.SGD(p, 0.05, 0.9, 0.25, 0.01),
        "nesterov": lambda p: torch.optim.SGD(p, 0.05, 0.9, 0, 0.01, nesterov=True),
        "adam": lambda p: torch.optim.Adam(p, 0.05, (0.8, 0.95), 1e-3, 0.01),
        "adamw": lambda p: torch.optim.AdamW(p, 0.05, (0.8, 0.95), 1e-3, 0.1),
        "adagrad": lambda p: torch.optim.Adagrad(p, 0.05, 0.1, 0.01, eps=1e-3),
        "rmsprop": lambda p: torch.optim.RMSprop(p, 0.05, 0.9, 1e-3, 0.01, 0.8, centered=True),
    }
    for name, f in make.items():
        p = start.clone().requires_grad_()
        own = f([p])
        for g in slopes:
            p.grad = g.clone()
            own.step()
        put("optimizer." + name, p)
    p = start.clone().requires_grad_()
    p.grad = slopes[0].clone()
    norm = torch.nn.utils.clip_grad_norm_([p], 0.5)
    put("clip.norm", norm.reshape(1))
    put("clip.gradient", p.grad)


def schedules():
    s = torch.optim.lr_scheduler
    make = {
        "step": lambda o: s.StepLR(o, 7, 0.5), "multi_step": lambda o: s.MultiStepLR(o, [5, 20], 0.25),
        "exponential": lambda o: s.ExponentialLR(o, 0.9),
        "cosine": lambda o: s.CosineAnnealingLR(o, 30, 0.01),
        "linear": lambda o: s.LinearLR(o, 0.25, 0.75, 10),
        "warm_up": lambda o: s.SequentialLR(o, [s.LinearLR(o, 0.1, 1, 8), s.CosineAnnealingLR(o, 32)], [8]),
        "one_cycle": lambda o: s.OneCycleLR(o, 0.5, total_steps=40),
        "one_cycle_three": lambda o: s.OneCycleLR(o, 0.5, total_steps=40, three_phase=True,
                                                  anneal_strategy="linear"),
    }
    for name, f in make.items():
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.5)
        own, rates = f(optimizer), []
        for i in range(40):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if i < 39:
                own.step()
        put("schedule." + name, np.array(rates))


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden")
    for k, part in enumerate((functions, norms, pools, pairs, moves, losses, optimizers, schedules)):
        torch.manual_seed(100 + k)
        part()
    header, data = {}, b""
    for name, a in TENSORS.items():
        bytes_of = a.tobytes()
        header[name] = {"dtype": "I32" if a.dtype.kind == "i" else "F32", "shape": list(a.shape),
                        "data_offsets": [len(data), len(data) + len(bytes_of)]}
        data += bytes_of
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    assert len(text) + len(data) < LIMIT, len(text) + len(data)
    with open(os.path.join(folder, "gradients.safetensors"), "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)
    print(len(TENSORS), "tensors,", len(text) + len(data), "bytes")


if __name__ == "__main__":
    main()
