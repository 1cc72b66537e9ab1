"""What every architecture of the catalogue must do. Fast: all of them on the meta device, one of each file for real.

`pytest -m slow tests/contracts/test_models.py` runs every architecture for real, and counts its multiply-accumulates.
"""

from __future__ import annotations

import copy
from functools import cache

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hubel.errors import UsageError
from hubel.models import CARDS, Card, create_model
from hubel.nn.taps import record

LARGEST = 200_000_000
"""Parameters beyond which a net is only ever built on the meta device."""

COUNTED = [name for name, card in CARDS.items() if card.params is not None]
REAL = [name for name, card in CARDS.items() if (card.params or 0) < LARGEST]


def _one_a_file() -> list[str]:
    """The cheapest architecture of each file."""
    by_file: dict[str, str] = {}
    for name in sorted(REAL, key=lambda name: CARDS[name].macs or 0):
        by_file.setdefault(CARDS[name].builder_at.partition(":")[0], name)
    return sorted(by_file.values())


QUICK = _one_a_file()


def _has_a_smallest_size(param: object) -> bool:
    """Nets over points have no size, and what a layer list takes depends on the list."""
    (name,) = getattr(param, "values", [param])
    return CARDS[name].img_size is not None and name != "layers"


EACH = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in REAL if name not in QUICK)]


def _side(card: Card) -> int | tuple[int, int] | None:
    """A small size that the net takes: 32, its own if that is smaller, or its minimum if that is larger."""
    if card.img_size is None or isinstance(card.img_size, tuple):
        return card.img_size
    return max(min(32, card.img_size), card.min_size)


def _images(card: Card, batch: int, in_chans: int, size: int | tuple[int, int] | None) -> torch.Tensor:
    """B C H W, or B F for nets over points; always the same for the same shape."""
    height, width = (size, size) if isinstance(size, int) else size or (0, 0)
    shape = (batch, in_chans, height, width) if size else (batch, in_chans)
    drawn = torch.Generator().manual_seed(7)
    return torch.randn(shape, generator=drawn)


@cache
def _built(name: str) -> tuple[nn.Module, torch.Tensor]:
    """A small instance for three classes with a batch of four for it. Callers copy the net before they change it."""
    card = CARDS[name]
    torch.manual_seed(0)
    net = create_model(name, num_classes=3, in_chans=card.in_chans, img_size=_side(card))
    images = _images(card, 4, card.in_chans, _side(card))
    _know(net, images)
    return net, images


def _know(net: nn.Module, images: torch.Tensor) -> None:
    """Norms know the statistics of these images: with those of a new net, a thousand layers grow beyond all bounds."""
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    usual = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        if norms:
            net(images)
    for norm, momentum in zip(norms, usual, strict=True):
        norm.momentum = momentum


@pytest.mark.parametrize("name", COUNTED)
def test_it_has_exactly_the_parameters_of_its_card(name: str) -> None:
    card = CARDS[name]
    with torch.device("meta"):
        net = create_model(name, in_chans=card.in_chans)
    assert sum(parameter.numel() for parameter in net.parameters()) == card.params


@pytest.mark.parametrize("name", list(CARDS))
def test_its_stages_and_head_are_modules_in_order_of_depth(name: str) -> None:
    card = CARDS[name]
    with torch.device("meta"):
        net = create_model(name, in_chans=card.in_chans, num_classes=5)
    modules = [module for module, _ in net.named_modules()]
    assert net.head in modules
    assert list(net.stages) == list(dict.fromkeys(net.stages)), "a stage is named twice"
    assert all(stage in modules for stage in net.stages)
    assert len(net.stages) > 0 or card.img_size is None


@pytest.mark.parametrize("name", list(CARDS))
def test_its_card_says_where_it_comes_from(name: str) -> None:
    card = CARDS[name]
    assert 1940 < card.year < 2030
    assert card.reference
    assert card.novelty.endswith(".")
    assert len(card.title) <= 60


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in COUNTED if CARDS[name].macs is not None])
def test_it_does_exactly_the_multiplications_of_its_card(name: str) -> None:
    card = CARDS[name]
    with torch.device("meta"):
        net = create_model(name, in_chans=card.in_chans).eval()
        images = _images(card, 1, card.in_chans, card.img_size).to("meta")
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        logits = net(images)
    assert logits.shape == (1, card.num_classes)
    assert counter.get_total_flops() == 2 * (card.macs or 0)


@pytest.mark.parametrize("name", EACH)
def test_logits_are_finite_and_one_row_an_image_whatever_the_batch(name: str) -> None:
    net, images = _built(name)
    # In double precision: what a fresh net of 152 layers makes of rounding is no matter of the batch.
    net, images = copy.deepcopy(net).eval().double(), images.double()
    with torch.no_grad():
        four, one = net(images), net(images[:1])
    assert four.shape == (4, 3)
    assert torch.isfinite(four).all()
    torch.testing.assert_close(one, four[:1], rtol=1e-5, atol=1e-6 * float(four.abs().max()) + 1e-9)


