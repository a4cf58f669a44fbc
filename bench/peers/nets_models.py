# SPDX-License-Identifier: Apache-2.0
"""The networks of examples/models as ONNX, with random weights, in f32 and quantized.

Images have channels first, as ONNX has them. Weights are drawn from a seed after He et al., batch
norms get means near 0 and variances near 1, so that activations stay near 1 from end to end:
a batch norm in front of a residual addition scales by a third, as trained ones do in about.
"""
import math
from pathlib import Path

SEED = 1
WIDE_DEEP = "wide_deep"
CATEGORIES, ROWS, WIDTH, NUMBERS = 26, 100000, 32, 13


class Builder:
    """A graph under construction. Values are names; `shapes` holds theirs without the batch."""

    def __init__(self, name):
        import numpy
        import onnx

        self.np, self.onnx, self.name = numpy, onnx, name
        self.random = numpy.random.default_rng(SEED)
        self.nodes, self.weights, self.inputs, self.shapes = [], [], [], {}
        self.operations = 0  # of convolutions and products, for one item
        self.parameters = 0

    def input(self, name, shape, integers=False):
        kind = self.onnx.TensorProto.INT32 if integers else self.onnx.TensorProto.FLOAT
        self.inputs.append(self.onnx.helper.make_tensor_value_info(name, kind, ["batch", *shape]))
        self.shapes[name] = tuple(shape)
        return name

    def weight(self, name, values):
        self.weights.append(
            self.onnx.numpy_helper.from_array(values.astype(self.np.float32, copy=False), name))
        self.parameters += values.size
        return name

    def he(self, shape, inputs):
        return self.random.standard_normal(shape, self.np.float32) * math.sqrt(2 / inputs)

    def around(self, middle, spread, size):
        return middle + spread * (self.random.random(size, self.np.float32) * 2 - 1)

    def add(self, operator, inputs, shape, **attributes):
        name = f"v{len(self.nodes)}_{operator.lower()}"
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [name], name, **attributes))
        self.shapes[name] = tuple(shape)
        return name

    # ---- layers ----------------------------------------------------------------------------------
    def conv(self, x, filters, kernel=1, stride=1, pad=0, bias=False, groups=1):
        kernel, pad = pair(kernel), pair(pad)
        channels, *image = self.shapes[x]
        out = window(image, kernel, stride, pad)
        shape = (filters, channels // groups, *kernel)
        inputs = math.prod(shape[1:])
        at = f"w{len(self.weights)}"
        sources = [x, self.weight(at, self.he(shape, inputs))]
        if bias:
            sources.append(self.weight(at + "_bias", self.around(0, 0.1, filters)))
        self.operations += 2 * inputs * filters * math.prod(out)
        return self.add("Conv", sources, (filters, *out), kernel_shape=kernel,
                        strides=[stride, stride], pads=[*pad, *pad], group=groups)

    def norm(self, x, epsilon=1e-5, gain=1.0):
        channels = self.shapes[x][0]
        at = f"w{len(self.weights)}"
        sources = [x, self.weight(at + "_scale", gain * self.around(1, 0.2, channels)),
                   self.weight(at + "_offset", self.around(0, 0.1, channels)),
                   self.weight(at + "_mean", self.around(0, 0.1, channels)),
                   self.weight(at + "_variance", self.around(1, 0.2, channels))]
        return self.add("BatchNormalization", sources, self.shapes[x], epsilon=epsilon)

    def relu(self, x):
        return self.add("Relu", [x], self.shapes[x])

    def sum(self, x, y):
        return self.add("Add", [x, y], self.shapes[x])

    def pool(self, kind, x, kernel, stride, pad=0, **attributes):
        channels, *image = self.shapes[x]
        out = window(image, pair(kernel), stride, pair(pad))
        return self.add(kind, [x], (channels, *out), kernel_shape=pair(kernel),
                        strides=[stride, stride], pads=[pad] * 4, **attributes)

    def concat(self, parts):
        first = self.shapes[parts[0]]
        channels = sum(self.shapes[p][0] for p in parts)
        return self.add("Concat", parts, (channels, *first[1:]), axis=1)

    def dense(self, x, units, bias=True):
        (inputs,) = self.shapes[x]
        at = f"w{len(self.weights)}"
        sources = [x, self.weight(at, self.he((units, inputs), inputs))]
        if bias:
            sources.append(self.weight(at + "_bias", self.around(0, 0.1, units)))
        self.operations += 2 * inputs * units
        return self.add("Gemm", sources, (units,), transB=1)

    def flat(self, x):
        return self.add("Flatten", [x], (math.prod(self.shapes[x]),), axis=1)

    def classifier(self, x):
        means = self.add("GlobalAveragePool", [x], (self.shapes[x][0], 1, 1))
        return self.dense(self.flat(means), 1000)

    def model(self, result):
        helper = self.onnx.helper
        out = helper.make_tensor_value_info(result, self.onnx.TensorProto.FLOAT,
                                            ["batch", *self.shapes[result]])
        graph = helper.make_graph(self.nodes, self.name, self.inputs, [out], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        return model


def pair(x):
    return [x, x] if isinstance(x, int) else list(x)


def window(image, kernel, stride, pad):
    return tuple((n + 2 * p - k) // stride + 1 for n, k, p in zip(image, kernel, pad))


# ---- networks ------------------------------------------------------------------------------------
def mnist(b):
    x = b.input("image", (1, 28, 28))
    for filters in (16, 32):
        x = b.relu(b.conv(x, filters, 5, pad=2, bias=True))
        x = b.pool("MaxPool", x, 2, 2)
    return b.dense(b.relu(b.dense(b.flat(x), 128)), 10)


def mobilenet(b):
    x = b.input("image", (3, 224, 224))
    x = b.relu(b.norm(b.conv(x, 32, 3, 2, 1)))
    for filters, stride in ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1),
                            (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)):
        channels = b.shapes[x][0]
        x = b.relu(b.norm(b.conv(x, channels, 3, stride, 1, groups=channels)))
        x = b.relu(b.norm(b.conv(x, filters)))
    return b.classifier(x)


def resnet50(b, stride_in_3x3):
    x = b.input("image", (3, 224, 224))
    x = b.relu(b.norm(b.conv(x, 64, 7, 2, 3)))
    x = b.pool("MaxPool", x, 3, 2, 1)
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 << stage
        for i in range(blocks):
            stride = 2 if stage > 0 and i == 0 else 1
            first, middle = (1, stride) if stride_in_3x3 else (stride, 1)
            y = b.relu(b.norm(b.conv(x, width, 1, first)))
            y = b.relu(b.norm(b.conv(y, width, 3, middle, 1)))
            y = b.norm(b.conv(y, 4 * width), gain=0.3)
            if b.shapes[x] != b.shapes[y]:
                x = b.norm(b.conv(x, 4 * width, 1, stride))
            x = b.relu(b.sum(y, x))
    return b.classifier(x)


def resnet50_v1(b):
    return resnet50(b, False)


def resnet50_v1_5(b):
    return resnet50(b, True)


def inception_v3(b):
    def conv(x, filters, kernel=1, stride=1, pad=0):
        return b.relu(b.norm(b.conv(x, filters, kernel, stride, pad), 1e-3))

    def chain(x, *layers):
        for layer in layers:
            x = conv(x, *layer)
        return x

    def average(x):
        return b.pool("AveragePool", x, 3, 1, 1, count_include_pad=1)

    def shrink(x):
        return b.pool("MaxPool", x, 3, 2)

    across, down = ((1, 7), 1, (0, 3)), ((7, 1), 1, (3, 0))

    def both_ways(x):
        return b.concat([conv(x, 384, (1, 3), 1, (0, 1)), conv(x, 384, (3, 1), 1, (1, 0))])

    x = b.input("image", (3, 299, 299))
    x = chain(x, (32, 3, 2), (32, 3), (64, 3, 1, 1))
    x = shrink(chain(shrink(x), (80,), (192, 3)))
    for filters in (32, 64, 64):
        x = b.concat([conv(x, 64), chain(x, (48,), (64, 5, 1, 2)),
                      chain(x, (64,), (96, 3, 1, 1), (96, 3, 1, 1)), conv(average(x), filters)])
    x = b.concat([conv(x, 384, 3, 2), chain(x, (64,), (96, 3, 1, 1), (96, 3, 2)), shrink(x)])
    for width in (128, 160, 160, 192):
        x = b.concat([conv(x, 192), chain(x, (width,), (width, *across), (192, *down)),
                      chain(x, (width,), (width, *down), (width, *across), (width, *down),
                            (192, *across)),
                      conv(average(x), 192)])
    x = b.concat([chain(x, (192,), (320, 3, 2)),
                  chain(x, (192,), (192, *across), (192, *down), (192, 3, 2)), shrink(x)])
    for _ in range(2):
        x = b.concat([conv(x, 320), both_ways(conv(x, 384)),
                      both_ways(chain(x, (448,), (384, 3, 1, 1))), conv(average(x), 192)])
    return b.classifier(x)


def wide_deep(b):
    parts = []
    for i in range(CATEGORIES):
        ids = b.input(f"category{i}", (), integers=True)
        table = b.weight(f"table{i}", b.around(0, 0.1, (ROWS, WIDTH)))
        parts.append(b.add("Gather", [table, ids], (WIDTH,), axis=0))
    wide = b.input("numbers", (NUMBERS,))
    x = b.concat([*parts, wide])
    for units in (1024, 512, 256):
        x = b.relu(b.dense(x, units))
    return b.add("Sigmoid", [b.sum(b.dense(x, 1), b.dense(wide, 1, bias=False))], (1,))


NETWORKS = {"resnet50_v1.5": resnet50_v1_5, "resnet50_v1": resnet50_v1, "mobilenet": mobilenet,
            "inception_v3": inception_v3, "mnist": mnist, WIDE_DEEP: wide_deep}


def build(network):
    """(the model, operations of an item, number of weights)"""
    b = Builder(network)
    result = NETWORKS[network](b)
    return b.model(result), b.operations, b.parameters


def inputs_of(network, batch, sets):
    """`sets` dictionaries of inputs, from a seed."""
    import numpy

    random = numpy.random.default_rng(SEED + 1)

    def uniform(*shape):
        return random.random((batch, *shape), numpy.float32) * 2 - 1

    shapes = {"mnist": (1, 28, 28), "inception_v3": (3, 299, 299)}
    for _ in range(sets):
        if network == WIDE_DEEP:
            ids = {f"category{i}": random.integers(ROWS, size=batch, dtype=numpy.int32)
                   for i in range(CATEGORIES)}
            yield {**ids, "numbers": uniform(NUMBERS)}
        else:
            yield {"image": uniform(*shapes.get(network, (3, 224, 224)))}


# ---- files ---------------------------------------------------------------------------------------
class Calibration:
    """What quantize_static reads, an item at a time."""

    def __init__(self, network, items):
        self.items = iter(list(inputs_of(network, 1, items)))

    def get_next(self):
        return next(self.items, None)


def quantize(network, source, target, items=8):
    """Convolutions, products and what lies between them in u8, asymmetric, with weights in s8, a
    scale per filter, as QuantizeLinear and DequantizeLinear. Batch norms are folded before. The
    tables of wide & deep stay f32, as ours do."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    folded = target.with_suffix(".folded")
    try:
        quant_pre_process(source, folded, skip_symbolic_shape=True)
        quantize_static(
            folded, target, Calibration(network, items), quant_format=QuantFormat.QDQ,
            per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            op_types_to_quantize=["Gemm"] if network == WIDE_DEEP else None,
            extra_options={"ActivationSymmetric": False, "WeightSymmetric": True})
    finally:
        folded.unlink(missing_ok=True)


def file_of(network, precision, folder):
    """The model as a file: made once, and anew when this script has changed."""
    import onnx

    kind = "int8" if precision == "int8" else "f32"
    file = Path(folder) / f"{network}.{kind}.onnx"
    if file.exists() and file.stat().st_mtime > Path(__file__).stat().st_mtime:
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    if kind == "int8":
        quantize(network, file_of(network, "f32", folder), part)
    else:
        onnx.save(build(network)[0], part)
    part.replace(file)
    return file
