"""Chapter 4, Convolution by hand: what the lectures print, and what is counted."""

# ruff: noqa: E501 (one row of the table, one line)

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from hubel.book.fact import Fact
from hubel.book.facts.counting import (
    BINARY,
    BYTES,
    FIVE,
    PLUS,
    SIX,
    VERTICAL,
    convolved,
    ints,
    kernel_named,
    line,
    sequence,
    weights_only,
)
from hubel.book.facts.workings import shifts_alike
from hubel.lessons.arithmetic import convolve
from hubel.lessons.shapes import same_padding, window_size
from hubel.nn.kernels import KERNELS

FACTS: tuple[Fact, ...] = (
    Fact("W7", "8 x 8 blocks that torch.ones(1, 3, 8, 8) prints", 4, lambda: len(torch.ones(1, 3, 8, 8)[0]), 3, right=False, note="the listing has a block too many; its line of the shape is right"),
    Fact("W11", "0 … 8 under [[0, 1], [2, 3]]", [[19, 25], [37, 43]], lambda: convolved([[0, 1, 2], [3, 4, 5], [6, 7, 8]], [[0, 1], [2, 3]]), [[19, 25], [37, 43]], command='hubel step conv --input "0 1 2 / 3 4 5 / 6 7 8" --kernel "0 1 / 2 3"'),
    Fact("W11", "with the kernel turned first", None, lambda: convolved([[0, 1, 2], [3, 4, 5], [6, 7, 8]], [[0, 1], [2, 3]], flip=True), [[5, 11], [23, 29]], command='hubel step conv --input "0 1 2 / 3 4 5 / 6 7 8" --kernel "0 1 / 2 3" --flip'),
    Fact("W12", "name of [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]", "sobel", lambda: kernel_named([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]), "laplacian-8", right=False, note="a Laplacian: Sobel's has a side of -1, -2, -1", command="hubel components laplacian-8"),
    Fact("W13", "sum of the Gaussian", 1.0, lambda: float(KERNELS.get("gaussian-blur").weights.sum()), 1.0, command="hubel components gaussian-blur"),
    Fact("W14", "two channels, each under its kernel, added", [[56, 72], [104, 120]], lambda: ints(np.array(convolved([[0, 1, 2], [3, 4, 5], [6, 7, 8]], [[0, 1], [2, 3]])) + np.array(convolved([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 2], [3, 4]]))), [[56, 72], [104, 120]]),
    Fact("W58", "the 5 x 5 picture under [[1, 0, 1], [0, 1, 0], [1, 0, 1]]", [[4, 3, 4], [2, 4, 3], [2, 3, 4]], lambda: convolved(BINARY, [[1, 0, 1], [0, 1, 0], [1, 0, 1]]), [[4, 3, 4], [2, 4, 3], [2, 3, 4]], note="the kernel is lost; the nine results fix it", command='hubel step conv --input "1 1 1 0 0 / 0 1 1 1 0 / 0 0 1 1 1 / 0 0 1 1 0 / 0 1 1 0 0" --kernel "1 0 1 / 0 1 0 / 1 0 1"'),
    Fact("W59", "sums of identity, edge, sharpen, box blur", None, lambda: [round(float(KERNELS.get(name).weights.sum()), 9) for name in ("identity", "laplacian", "sharpen", "box-blur")], [1.0, 0.0, 1.0, 1.0], note="what sums to 1 keeps grey, what sums to 0 keeps edges only"),
    Fact("W60", "first value under the columns 1, 0, -1", -5, lambda: convolved(SIX, VERTICAL)[0][0], -5, command='hubel step conv --input "3 0 1 2 7 4 / 1 5 8 9 3 1 / 2 7 2 5 1 3 / 0 1 3 1 7 8 / 4 2 1 6 2 8 / 2 4 5 2 3 9" --kernel "1 0 -1 / 1 0 -1 / 1 0 -1"'),
    Fact("W61", "second value", -4, lambda: convolved(SIX, VERTICAL)[0][1], -4),
    Fact("W62", "first row", [-5, -4, 0, 8], lambda: convolved(SIX, VERTICAL)[0], [-5, -4, 0, 8]),
    Fact("W62", "the other rows", None, lambda: convolved(SIX, VERTICAL)[1:], [[-10, -2, 2, 3], [0, -2, -4, -7], [-3, -2, -3, -16]]),
    Fact("W64", "first value with a border of zeros", -5, lambda: convolved(SIX, VERTICAL, padding=1)[0][0], -5),
    Fact("W64", "zeros in the top border", 10, lambda: convolve(np.array(SIX), np.array(VERTICAL), padding=1).input.shape[1], 8, right=False, note="6 pixels and one on each side"),
    Fact("W66", "the line of numbers, (6 + 2 - 3) / 2 + 1", 3, lambda: (6 + 2 - 3) / 2 + 1, 3.5, right=False, note="3.5; the floor of the line above makes it 3"),
    Fact("W68", "name of [[0, 1, 0], [1, -4, 1], [0, 1, 0]]", "sharpen", lambda: kernel_named([[0, 1, 0], [1, -4, 1], [0, 1, 0]]), "laplacian", right=False, note="sharpen is [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]", command="hubel components sharpen"),
    Fact("W93", "the 5 x 5 x 3 tensor under a 3 x 3 x 3 kernel", None, None, None, reason="lost", note="one column of the kernel is missing, the place of two is unsure"),
    Fact("W94", "the number under the window of the stride picture", 205, lambda: BYTES[3][0], 240, right=False, note="240 at the same place everywhere else"),
    Fact("W99", "a convolution whose edges meet: shift, then convolve, is convolve, then shift", True, lambda: shifts_alike(), True),
    Fact("W114", "[1, 2, 3] * [0, 1, ½], and the other way round", None, lambda: [line([1, 2, 3], [0, 1, 0.5]), line([0, 1, 0.5], [1, 2, 3])], [[0.0, 1.0, 2.5, 4.0, 1.5]] * 2, note="convolution commutes"),
    Fact("W115", "continuous convolution on [0, ∞)", "∫ from 0 to t", None, None, reason="wording", note="the usual definition"),
    Fact("W116", "cross-correlation of the same two, both ways", None, lambda: [line([1, 2, 3], [0, 1, 0.5], flip=False), line([0, 1, 0.5], [1, 2, 3], flip=False)], [[0.5, 2.0, 3.5, 3.0, 0.0], [0.0, 3.0, 3.5, 2.0, 0.5]], note="correlation does not commute: the results mirror each other"),
    Fact("W185", "first value under a plus of ones", 3, lambda: convolved(FIVE, PLUS)[0][0], 3, command='hubel step conv --input "0 2 1 1 0 / 0 1 1 1 0 / -3 -1 1 0 1 / 0 6 0 0 1 / 0 4 1 7 0" --kernel plus'),
    Fact("W186", "second", 5, lambda: convolved(FIVE, PLUS)[0][1], 5),
    Fact("W187", "third", 3, lambda: convolved(FIVE, PLUS)[0][2], 3),
    Fact("W188", "all of them", [[3, 5, 3], [4, 1, 3], [9, 8, 8]], lambda: convolved(FIVE, PLUS), [[3, 5, 3], [4, 1, 3], [9, 8, 8]]),
    Fact("W189", "with a border of zeros", [[2, 4, 5, 3, 1], [-2, 3, 5, 3, 2], [-4, 4, 1, 3, 2], [3, 9, 8, 8, 2], [4, 11, 12, 8, 8]], lambda: convolved(FIVE, PLUS, padding=1), [[2, 4, 5, 3, 1], [-2, 3, 5, 3, 2], [-4, 4, 1, 3, 2], [3, 9, 8, 8, 2], [4, 11, 12, 8, 8]]),
    Fact("W190", "sum of a kernel of 8 x 8 ones (the caption says 7 x 7)", 1.0, lambda: float(np.ones((8, 8)).sum()), 64.0, right=False, note="a mean needs 1/64 (1/49); one size is wrong"),
    Fact("W190", "sum of hubel's low-pass", None, lambda: round(float(KERNELS.get("low-pass").weights.sum()), 9), 1.0, command="hubel components low-pass"),
    Fact("W191", "sums of the 2 x 2 gradient kernels", None, lambda: [float(KERNELS.get(name).weights.sum()) for name in ("gradient-x", "gradient-y")], [0.0, 0.0]),
    Fact("W16", "Conv2d(16,32,5,1,2) on 16x32x32", (32, 32, 32), lambda: sequence(nn.Conv2d(16, 32, 5, 1, 2), shape=(16, 32, 32)).rows[0].output, (32, 32, 32)),
    Fact("W16", "its parameters", None, lambda: sequence(nn.Conv2d(16, 32, 5, 1, 2), shape=(16, 32, 32)).params, 12_832),
    Fact("W18", "1x1 conv 64->32", (32, 32, 32), lambda: sequence(nn.Conv2d(64, 32, 1), shape=(64, 32, 32)).rows[0].output, (32, 32, 32)),
    Fact("W18", "its parameters", None, lambda: sequence(nn.Conv2d(64, 32, 1), shape=(64, 32, 32)).params, 2_080),
    Fact("W63", "6x6 with 3x3", 4, lambda: window_size(6, 3).size, 4),
    Fact("W64", "6x6 with 3x3 and a border of 1", 6, lambda: window_size(6, 3, padding=1).size, 6),
    Fact("W65", "p = (f - 1)/2", [1, 2, 3], lambda: [same_padding(f)[0] for f in (3, 5, 7)], [1, 2, 3]),
    Fact("W66", "n 6, p 1, f 3, s 2", 3, lambda: window_size(6, 3, padding=1, stride=2).size, 3),
    Fact("W84", "one 224x224 kernel sees all", (1, 1), lambda: sequence(nn.Conv2d(3, 2, 224), shape=(3, 224, 224)).rows[0].output[1:], (1, 1)),
    Fact("W84", "and is a dense layer", None, lambda: sequence(nn.Conv2d(3, 2, 224), shape=(3, 224, 224)).params, 224 * 224 * 3 * 2 + 2),
    Fact("W95", "5x5 with padding 1 under 3x3", (1, 5, 5), lambda: sequence(nn.Conv2d(3, 1, 3, padding=1), shape=(3, 5, 5)).rows[0].output, (1, 5, 5)),
    Fact("W119", "32x32 under 5x5; padded by 2", [28, 32], lambda: [window_size(32, 5).size, window_size(32, 5, padding=2).size], [28, 32]),
    Fact("W124", "pad 2, then pad 1", [(6, 32, 32), (10, 32, 32)],
         lambda: [r.output for r in sequence(nn.Conv2d(3, 6, 5, padding=2), nn.Conv2d(6, 10, 3, padding=1), shape=(3, 32, 32)).rows], [(6, 32, 32), (10, 32, 32)]),
    Fact("W125", "parameters asked", None, lambda: sequence(nn.Conv2d(3, 6, 5, padding=2), nn.Conv2d(6, 10, 3, padding=1), shape=(3, 32, 32)).params, 1_006),
    Fact("W125", "MACs", None, lambda: sequence(nn.Conv2d(3, 6, 5, padding=2), nn.Conv2d(6, 10, 3, padding=1), shape=(3, 32, 32)).macs, 1_013_760),
    Fact("W126", "1x1x3 filter", 3, lambda: weights_only(nn.Conv2d(3, 1, 1)), 3),
    Fact("W127", "7x7 under 3x3, stride 1 and 2", [5, 3], lambda: [window_size(7, 3, stride=s).size for s in (1, 2)], [5, 3]),
    Fact("W128", "with zero padding", [7, 4], lambda: [window_size(7, 3, stride=s, padding=1).size for s in (1, 2)], [7, 4]),
    Fact("W192", "32 filters of 3x3", None, lambda: [sequence(nn.Conv2d(c, 32, 3, padding="same"), shape=(c, 8, 8)).params for c in (1, 3)], [320, 896]),
)  # fmt: skip