@pytest.mark.parametrize("name", EACH)
def test_it_takes_other_channels_and_classes(name: str) -> None:
    card = CARDS[name]
    channels = card.in_chans + 1 if card.img_size else card.in_chans
    net = create_model(name, num_classes=2, in_chans=channels, img_size=_side(card)).eval()
    with torch.no_grad():
        assert net(_images(card, 2, channels, _side(card))).shape == (2, 2)


@pytest.mark.parametrize("name", EACH)
def test_gradients_reach_every_parameter(name: str) -> None:
    net, images = _built(name)
    net = copy.deepcopy(net).train()
    waiting = {key for key, parameter in net.named_parameters() if parameter.requires_grad}
    # Random paths and random silence (drop-path, dropout before narrow layers) may miss a parameter once, not always.
    for attempt in range(12):
        torch.manual_seed(attempt)
        net.zero_grad()
        outputs = net.forward_all(images) if hasattr(net, "forward_all") else (net(images),)
        loss = sum(nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2, 0])) for logits in outputs)
        if hasattr(net, "reconstruct"):  # the decoder learns from the picture, not from the label
            loss = loss + net.reconstruct(images).square().mean()
        assert isinstance(loss, torch.Tensor)
        if not loss.requires_grad:
            assert not waiting, "no output depends on the parameters"
            return
        loss.backward()
        reached = {
            key for key, value in net.named_parameters() if value.grad is not None and value.grad.abs().sum() > 0
        }
        waiting -= reached
        if not waiting:
            return
    assert not waiting, f"no gradient reaches {sorted(waiting)[:5]}"


@pytest.mark.parametrize("name", EACH)
def test_every_stage_gives_features(name: str) -> None:
    net, images = _built(name)
    net = copy.deepcopy(net).eval()
    with torch.no_grad(), record(net, *net.stages) as seen:
        net(images)
    assert set(seen) == set(net.stages)
    assert all(len(maps) == 4 and torch.isfinite(maps).all() for maps in seen.values())


@pytest.mark.parametrize("name", EACH)
def test_its_state_travels(name: str) -> None:
    net, images = _built(name)
    net = copy.deepcopy(net).eval()
    card = CARDS[name]
    torch.manual_seed(1)
    other = create_model(name, num_classes=3, in_chans=card.in_chans, img_size=_side(card)).eval()
    other.load_state_dict(net.state_dict())
    with torch.no_grad():
        assert torch.equal(other(images), net(images))


@pytest.mark.parametrize("name", EACH)
def test_a_step_along_the_gradient_lowers_the_loss(name: str) -> None:
    net, images = _built(name)
    net = copy.deepcopy(net).eval()  # evaluation mode: the loss is a function of the parameters alone
    labels = torch.tensor([0, 1, 2, 0])
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if not parameters:
        pytest.skip("has no parameters that learn by gradient")
    before = nn.functional.cross_entropy(net(images), labels)
    if not before.requires_grad:
        pytest.skip("learns by a rule of its own")
    gradients = torch.autograd.grad(before, parameters, allow_unused=True)
    length = torch.sqrt(sum((g.double().square().sum() for g in gradients if g is not None), start=torch.zeros(())))
    for exponent in range(2, 9):
        step = 10.0**-exponent * float(before.detach()) / float(length) ** 2 * 10
        trial = copy.deepcopy(net)
        with torch.no_grad():
            moved = [parameter for parameter in trial.parameters() if parameter.requires_grad]
            for parameter, gradient in zip(moved, gradients, strict=True):
                if gradient is not None:
                    parameter -= step * gradient
            after = nn.functional.cross_entropy(trial(images), labels)
        if after < before:
            return
    pytest.fail(f"the loss stays at {float(before):.4f} whatever the step")


@pytest.mark.parametrize("name", [name for name in REAL if CARDS[name].min_size > 1 and CARDS[name].img_size])
def test_images_that_are_too_small_are_refused_with_the_smallest_that_works(name: str) -> None:
    smallest = CARDS[name].min_size
    with pytest.raises(UsageError, match=f"{smallest}x{smallest}"):
        create_model(name, img_size=smallest - 1, in_chans=CARDS[name].in_chans)


@pytest.mark.parametrize("name", [param for param in EACH if _has_a_smallest_size(param)])
def test_the_smallest_size_works(name: str) -> None:
    card = CARDS[name]
    size = card.img_size if isinstance(card.img_size, tuple) else card.min_size
    net = create_model(name, num_classes=3, in_chans=card.in_chans, img_size=size).eval()
    with torch.no_grad():
        logits = net(_images(card, 2, card.in_chans, size))
    assert logits.shape == (2, 3)
    assert torch.isfinite(logits).all()
