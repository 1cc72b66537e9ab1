"""A trained net may look at each picture more than once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import hubel
from hubel.errors import UnknownName
from hubel.inference import VIEWS, with_views


@pytest.mark.parametrize("views", VIEWS)
def test_a_net_that_does_not_mind_mirrors_and_shifts_answers_as_before(views: str) -> None:
    images = torch.ones(2, 3, 8, 8)
    net = nn.Sequential(nn.Conv2d(3, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    torch.testing.assert_close(with_views(net, views)(images), net(images))


@pytest.mark.parametrize(("views", "passes"), VIEWS.items())
def test_every_view_is_one_forward_pass(views: str, passes: int) -> None:
    seen: list[torch.Tensor] = []

    def net(images: torch.Tensor) -> torch.Tensor:
        seen.append(images)
        return images.flatten(1)[:, :4]

    with_views(net, views)(torch.rand(2, 3, 8, 8))
    assert len(seen) == passes
    assert len({tuple(image.flatten().tolist()) for image in seen}) == passes
    assert all(image.shape == (2, 3, 8, 8) for image in seen)


def test_six_views_are_the_weighted_mean_of_six_pictures() -> None:
    net, image = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), torch.rand(1, 1, 8, 8)
    padded = np.pad(image[0, 0].numpy(), 1, mode="reflect")
    moved = [torch.from_numpy(padded[y : y + 8, x : x + 8].copy())[None, None] for y, x in ((0, 0), (2, 2))]
    expected = sum(weight * net(view) for view, weight in ((image, 0.25), (image.flip(3), 0.25)))
    expected = expected + sum(0.125 * (net(view) + net(view.flip(3))) for view in moved)
    torch.testing.assert_close(with_views(net, "mirror-shift")(image), expected)


def test_an_unknown_kind_of_views_suggests_the_near_one() -> None:
    with pytest.raises(UnknownName, match="mirror"):
        with_views(nn.Identity(), "miror")


def test_a_run_classifies_with_the_views_that_it_was_measured_with(picture_folder: Path, tmp_path: Path) -> None:
    run = hubel.train(
        picture_folder, out=str(tmp_path), epochs=3, views="mirror-shift", threads=1, device="cpu",
        model_options={"width": 0.1},
    )  # fmt: skip
    classifier = hubel.load(run.folder)
    assert classifier.views == "mirror-shift"
    picture = next(picture_folder.rglob("*.png"))
    usual, once = (hubel.predict(classifier, [picture], **more)[0] for more in ({}, {"views": "none"}))
    assert usual.probabilities != once.probabilities
    assert usual.probabilities == hubel.predict(classifier, [picture], views="mirror-shift")[0].probabilities
    split = "test" if "test" in run.summary else "val"
    assert run.summary[split]["views"] == "mirror-shift"
    assert "looked at 6 times" in (run.folder / "report.html").read_text()
    once_accuracy = hubel.evaluate(run.folder, split=split, views="none").top1
    assert run.summary[split]["one_view"]["accuracy"] == once_accuracy
