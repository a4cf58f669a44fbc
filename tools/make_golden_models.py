#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What examples/models is compared with: networks of torchvision, timm and pretrainedmodels.

usage: make_golden_models.py list [NAME]    numbers of parameters, and hashes of names and shapes, as in
                                            the table of tests/graph/published.cpp; of one network, the
                                            names and shapes themselves
       make_golden_models.py outputs        writes tests/golden/published.safetensors
       make_golden_models.py ssd            writes tests/golden/ssd.safetensors
       (python3 -m venv torch && torch/bin/pip install torch==2.13.0 torchvision timm pretrainedmodels
        numpy safetensors)

Weights are not stored: both sides compute them from names and places by the same integers. Of each network
the file has the logits of 10 classes for one image, evaluated in double.
"""
import os
import sys

import numpy as np
import safetensors.torch
import torch
from torch import nn

try:
    import torchvision
except RuntimeError:  # of another build than torch: its operators are missing, networks need none
    lib = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        lib.define(operator + "(Tensor a, Tensor b, float c) -> Tensor")
    for module in [m for m in sys.modules if m.startswith("torchvision")]:
        del sys.modules[module]
    import torchvision
import timm
from pretrainedmodels import bninception
from torchvision import models as tv
from torchvision.models.detection import ssd300_vgg16
from torchvision.models.detection.image_list import ImageList


def resnet_v1(layers, **options):
    """The paper's: torchvision's with the stride at the first convolution of a bottleneck."""
    model = getattr(tv, f"resnet{layers}")(**options)
    for block in model.modules():
        if isinstance(block, tv.resnet.Bottleneck):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
    return model


class mobilenet_v1(nn.Module):  # as most PyTorch files of it
    def __init__(self, width=1.0, num_classes=1000):
        super().__init__()

        def norm(*layers):
            return [m for conv in layers for m in (conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU())]

        def pair(channels, filters, stride):
            c, f = int(channels * width), int(filters * width)
            return nn.Sequential(*norm(nn.Conv2d(c, c, 3, stride, 1, groups=c, bias=False),
                                       nn.Conv2d(c, f, 1, bias=False)))

        self.model = nn.Sequential(
            nn.Sequential(*norm(nn.Conv2d(3, int(32 * width), 3, 2, 1, bias=False))),
            pair(32, 64, 1), pair(64, 128, 2), pair(128, 128, 1), pair(128, 256, 2), pair(256, 256, 1),
            pair(256, 512, 2), *[pair(512, 512, 1) for _ in range(5)], pair(512, 1024, 2),
            pair(1024, 1024, 1), nn.AdaptiveAvgPool2d(1))
        self.fc = nn.Linear(int(1024 * width), num_classes)

    def forward(self, x):
        return self.fc(self.model(x).flatten(1))


class dcgan_generator(nn.Module):  # github.com/pytorch/examples, dcgan/main.py
    def __init__(self, nz=100, ngf=64, nc=3):
        super().__init__()
        layers, channels = [], nz
        for i, filters in enumerate((8 * ngf, 4 * ngf, 2 * ngf, ngf)):
            layers += [nn.ConvTranspose2d(channels, filters, 4, 1 if i == 0 else 2, 0 if i == 0 else 1,
                                          bias=False), nn.BatchNorm2d(filters), nn.ReLU()]
            channels = filters
        self.main = nn.Sequential(*layers, nn.ConvTranspose2d(channels, nc, 4, 2, 1, bias=False), nn.Tanh())

    def forward(self, x):
        return self.main(x)


class dcgan_discriminator(nn.Module):  # its last sigmoid left out
    def __init__(self, ndf=64, nc=3):
        super().__init__()
        layers = [nn.Conv2d(nc, ndf, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        for filters in (2 * ndf, 4 * ndf, 8 * ndf):
            layers += [nn.Conv2d(filters // 2, filters, 4, 2, 1, bias=False), nn.BatchNorm2d(filters),
                       nn.LeakyReLU(0.2)]
        self.main = nn.Sequential(*layers, nn.Conv2d(8 * ndf, 1, 4, 1, 0, bias=False))

    def forward(self, x):
        return self.main(x).flatten(1)


def without_heads(make):
    """A torchvision model whose auxiliary heads are not there, as where it has loaded weights."""
    return lambda **options: make(aux_logits=False, init_weights=False, **options)


PUBLISHED = {
    **{f"resnet{n}": getattr(tv, f"resnet{n}") for n in (18, 34, 50, 101, 152)},
    **{f"resnet{n}_v1": lambda n=n, **o: resnet_v1(n, **o) for n in (50, 101, 152)},
    **{f"resnet{n}_v2": lambda n=n, **o: timm.create_model(f"resnetv2_{n}", **o)
       for n in (18, 34, 50, 101, 152)},
    **{f"vgg{n}{bn}": getattr(tv, f"vgg{n}{bn}") for n in (11, 13, 16, 19) for bn in ("", "_bn")},
    "alexnet": tv.alexnet,
    "squeezenet1_0": tv.squeezenet1_0,
    "squeezenet1_1": tv.squeezenet1_1,
    **{f"densenet{n}": getattr(tv, f"densenet{n}") for n in (121, 161, 169, 201)},
    **{f"mobilenet_v1_{w}": lambda w=w, **o: mobilenet_v1(w / 100, **o) for w in (100, 75, 50, 25)},
    **{f"mobilenet_v2_{w}": lambda w=w, **o: tv.mobilenet_v2(width_mult=w / 100, **o)
       for w in (100, 75, 50, 25)},
    "googlenet": without_heads(tv.googlenet),
    "inception_bn": lambda num_classes=1000: bninception(num_classes=num_classes, pretrained=None),
    "inception_v3": without_heads(tv.inception_v3),
    "inception_v4": lambda **o: timm.create_model("inception_v4", **o),
    "inception_resnet_v2": lambda **o: timm.create_model("inception_resnet_v2", **o),
    "dcgan_generator": dcgan_generator,
    "dcgan_discriminator": dcgan_discriminator,
    "ssd300_vgg16": lambda: ssd300_vgg16(weights=None, weights_backbone=None),
}


def weights_of(model):
    """What a network reads: counters of batches are not for inference."""
    return {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}


def lines_of(model):
    return sorted(" ".join([k, *map(str, v.shape)]) for k, v in weights_of(model).items())


def fnv(text, bits):
    prime, h = {32: (16777619, 2166136261), 64: (1099511628211, 14695981039346656037)}[bits]
    for c in text.encode():
        h = (h ^ c) * prime % 2**bits
    return h


def show(only):
    for name, make in PUBLISHED.items():
        if only and name != only:
            continue
        with torch.device("meta"):
            model = make()
        lines = lines_of(model)
        if only:
            print("\n".join(lines))
        else:
            parameters = sum(p.numel() for p in model.parameters())
            print(f'{name} {parameters} {fnv("".join(l + chr(10) for l in lines), 64):#018x}')


def drawn(name, count):
    """Numbers from -1 to 1 that depend on the name and the place alone; tests/graph/published.cpp."""
    u32 = np.uint32
    h = np.arange(count, dtype=u32) * u32(2654435761) + u32(fnv(name, 32))
    h = (h ^ (h >> u32(16))) * u32(0x45D9F3B)
    h = (h ^ (h >> u32(16))) * u32(0x45D9F3B)
    h ^= h >> u32(16)
    return (h >> u32(8)).astype(np.float32) * np.float32(2**-23) - np.float32(1)


def fill(model):
    transposed = {name + ".weight" for name, m in model.named_modules()
                  if isinstance(m, nn.ConvTranspose2d)}
    for name, value in weights_of(model).items():
        shape = list(value.shape)
        x = drawn(name, value.numel())
        if len(shape) > 1:
            outputs = shape[1] if name in transposed else shape[0]
            x *= np.float32(np.sqrt(6.0 / (value.numel() // outputs)))
        else:
            x *= np.float32(0.25)
            if name.endswith(("running_var", ".weight")):
                x += np.float32(1)
        value.copy_(torch.from_numpy(x.reshape(shape)))


# Of whom outputs are compared: options, and the shape of the image or code.
OUTPUTS = {
    "resnet18": ({}, (3, 32, 32)),
    "resnet50": ({}, (3, 64, 64)),
    "resnet50_v1": ({}, (3, 64, 64)),
    "resnet18_v2": ({}, (3, 32, 32)),
    "resnet50_v2": ({}, (3, 64, 64)),
    "vgg11_bn": ({}, (3, 224, 224)),
    "alexnet": ({}, (3, 224, 224)),
    "squeezenet1_0": ({}, (3, 64, 64)),
    "squeezenet1_1": ({}, (3, 64, 64)),
    "densenet121": ({}, (3, 64, 64)),
    "mobilenet_v1_50": ({}, (3, 64, 64)),
    "mobilenet_v2_25": ({}, (3, 64, 64)),
    "googlenet": ({}, (3, 64, 64)),
    "inception_bn": ({}, (3, 224, 224)),
    "inception_v3": ({}, (3, 75, 75)),
    "inception_v4": ({}, (3, 75, 75)),
    "inception_resnet_v2": ({}, (3, 75, 75)),
    "dcgan_generator": ({"ngf": 4}, (100, 1, 1)),
    "dcgan_discriminator": ({"ndf": 4}, (3, 64, 64)),
}


def dense_of(model):  # VGG and AlexNet with 32 units between: their other weights are of dense layers
    for i, m in enumerate(model.classifier):
        if isinstance(m, nn.Linear):
            last = m.out_features == 10
            inputs = m.in_features if m.in_features != 4096 else 32
            model.classifier[i] = nn.Linear(inputs, 10 if last else 32)


@torch.no_grad()
def outputs(path):
    found = {}
    for name, (options, shape) in OUTPUTS.items():
        if not name.startswith("dcgan"):
            options = {"num_classes": 10, **options}
        model = PUBLISHED[name](**options)
        if name.startswith(("vgg", "alexnet")):
            dense_of(model)
        model = model.eval()
        fill(model)
        x = torch.from_numpy(drawn("image", int(np.prod(shape))).reshape(1, *shape))
        y = model.double()(x.double())
        if name == "dcgan_generator":
            y = y[:, :, ::8, ::8].permute(0, 2, 3, 1)  # every eighth line and column, channels last
        found[name] = y.float().contiguous()
        print(name, tuple(y.shape), f"{y.abs().max():.3g}", f"{y.std():.3g}")
    safetensors.torch.save_file(found, path)
    os.chmod(path, 0o644)


@torch.no_grad()
def ssd(path):
    """Every 97th prior's box, in pixels and clipped, and the probabilities of its classes."""
    model = PUBLISHED["ssd300_vgg16"]().eval()
    fill(model)
    model = model.double()
    image = torch.from_numpy(drawn("image", 3 * 300 * 300).reshape(1, 3, 300, 300)).double()
    maps = list(model.backbone(image).values())
    head = model.head(maps)
    priors = model.anchor_generator(ImageList(image, [(300, 300)]), maps)[0].double()
    boxes = model.box_coder.decode_single(head["bbox_regression"][0], priors).clamp(0, 300)
    scores = head["cls_logits"][0].softmax(-1)
    rows = {"boxes": boxes[::97], "scores": scores[::97]}
    print({k: (tuple(v.shape), f"{v.std():.3g}") for k, v in rows.items()}, len(priors))
    safetensors.torch.save_file({k: v.float().contiguous() for k, v in rows.items()}, path)
    os.chmod(path, 0o644)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    if sys.argv[1:2] == ["list"] and len(sys.argv) <= 3:
        show(sys.argv[2] if len(sys.argv) == 3 else None)
    elif sys.argv[1:] == ["outputs"]:
        outputs(os.path.join(here, "..", "tests", "golden", "published.safetensors"))
    elif sys.argv[1:] == ["ssd"]:
        ssd(os.path.join(here, "..", "tests", "golden", "ssd.safetensors"))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
