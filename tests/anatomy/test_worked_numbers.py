"""The lecture's numbers, row by row: what it says, what we count, and whether it is right.

Each entry names its row of the specification; `says` is the lecture's figure, `ours` computes the right one. Where the
lecture is wrong the entry says `right=False` and `note` tells how; the test then also checks that the figures differ.
"""

# ruff: noqa: E501 (one row of the table, one line)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from hubel.anatomy.abstract import skeleton
from hubel.anatomy.graph import record
from hubel.anatomy.receptive import fields
from hubel.anatomy.summary import Summary, summarise
from hubel.lessons.shapes import same_padding, transposed_size, window_size
from hubel.models import create_model


@dataclass(frozen=True)
class Fact:
    row: str
    what: str
    says: Any
    ours: Callable[[], Any]
    correct: Any
    right: bool = True
    note: str = ""


@cache
def net(name: str, size: int | None = None, **options: Any) -> Summary:
    with skeleton():
        model = create_model(name, **({"img_size": size} if size else {}), **options)
    channels = 1 if options.get("in_chans") == 1 else 3
    return summarise(model, (channels, size or 224, size or 224))


def layers(model: nn.Module, shape: tuple[int, ...]) -> Summary:
    return summarise(model, shape)


def big(*args: Any) -> nn.Module:
    with skeleton():
        return nn.Sequential(*(make() for make in args))


def rows(table: Summary, *kinds: str) -> list[Any]:
    return [row for row in table.rows if row.kind in kinds]


def weights_only(module: nn.Module) -> int:
    return sum(p.numel() for name, p in module.named_parameters() if name.endswith("weight"))


@cache
def alexnet() -> Summary:
    return net("alexnet", 227)


ALEX = ("Conv2d", "MaxPool2d", "Linear", "flatten")


def alex(column: str) -> list[Any]:
    found = []
    for row in rows(alexnet(), *ALEX):
        found.append({"side": row.output[-1], "kb": round(row.bytes / 1024), "mmacs": round(row.macs / 1e6)}[column])
    return found


def alex_weights() -> list[int]:
    with skeleton():
        model = create_model("alexnet", img_size=227)
    return [m.weight.numel() for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def stack(*settings: tuple[int, int, int]) -> nn.Module:
    """Square windows (kernel, stride, padding) on one channel."""
    return nn.Sequential(*(nn.Conv2d(1, 1, k, s, p) for k, s, p in settings))


def views(model: nn.Module, shape: tuple[int, int, int]) -> list[int]:
    graph = record(model, shape)
    seen = fields(graph)
    return [
        int(seen[c.module].size[0])
        for c in graph.calls
        if c.leaf and c.kind in ("Conv2d", "MaxPool2d") and c.module in seen
    ]


def keras_dense() -> Summary:
    return layers(
        nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.Linear(256, 128), nn.Linear(128, 64), nn.Linear(64, 10)),
        (1, 28, 28),
    )


def keras_conv() -> Summary:
    return layers(
        nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(1600, 10),
        ),
        (1, 28, 28),
    )


def params(table: Summary) -> list[int]:
    return [row.params for row in table.rows if row.params]


def sequence(*modules: nn.Module, shape: tuple[int, ...]) -> Summary:
    return layers(nn.Sequential(*modules), shape)


