"""A net as a program: another implementation that runs it gives the net's own answers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from deploy.page.layers import LAYERS, Does, norm, shaped
from hubel.deploy.page.lower import lowered
from hubel.deploy.page.program import Program, as_json, packed, reads, unpacked
from hubel.deploy.page.reference import answer
from hubel.errors import ArtefactError
from hubel.models import create_model, list_models

SMALL = ("resnet20", "mobilenet_v2", "lenet5", "shufflenet_v2_x0_5", "p4_cnn", "harmonic_net", "quicknet")


def far(net: nn.Module, program: Program, *images: torch.Tensor) -> float:
    """The largest difference from the net's own answers, as a share of the largest number in them."""
    with torch.no_grad():
        own = torch.stack([net(image).reshape(-1) for image in images])
    return float((answer(program, torch.cat(images)) - own).abs().max() / own.abs().max().clamp(min=1e-3))


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_and_activation_gives_its_own_numbers_as_operations(name: str) -> None:
    net, image = shaped(name)
    program = lowered(net, image)
    assert far(net, program, image) < 1e-5
    others = torch.randn(3, *image.shape)
    assert far(net, program, *others) < 1e-5, "the program knows only the picture it was made with"


def catalogue(name: str) -> tuple[nn.Module, torch.Tensor]:
    """A net of the catalogue in evaluation mode, and a picture of the smallest size that it takes."""
    torch.manual_seed(0)
    for side in (32, 28, 64, 96, 224):
        try:
            net = create_model(name, num_classes=10, in_chans=3, img_size=(side, side)).eval()
            image = torch.rand(1, 3, side, side)
            with torch.no_grad():
                net(image)
        except Exception:
            continue
        return net, image
    pytest.fail(f"{name} takes no picture of any size tried")


@pytest.mark.parametrize("name", SMALL)
def test_nets_of_the_catalogue_answer_alike(name: str) -> None:
    net, image = catalogue(name)
    assert far(net, lowered(net, image), image) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in list_models() if n not in SMALL])
def test_every_net_of_the_catalogue_answers_alike_or_is_refused_by_the_name_of_an_operation(name: str) -> None:
    try:
        net, image = catalogue(name)
    except pytest.fail.Exception:
        return  # over points or rows
    try:
        program = lowered(net, image)
    except ArtefactError:
        with pytest.raises(ArtefactError, match="which a page does not have"):
            lowered(net, image)
        return
    with torch.no_grad():
        if torch.isfinite(net(image)).all():
            assert far(net, program, image) < 1e-3


def test_a_net_becomes_few_operations() -> None:
    program = lowered(*catalogue("resnet20"))
    kinds = [operation["op"] for operation in program.operations]
    assert kinds.count("conv") == 19
    assert set(kinds) == {"conv", "binary", "take", "reduce", "dense"}, "norms and ReLUs cost a pass of their own"
    assert abs(program.macs - 40.6e6) < 0.3e6, "the paper's 41 million"


def test_a_norm_is_not_folded_into_a_convolution_that_others_read() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(4, 6, 3), norm(6)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            maps = self.conv(x)
            return torch.relu(self.norm(maps)) + maps.relu() + maps

    net, image = Twice().eval(), torch.randn(1, 4, 5, 7)
    assert far(net, lowered(net, image), image) < 1e-5


def test_what_does_not_depend_on_the_picture_is_worked_out_beforehand() -> None:
    weight = torch.randn(6, 6)
    net = Does(lambda x: x.flatten(1)[:, :6] @ (weight.exp() / weight.exp().sum(1)).T.contiguous())
    kinds = [operation["op"] for operation in lowered(net, torch.randn(1, 4, 5, 7)).operations]
    assert kinds == ["take", "dense"]


def test_an_operation_that_a_page_has_not_is_named_with_a_form_that_does() -> None:
    with pytest.raises(ArtefactError, match="has the operation 'cumsum', which a page does not have") as refused:
        lowered(Does(lambda x: x.cumsum(1)), torch.randn(1, 4, 5, 7))
    assert "--to onnx" in str(refused.value)


def test_a_net_that_looks_at_its_numbers_is_refused() -> None:
    with pytest.raises(ArtefactError, match="cannot be written down as operations"):
        lowered(Does(lambda x: x * 2 if x.mean().item() > 0 else x), torch.randn(1, 4, 5, 7))


def test_a_net_with_hooks_is_refused() -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, 1))
    net[0].register_forward_hook(lambda *_: None)
    with pytest.raises(ArtefactError, match="hooks"):
        lowered(net.eval(), torch.randn(1, 4, 5, 7))


@pytest.mark.parametrize("name", ["resnet20", "shufflenet_v2_x0_5", "harmonic_net"])
def test_arrays_that_are_needed_at_the_same_time_lie_apart(name: str) -> None:
    program = lowered(*catalogue(name))
    begins, total = program.placed()
    lives: dict[int, list[int]] = {program.input: [-1, -1], program.output: [0, len(program.operations)]}
    for step, operation in enumerate(program.operations):
        lives.setdefault(operation["y"], [step, step])[0] = step
        for array in reads(operation):
            if array in lives:
                lives[array][1] = max(lives[array][1], step)
    for a, b in itertools.combinations(lives, 2):
        if lives[a][0] <= lives[b][1] and lives[b][0] <= lives[a][1]:
            first, second = sorted((a, b), key=lambda array: begins[array])
            assert begins[first] + program.sizes[first] <= begins[second], f"{first} and {second} overlap"
    assert total < sum(program.sizes[array] for array in lives) / 2, "places are not used again"


@pytest.mark.parametrize(("kind", "most"), [("f32", 0.0), ("i16", 1 / 65534), ("i8", 1 / 254)])
def test_weights_come_back_within_half_a_step_of_their_row(kind: str, most: float) -> None:
    program = lowered(*catalogue("lenet5"))
    again = unpacked(*packed(program, kind))
    assert again.operations == program.operations
    for array, values in program.constants.items():
        own = values.reshape(values.shape[0] if values.ndim > 1 else 1, -1)
        away = np.abs(own - again.constants[array].reshape(own.shape)).max(axis=1)
        allowed = np.abs(own).max(axis=1) * (most if values.ndim > 1 else 0) * 1.01  # scales are float32 themselves
        assert (away <= allowed + 1e-12).all()


def test_a_page_cut_short_is_noticed() -> None:
    plain, data = packed(lowered(*catalogue("lenet5")))
    with pytest.raises(ArtefactError, match="end too early"):
        unpacked(plain, data[: len(data) // 8 * 4])


def test_numbers_that_are_none_never_get_into_a_page() -> None:
    with pytest.raises(ValueError, match="JSON"):
        as_json({"a": float("nan")})
