"""Several nets that answer together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import hubel
from hubel.errors import UsageError
from hubel.models import create_model
from hubel.models.ensemble import Ensemble


def test_the_answer_is_the_mean_of_the_probabilities_and_extreme_logits_do_no_harm() -> None:
    sure, unsure = torch.tensor([[1000.0, 0.0, 0.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    together = Ensemble([torch.nn.Identity(), Constant(unsure)])(sure)
    expected = (sure.softmax(1) + unsure.softmax(1)) / 2
    torch.testing.assert_close(together.exp(), expected)
    assert torch.isfinite(together).all()


def test_together_nets_lose_no_more_than_they_do_on_the_average(tmp_path: Path) -> None:
    """Jensen: −log of a mean is at most the mean of the −log. On real digits, with nets of different kinds."""
    small: dict[str, Any] = {
        "epochs": 2,
        "threads": 1,
        "device": "cpu",
        "out": str(tmp_path),
        "limit": 400,
        "img_size": 8,
    }
    members = [hubel.train("digits", model=name, **small).load() for name in ("mlp", "lenet1989")]
    pixels, labels = digits()
    preprocessing = members[0].preprocessing
    assert preprocessing is not None
    images = preprocessing.normalise(pixels)
    nets = [member.model.eval() for member in members]
    with torch.no_grad():
        losses = [float(torch.nn.functional.cross_entropy(net(images), labels)) for net in nets]
        together = float(torch.nn.functional.cross_entropy(Ensemble(nets)(images), labels))
    assert together < sum(losses) / 2


def test_its_stages_are_modules_of_the_first_net() -> None:
    net = Ensemble([create_model("resnet20", num_classes=4, img_size=32) for _ in range(2)])
    assert all(net.get_submodule(stage) is not None for stage in (*net.stages, net.head))
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 4)


def test_nets_of_different_classes_are_refused() -> None:
    with pytest.raises(UsageError, match="same classes, got 3, 4 of them"):
        Ensemble([torch.nn.Linear(2, 3), torch.nn.Linear(2, 4)])(torch.zeros(1, 2))
    with pytest.raises(UsageError, match="at least one net"):
        Ensemble([])


class Constant(torch.nn.Module):
    def __init__(self, answer: torch.Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.answer.expand(len(inputs), -1)


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    from sklearn.datasets import load_digits

    found = load_digits()
    grey = torch.tensor(found.images * 255 / 16).round().to(torch.uint8)[:, None]
    return grey[600:1500], torch.tensor(found.target)[600:1500]
