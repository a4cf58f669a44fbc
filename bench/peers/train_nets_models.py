# SPDX-License-Identifier: Apache-2.0
"""The networks of bench/train_nets in PyTorch, with the layers of examples/models: relu in place, no auxiliary heads."""


def networks(torch):
    """Functions without arguments that make a network of 1000 classes, by name."""
    nn = torch.nn

    class Concat(nn.Module):
        def __init__(self, *branches):
            super().__init__()
            self.branches = nn.ModuleList(branches)

        def forward(self, x):
            return torch.cat([branch(x) for branch in self.branches], 1)

    class Residual(nn.Module):
        def __init__(self, body, beside):
            super().__init__()
            self.body, self.beside = body, beside

        def forward(self, x):
            return torch.relu_(self.body(x) + self.beside(x))

    def chain(*layers):
        return layers[0] if len(layers) == 1 else nn.Sequential(*layers)

    def conv(source, filters, kernel=1, stride=1, pad=0, relu=True, groups=1, bias=False):
        layers = [nn.Conv2d(source, filters, kernel, stride, pad, groups=groups, bias=bias), nn.BatchNorm2d(filters)]
        return nn.Sequential(*layers, *([nn.ReLU(True)] if relu else []))

    def convs(source, *rest):
        layers = []
        for one in rest:
            layers.append(conv(source, *one))
            source = one[0]
        return chain(*layers)

    def maxima(kernel, stride, pad=0, ceil=False):
        return nn.MaxPool2d(kernel, stride, pad, ceil_mode=ceil)

    def averages(padding=True):
        return nn.AvgPool2d(3, 1, 1, count_include_pad=padding)

    def classifier(channels, dropout=True):
        return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), *([nn.Dropout()] if dropout else []), nn.Linear(channels, 1000)]

    def mobilenet():
        layers, channels = [conv(3, 32, 3, 2, 1)], 32
        for filters, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [
                (1024, 2), (1024, 1)]:
            layers += [conv(channels, channels, 3, stride, 1, groups=channels), conv(channels, filters)]
            channels = filters
        return nn.Sequential(*layers, *classifier(1024, False))

    def alexnet():
        def relu_conv(source, filters, kernel, stride, pad):
            return [nn.Conv2d(source, filters, kernel, stride, pad), nn.ReLU(True)]

        return nn.Sequential(
            *relu_conv(3, 64, 11, 4, 2), maxima(3, 2), *relu_conv(64, 192, 5, 1, 2), maxima(3, 2),
            *relu_conv(192, 384, 3, 1, 1), *relu_conv(384, 256, 3, 1, 1), *relu_conv(256, 256, 3, 1, 1), maxima(3, 2),
            nn.AdaptiveAvgPool2d(6), nn.Flatten(), nn.Dropout(), nn.Linear(9216, 4096), nn.ReLU(True), nn.Dropout(),
            nn.Linear(4096, 4096), nn.ReLU(True), nn.Linear(4096, 1000))

    def vgg(more):  # convolutions of the last three groups
        layers, channels = [], 3
        for filters, count in ((64, 2), (128, 2), (256, more), (512, more), (512, more)):
            for _ in range(count):
                layers += [nn.Conv2d(channels, filters, 3, 1, 1), nn.ReLU(True)]
                channels = filters
            layers.append(maxima(2, 2))
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(25088, 4096), nn.ReLU(True), nn.Dropout(),
                             nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(), nn.Linear(4096, 1000))

    def resnet(*blocks):
        layers, channels = [conv(3, 64, 7, 2, 3), maxima(3, 2, 1)], 64
        for stage, count in enumerate(blocks):
            width = 64 << stage
            for i in range(count):
                stride = 2 if stage > 0 and i == 0 else 1
                body = nn.Sequential(conv(channels, width), conv(width, width, 3, stride, 1),
                                     conv(width, 4 * width, relu=False))
                beside = conv(channels, 4 * width, 1, stride, relu=False) if i == 0 else nn.Identity()
                layers.append(Residual(body, beside))
                channels = 4 * width
        return nn.Sequential(*layers, *classifier(2048, False))

    def googlenet():
        def block(source, one, before3, three, before5, five, pooled):
            return Concat(conv(source, one), convs(source, (before3,), (three, 3, 1, 1)),
                          convs(source, (before5,), (five, 3, 1, 1)),
                          chain(maxima(3, 1, 1, True), conv(source, pooled)))

        return nn.Sequential(
            conv(3, 64, 7, 2, 3), maxima(3, 2, 0, True), conv(64, 64), conv(64, 192, 3, 1, 1), maxima(3, 2, 0, True),
            block(192, 64, 96, 128, 16, 32, 32), block(256, 128, 128, 192, 32, 96, 64), maxima(3, 2, 0, True),
            block(480, 192, 96, 208, 16, 48, 64), block(512, 160, 112, 224, 24, 64, 64),
            block(512, 128, 128, 256, 24, 64, 64), block(512, 112, 144, 288, 32, 64, 64),
            block(528, 256, 160, 320, 32, 128, 128), maxima(2, 2, 0, True), block(832, 256, 160, 320, 32, 128, 128),
            block(832, 384, 192, 384, 48, 128, 128), *classifier(1024))

    def inception_bn():
        def biased(source, *o):
            return conv(source, *o, bias=True)

        def block(source, one, before3, three, before_double, twice, pooled, max_pool=False):
            stride = 1 if one else 2
            own = [chain(biased(source, before3), biased(before3, three, 3, stride, 1)),
                   chain(biased(source, before_double), biased(before_double, twice, 3, 1, 1),
                         biased(twice, twice, 3, stride, 1))]
            if not one:
                return Concat(*own, maxima(3, 2, 0, True))
            return Concat(biased(source, one), *own,
                          chain(maxima(3, 1, 1) if max_pool else averages(), biased(source, pooled)))

        return nn.Sequential(
            biased(3, 64, 7, 2, 3), maxima(3, 2, 0, True), biased(64, 64), biased(64, 192, 3, 1, 1),
            maxima(3, 2, 0, True), block(192, 64, 64, 64, 64, 96, 32), block(256, 64, 64, 96, 64, 96, 64),
            block(320, 0, 128, 160, 64, 96, 0), block(576, 224, 64, 96, 96, 128, 128),
            block(576, 192, 96, 128, 96, 128, 128), block(576, 160, 128, 160, 128, 160, 128),
            block(608, 96, 128, 192, 160, 192, 128), block(608, 0, 128, 192, 192, 256, 0),
            block(1056, 352, 192, 320, 160, 224, 128), block(1024, 352, 192, 320, 192, 224, 128, True),
            *classifier(1024, False))

    def across(filters, width):
        return filters, (1, width), 1, (0, width // 2)

    def down(filters, height):
        return filters, (height, 1), 1, (height // 2, 0)

    def square(filters):
        return filters, 3, 1, 1

    def inception_v3():
        def a(source, pooled):
            return Concat(conv(source, 64), convs(source, (48,), (64, 5, 1, 2)),
                          convs(source, (64,), square(96), square(96)), chain(averages(), conv(source, pooled)))

        def c(width):
            return Concat(conv(768, 192), convs(768, (width,), across(width, 7), down(192, 7)),
                          convs(768, (width,), down(width, 7), across(width, 7), down(width, 7), across(192, 7)),
                          chain(averages(), conv(768, 192)))

        def both(source):
            return Concat(conv(source, *across(384, 3)), conv(source, *down(384, 3)))

        def e(source):
            return Concat(conv(source, 320), chain(conv(source, 384), both(384)),
                          chain(convs(source, (448,), square(384)), both(384)), chain(averages(), conv(source, 192)))

        return nn.Sequential(
            convs(3, (32, 3, 2), (32, 3), square(64)), maxima(3, 2), convs(64, (80,), (192, 3)), maxima(3, 2), a(192, 32),
            a(256, 64), a(288, 64), Concat(conv(288, 384, 3, 2), convs(288, (64,), square(96), (96, 3, 2)), maxima(3, 2)),
            c(128), c(160), c(160), c(192),
            Concat(convs(768, (192,), (320, 3, 2)), convs(768, (192,), across(192, 7), down(192, 7), (192, 3, 2)),
                   maxima(3, 2)), e(1280), e(2048), *classifier(2048))

    def inception_v4():
        def averaged(source, filters):
            return chain(averages(False), conv(source, filters))

        def a():
            return Concat(conv(384, 96), convs(384, (64,), square(96)), convs(384, (64,), square(96), square(96)),
                          averaged(384, 96))

        def b():
            return Concat(conv(1024, 384), convs(1024, (192,), across(224, 7), down(256, 7)),
                          convs(1024, (192,), down(192, 7), across(224, 7), down(224, 7), across(256, 7)),
                          averaged(1024, 128))

        def both(source):
            return Concat(conv(source, *across(256, 3)), conv(source, *down(256, 3)))

        def c():
            return Concat(conv(1536, 256), chain(conv(1536, 384), both(384)),
                          chain(convs(1536, (384,), down(448, 3), across(512, 3)), both(512)), averaged(1536, 256))

        return nn.Sequential(
            convs(3, (32, 3, 2), (32, 3), square(64)), Concat(maxima(3, 2), conv(64, 96, 3, 2)),
            Concat(convs(160, (64,), (96, 3)), convs(160, (64,), across(64, 7), down(64, 7), (96, 3))),
            Concat(conv(192, 192, 3, 2), maxima(3, 2)), *(a() for _ in range(4)),
            Concat(conv(384, 384, 3, 2), convs(384, (192,), square(224), (256, 3, 2)), maxima(3, 2)),
            *(b() for _ in range(7)),
            Concat(convs(1024, (192,), (192, 3, 2)),
                   convs(1024, (256,), across(256, 7), down(320, 7), (320, 3, 2)), maxima(3, 2)),
            *(c() for _ in range(3)), *classifier(1536))

    return {"mobilenet": mobilenet, "alexnet": alexnet, "googlenet": googlenet, "vgg16": lambda: vgg(3),
            "vgg19": lambda: vgg(4), "inception_bn": inception_bn, "inception_v3": inception_v3,
            "resnet50_v1.5": lambda: resnet(3, 4, 6, 3), "resnet152_v1.5": lambda: resnet(3, 8, 36, 3),
            "inception_v4": inception_v4}
