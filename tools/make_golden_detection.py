#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the operators of detectors are compared with: tests/golden/detection.safetensors.

usage: make_golden_detection.py
       (python3 -m venv torch && torch/bin/pip install torch==2.13.0 torchvision onnxruntime onnx numpy
        safetensors)

Priors, anchors and decoded boxes are torchvision's; suppressed boxes and pooled and aligned regions are
onnxruntime's, which has the same rules. Images have their channels last in the file.
"""
import os
import sys

import numpy as np
import onnx
import onnxruntime
import safetensors.numpy
import torch
from onnx import TensorProto, helper

try:
    import torchvision
except RuntimeError:  # of another build than torch: its operators are missing, these functions need none
    lib = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        lib.define(operator + "(Tensor a, Tensor b, float c) -> Tensor")
    for module in [m for m in sys.modules if m.startswith("torchvision")]:
        del sys.modules[module]
    import torchvision
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops.boxes import clip_boxes_to_image
from torchvision.ops.roi_align import _roi_align

out = {}


def run_onnx(op, inputs, outputs, **attributes):
    node = helper.make_node(op, list(inputs), outputs, **attributes)
    kinds = {np.float32: TensorProto.FLOAT, np.int64: TensorProto.INT64}
    given = [helper.make_tensor_value_info(k, kinds[v.dtype.type], v.shape) for k, v in inputs.items()]
    kind = TensorProto.INT64 if op == "NonMaxSuppression" else TensorProto.FLOAT
    results = [helper.make_tensor_value_info(k, kind, None) for k in outputs]
    graph = helper.make_graph([node], "g", given, results)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def priors():
    maps = [(5, 4), (3, 2), (1, 1)]
    make = DefaultBoxGenerator([[2], [2, 3], [2]], min_ratio=0.2, max_ratio=0.9, steps=[8, 16, 33])
    features = [torch.zeros(1, 1, *m) for m in maps]
    images = ImageList(torch.zeros(1, 3, 40, 33), [(40, 33)])
    out["priors"] = make(images, features)[0].numpy()
    make = AnchorGenerator(((32, 64), (128,)), ((0.5, 1.0, 2.0), (1.0, 3.0)))
    out["anchors"] = make(images, features[:2])[0].numpy()


def decode():
    torch.manual_seed(3)
    n, classes = 37, 3
    corners = torch.rand(n, 2) * 200
    anchors = torch.cat([corners, corners + 1 + torch.rand(n, 2) * 100], 1)
    deltas = torch.randn(n, classes * 4)
    deltas[::5, 2] = 9  # grows to the limit
    coder = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
    boxes = coder.decode(deltas, [anchors])
    out["decode.references"], out["decode.deltas"] = anchors.numpy(), deltas.numpy()
    out["decode.boxes"] = boxes.reshape(n, classes, 4).numpy()
    out["decode.clipped"] = clip_boxes_to_image(boxes, (180, 240)).reshape(n, classes, 4).numpy()


def suppress():
    rng = np.random.default_rng(4)
    corners = rng.uniform(0, 20, (2, 60, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + rng.uniform(1, 9, (2, 60, 2)).astype(np.float32)], 2)
    scores = rng.uniform(0, 1, (2, 3, 60)).astype(np.float32)
    found, = run_onnx("NonMaxSuppression",
                      {"boxes": boxes[:, :, [1, 0, 3, 2]].copy(), "scores": scores,
                       "most": np.array([7], np.int64), "iou": np.array([0.3], np.float32),
                       "score": np.array([0.25], np.float32)}, ["y"])
    out["suppress.boxes"], out["suppress.scores"] = boxes, scores.transpose(0, 2, 1).copy()
    out["suppress.found"] = found.astype(np.int32)  # image, class, box


def regions():
    torch.manual_seed(5)
    x = torch.randn(2, 5, 13, 11)
    rois = torch.tensor([[0, 3.0, 5.0, 90.0, 120.0], [1, 0.0, 0.0, 175.0, 207.0], [1, 40.3, 60.9, 47.2, 66.6],
                         [0, -30.0, -20.0, 50.0, 60.0], [1, 130.0, 150.0, 230.0, 260.0],
                         [0, 80.0, 90.0, 80.5, 90.25]])
    out["regions.src"] = x.permute(0, 2, 3, 1).contiguous().numpy()
    out["regions.images"] = rois[:, 0].to(torch.int32).numpy()
    out["regions.boxes"] = rois[:, 1:].contiguous().numpy()
    # torchvision's loop is compiled; its form in Python does not pass over samples outside of the image.
    for name, sampling, aligned in (("align", 2, False), ("aligned", 2, True), ("adaptive", 0, False),
                                    ("adaptive_aligned", 0, True)):
        y, = run_onnx("RoiAlign", {"x": x.numpy(), "rois": rois[:, 1:].numpy().copy(),
                                   "images": rois[:, 0].numpy().astype(np.int64)}, ["y"], output_height=7,
                      output_width=5, sampling_ratio=sampling, spatial_scale=1 / 16, mode="avg",
                      coordinate_transformation_mode="half_pixel" if aligned else "output_half_pixel")
        out["regions." + name] = y.transpose(0, 2, 3, 1).copy()
        inside = [0, 1, 2, 5]  # boxes within the image
        same = _roi_align(x, rois[inside], 1 / 16, 7, 5, sampling, aligned).permute(0, 2, 3, 1).numpy()
        worst = np.abs(same - out["regions." + name][inside]).max()
        print(name, "onnxruntime and torchvision differ by", worst)
    y, = run_onnx("MaxRoiPool", {"x": x.numpy(), "rois": rois.numpy()}, ["y"], pooled_shape=[7, 5],
                  spatial_scale=1 / 16)
    out["regions.max"] = y.transpose(0, 2, 3, 1).copy()


priors()
decode()
suppress()
regions()
path = os.path.join(os.path.dirname(__file__), "..", "tests", "golden", "detection.safetensors")
safetensors.numpy.save_file({k: np.ascontiguousarray(v) for k, v in out.items()}, path)
for k, v in out.items():
    print(k, v.shape, v.dtype)
