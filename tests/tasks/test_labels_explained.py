"""Why does a net say these labels? Each has maps of its own, checked by its own probability."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import hubel
from hubel.cli import main
from hubel.errors import UnknownName
from hubel.explainers.rise import draw
from hubel.explainers.trust import by_chance, curves, trust
from hubel.nn.scores import digest
from hubel.runtime import generator
from hubel.tasks.answers import Answers
from hubel.verbs.explain import explain_page


@pytest.fixture(scope="module")
def two(pairs_run: hubel.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A one on the left, a two on the right, of which the net says both."""
    digits, path = load_digits(n_class=3), tmp_path_factory.mktemp("two") / "two.png"
    for row in range(40):
        board = np.concatenate([digits.images[np.flatnonzero(digits.target == k)[row]] for k in (1, 2)], axis=1)
        Image.fromarray((board * 15).astype(np.uint8)).save(path)
        said = pairs_run.predict(path)
        assert isinstance(said, Answers)
        if set(said[0].labels or ()) == {"digit 1", "digit 2"}:
            return path
    raise AssertionError("no such picture")


def test_each_label_that_is_said_has_maps_where_it_is(pairs_run: hubel.Run, two: Path) -> None:
    said = pairs_run.predict(two)
    assert isinstance(said, Answers)
    found = explain_page(pairs_run.folder, two, methods=["occlusion"], trusted=False)
    parts = {part.target: part.maps[0] for part in (found, *found.others)}
    assert list(parts) == list(said[0].labels or ())
    for name, half in (("digit 1", slice(0, 8)), ("digit 2", slice(8, 16))):
        inside = parts[name].map[:, half].sum()
        assert inside > 2 * (parts[name].map.sum() - inside), f"{name} is told by its own half"
        assert parts[name].probabilities[0] == pytest.approx(said[0].numbers[name], abs=1e-5)
    assert found.said == said[0].labels
    assert found.sentence.startswith("The net says ")
    assert "The maps explain" not in found.sentence


def test_a_label_can_be_named_and_where_none_is_said_the_nearest_is_explained(pairs_run: hubel.Run, two: Path) -> None:
    one = explain_page(pairs_run.folder, two, methods=["saliency"], target="digit 0", trusted=False)
    assert (one.target, one.others) == ("digit 0", ())
    assert "The maps explain digit 0" in one.sentence
    with pytest.raises(UnknownName, match="unknown class 'digit 7'"):
        explain_page(pairs_run.folder, two, target="digit 7")
    nothing = np.zeros((8, 16), np.uint8)
    none = explain_page(pairs_run.folder, nothing, methods=["saliency"], trusted=False)
    assert none.sentence.startswith("The net says none of its labels; the nearest is digit ")
    assert none.target == none.ranking[0][0]
    assert hubel.explain(pairs_run.folder, two, method="saliency").target == one.said[0]


def test_maps_are_checked_by_the_label_s_own_probability(pairs_run: hubel.Run, two: Path) -> None:
    classifier = hubel.load(pairs_run.folder)
    assert classifier.preprocessing is not None
    pixels = torch.from_numpy(np.asarray(Image.open(two)).copy())[None, None]
    image = classifier.preprocessing.normalise(pixels)[0]
    with torch.no_grad():
        whole, none = classifier.model(torch.stack([image, torch.zeros_like(image)])).sigmoid()[:, 1].tolist()
    map_ = hubel.explain(pairs_run.folder, two, method="occlusion", target="digit 1").map
    deleted, inserted = curves(classifier.model, image, map_, 1, steps=4, several=True)
    assert (deleted[0], deleted[-1], inserted[-1]) == pytest.approx((whole, none, whole), abs=1e-6)
    chance = by_chance(classifier.model, image, target=1, several=True)
    found = trust(classifier.model, image, map_, method="occlusion", target=1, chance=chance, several=True)
    assert found.deletion_curve[[0, -1]].tolist() == pytest.approx([whole, none], abs=1e-6)
    assert found.beaten >= 18, "what hides a digit is not hidden by chance"


def test_rise_weighs_masks_by_the_label_s_own_probability(pairs_run: hubel.Run, two: Path) -> None:
    classifier = hubel.load(pairs_run.folder)
    assert classifier.preprocessing is not None
    pixels = torch.from_numpy(np.asarray(Image.open(two)).copy())[None, None]
    image = classifier.preprocessing.normalise(pixels)[0]
    mask = draw(40, 7, 0.5, image.shape[1:], generator(0, digest(image))).to(image)
    with torch.no_grad():
        shares = classifier.model(image * mask).sigmoid()[:, 2].double()
    expected = (shares[:, None, None] * mask[:, 0]).sum(0) / mask[:, 0].sum(0) - shares.mean()
    found = hubel.explain(pairs_run.folder, two, method="rise", target="digit 2", masks=40, batch_size=40)
    assert found.map == pytest.approx(expected.numpy(), abs=1e-5)


def test_the_page_tells_label_by_label_and_maps_lie_beside_it(
    pairs_run: hubel.Run, two: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "why.html"
    with pytest.raises(SystemExit) as left:
        main(["explain", str(pairs_run.folder), str(two), "--method", "saliency,occlusion", "--out", str(page)])
    assert left.value.code == 0
    told = capsys.readouterr().out
    assert "digit 1:\n" in told
    assert "digit 2:\n" in told
    text = page.read_text()
    assert text.count(">Why digit ") == 2
    assert text.count("Each map is held against") == 1
    assert "<td>no</td>" in text, "labels that are not said stand below their thresholds"
    assert {path.name for path in tmp_path.glob("*.png")} == {
        f"why-digit-{label}-{method}.png" for label in (1, 2) for method in ("saliency", "occlusion")
    }
