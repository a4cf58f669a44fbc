#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the files of tests/golden: small networks of PyTorch with random weights.

usage: make_golden.py [FOLDER]
       (python3 -m venv torch && torch/bin/pip install torch==2.13.0 numpy safetensors)

NAME.safetensors is the state_dict, as safetensors.torch.save_file writes it; NAME.in.npy what the
network was given and NAME.out.npy what it gave, in PyTorch's order of axes. Weights and inputs are
numbers of f32 (of f16 where a network says so); the network is evaluated in double. tests/graph/
golden.cpp writes the same networks with ia_nn. Another version of PyTorch makes other numbers, which
are as good.
"""
import os
import sys

import numpy as np
import safetensors.torch
import torch
from torch import nn
import torch.nn.functional as F

LIMIT = 300_000  # bytes of all files

NETWORKS = {}


def network(*shape, upper=None, scale=1.0, half=False):
    """Registers a module with the shape of its input. `upper`: indices below it."""
    def register(module):
        NETWORKS[module.__name__] = (module, shape, upper, scale, half)
        return module
    return register


@network(4, 20)
class mlp(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(20, 33), nn.ReLU(), nn.Linear(33, 17), nn.Tanh(), nn.Linear(17, 5),
                         nn.LogSoftmax(dim=1))


@network(2, 3, 32, 32)
class lenet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
                                      nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2))
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(16 * 5 * 5, 24), nn.ReLU(),
                                        nn.Dropout(), nn.Linear(24, 10))

    def forward(self, x):
        return self.classifier(self.features(x)).softmax(1)


class basic_block(nn.Module):  # of ResNet-18, named as there
    def __init__(self, channels, filters):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        self.downsample = nn.Sequential(nn.Conv2d(channels, filters, 1, stride=2, bias=False),
                                        nn.BatchNorm2d(filters))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


@network(2, 5, 11, 9)
class residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = nn.Sequential(basic_block(5, 12))
        self.fc = nn.Linear(12, 7)

    def forward(self, x):
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(self.layer1(x), 1), 1))


def separable_block(channels, filters, stride, act):
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False),
        nn.BatchNorm2d(channels), act(),
        nn.Conv2d(channels, filters, 1, bias=False),
        nn.BatchNorm2d(filters), act())


@network(2, 3, 15, 12)
class separable(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1),
                                      separable_block(8, 18, 1, nn.ReLU6),
                                      separable_block(18, 20, 2, nn.Hardswish))
        self.classifier = nn.Linear(20, 6)

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


@network(3, 7, 9)
class lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(9, 10, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * 10, 4)

    def forward(self, x):  # of each time
        return self.head(self.rnn(x)[0])


@network(3, 7, 9)
class gru(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(9, 10, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(2 * 10, 4)

    def forward(self, x):  # of the last states of both directions
        states = self.rnn(x)[1]
        return self.head(torch.cat([states[-2], states[-1]], 1))


@network(5, 6, upper=40, half=True)
class words(nn.Module):
    def __init__(self):
        super().__init__()
        # Checkpoints of language models have such arrays of integers.
        self.register_buffer("position_ids", torch.arange(6).reshape(1, 6))
        self.embed = nn.Embedding(40, 7)
        self.norm = nn.LayerNorm(7)
        self.fc = nn.Linear(6 * 7, 11)

    def forward(self, i):
        return F.gelu(self.fc(torch.flatten(self.norm(self.embed(i)), 1)))


@network(2, 10)
class decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(10, 8 * 3 * 4)
        self.up = nn.Sequential(
            nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1),
            nn.BatchNorm2d(6), nn.LeakyReLU(),
            nn.ConvTranspose2d(6, 3, 4, stride=2, padding=1))

    def forward(self, x):
        return torch.sigmoid(self.up(self.fc(x).view(-1, 8, 3, 4)))


@network(2, 6, 7, 10)
class group_norms(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(6, 16, 3, padding=1)
        self.norm1 = nn.GroupNorm(4, 16)
        self.conv2 = nn.Conv2d(16, 6, 3, padding=1)
        self.norm2 = nn.InstanceNorm2d(6, affine=True)

    def forward(self, x):
        y = F.silu(self.norm1(self.conv1(x)))
        return F.silu(self.norm2(self.conv2(y)) + x)


@network(2, 3, 13, 11, scale=60.0)  # so large that LRN of the usual alpha does something
class local_response(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 20, 3)
        self.odd = nn.LocalResponseNorm(5)
        self.even = nn.LocalResponseNorm(4, alpha=0.01, beta=0.6, k=2.0)
        self.pool1 = nn.AvgPool2d(3, stride=2, padding=1)
        self.pool2 = nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)
        self.project = nn.Conv2d(20, 7, 1)

    def forward(self, x):
        y = self.pool1(self.odd(self.conv(x)))
        return F.hardsigmoid(self.project(self.pool2(self.even(y))) / 8)


@network(3, 4, 16)
class tones(nn.Module):  # images of one axis: (batch, channels, length)
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(4, 6, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm1d(6)
        self.conv2 = nn.Conv1d(6, 5, 3, padding=2, dilation=2)
        self.fc = nn.Linear(5 * 4, 3)

    def forward(self, x):
        y = F.elu(self.norm(self.conv1(x)))
        return self.fc(torch.flatten(F.max_pool1d(self.conv2(y), 2), 1))


@network(2, 2, 4, 6, 5)
class volume(nn.Module):  # images of three axes
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(2, 4, (2, 3, 3), padding=(0, 1, 1))
        self.fc = nn.Linear(4 * 3 * 3 * 2, 6)

    def forward(self, x):
        y = F.avg_pool3d(F.softplus(self.conv(x)), (1, 2, 2))
        return self.fc(y.reshape(y.shape[0], -1))


@network(2, 37, scale=4.0)
class functions(nn.Module):  # each with its defaults
    def forward(self, x):
        each = [nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(), nn.ELU(), nn.SELU(), nn.CELU(), nn.Sigmoid(),
                nn.LogSigmoid(), nn.Hardsigmoid(), nn.Tanh(), nn.Hardtanh(), nn.Softplus(),
                nn.Softsign(), nn.GELU(), nn.GELU(approximate="tanh"), nn.SiLU(), nn.Hardswish(),
                nn.Mish(), nn.Softmax(dim=-1), nn.LogSoftmax(dim=-1)]
        return torch.cat([f(x) for f in each], 1)


@network(3, 12, scale=0.004)  # so small that an epsilon is a part of the variance
class epsilons(nn.Module):  # each norm with its defaults
    def __init__(self):
        super().__init__()
        self.batch = nn.BatchNorm1d(12)
        self.layer = nn.LayerNorm(12)
        self.group = nn.GroupNorm(3, 12)

    def forward(self, x):
        return torch.cat([self.batch(x), self.layer(x), self.group(x)], 1)


def randomize(model, scale):
    """Weights that keep the size of what goes through. Norms and their statistics begin as ones and
    zeros, which would hide what they do."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)):
            nn.init.kaiming_normal_(module.weight)
        if not isinstance(module, (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)):
            continue
        if module.weight is not None:
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
        if getattr(module, "running_mean", None) is not None:
            module.running_mean.uniform_(-0.2, 0.2).mul_(min(scale, 1))
            module.running_var.uniform_(0.05, 1.0).mul_(min(scale, 1) ** 2)


