"""The lecture's windows, number by number, and the arithmetic of real nets' units against the nets themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from hubel.errors import UsageError
from hubel.lessons.arithmetic import batch_norm, convolve, cross_entropy, dense, pool, softmax, unit
from hubel.lessons.shapes import same_padding, transposed_size, window_size
from hubel.models import create_model
from hubel.nn.kernels import KERNELS

SIX = [
    [3, 0, 1, 2, 7, 4],
    [1, 5, 8, 9, 3, 1],
    [2, 7, 2, 5, 1, 3],
    [0, 1, 3, 1, 7, 8],
    [4, 2, 1, 6, 2, 8],
    [2, 4, 5, 2, 3, 9],
]
EDGE = [[1, 0, -1]] * 3
PLUS = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
FIVE = [[0, 2, 1, 1, 0], [0, 1, 1, 1, 0], [-3, -1, 1, 0, 1], [0, 6, 0, 0, 1], [0, 4, 1, 7, 0]]


def test_w11_cross_correlation_and_true_convolution() -> None:
    image, kernel = np.arange(9).reshape(3, 3), [[0, 1], [2, 3]]
    assert convolve(image, kernel).output.tolist() == [[19, 25], [37, 43]]
    assert convolve(image, kernel, flip=True).output.tolist() == [[5, 11], [23, 29]]


def test_w14_two_channels_add_up() -> None:
    first = convolve(np.arange(9).reshape(3, 3), [[0, 1], [2, 3]]).output
    second = convolve(np.arange(1, 10).reshape(3, 3), [[1, 2], [3, 4]]).output
    assert (first + second).tolist() == [[56, 72], [104, 120]]


def test_w58_the_lost_kernel_gives_the_printed_output() -> None:
    image = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
    assert convolve(image, [[1, 0, 1], [0, 1, 0], [1, 0, 1]]).output.tolist() == [[4, 3, 4], [2, 4, 3], [2, 3, 4]]


def test_w60_to_w63_the_windows_of_the_6x6_image() -> None:
    walk = convolve(SIX, EDGE)
    assert [step.result for step in walk.steps[:4]] == [-5, -4, 0, 8]
    assert walk.output.tolist() == [[-5, -4, 0, 8], [-10, -2, 2, 3], [0, -2, -4, -7], [-3, -2, -3, -16]]
    assert convolve(SIX, EDGE, flip=True).output.tolist() == (-walk.output).tolist()


def test_w64_with_a_border_of_zeros() -> None:
    walk = convolve(SIX, EDGE, padding=1)
    assert walk.output[0].tolist() == [-5, -5, -6, -1, 6, 10]
    assert walk.output[5].tolist() == [-6, 0, -2, 1, -9, 5]
    assert walk.steps[0].corner == (-1, -1)


def test_w66_the_division_that_is_not_whole_is_warned_of() -> None:
    # The printed line (6+2-3)/2 + 1 = 3 drops the floor.
    found = window_size(6, 3, padding=1, stride=2)
    assert (found.size, found.unused) == (3, 1)
    assert "5 / 2 is not whole" in found.warning


def test_w96_and_w130_pools() -> None:
    four = [[4, 112, 34, 20], [55, 40, 1, 8], [70, 87, 2, 190], [240, 101, 67, 42]]
    assert pool(four, 2).output.tolist() == [[112, 34], [240, 190]]
    assert pool(four, 2, kind="min").output.tolist() == [[4, 1], [70, 2]]
    assert pool(four, 2, kind="avg").output.tolist() == [[52.75, 15.75], [124.5, 75.25]]
    other = [[6, 1, 2, 4], [1, 6, 7, 8], [3, 5, 2, 0], [1, 2, 3, 4]]
    assert pool(other, 2).output.tolist() == [[6, 8], [5, 4]]
    assert pool(other, 2, kind="avg").output.tolist() == [[3.5, 5.25], [2.75, 2.25]]


def test_w185_to_w189_the_plus_kernel() -> None:
    assert convolve(FIVE, PLUS).output.tolist() == [[3, 5, 3], [4, 1, 3], [9, 8, 8]]
    assert convolve(FIVE, PLUS, padding=1).output.tolist() == [
        [2, 4, 5, 3, 1], [-2, 3, 5, 3, 2], [-4, 4, 1, 3, 2], [3, 9, 8, 8, 2], [4, 11, 12, 8, 8],
    ]  # fmt: skip


def test_w12_w13_w59_w68_w191_what_the_named_kernels_sum_to() -> None:
    # W12 calls the 8-neighbour Laplacian Sobel, W68 the Laplacian sharpen: both lectures are wrong in the name.
    sums = {name: round(float(kernel.weights.sum()), 9) for name, kernel in KERNELS.items()}
    assert [sums[n] for n in ("identity", "sharpen", "box-blur", "gaussian-blur")] == [1, 1, 1, 1]
    assert [sums[n] for n in ("laplacian", "laplacian-8", "edge-vertical", "gradient-x", "gradient-y")] == [0] * 5
    assert KERNELS["sharpen"].weights.tolist() == [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]


def test_w162_softmax() -> None:
    assert softmax([5, 2, 1]).result == pytest.approx((0.936240, 0.046613, 0.017148), abs=1e-6)


def test_w149_softmax_of_large_scores_in_double_precision() -> None:
    result = softmax([14.45, 3.576, 44.43, 22.43, 440.2]).result
    assert result == pytest.approx((1.25639e-185, 2.38016e-190, 1.31605e-172, 3.67108e-182, 1), rel=1e-4)


def test_w163_w164_cross_entropy_uses_the_natural_logarithm() -> None:
    # The lecture prints 0.15 and 0.046, the values in base 10.
    for p, natural, ten in ((0.7, 0.356675, 0.154902), (0.9, 0.105361, 0.045757)):
        working = cross_entropy([1, 0, 0], [p, 1 - p, 0])
        assert working.result[0] == pytest.approx(natural, abs=1e-6)
        assert f"{ten:.6f}"[:7] in working.lines[1]


def test_w78_w184_batch_normalisation_is_torch_s() -> None:
    values = torch.tensor([[1.0], [4.0], [2.5], [0.0]], dtype=torch.float64)
    expected = nn.BatchNorm1d(1).double()(values).flatten().tolist()
    assert batch_norm(values.flatten().tolist()).result == pytest.approx(expected)


def test_w50_a_dense_layer_is_a_product_and_a_sum() -> None:
    layer = nn.Linear(3, 2).double()
    x = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    ours = dense(x.tolist(), layer.weight.detach().numpy(), layer.bias.detach().tolist())
    assert ours.result == pytest.approx(layer(x).tolist())


@pytest.mark.parametrize("seed", range(20))
def test_windows_agree_with_torch(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image, kernel = rng.normal(size=rng.integers(5, 9, 2)), rng.normal(size=rng.integers(1, 4, 2))
    stride, padding = int(rng.integers(1, 3)), int(rng.integers(0, 2))
    ours = convolve(image, kernel, stride=stride, padding=padding).output
    theirs = nn.functional.conv2d(
        torch.from_numpy(image)[None, None], torch.from_numpy(kernel)[None, None], stride=stride, padding=padding
    )[0, 0].numpy()
    assert ours == pytest.approx(theirs)


@pytest.mark.parametrize("kind", ["conv", "pool", "ceil", "transposed"])
def test_the_formulas_agree_with_torch_for_every_setting(kind: str) -> None:
    for n in range(3, 12):
        for k in (1, 2, 3, 5):
            for s in (1, 2, 3):
                for p in range(k // 2 + 1):
                    for d in (1, 2):
                        x = torch.zeros(1, 1, n)
                        try:
                            if kind == "conv":
                                theirs = nn.functional.conv1d(x, torch.zeros(1, 1, k), None, s, p, d).shape[-1]
                                ours = window_size(n, k, stride=s, padding=p, dilation=d).size
                            elif kind == "transposed":
                                theirs = nn.functional.conv_transpose1d(
                                    x, torch.zeros(1, 1, k), None, s, p, s - 1, 1, d
                                ).shape[-1]
                                ours = transposed_size(n, k, stride=s, padding=p, output_padding=s - 1, dilation=d).size
                            else:
                                theirs = nn.functional.max_pool1d(x, k, s, p, d, kind == "ceil").shape[-1]
                                ours = window_size(n, k, stride=s, padding=p, dilation=d, ceil_mode=kind == "ceil").size
                        except (RuntimeError, UsageError):
                            continue
                        assert ours == theirs, (n, k, s, p, d)


def test_same_padding_keeps_the_size() -> None:
    for k in range(1, 8):
        for d in (1, 2, 3):
            before, after = same_padding(k, dilation=d)
            assert 20 + before + after - d * (k - 1) == 20


@pytest.mark.parametrize("name", ["mnist_cnn", "resnet18"])
def test_every_layer_of_a_real_net_can_be_taken_apart(name: str) -> None:
    torch.manual_seed(0)
    model = create_model(name, num_classes=10, in_chans=1, img_size=32).eval()
    images = torch.rand(1, 1, 32, 32)
    shapes: dict[str, torch.Size] = {}
    for path, module in model.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda m, i, o, path=path: shapes.update({path: o.shape[1:]}))
    model(images)
    taken = 0
    for path, shape in shapes.items():
        module = model.get_submodule(path)
        if isinstance(module, nn.Conv2d | nn.Linear | nn.MaxPool2d | nn.BatchNorm2d | nn.ReLU):
            unit(model, images, path, tuple(n // 2 for n in shape))  # compares itself with what the net computed
            taken += 1
    assert taken >= 7


def test_what_cannot_be_taken_apart_is_explained() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 3), nn.AdaptiveAvgPool2d(1))
    with pytest.raises(UsageError, match="a unit needs 3 numbers"):
        unit(model, torch.zeros(1, 1, 5, 5), "0", (0, 9, 0))
    with pytest.raises(UsageError, match="is not taken apart"):
        unit(model, torch.zeros(1, 1, 5, 5), "1", (0, 0, 0))
    with pytest.raises(UsageError, match="a window of 5 pixels does not fit"):
        window_size(3, 5)
    with pytest.raises(UsageError, match="infinite"):
        cross_entropy([1, 0], [0, 1])
