"""A number written out is torch's number: every kind of layer, and whole nets of the catalogue."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from hubel.errors import UsageError
from hubel.lessons.scene import PICTURE, Part, Scene, observe
from hubel.lessons.working import Written
from hubel.lessons.written import write_out
from hubel.models import CARDS, create_model


class Told(nn.Module):
    """A function as a net."""

    def __init__(self, what: Callable[[torch.Tensor], torch.Tensor], *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.what = what

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.what(x)


def attend(x: torch.Tensor) -> torch.Tensor:
    tokens = x.flatten(2).transpose(1, 2)[:, None]
    return F.scaled_dot_product_attention(tokens, 2 * tokens, tokens - 1)


def in_a_row(x: torch.Tensor) -> torch.Tensor:
    return F.conv1d(x.flatten(2), torch.ones(6, 2, 5).cumsum(2) / 5, stride=2, padding=3, dilation=2, groups=2)


def in_space(x: torch.Tensor) -> torch.Tensor:
    return F.avg_pool3d(F.max_pool3d(x[:, None], (2, 3, 3), stride=1), (1, 2, 2), padding=(0, 1, 1))


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "convolution": lambda: nn.Conv2d(4, 3, 3),
    "stride, padding, dilation": lambda: nn.Conv2d(4, 3, (3, 2), stride=(2, 1), padding=(2, 1), dilation=(2, 3)),
    "padding that keeps the size": lambda: nn.Conv2d(4, 3, (3, 5), padding="same"),
    "groups": lambda: nn.Conv2d(4, 6, 3, groups=2, bias=False),
    "depthwise": lambda: nn.Conv2d(4, 4, 3, groups=4, padding=1),
    "transposed": lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2),
    "dense": lambda: nn.Sequential(nn.Flatten(), nn.Linear(4 * 49, 5)),
    "dense on each place": lambda: nn.Linear(7, 3),
    "batch norm": lambda: nn.BatchNorm2d(4),
    "layer norm": lambda: nn.LayerNorm((7, 7)),
    "group norm": lambda: nn.GroupNorm(2, 4),
    "instance norm": lambda: nn.InstanceNorm2d(4, affine=True),
    "max pooling": lambda: nn.MaxPool2d(3, 2, padding=1),
    "max pooling, dilated": lambda: nn.MaxPool2d(2, 1, dilation=2),
    "convolution in a row": lambda: Told(in_a_row),
    "pooling in a row": lambda: nn.Sequential(nn.Flatten(2), nn.MaxPool1d(3, 2, padding=1), nn.AvgPool1d(3, 2, 1)),
    "pooling in space": lambda: Told(in_space),
    "local response norm": lambda: nn.LocalResponseNorm(3),
    "lengths": lambda: Told(lambda x: x / torch.linalg.vector_norm(x, 3, dim=1, keepdim=True)),
    "mean pooling": lambda: nn.AvgPool2d(3, 2, padding=1),
    "mean pooling without padding in it": lambda: nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
    "adaptive pooling": lambda: nn.AdaptiveAvgPool2d((3, 2)),
    "adaptive max pooling": lambda: nn.AdaptiveMaxPool2d(2),
    "global mean": lambda: Told(lambda x: x.mean((2, 3))),
    "sum that keeps its axis": lambda: Told(lambda x: x.sum(1, keepdim=True)),
    "softmax": lambda: nn.Softmax(1),
    "log-softmax": lambda: nn.LogSoftmax(1),
    "residual": lambda: Told(lambda x: x + 2 * x.relu()),
    "scaled residual": lambda: Told(lambda x: torch.add(x, x.tanh(), alpha=0.5)),
    "gate of channels": lambda: Told(lambda x: x * x.mean((2, 3), keepdim=True).sigmoid()),
    "joined": lambda: Told(lambda x: torch.cat([x.relu(), -x, x], 1)),
    "stacked": lambda: Told(lambda x: torch.stack([x.relu(), x], 2).flatten(1, 2)),
    "cut apart": lambda: Told(lambda x: x.chunk(2, 1)[1] - x.split([1, 2, 1], 1)[1].mean(1, keepdim=True)),
    "moved": lambda: Told(lambda x: x.permute(0, 2, 3, 1).reshape(1, 7, -1).transpose(1, 2)),
    "padded": lambda: Told(lambda x: F.pad(x, (1, 2, 0, 1), value=0.5)),
    "shuffled channels": lambda: nn.ChannelShuffle(2),
    "enlarged": lambda: nn.Upsample(scale_factor=2),
    "attention": lambda: Told(attend),
    "matrices": lambda: Told(lambda x: x[:, 0] @ x[:, 1]),
    "in place": lambda: nn.Sequential(nn.Conv2d(4, 3, 3), nn.ReLU(inplace=True), nn.Hardtanh(0, 0.5, inplace=True)),
    "activations": lambda: nn.Sequential(
        nn.SiLU(), nn.GELU(), nn.Hardswish(), nn.ELU(), nn.LeakyReLU(0.2), nn.Softplus(), nn.Mish(), nn.SELU(),
        nn.PReLU(4),
        nn.Hardsigmoid(), nn.ReLU6(),
    ),
}  # fmt: skip
NETS = {"lenet5": 32, "resnet20": 32, "mobilenet_v2": 32, "shufflenet_v2_x0_5": 32, "vit_tiny": 32, "gru_rows": 28}
COVERING = (
    "lenet5", "rnn_rows", "siamese", "signal_fcn", "harmonic_net", "mnist_gap", "zfnet", "siren", "lstm_rows",
    "vit_tiny", "gru_rows", "neocognitron", "p4m_cnn", "mobilenet_v3_small", "mobilenet_v2", "resnet20", "tinynet_e",
    "unet", "fpn", "fourier_field", "voxnet",
)  # fmt: skip
"""Nets of the catalogue that together have every operation of all of them (see the slow test)."""


def numbers(net: nn.Module, sides: tuple[int, ...], each: int, draw: random.Random) -> Iterator[tuple[Part, Written]]:
    """Numbers of every part, at places that are drawn, written out."""
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    scene = observe(net.eval(), torch.randn(1, *sides))
    for part in scene.parts:
        for _ in range(each):
            yield part, write_out(scene, part.index, [draw.randrange(n) for n in part.shape])


def away(written: Written) -> float:
    size = max([1.0, abs(written.value), *(abs(t.value * (t.weight or 1.0)) for t in written.terms)])
    return abs(written.result - written.value) / size


@pytest.mark.parametrize("name", LAYERS)
def test_every_kind_of_layer_is_written_out_as_torch_computes_it(name: str) -> None:
    torch.manual_seed(1)
    found = list(numbers(LAYERS[name](), (4, 7, 7), 12, random.Random(2)))
    assert found
    for part, written in found:
        assert written.apart, part.title
        assert away(written) < 1e-5, f"{part.title}: {written.text} but torch gives {written.value}"


@pytest.mark.parametrize("name", NETS)
def test_whole_nets_are_written_out_as_torch_computes_them(name: str) -> None:
    net = create_model(name, num_classes=10, in_chans=3, img_size=(NETS[name], NETS[name]))
    found = list(numbers(net, (3, NETS[name], NETS[name]), 1, random.Random(3)))
    wrong = {f"{part.title}: {written.text}" for part, written in found if not (written.apart and away(written) < 1e-5)}
    assert wrong == set()


def fresh(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """A net of the catalogue for small pictures, and the shape of what it takes."""
    known = CARDS[name]
    if known.img_size is None:
        return create_model(name, num_classes=known.num_classes or 4, in_chans=known.in_chans), (known.in_chans,)
    side = 28 if name == "vit_h_14" else known.min_size if known.min_size >= 16 else 32
    sides = (known.in_chans, side, side)
    return create_model(name, num_classes=10, in_chans=known.in_chans, img_size=(side, side)), sides


def each_kind(name: str) -> dict[str, Written]:
    """A number of every operation with settings of its own in a net, each under the operation's name."""
    torch.manual_seed(0)
    net, shape = fresh(name)
    scene, draw, found = observe(net.eval(), torch.randn(1, *shape)), random.Random(0), {}
    for part in scene.parts:
        settings = {n: v for n, v in part.arguments.items() if not isinstance(v, (torch.Tensor, tuple, list))}
        key = f"{part.name} {part.kind} {settings}"
        if key not in found:
            found[key] = write_out(scene, part.index, [draw.randrange(n) for n in part.shape])
    return found


