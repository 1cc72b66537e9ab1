"""Every explainer on every net of the catalogue: promises kept, the same map as Captum's or a plain loop's.

Fast: one cheap net of each kind. `pytest -m slow tests/contracts/test_explainers_zoo.py` runs all of them, and
`make explain-contracts` does so and writes the table of docs/explain_contracts.md.
"""

from __future__ import annotations

import pytest
import torch

from explainers import battery
from hubel.explainers import cams, gradients, occlusion
from hubel.models import CARDS

QUICK = (
    "perceptron", "mnist_mlp", "rnn_rows", "neocognitron", "lenet1989", "lenet5_modern", "two_conv", "mnist_gap",
    "vit_tiny", "resnet20",
)  # fmt: skip
EACH = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in battery.nets() if name not in QUICK)]


@pytest.mark.parametrize("name", EACH)
def test_every_explainer_applies_or_says_which_can(name: str) -> None:
    verdicts = battery.judge(name)
    broken = [f"{verdict.method}: {verdict.why}" for verdict in verdicts if verdict.word == "broken"]
    assert not broken
    assert any(verdict.word == "applies" for verdict in verdicts) or CARDS[name].img_size is None
    assert not {verdict.method: verdict.difference for verdict in verdicts if verdict.wrong}


@pytest.mark.parametrize(
    ("method", "room", "name", "changed"),
    [
        ("grad-cam", cams, "pick", lambda logits, targets: logits[:, 0]),
        ("integrated-gradients", gradients, "pixel_gradient", lambda model, x, y: torch.ones_like(x)),
        ("occlusion", occlusion, "grid", lambda *size, patch, stride: occlusion_grid(*size, patch=patch, stride=patch)),
    ],
)
def test_the_battery_sees_a_method_that_is_wrong(
    method: str, room: object, name: str, changed: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, name, changed)
    (verdict,) = [verdict for verdict in battery.judge("lenet5_modern") if verdict.method == method]
    assert verdict.wrong


occlusion_grid = occlusion.grid
