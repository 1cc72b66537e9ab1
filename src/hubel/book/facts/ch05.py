"""Chapter 5, Seeing wider, standing still: what the lectures print, and what is counted."""

# ruff: noqa: E501 (one row of the table, one line)

from __future__ import annotations

import numpy as np
from torch import nn

from hubel.anatomy.graph import record
from hubel.anatomy.receptive import fields
from hubel.book.fact import Fact
from hubel.book.facts.counting import (
    BYTES,
    POOLED,
    alexnet,
    blurred_pool,
    keras_conv,
    maxima,
    net,
    rows,
    separable,
    sequence,
    stack,
    views,
    weights_only,
)
from hubel.lessons.arithmetic import pool
from hubel.lessons.shapes import transposed_size, window_size

FACTS: tuple[Fact, ...] = (
    Fact("W96", "maxima, minima, means of the 4 x 4 picture in windows of 2", None, lambda: [pool(np.array(BYTES), kind=how).output.ravel().tolist() for how in ("max", "min", "avg")], [[112.0, 34.0, 240.0, 190.0], [4.0, 1.0, 70.0, 2.0], [52.75, 15.75, 124.5, 75.25]], note="asked in the lecture; its answer is lost", command='hubel step pool --input "4 112 34 20 / 55 40 1 8 / 70 87 2 190 / 240 101 67 42"'),
    Fact("W130", "maxima of [6 1 2 4; 1 6 7 8; 3 5 2 0; 1 2 3 4]", [6, 8, 5, 4], lambda: [int(v) for v in pool(np.array(POOLED)).output.ravel()], [6, 8, 5, 4], command='hubel step pool --input "6 1 2 4 / 1 6 7 8 / 3 5 2 0 / 1 2 3 4"'),
    Fact("W130", "and the means", None, lambda: pool(np.array(POOLED), kind="avg").output.ravel().tolist(), [3.5, 5.25, 2.75, 2.25]),
    Fact("W131", "maxima of 0 0 1 1 0 0 1 1 and of its shift", None, lambda: [maxima([0, 0, 1, 1, 0, 0, 1, 1]), maxima([0, 1, 1, 0, 0, 1, 1, 0])], [[0.0, 1.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]], note="the lecture's own numbers are lost; these are the cited paper's"),
    Fact("W131", "the same with a blur before the stride", None, lambda: [blurred_pool([0, 0, 1, 1, 0, 0, 1, 1]), blurred_pool([0, 1, 1, 0, 0, 1, 1, 0])], [[0.5, 1.0, 0.5, 1.0], [0.75, 0.75, 0.75, 0.75]]),
    Fact("W155", "what bounds the change of f under a small warp", "the gradient of f", None, "the gradient of the warp", right=False, reason="outside", note="the bound is by the gradient of the warp field"),
    Fact("W15", "the printed formula has no floor", "(in - K + 2P)/S + 1", lambda: window_size(6, 3, stride=2, padding=1).warning != "", True),
    Fact("W17", "MaxPool2d(3, 2, 0) on 16x32x32", (16, 15, 15), lambda: sequence(nn.MaxPool2d(3, 2, 0), shape=(16, 32, 32)).rows[0].output, (16, 15, 15)),
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
    Fact("W85", "three 3x3 see like one 7x7", 7, lambda: views(stack((3, 1, 0), (3, 1, 0), (3, 1, 0)), (1, 9, 9))[-1], 7),
    Fact("W85", "and are 45 % cheaper", 45, lambda: round(100 * (1 - 3 * weights_only(nn.Conv2d(8, 8, 3)) / weights_only(nn.Conv2d(8, 8, 7)))), 45),
    Fact("W129", "5x5, 3x3 twice, 1x5 and 5x1: weights in d²", [25, 18, 10], lambda: [separable(k)[0] // 64**2 for k in ("5x5", "3x3 twice", "1x5, 5x1")], [25, 18, 10]),
    Fact("W129", "MACs in millions, d 64 at 56x56", None, lambda: [round(separable(k)[1] / 1e6, 1) for k in ("5x5", "3x3 twice", "1x5, 5x1")], [276.9, 207.2, 115.0]),
    Fact("W139", "1x7 and 7x1 in place of a 5x5", 5,
         lambda: (lambda f: (int(f.size[0]), int(f.size[1])))(fields(record(nn.Sequential(nn.Conv2d(1, 1, (1, 7)), nn.Conv2d(1, 1, (7, 1))), (1, 12, 12)))["1"]), (7, 7), right=False, note="the pair sees 7x7"),
    Fact("W140", "1x5 and 5x1 are cheaper than 3x3", True, lambda: weights_only(nn.Conv2d(1, 1, (1, 5))) + weights_only(nn.Conv2d(1, 1, (5, 1))) < weights_only(nn.Conv2d(1, 1, 3)), False,
         right=False, note="10 weights against 9"),
    Fact("W141", "four groups cost a quarter", 4, lambda: sequence(nn.Conv2d(8, 8, 3, bias=False), shape=(8, 9, 9)).macs // sequence(nn.Conv2d(8, 8, 3, groups=4, bias=False), shape=(8, 9, 9)).macs, 4),
)  # fmt: skip