def wrong_among(found: dict[str, Written]) -> set[str]:
    return {
        f"{one.title}: {one.text[:200]} but torch gives {one.value}"
        for one in found.values()
        if math.isfinite(one.value) and not (one.apart and away(one) < 1e-5)  # a thousand fresh layers may overflow
    }


@pytest.mark.parametrize("name", COVERING)
def test_every_operation_of_the_catalogue_is_written_out_as_torch_computes_it(name: str) -> None:
    assert wrong_among(each_kind(name)) == set()


@pytest.mark.slow
def test_every_operation_of_every_net_is_written_out_and_the_quick_test_has_them_all() -> None:
    covered = {key.split()[0] for name in COVERING for key in each_kind(name)}
    for name in CARDS:
        found = each_kind(name)
        assert wrong_among(found) == set(), name
        assert {key.split()[0] for key in found} <= covered, name


def test_looking_changes_neither_the_answer_nor_the_net() -> None:
    net = create_model("resnet20", num_classes=10, in_chans=3, img_size=(32, 32)).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    image = torch.randn(1, 3, 32, 32)
    answer = observe(net, image).answer
    assert net.training
    with torch.no_grad():
        torch.testing.assert_close(answer, net.eval()(image))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def walk(scene: Scene, part: int, place: tuple[int, ...], steps: int) -> int:
    """Go from a number to one that it was made of, and on, until the picture or `steps`."""
    for done in range(steps):
        written = write_out(scene, part, place)
        term = next((t for t in written.terms if t.source is not None and t.value != 0), None)
        assert term is not None, written.text
        assert term.source is not None
        if term.source == PICTURE:
            assert float(scene.picture[0][term.place]) == term.value
            return done
        assert float(scene.parts[term.source].output[0][term.place]) == term.value
        part, place = term.source, term.place
    return steps