def make(folder, name):
    module, shape, upper, scale, half = NETWORKS[name]
    torch.manual_seed(1 + list(NETWORKS).index(name))
    model = module().eval()
    with torch.no_grad():
        randomize(model, scale)
        if half:
            model.half().float()
        x = torch.randint(upper, shape, dtype=torch.int32) if upper else scale * torch.randn(shape)
        state = model.state_dict()
        y = model.double()(x if upper else x.double())
        state = {k: v.half() if half and v.is_floating_point() else v for k, v in state.items()}
    if state:
        path = os.path.join(folder, name + ".safetensors")
        safetensors.torch.save_file(state, path)
        os.chmod(path, 0o644)
    np.save(os.path.join(folder, name + ".in.npy"), x.numpy())
    np.save(os.path.join(folder, name + ".out.npy"), y.numpy().astype(np.float32))


def main():
    default = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden")
    folder = sys.argv[1] if len(sys.argv) > 1 else default
    os.makedirs(folder, exist_ok=True)
    for name in NETWORKS:
        make(folder, name)
    files = [f for f in os.listdir(folder) if f.endswith((".safetensors", ".npy"))]
    total = sum(os.path.getsize(os.path.join(folder, f)) for f in files)
    print(f"torch {torch.__version__}: {len(NETWORKS)} networks, {len(files)} files, {total} bytes")
    if total > LIMIT:
        sys.exit(f"more than {LIMIT} bytes")


if __name__ == "__main__":
    main()