def inception_3a() -> list[tuple[int, int]]:
    """Weights and MACs without biases of the three ways in row W135."""

    def way(*modules: nn.Module) -> tuple[int, int]:
        table = sequence(*modules, shape=(192, 28, 28))
        return table.params, table.macs

    def conv(a: int, b: int, k: int) -> nn.Conv2d:
        return nn.Conv2d(a, b, k, padding=k // 2, bias=False)

    block = [
        way(conv(192, 64, 1)),
        way(conv(192, 96, 1), conv(96, 128, 3)),
        way(conv(192, 16, 1), conv(16, 32, 5)),
        way(conv(192, 32, 1)),
    ]
    return [
        (sum(p for p, _ in block), sum(m for _, m in block)),
        way(conv(192, 256, 3)),
        way(conv(192, 256, 5)),
    ]


def d2l_alexnet() -> list[tuple[int, int]]:
    """Row W120/W121: the lecture's AlexNet (96, 256, 384, 384, 256 at 54, 26, 12), weights and MACs of its five rows."""
    convs = [(3, 96, 11, 54), (96, 256, 5, 26), (256, 384, 3, 12), (384, 384, 3, 12), (384, 256, 3, 12)]
    found = []
    for a, b, k, side in convs:
        with skeleton():
            conv = nn.Conv2d(a, b, k, padding=k // 2, bias=False)
        table = summarise(conv, (a, side, side))
        found.append((table.params, table.macs))
    with skeleton():
        dense = [nn.Linear(6400, 4096, bias=False), nn.Linear(4096, 4096, bias=False)]
    found += [(summarise(d, (d.in_features,)).params, summarise(d, (d.in_features,)).macs) for d in dense]
    merged = [found[0], found[1], tuple(map(sum, zip(*found[2:5], strict=True))), found[5], found[6]]
    return [(int(p), int(m)) for p, m in merged]


def lenet_rows() -> list[tuple[int, int]]:
    table = sequence(
        nn.Conv2d(1, 6, 5, padding=2, bias=False), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5, bias=False), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(400, 120, bias=False), nn.Linear(120, 84, bias=False), shape=(1, 28, 28),
    )  # fmt: skip
    return [(row.params, row.macs) for row in table.rows if row.params]


def separable(kind: str, d: int = 64, m: int = 56) -> tuple[int, int]:
    made = {
        "5x5": lambda: [nn.Conv2d(d, d, 5, bias=False)],
        "3x3 twice": lambda: [nn.Conv2d(d, d, 3, bias=False), nn.Conv2d(d, d, 3, bias=False)],
        "1x5, 5x1": lambda: [nn.Conv2d(d, d, (1, 5), bias=False), nn.Conv2d(d, d, (5, 1), bias=False)],
    }[kind]()
    table = sequence(*made, shape=(d, m, m))
    return table.params, table.macs


FACTS = [
    Fact("W4", "Linear 8-32-32-2", 1410, lambda: sequence(nn.Linear(8, 32), nn.Linear(32, 32), nn.Linear(32, 2), shape=(8,)).params, 1410),
    Fact("W4", "row by row", [288, 1056, 66], lambda: params(sequence(nn.Linear(8, 32), nn.Linear(32, 32), nn.Linear(32, 2), shape=(8,))), [288, 1056, 66]),
    Fact("W5", "shapes (N, 1, 32), (N, 1, 32), (N, 1, 2)", [(1, 32), (1, 32), (1, 2)],
         lambda: [r.output for r in sequence(nn.Linear(8, 32), nn.Linear(32, 32), nn.Linear(32, 2), shape=(1, 8)).rows], [(1, 32), (1, 32), (1, 2)]),
    Fact("W9", "hidden layer as wide as a 256x256 image", "about 4.3 billion",
         lambda: summarise(big(lambda: nn.Linear(65536, 65536))[0], (65536,)).params, 4_294_967_296 + 65_536),
    Fact("W10", "AlexNet", "about 61M", lambda: net("alexnet").params, 61_100_840),
    Fact("W15", "the printed formula has no floor", "(in - K + 2P)/S + 1", lambda: window_size(6, 3, stride=2, padding=1).warning != "", True),
    Fact("W16", "Conv2d(16,32,5,1,2) on 16x32x32", (32, 32, 32), lambda: sequence(nn.Conv2d(16, 32, 5, 1, 2), shape=(16, 32, 32)).rows[0].output, (32, 32, 32)),
    Fact("W16", "its parameters", None, lambda: sequence(nn.Conv2d(16, 32, 5, 1, 2), shape=(16, 32, 32)).params, 12_832),
    Fact("W17", "MaxPool2d(3, 2, 0) on 16x32x32", (16, 15, 15), lambda: sequence(nn.MaxPool2d(3, 2, 0), shape=(16, 32, 32)).rows[0].output, (16, 15, 15)),
    Fact("W18", "1x1 conv 64->32", (32, 32, 32), lambda: sequence(nn.Conv2d(64, 32, 1), shape=(64, 32, 32)).rows[0].output, (32, 32, 32)),
    Fact("W18", "its parameters", None, lambda: sequence(nn.Conv2d(64, 32, 1), shape=(64, 32, 32)).params, 2_080),
    Fact("W19", "down and up again", [(16, 128, 128), (3, 256, 256)],
         lambda: [r.output for r in sequence(nn.Conv2d(3, 16, 3, 2, 1), nn.ConvTranspose2d(16, 3, 4, 2, 1), shape=(3, 256, 256)).rows], [(16, 128, 128), (3, 256, 256)]),
    Fact("W19", "the transposed formula", 256, lambda: transposed_size(128, 4, stride=2, padding=1).size, 256),
    Fact("W20", "stack of 3x3 at stride 1", [3, 5], lambda: views(stack((3, 1, 0), (3, 1, 0)), (1, 20, 20)), [3, 5]),
    Fact("W20", "each layer adds K - 1", "also after a stride", lambda: views(stack((3, 2, 0), (3, 1, 0)), (1, 20, 20)), [3, 7], right=False,
         note="after a stride of 2 it adds 2(K - 1)"),
    Fact("W21", "AlexNet fields", None, lambda: [int(r.field) for r in rows(alexnet(), "Conv2d", "MaxPool2d")], [11, 19, 51, 67, 99, 131, 163, 195]),
    Fact("W21", "AlexNet jumps", None, lambda: [int(r.jump) for r in rows(alexnet(), "Conv2d", "MaxPool2d")], [4, 8, 8, 16, 16, 16, 16, 32]),
    Fact("W21", "LeNet-5 fields", None,
         lambda: [int(r.field) for r in sequence(nn.Conv2d(1, 6, 5), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.AvgPool2d(2), nn.Conv2d(16, 120, 5), shape=(1, 32, 32)).rows], [5, 6, 14, 16, 32]),
    Fact("W21", "MNIST convnet fields", None, lambda: [int(r.field) for r in rows(keras_conv(), "Conv2d", "MaxPool2d")], [3, 4, 8, 10]),
    Fact("W21", "VGG-16 before the head", None, lambda: int([r for r in net("vgg16").rows if r.kind == "MaxPool2d"][-1].field), 212),
    Fact("W21", "VGG-19 before the head", None, lambda: int([r for r in net("vgg19").rows if r.kind == "MaxPool2d"][-1].field), 268),
    Fact("W21", "LeNet-1989", None, lambda: views(stack((5, 2, 2), (5, 2, 2)), (1, 16, 16)), [5, 13]),
    Fact("W23", "784-256-128-64-10", [200_960, 32_896, 8_256, 650], lambda: params(keras_dense()), [200_960, 32_896, 8_256, 650]),
    Fact("W23", "total and KB", (242_762, 948.29), lambda: (keras_dense().params, round(keras_dense().weight_bytes / 1024, 2)), (242_762, 948.29)),
    Fact("W24", "sides", [26, 13, 11, 5, 1600], lambda: [r.output[-1] for r in keras_conv().rows][:5], [26, 13, 11, 5, 1600]),
    Fact("W24", "parameters", [320, 18_496, 16_010], lambda: params(keras_conv()), [320, 18_496, 16_010]),
    Fact("W24", "total and KB", (34_826, 136.04), lambda: (keras_conv().params, round(keras_conv().weight_bytes / 1024, 2)), (34_826, 136.04)),
    Fact("W25", "the copy: flatten, total KB", (320, 76.04), lambda: (keras_conv().rows[4].output[0], round(keras_conv().weight_bytes / 1024, 2)), (1600, 136.04),
         right=False, note="a corrupted copy; 76.04 KB belongs to the fully convolutional net"),
    Fact("W26", "1x1 head and global average", (19_466, 76.04),
         lambda: (net("mnist_gap", 28, in_chans=1, num_classes=10).params, round(net("mnist_gap", 28, in_chans=1, num_classes=10).weight_bytes / 1024, 2)), (19_466, 76.04)),
    Fact("W28", "sides of AlexNet at 227", [56, 27, 27, 13, 13, 13, 13, 6, 9216], lambda: alex("side")[:9], [56, 27, 27, 13, 13, 13, 13, 6, 9216]),
    Fact("W29", "memory, KB", [784, 182, 547, 127, 254, 169, 169, 36, 36, 16, 16, 4], lambda: alex("kb"), [784, 182, 547, 127, 254, 169, 169, 36, 36, 16, 16, 4]),
    Fact("W30", "parameters in thousands, without biases", [23, 307, 664, 885, 590, 37_749, 16_777, 4_096],
         lambda: [round(n / 1000) for n in alex_weights()], [23, 307, 664, 885, 590, 37_749, 16_777, 4_096]),
    Fact("W30", "total without biases", "61,091 implied", lambda: sum(alex_weights()), 61_090_496),
    Fact("W31", "MACs in millions", [73, 224, 112, 145, 100, 38, 17, 4], lambda: [m for m in alex("mmacs") if m], [73, 224, 112, 150, 100, 38, 17, 4],
         right=False, note="conv4 is 149.5, not 145"),
    Fact("W31", "comparisons of the pools, thousands", 0, lambda: [round(r.work / 1e3) for r in rows(alexnet(), "MaxPool2d")], [420, 292, 83],
         right=False, note="small, but not nothing: 0.42, 0.29 and 0.08 million"),
    Fact("W31", "all MACs", None, lambda: round(alexnet().macs / 1e6, 1), 716.8),
    Fact("W32", "first dense layer", 37_725_832, lambda: next(r.params for r in alexnet().rows if r.kind == "Linear"), 37_752_832,
         right=False, note="9,216 inputs, not 9,126, and the sum has swapped digits"),
    Fact("W33", "most memory is in early convolutions, in per cent", None,
         lambda: round(100 * sum(r.bytes for r in rows(alexnet(), "Conv2d")) / sum(r.bytes for r in rows(alexnet(), *ALEX))), 82),
    Fact("W33", "most MACs in convolutions, in per cent", None, lambda: round(100 * sum(r.macs for r in rows(alexnet(), "Conv2d")) / alexnet().macs, 1), 91.8),
    Fact("W33", "most parameters in dense layers, in per cent", None, lambda: round(100 * sum(r.params for r in rows(alexnet(), "Linear")) / alexnet().params, 1), 96.0),
    Fact("W34", "side after pool5", 6, lambda: rows(alexnet(), "MaxPool2d")[-1].output[-1], 6),
    Fact("W35", "weight layers of VGG19", 17, lambda: net("vgg19").depth, 19, right=False, note="stage 3 of the printed list lacks two convolutions"),
    Fact("W36", "two 3x3 see like one 5x5", 5, lambda: views(stack((3, 1, 0), (3, 1, 0)), (1, 9, 9))[-1], 5),
    Fact("W36", "VGG19", "144 M", lambda: net("vgg19").params, 143_667_240),
    Fact("W37", "channels double after every pool", [64, 128, 256, 512, 1024],
         lambda: [r.input[0] for r in rows(net("vgg19"), "MaxPool2d")], [64, 128, 256, 512, 512], right=False, note="the last stage stays at 512"),
    Fact("W63", "6x6 with 3x3", 4, lambda: window_size(6, 3).size, 4),
    Fact("W64", "6x6 with 3x3 and a border of 1", 6, lambda: window_size(6, 3, padding=1).size, 6),
    Fact("W65", "p = (f - 1)/2", [1, 2, 3], lambda: [same_padding(f)[0] for f in (3, 5, 7)], [1, 2, 3]),
    Fact("W66", "n 6, p 1, f 3, s 2", 3, lambda: window_size(6, 3, padding=1, stride=2).size, 3),
    Fact("W67", "ConvNetJS weights", [2_352, 15_680, 19_600],
         lambda: [weights_only(c) for c in (nn.Conv2d(3, 16, 7), nn.Conv2d(16, 20, 7), nn.Conv2d(20, 20, 7))], [2_352, 15_680, 19_600]),
    Fact("W69", "dense layers of VGG-16", [102_764_544, 16_781_312, 4_100_096], lambda: [r.params for r in rows(net("vgg16"), "Linear")], [102_764_544, 16_781_312, 4_097_000],
         right=False, note="the third adds its bias 4,096 times in place of 1,000"),
    Fact("W69", "their total", 123_645_952, lambda: sum(r.params for r in rows(net("vgg16"), "Linear")), 123_642_856, right=False, note="3,096 too high"),
    Fact("W69", "VGG-16", "138 M", lambda: net("vgg16").params, 138_357_544),
    Fact("W71", "ResNet-50, 101, 152", [25.6, 44.5, 60.2], lambda: [round(net(f"resnet{n}").params / 1e6, 1) for n in (50, 101, 152)], [25.6, 44.5, 60.2]),
    Fact("W56", "layers of ResNet-152", 138, lambda: net("resnet152").depth, 152, right=False, note="152, as its own other page says"),
    Fact("W84", "one 224x224 kernel sees all", (1, 1), lambda: sequence(nn.Conv2d(3, 2, 224), shape=(3, 224, 224)).rows[0].output[1:], (1, 1)),
    Fact("W84", "and is a dense layer", None, lambda: sequence(nn.Conv2d(3, 2, 224), shape=(3, 224, 224)).params, 224 * 224 * 3 * 2 + 2),
    Fact("W85", "three 3x3 see like one 7x7", 7, lambda: views(stack((3, 1, 0), (3, 1, 0), (3, 1, 0)), (1, 9, 9))[-1], 7),
    Fact("W85", "and are 45 % cheaper", 45, lambda: round(100 * (1 - 3 * weights_only(nn.Conv2d(8, 8, 3)) / weights_only(nn.Conv2d(8, 8, 7)))), 45),
    Fact("W86", "1000x1000 RGB", None, lambda: summarise(big(lambda: nn.Linear(3_000_000, 3_000_000, bias=False))[0], (3_000_000,)).params, 9_000_000_000_000),
    Fact("W87", "LeNet-5", 60_000, lambda: net("lenet5", 32, in_chans=1).params, 60_000),
    Fact("W88", "AlexNet of 2012", "60 M", lambda: net("alexnet2012").params, 60_965_224),
    Fact("W88", "its last layer", None, lambda: rows(net("alexnet2012"), "Linear")[-1].params, 4_097_000),
    Fact("W92", "224x224x3 to 256 neurons", 38_535_424, lambda: summarise(nn.Linear(150_528, 256), (150_528,)).params, 38_535_424),
    Fact("W95", "5x5 with padding 1 under 3x3", (1, 5, 5), lambda: sequence(nn.Conv2d(3, 1, 3, padding=1), shape=(3, 5, 5)).rows[0].output, (1, 5, 5)),
    Fact("W109", "36M inputs, 100 hidden", 3_600_000_000, lambda: summarise(big(lambda: nn.Linear(36_000_000, 100, bias=False))[0], (36_000_000,)).params, 3_600_000_000),
    Fact("W117", "32x32x3 flattened", 3072, lambda: sequence(nn.Flatten(), shape=(3, 32, 32)).rows[0].output[0], 3072),
    Fact("W118", "LeNet with 61,706 parameters", None,
         lambda: sequence(nn.Conv2d(1, 6, 5), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10), shape=(1, 32, 32)).params, 61_706),
    Fact("W119", "32x32 under 5x5; padded by 2", [28, 32], lambda: [window_size(32, 5).size, window_size(32, 5, padding=2).size], [28, 32]),
    Fact("W120", "LeNet parameters", [150, 2_400, 480_000, 100_000], lambda: [p for p, _ in lenet_rows()], [150, 2_400, 48_000, 10_080], right=False, note="dense layers ten times too large"),
    Fact("W120", "AlexNet parameters", "35K, 614K, 3M, 26M, 16M", lambda: [p for p, _ in d2l_alexnet()], [34_848, 614_400, 3_096_576, 26_214_400, 16_777_216]),
    Fact("W120", "ratio", 11, lambda: round(sum(p for p, _ in d2l_alexnet()) / sum(p for p, _ in lenet_rows())), 771, right=False, note="771 times, not 11"),
    Fact("W121", "LeNet MACs", [1_200_000, 2_400_000, 480_000, 100_000], lambda: [m for _, m in lenet_rows()], [117_600, 240_000, 48_000, 10_080], right=False, note="all ten times too large"),
    Fact("W121", "AlexNet MACs", "101M, 415M, 445M, 26M, 16M", lambda: [m for _, m in d2l_alexnet()], [101_616_768, 415_334_400, 445_906_944, 26_214_400, 16_777_216]),
    Fact("W121", "ratio", 250, lambda: round(sum(m for _, m in d2l_alexnet()) / sum(m for _, m in lenet_rows())), 2_420, right=False, note="2,420 times, not 250"),
    Fact("W124", "pad 2, then pad 1", [(6, 32, 32), (10, 32, 32)],
         lambda: [r.output for r in sequence(nn.Conv2d(3, 6, 5, padding=2), nn.Conv2d(6, 10, 3, padding=1), shape=(3, 32, 32)).rows], [(6, 32, 32), (10, 32, 32)]),
    Fact("W125", "parameters asked", None, lambda: sequence(nn.Conv2d(3, 6, 5, padding=2), nn.Conv2d(6, 10, 3, padding=1), shape=(3, 32, 32)).params, 1_006),
    Fact("W125", "MACs", None, lambda: sequence(nn.Conv2d(3, 6, 5, padding=2), nn.Conv2d(6, 10, 3, padding=1), shape=(3, 32, 32)).macs, 1_013_760),
    Fact("W126", "1x1x3 filter", 3, lambda: weights_only(nn.Conv2d(3, 1, 1)), 3),
    Fact("W127", "7x7 under 3x3, stride 1 and 2", [5, 3], lambda: [window_size(7, 3, stride=s).size for s in (1, 2)], [5, 3]),
    Fact("W128", "with zero padding", [7, 4], lambda: [window_size(7, 3, stride=s, padding=1).size for s in (1, 2)], [7, 4]),
    Fact("W129", "5x5, 3x3 twice, 1x5 and 5x1: weights in d²", [25, 18, 10], lambda: [separable(k)[0] // 64**2 for k in ("5x5", "3x3 twice", "1x5, 5x1")], [25, 18, 10]),
    Fact("W129", "MACs in millions, d 64 at 56x56", None, lambda: [round(separable(k)[1] / 1e6, 1) for k in ("5x5", "3x3 twice", "1x5, 5x1")], [276.9, 207.2, 115.0]),
    Fact("W135", "Inception 3a, 3x3, 5x5: parameters", "0.16M, 0.44M, 1.22M", lambda: [p for p, _ in inception_3a()], [163_328, 442_368, 1_228_800]),
    Fact("W135", "and MACs", "128M, 346M, 963M", lambda: [m for _, m in inception_3a()], [128_049_152, 346_816_512, 963_379_200]),
    Fact("W139", "1x7 and 7x1 in place of a 5x5", 5,
         lambda: (lambda f: (int(f.size[0]), int(f.size[1])))(fields(record(nn.Sequential(nn.Conv2d(1, 1, (1, 7)), nn.Conv2d(1, 1, (7, 1))), (1, 12, 12)))["1"]), (7, 7), right=False, note="the pair sees 7x7"),
    Fact("W140", "1x5 and 5x1 are cheaper than 3x3", True, lambda: weights_only(nn.Conv2d(1, 1, (1, 5))) + weights_only(nn.Conv2d(1, 1, (5, 1))) < weights_only(nn.Conv2d(1, 1, 3)), False,
         right=False, note="10 weights against 9"),
    Fact("W141", "four groups cost a quarter", 4, lambda: sequence(nn.Conv2d(8, 8, 3, bias=False), shape=(8, 9, 9)).macs // sequence(nn.Conv2d(8, 8, 3, groups=4, bias=False), shape=(8, 9, 9)).macs, 4),
    Fact("W158", "4 inputs, 5 units", 20, lambda: weights_only(nn.Linear(4, 5)), 20),
    Fact("W159", "65,536 inputs, 1,024 hidden", "67 M", lambda: summarise(big(lambda: nn.Linear(65536, 1024, bias=False))[0], (65536,)).params, 67_108_864),
    Fact("W160", "3-2-1 behind 2 inputs", None, lambda: sequence(nn.Linear(2, 3), nn.Linear(3, 2), nn.Linear(2, 1), shape=(2,)).params, 20),
    Fact("W182", "3-2-3 behind 2 inputs", None, lambda: sequence(nn.Linear(2, 3), nn.Linear(3, 2), nn.Linear(2, 3), shape=(2,)).params, 26),
    Fact("W192", "32 filters of 3x3", None, lambda: [sequence(nn.Conv2d(c, 32, 3, padding="same"), shape=(c, 8, 8)).params for c in (1, 3)], [320, 896]),
    Fact("W193", "first layers, weights", [23_232, 9_408], lambda: [next(r.params for r in net("alexnet").rows) - 64, next(r.params for r in net("resnet18").rows)], [23_232, 9_408]),
    Fact("W194", "width of fc7", 4096, lambda: rows(net("alexnet"), "Linear")[1].output[0], 4096),
]  # fmt: skip


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact.row}: {fact.what}")
def test_the_lecture_s_figure(fact: Fact) -> None:
    assert fact.ours() == fact.correct
    if not fact.right:
        assert fact.says != fact.correct, "marked wrong, but it is what we count"
        assert fact.note
    elif type(fact.says) is type(fact.correct):
        assert fact.says == fact.correct, "marked right, but we count something else"


def test_w122_a_net_that_cannot_run_is_refused_with_its_layer() -> None:
    from hubel.errors import UsageError

    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(51_200, 10))
    with pytest.raises(UsageError, match=r"module '2' \(Linear\): a dense layer for 51,200 features gets 144"):
        summarise(net, (3, 8, 8))


def test_w28_to_w31_are_what_torch_computes() -> None:
    x = torch.zeros(1, 3, 227, 227)
    sides = []
    for layer in create_model("alexnet", img_size=227).features:
        x = layer(x)
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            sides.append(x.shape[-1])
    assert sides == [56, 27, 27, 13, 13, 13, 13, 6]