def test_from_every_answer_there_is_a_way_to_the_picture_from_sum_to_sum() -> None:
    net = create_model("resnet20", num_classes=10, in_chans=3, img_size=(32, 32)).eval()
    scene = observe(net, torch.rand(1, 3, 32, 32))
    assert walk(scene, len(scene.parts) - 1, (3,), 400) > 20


def test_what_does_nothing_is_no_part_and_the_way_down_does_not_stop_at_it() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Flatten(), nn.Dropout(), nn.Linear(4, 3)).eval()
    scene = observe(net, torch.randn(1, 1, 2, 2))
    assert [part.name for part in scene.parts] == ["flatten", "linear"]
    assert {term.source for term in write_out(scene, 1, (0,)).terms} == {0}


def test_a_place_that_is_not_there_is_said() -> None:
    scene = observe(nn.Conv2d(1, 1, 2), torch.ones(1, 1, 3, 3))
    with pytest.raises(UsageError, match="gives 1x2x2: there is no place"):
        write_out(scene, 0, (0, 2, 0))
    with pytest.raises(UsageError, match="no part 1"):
        write_out(scene, 1, (0, 0, 0))
    with pytest.raises(UsageError, match="one picture"):
        observe(nn.Conv2d(1, 1, 2), torch.ones(2, 1, 3, 3))


def test_what_torch_does_in_one_piece_is_said_to_be_not_taken_apart() -> None:
    attention = nn.MultiheadAttention(4, 2, batch_first=True).eval()
    scene = observe(Told(lambda x: attention(x, x, x, need_weights=False)[0]), torch.randn(1, 5, 4))
    written = [write_out(scene, part.index, [0] * len(part.shape)) for part in scene.parts]
    assert ["not taken apart" in each.text for each in written if not each.apart] == [True]
