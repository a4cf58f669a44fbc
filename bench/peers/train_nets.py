#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One step of training of whole networks in PyTorch and in this library, in turns.

    scripts/bench train_nets                                   # builds our program
    python3 bench/peers/train_nets.py [--ours build/bench/bench/bench_train_nets] [--threads N] ...

A step is forward, backward and stochastic gradient descent with momentum, on images that do not change.
PyTorch has images with channels last, and relu in place; in bf16 it runs under autocast. The networks are those of
train_nets_models.py, of as many weights as ours (if not, the script ends), of 224 x 224 or 299 x 299 pixels. Rounds
alternate: our program, then PyTorch in a process of its own, whose largest memory is told. The last column has images
per second and core of the published table (MXNet 2018 with batches of 32 on two Xeon 8180, 56 cores). Needed: torch.
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

import train_nets_models

BATCHES = {"mobilenet": 16, "alexnet": 32, "googlenet": 16, "vgg16": 8, "vgg19": 8, "inception_bn": 16,
           "inception_v3": 8, "resnet50_v1.5": 16, "resnet152_v1.5": 8, "inception_v4": 8}
PIXELS = {"inception_v3": 299, "inception_v4": 299}  # of others 224
PUBLISHED = {"alexnet": 412, "googlenet": 153, "vgg16": 39.7, "vgg19": 33.8, "inception_bn": 124, "inception_v3": 57.8,
             "resnet50_v1.5": 65.7, "resnet152_v1.5": 28.3, "inception_v4": 29.3}  # of the resnets v1
PUBLISHED_CORES = 56
WORKERS = {"f32": ("avx512", "avx2"), "bf16": ("amx", "avx512_bf16")}


def torch_steps(network, kind, threads, steps):
    """Prints milliseconds of each step, and the memory beyond that of the library in MB."""
    import torch
    torch.set_num_threads(threads)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model = train_nets_models.networks(torch)[network]().to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
    loss_of, batch = torch.nn.CrossEntropyLoss(), BATCHES[network]
    pixels = PIXELS.get(network, 224)
    images = (torch.rand(batch, 3, pixels, pixels) * 2 - 1).to(memory_format=torch.channels_last)
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
    print(json.dumps({"ms": times[1:] or times, "weights": sum(p.numel() for p in model.parameters()),
                      "mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}))


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
            weights = [int(n) for note in rows["machine"]["notes"] for n in re.findall(r"(\d+) weights", note)]
            return rows["rows"][0]["ours_ms"], rows["rows"][0]["peak_pct"], megabytes, weights[0]
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", default="build/bench/bench/bench_train_nets")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--networks", default=",".join(BATCHES))
    parser.add_argument("--precisions", default="f32,bf16")
    parser.add_argument("--torch-steps", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.torch_steps:
        network, kind, steps = options.torch_steps
        return torch_steps(network, kind, options.threads, int(steps))
    print("| network, batch | precision | ours, ms | % of peak | PyTorch, ms | PyTorch / ours | ours, MB | PyTorch, MB | "
          "images/s and core: ours | PyTorch | published |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for network in options.networks.split(","):
        for kind in options.precisions.split(","):
            mine, theirs, ratios, megabytes, peak, own = [], [], [], 0, 0, 0
            for _ in range(options.rounds):
                row = ours(options.ours, network, kind, options.threads)
                if row is None:
                    break
                mine.append(row[0])
                peak, own = row[1], row[2]
                out = subprocess.run([sys.executable, __file__, "--threads", str(options.threads), "--torch-steps",
                                      network, kind, "4"], stdout=subprocess.PIPE, check=True)
                said = json.loads(out.stdout)
                if said["weights"] != row[3]:
                    sys.exit(f"train_nets: {network} has {row[3]} weights, in PyTorch {said['weights']}")
                theirs.append(statistics.median(said["ms"]))
                ratios.append(theirs[-1] / mine[-1])
                megabytes = max(megabytes, said["mb"])
            if not mine:
                print(f"| {network} | {kind} | not built or not available |", flush=True)
                continue
            a, b, batch = statistics.median(mine), statistics.median(theirs), BATCHES[network]
            rate = 1e3 * batch / options.threads
            published = f"{PUBLISHED[network] / PUBLISHED_CORES:.2f}" if network in PUBLISHED and kind == "f32" else "–"
            print(f"| {network}, {batch} | {kind} | {a:.0f} | {peak:.0f} | {b:.0f} | {statistics.median(ratios):.2f} | "
                  f"{own} | {megabytes:.0f} | {rate / a:.2f} | {rate / b:.2f} | {published} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
