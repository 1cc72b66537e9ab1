"""Drop-out in a window of training: what is switched, when, and that a resumed run does not notice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from hubel.errors import UsageError
from hubel.events import StepDone
from hubel.models import create_model
from hubel.nn.dropping import dropout_rates
from hubel.nn.optimisers import build_optimiser
from hubel.recipes.schema import compose
from hubel.training.dropout import DropoutWindow
from hubel.training.loop import Training, fit
from hubel.types import Batch

IMAGES = torch.randn(64, 1, 12, 12, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(64) % 4


def batches(epoch: int, start: int) -> Iterator[Batch]:
    order = torch.randperm(64, generator=torch.Generator().manual_seed(epoch))
    for step in range(start, 4):
        ids = order[16 * step : 16 * (step + 1)]
        yield Batch(images=IMAGES[ids], labels=LABELS[ids], ids=ids)


def training(**settings: Any) -> Training:
    torch.manual_seed(0)
    model = create_model("mnist_cnn", num_classes=4, in_chans=1, img_size=12, dropout=settings.pop("dropout", 0.5))
    return Training(
        recipe=compose({"epochs": 2}, settings),
        model=model,
        optimiser=build_optimiser("adam", model, lr=0.01),
        schedule=lambda step, history: 1.0,
        loss=nn.CrossEntropyLoss(),
        batches=batches,
        steps_per_epoch=4,
        measure=lambda model: {},
    )


def losses(run: Training) -> list[float]:
    return [float(event.loss) for event in fit(run) if isinstance(event, StepDone)]


def test_before_a_late_window_a_run_has_the_bits_of_one_without_drop_out() -> None:
    bare, late = losses(training(dropout=0.0)), losses(training(dropout_window="0.5,1"))
    assert late[:4] == bare[:4]
    assert late[4] != bare[4]


def test_an_early_window_begins_with_the_bits_of_one_with_drop_out_throughout() -> None:
    always, early = losses(training()), losses(training(dropout_window=(0, 0.25)))
    assert early[:2] == always[:2]
    assert early[2] != always[2]


def test_a_window_over_everything_changes_nothing() -> None:
    assert losses(training(dropout_window="0,1")) == losses(training())


@pytest.mark.parametrize("stop", [1, 3, 4, 6])
def test_a_run_resumed_before_or_inside_the_window_has_the_same_bits(stop: int) -> None:
    whole = training(dropout_window="0.25,0.75")
    expected = losses(whole)
    cut = training(dropout_window="0.25,0.75")
    seen = []
    for event in fit(cut):
        if isinstance(event, StepDone):
            seen.append(float(event.loss))
            if len(seen) == stop:
                break
    again = training(dropout_window="0.25,0.75")
    again.restore(*cut.state())
    assert seen + losses(again) == expected
    assert all(torch.equal(a, b) for a, b in zip(again.model.parameters(), whole.model.parameters(), strict=True))


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("mnist_cnn", {"dropout": 0.5}, 1),
        ("lstm_rows", {"dropout": 0.2, "layers": 2}, None),
        ("vit_tiny", {"dropout": 0.1}, None),
        ("efficientnet_b0", {"dropout": 0.0}, 8),
        ("fractalnet20", {}, None),
    ],
)
def test_every_kind_of_drop_out_is_found_and_a_net_without_it_answers_alike_twice(
    name: str, options: dict[str, Any], count: int | None
) -> None:
    net = create_model(name, num_classes=3, in_chans=1, img_size=28, **options)
    rates = dropout_rates(net)
    assert rates
    assert count is None or len(rates) >= count
    window = DropoutWindow(net, (0.5, 1.0), steps=2)
    for module in net.modules():  # batch norm apart, only what is dropped differs from one pass to the next
        module.train(not isinstance(module, nn.modules.batchnorm._BatchNorm))
    images = torch.randn(4, 1, 28, 28)
    with torch.no_grad():
        window.at(0)
        assert torch.equal(net(images), net(images))
        window.at(1)
        assert not torch.equal(net(images), net(images))
    assert dropout_rates(net) == rates


def test_a_net_that_drops_nothing_is_refused_with_the_way_out() -> None:
    with pytest.raises(UsageError, match="no drop-out above 0") as caught:
        training(dropout=0.0, dropout_window="0,0.5")
    assert "--dropout 0.2" in (caught.value.hint or "")


@pytest.mark.parametrize("window", ["0.5", "0.5,0.5", "0.6,0.2", "-0.1,0.5", "0,1.5", "a,b", "0,0.2,0.4"])
def test_a_window_that_is_none_is_refused(window: str) -> None:
    with pytest.raises(UsageError, match="dropout_window must"):
        compose({"dropout_window": window})
