"""What an answer that is no class hangs on: areas by the pixels they have, nearness by the middle of a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import hubel
from hubel.cli import main
from hubel.errors import ArtefactError, UnknownName, UsageError
from hubel.explainers import attribute
from hubel.records.subjects import see_picture
from hubel.tasks.answers import Answers
from hubel.verbs.explain import explain, explain_page


@pytest.fixture(scope="module")
def square(segment_run: hubel.Run, scans_folder: Path) -> Path:
    """A picture of which the net calls a part a square (2), and nothing a disc (1)."""
    found = segment_run.predict(sorted((scans_folder / "images").iterdir()))
    assert isinstance(found, Answers)
    return Path(next(one.name for one in found if one.numbers["2"] > 0.1 and not one.numbers["1"]))


def test_a_map_of_areas_is_that_of_the_mean_score_over_the_pixels_that_are_called_so(
    segment_run: hubel.Run, square: Path
) -> None:
    net = segment_run.load()
    image = see_picture(net, square, device="cpu", tasks=True).image
    leaf = image[None].clone().requires_grad_()
    scores = net.model.segment(leaf)[0]  # type: ignore[operator]
    score = scores[2][scores.argmax(0) == 2].mean()
    (slope,) = torch.autograd.grad(score, leaf)
    found = explain(net, square, method="saliency")
    assert found.target == "2", "the class that covers most after the first"
    assert found.scores[0] == pytest.approx(float(score.detach()), rel=1e-5)
    assert found.map == pytest.approx(slope[0].abs().amax(0).numpy(), rel=1e-4)
    assert found.facts()["class"] == f"2 {100 * float((scores.argmax(0) == 2).float().mean()):.1f} % of the pixels"
    assert net.model(image[None]).shape == (1, 3), "the net itself is asked as before"


def test_exact_occlusion_of_an_area_is_that_of_covering_patch_by_patch(segment_run: hubel.Run, square: Path) -> None:
    seen = see_picture(segment_run.folder, square, device="cpu", tasks=True)
    asked = seen.question(None)
    found = attribute(asked.net, seen.image, method="occlusion", target=asked.target, patch=4, stride=4)
    whole = float(asked.net(seen.image[None])[0, 2].detach())
    for top in range(0, 16, 4):
        for left in range(0, 16, 4):
            covered = seen.image[None].clone()
            covered[:, :, top : top + 4, left : left + 4] = 0
            drop = whole - float(asked.net(covered)[0, 2].detach())
            assert found.map[top : top + 4, left : left + 4] == pytest.approx(np.full((4, 4), drop), abs=1e-4)
    assert asked.areas is not None
    there = asked.areas == 2
    assert found.map[there].mean() > 2 * abs(found.map[~there].mean()), "and it lies where the square is"


def test_grad_cam_reads_the_narrowest_maps_of_a_net_that_goes_down_and_up(segment_run: hubel.Run, square: Path) -> None:
    assert explain(segment_run.folder, square).layer == "down.1"
    assert explain(segment_run.folder, square, layer="up.0").layer == "up.0"


def test_a_map_of_nearness_is_that_of_the_distance_from_the_middle(embed_run: hubel.Run) -> None:
    net = embed_run.load()
    seen = see_picture(embed_run.folder, "digits:3", device="cpu", tasks=True)
    (said,) = net.predict(seen.pixels.transpose(1, 2, 0))
    nearest = said.ranked[0]  # type: ignore[union-attr]
    assert net.learnt is not None
    leaf = seen.image[None].clone().requires_grad_()
    middle = torch.from_numpy(net.learnt.arrays["middles"][net.class_names.index(nearest)])
    (slope,) = torch.autograd.grad(-(net.model.embed(leaf)[0] - middle).square().sum(), leaf)  # type: ignore[operator]
    found = explain(embed_run.folder, "digits:3", method="saliency")
    assert found.target == nearest
    assert found.said == f"distance {said.numbers[nearest]:.2f}"  # type: ignore[union-attr]
    assert found.map == pytest.approx(slope[0].abs().amax(0).numpy(), rel=1e-3, abs=1e-6)
    assert explain(embed_run.folder, "digits:3", method="saliency", target="7").target == "7"


def test_what_no_map_explains_is_refused_with_what_does(
    segment_run: hubel.Run, embed_run: hubel.Run, reconstruct_run: hubel.Run, square: Path
) -> None:
    with pytest.raises(UsageError, match="gives no pixel of this picture to '1'") as none:
        explain(segment_run.folder, square, target="1")
    assert "--class '0'" in none.value.hint
    with pytest.raises(UnknownName, match="unknown class 'sqare'"):
        explain(segment_run.folder, square, target="sqare")
    with pytest.raises(ArtefactError, match="by how much each pixel is off") as given:
        explain(reconstruct_run.folder, "digits:3")
    assert "hubel predict RUN PICTURE --out FOLDER" in given.value.hint
    for run, picture, method in (
        (segment_run, str(square), "attention-rollout"), (segment_run, str(square), "deeplift"),
        (embed_run, "digits:3", "deeplift"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=f"{method} cannot be used here"):
            explain(run.folder, picture, method=method)
    page = explain_page(embed_run.folder, "digits:3", methods=["deeplift", "saliency"], trusted=False)
    assert [method for method, _ in page.refusals] == ["deeplift"]


def test_the_page_shows_the_areas_and_which_score_is_explained(
    segment_run: hubel.Run, square: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "why.html"
    with pytest.raises(SystemExit) as done:
        main(["explain", str(segment_run.folder), str(square), "--method", "grad-cam,saliency", "-o", str(page)])
    assert done.value.code in (0, None)
    told = capsys.readouterr().out
    assert "% of the pixels. The maps explain 2." in told
    text = page.read_text()
    for word in (
        "share of the pixels",
        "mean score of 2 over the",
        "under the areas of its classes",
        "Deletion removes",
    ):
        assert word in text
    assert text.count('class="patch"') >= 2


def test_distances_are_told_as_distances_and_checks_ask_how_near_it_is(embed_run: hubel.Run) -> None:
    page = explain_page(embed_run.folder, "digits:3", methods=["occlusion"])
    nearest, far = page.ranking[0]
    assert page.sentence.startswith(f"Nearest is {nearest} (distance {far:.2f}), then ")
    assert page.sentence.endswith(f"The maps explain {nearest}.")
    assert page.number(far) == f"{far:.2f}"
    trust = page.trusts[0]
    assert trust is not None
    likeness = -np.square([value for _, value in sorted(page.ranking)])
    assert trust.deletion_curve[0] == trust.insertion_curve[-1], "both are of the whole picture"
    assert trust.deletion_curve[0] <= float(np.exp(likeness.max()) / np.exp(likeness).sum()) + 1e-6
