#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One step of training of whole networks in PyTorch and in this library, in turns.

    scripts/bench train_nets                                   # builds our program
    python3 bench/peers/train_nets.py [--ours build/bench/bench/bench_train_nets] [--threads N] ...

A step is forward, backward and stochastic gradient descent with momentum, on images that do not change.
PyTorch has images with channels last, and relu in place; in bf16 it runs under autocast. The networks are
ResNet-50 v1.5 and MobileNet v1 of 224 x 224 pixels. Rounds alternate: our program, then PyTorch in a process of
its own, whose largest memory is told. Needed: torch.
"""
import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BATCHES = {"mobilenet": 16, "resnet50_v1.5": 16}
WORKERS = {"f32": ("avx512", "avx2"), "bf16": ("amx", "avx512_bf16")}


def conv_norm(nn, source, filters, kernel, stride=1, pad=0, groups=1):
    return [nn.Conv2d(source, filters, kernel, stride, pad, groups=groups, bias=False), nn.BatchNorm2d(filters)]


def mobilenet(torch):
    nn, layers, channels = torch.nn, [], 32
    layers += conv_norm(nn, 3, 32, 3, 2, 1) + [nn.ReLU(True)]
    for filters, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [
            (1024, 2), (1024, 1)]:
        layers += conv_norm(nn, channels, channels, 3, stride, 1, channels) + [nn.ReLU(True)]
        layers += conv_norm(nn, channels, filters, 1) + [nn.ReLU(True)]
        channels = filters
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, 1000))


def resnet50(torch):
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, channels, width, stride):
            super().__init__()
            self.body = nn.Sequential(
                *conv_norm(nn, channels, width, 1), nn.ReLU(True), *conv_norm(nn, width, width, 3, stride, 1),
                nn.ReLU(True), *conv_norm(nn, width, 4 * width, 1))
            other = stride != 1 or channels != 4 * width
            self.beside = nn.Sequential(*conv_norm(nn, channels, 4 * width, 1, stride)) if other else nn.Identity()

        def forward(self, x):
            return torch.relu_(self.body(x) + self.beside(x))

    layers, channels = conv_norm(nn, 3, 64, 7, 2, 3) + [nn.ReLU(True), nn.MaxPool2d(3, 2, 1)], 64
    for stage, count in enumerate((3, 4, 6, 3)):
        for i in range(count):
            layers.append(Block(channels, 64 << stage, 2 if stage > 0 and i == 0 else 1))
            channels = 256 << stage
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))


NETWORKS = {"mobilenet": mobilenet, "resnet50_v1.5": resnet50}


def torch_steps(network, kind, threads, steps):
    """Prints milliseconds of each step, and the memory beyond that of the library in MB."""
    import torch
    torch.set_num_threads(threads)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = NETWORKS[network](torch).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
    loss_of, batch = torch.nn.CrossEntropyLoss(), BATCHES[network]
    images = (torch.rand(batch, 3, 224, 224) * 2 - 1).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 1000, (batch,))
    times = []
    for _ in range(steps):
        began = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=kind == "bf16"):
            loss = loss_of(model(images), labels)
        loss.backward()
        optimizer.step()
        times.append(1e3 * (time.perf_counter() - began))
    print(json.dumps({"ms": times[1:] or times, "mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}))


def ours(program, network, kind, threads):
    for isa in WORKERS[kind]:
        worker = Path(f"{program}_{isa}")
        if not worker.is_file():
            continue
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            done = subprocess.run([worker, "--threads", str(threads), "--quick", "--json", file.name, "--filter",
                                   f"{kind} .*{re.escape(network)} "], stdout=subprocess.DEVNULL, check=False)
            rows = json.load(open(file.name, encoding="utf-8")) if done.returncode == 0 else {"rows": []}
        if rows["rows"]:
            megabytes = sum(int(n) for note in rows["machine"]["notes"] for n in re.findall(r"(\d+) MB", note))
            return rows["rows"][0]["ours_ms"], rows["rows"][0]["peak_pct"], megabytes
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", default="build/bench/bench/bench_train_nets")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--precisions", default="f32,bf16")
    parser.add_argument("--torch-steps", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.torch_steps:
        network, kind, steps = options.torch_steps
        return torch_steps(network, kind, options.threads, int(steps))
    print("| network, batch | precision | ours, ms | % of peak | images/s | PyTorch, ms | PyTorch / ours | ours, MB | PyTorch, MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for network in options.networks.split(","):
        for kind in options.precisions.split(","):
            mine, theirs, megabytes, peak, own = [], [], 0, 0, 0
            for _ in range(options.rounds):
                row = ours(options.ours, network, kind, options.threads)
                if row is None:
                    break
                mine.append(row[0])
                peak, own = row[1], row[2]
                out = subprocess.run([sys.executable, __file__, "--threads", str(options.threads), "--torch-steps",
                                      network, kind, "4"], stdout=subprocess.PIPE, check=True)
                said = json.loads(out.stdout)
                theirs += said["ms"]
                megabytes = max(megabytes, said["mb"])
            if not mine:
                print(f"| {network} | {kind} | not built or not available |", flush=True)
                continue
            a, b, batch = statistics.median(mine), statistics.median(theirs), BATCHES[network]
            print(f"| {network}, {batch} | {kind} | {a:.0f} | {peak:.0f} | {1e3 * batch / a:.1f} | {b:.0f} | {b / a:.2f} | "
                  f"{own} | {megabytes:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
