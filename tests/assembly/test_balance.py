"""Classes of unequal size: evened out in one way, told, and never twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hubel
from hubel.assembly.balance import effective_prior
from hubel.data.batches import batches
from hubel.data.decode import Decoded
from hubel.errors import UsageError
from hubel.nn.losses import LogitAdjusted, build_loss, mass
from hubel.recipes.schema import compose
from hubel.watching import Watcher


class Remarks(Watcher):
    def __init__(self) -> None:
        self.said: list[str] = []

    def remark(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def lopsided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """140 pictures of noise about one level, 20 about another that is hardly brighter."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    for name, count, level in (("cat", 140, 120), ("dog", 20, 126)):
        (folder / name).mkdir()
        for number in range(count):
            noise = np.clip(level + 14 * random.standard_normal() + 20 * random.standard_normal((8, 8)), 0, 255)
            Image.fromarray(noise.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def recall_of_the_rare(data: Path, out: Path, **settings: Any) -> tuple[float, list[str]]:
    watch = Remarks()
    run = hubel.train(
        str(data), model="softmax_regression", from_="none", epochs=20, threads=1, out=str(out), watch=watch, **settings
    )
    found = run.evaluate(split="train")
    assert isinstance(found, hubel.Evaluation)
    return float(found.per_class.recall[1]), watch.said


@pytest.fixture(scope="module")
def plain(lopsided: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    recall, said = recall_of_the_rare(lopsided, tmp_path_factory.mktemp("runs"))
    assert not [text for text in said if "prior" in text]
    return recall


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ({"sampler": "balanced"}, "dog 12.5 % as 50.0 %"),
        ({"logit_adjustment": 1.0}, "dog 12.5 % as 50.0 %"),
        pytest.param({"class_weights": "balanced"}, "dog 12.5 % as 50.0 %", marks=pytest.mark.slow),
        pytest.param({"sampler": "sqrt", "loss": "focal"}, "dog 12.5 % as 27.4 %", marks=pytest.mark.slow),
    ],
)
def test_each_way_finds_more_of_a_rare_class_and_says_which_shares_it_trains_for(
    way: dict[str, Any], words: str, plain: float, lopsided: Path, tmp_path: Path
) -> None:
    recall, said = recall_of_the_rare(lopsided, tmp_path, **way)
    assert any(words in text for text in said), said
    assert recall > plain + 0.1 or "loss" in way  # what focal makes of it is another matter


def test_the_adjusted_loss_is_the_paper_s() -> None:
    random = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(6, 3, generator=random), torch.tensor([0, 1, 2, 0, 1, 2])
    prior, tau = torch.tensor([0.7, 0.2, 0.1]), 1.5
    found = LogitAdjusted(build_loss("cross-entropy"), prior, tau)(logits, labels)
    shifted = logits + tau * prior.log()
    direct = torch.stack([torch.logsumexp(z - z[y], 0) for z, y in zip(shifted, labels, strict=True)]).mean()
    assert torch.allclose(found, direct)
    weighed = LogitAdjusted(build_loss("focal", class_weights=[1.0, 2.0, 3.0]), prior)
    assert float(mass(weighed, labels)) == 12.0
    for wrong in ([-0.1, 1.1], [[0.5, 0.5]], [0.0, 0.0]):
        with pytest.raises(UsageError):
            LogitAdjusted(build_loss("cross-entropy"), wrong)  # type: ignore[arg-type]


def test_the_effective_prior_of_each_way() -> None:
    counts = np.array([810, 90, 0])
    for way, share in (
        ({}, 0.9), ({"class_weights": "balanced"}, 0.5), ({"sampler": "sqrt"}, 0.75), ({"logit_adjustment": 1}, 0.5),
    ):  # fmt: skip
        found = effective_prior(compose(way), counts)
        assert found[0] == pytest.approx(share)
        assert found[2] == 0
        assert found.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"class_weights": "balanced", "sampler": "sqrt"}, "would even out the classes twice"),
        ({"sampler": "balanced", "logit_adjustment": 1}, "would even out the classes twice"),
        ({"logit_adjustment": 1, "loss": "hinge"}, "losses of a softmax"),
        ({"sampler": "cube"}, "sampler must be"),
        ({"logit_adjustment": -1}, "at least 0"),
    ],
)
def test_ways_that_contradict_each_other_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        compose({"data": "digits", **settings})


def test_a_picture_that_comes_twice_is_augmented_in_two_ways() -> None:
    pictures = np.zeros((2, 1, 4, 4), np.uint8)
    decoded = Decoded(images=pictures, labels=np.zeros(2, np.int64), ids=np.arange(2), digest="")
    drawn: list[list[int]] = []

    def augment(images: torch.Tensor, ids: torch.Tensor, *, seed: int, epoch: int) -> torch.Tensor:
        drawn.append(ids.tolist())
        return images

    (batch,) = batches(decoded, np.array([1, 1, 0]), names=np.array([1, 3, 0]), batch_size=4, augment=augment)
    assert batch.ids.tolist() == [1, 1, 0]
    assert drawn == [[1, 3, 0]]
