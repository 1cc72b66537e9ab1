"""From a run and a picture to every kind of look inside, through the same door as the command line."""

from __future__ import annotations

import importlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import hubel
from hubel.cli import main
from hubel.errors import DataError, UnknownName, UsageError
from hubel.explainers import attribute, together
from hubel.explainers import trust as trusting
from hubel.explainers.trust import trust
from hubel.report.pages.explanation import render, verdicts
from hubel.verbs.attack import as_eps, attack, attack_rate
from hubel.verbs.counterfactual import anchor, counterfactual
from hubel.verbs.explain import explain, explain_page
from hubel.verbs.features import features, write_features
from hubel.verbs.neighbours import agreement, neighbours
from hubel.verbs.prototypes import prototypes
from hubel.watching import Watcher


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small net on digits, trained for a second or two."""
    out = tmp_path_factory.mktemp("runs")
    with pytest.raises(SystemExit) as done:
        main(["train", "digits", "--model", "mnist_cnn", "--epochs", "4", "--quiet", "--out", str(out)])
    assert done.value.code in (0, None)
    return next(path for path in out.iterdir() if path.is_dir())


def test_the_front_door_explains_a_sample_a_file_and_an_array(run: Path, tmp_path: Path) -> None:
    digit = np.zeros((30, 20), np.uint8)
    digit[4:26, 8:12] = 255
    Image.fromarray(digit).save(tmp_path / "one.png")
    by_file = hubel.explain(run, tmp_path / "one.png", method="saliency")
    by_array = hubel.explain(hubel.load(run), digit, method="saliency")
    assert np.array_equal(by_file.map, by_array.map)
    importlib.import_module("hubel.explainers.cams")  # Python puts the room in the verb's place: it can be called, too
    again = hubel.explain(run, "digits:3", method="occlusion", target="3")
    assert again.target == "3"
    assert again.plot().alt.startswith("occlusion: 3 ")
    assert again.map.shape == again.pixels.shape[1:]


@pytest.mark.parametrize("kind", ["grey", "tiny", "huge", "rotated", "palette", "transparent"])
def test_odd_pictures_are_explained(run: Path, tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    exif = Image.Exif()
    if kind == "rotated":
        exif[0x0112] = 6
    picture = {
        "grey": picture.convert("L"), "tiny": picture.resize((1, 1)), "huge": picture.resize((6000, 40)),
        "rotated": picture, "palette": picture.convert("P"), "transparent": picture.convert("RGBA"),
    }[kind]  # fmt: skip
    picture.save(tmp_path / "odd.png", exif=exif)
    assert np.isfinite(explain(run, tmp_path / "odd.png").map).all()


def test_what_cannot_be_is_said_with_the_way_out(run: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    with pytest.raises(DataError, match="broken"):
        explain(run, tmp_path / "broken.png")
    with pytest.raises(DataError, match="there is no picture"):
        explain(run, tmp_path / "none.png")
    with pytest.raises(UnknownName, match="unknown class 'thre'"):
        explain(run, "digits:3", target="thre")
    with pytest.raises(UsageError, match="0 to 9, got 12"):
        explain(run, "digits:3", target=12)
    with pytest.raises(UsageError, match="unknown layer 'blok1'") as caught:
        explain(run, "digits:3", layer="blok1")
    assert "block1" in caught.value.hint
    for text in ("4/0", "two", "0", "3/2"):
        with pytest.raises(UsageError, match="share of 1"):
            as_eps(text)


def test_the_page_shows_methods_trust_and_refusals(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "why.html"
    methods = "grad-cam,integrated-gradients,attention-rollout"
    with pytest.raises(SystemExit) as done:
        main(["explain", str(run), "digits:3", "--method", methods, "-o", str(page)])
    assert done.value.code in (0, None)
    text = page.read_text()
    said = capsys.readouterr().out
    assert re.search(r"The net says \d", said)
    assert text.count("data:image/png") + text.count("data:image/jpeg") == 3
    assert "http" not in text.replace("http-equiv", "")
    assert "<script" not in text
    for word in ("Why", "layer block1", "completeness error", "Deletion removes", "no module of this net gives out"):
        assert word in text
    assert (tmp_path / "why-grad-cam.png").read_bytes()[:4] == b"\x89PNG"


def test_a_map_that_says_nothing_is_called_so_once_and_in_a_sentence() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).requires_grad_(False)
    net[1].weight.zero_()
    image = torch.randn(1, 8, 8)
    found = attribute(net, image[None], method="saliency", target=0)
    (sentence,) = verdicts(found, trust(net, image, found.map, method="saliency", target=0))
    assert sentence.startswith("The map is the same everywhere")
    assert sentence.endswith(".")
    assert verdicts(replace(found, note=""), None) == []


def test_one_method_that_cannot_be_used_is_an_error(run: Path) -> None:
    with pytest.raises(UsageError, match="attention maps cannot be shown"):
        explain_page(run, "digits:3", methods=["attention-raw"])
    with pytest.raises(UnknownName, match="unknown explainer 'grad_cam'"):
        explain_page(run, "digits:3", methods=["grad_cam"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["filters"], "32 kernels 3x3 over 1 channel"),
        (["filters", "--stage", "2"], "64 kernels 3x3 over 32 channels"),
        (["activations", "digits:3"], "the 32 strongest of 32 maps"),
        (
            ["units", "--stage", "2", "--unit", "3", "--k", "4", "--limit", "200"],
            "the 4 most exciting patches of 1 unit",
        ),
        (["neighbours", "digits:3", "--k", "4"], "by pixels"),
        (["neighbours", "--limit", "200"], "of the 8 nearest of 200 samples"),
        (["embed", "--limit", "120"], "t-SNE of the features"),
        (["embed", "-m", "pca", "--limit", "120"], "PCA of the features"),
        (["attack", "digits:3", "--eps", "32/255"], "32 of 255"),
        (["attack", "--limit", "50"], "accuracy falls from"),
        (["counterfactual", "digits:3"], "changing no pixel by more than"),
        (["counterfactual", "digits:3", "--keep"], "keep the decision"),
        (["prototypes", "--class", "7"], "7: digits["),
        (["features", "--limit", "100"], "100 samples, 64 features each, from layer block2"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_every_command_answers(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    words: list[str], said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as done:
        main([words[0], str(run), *words[1:]])
    out = capsys.readouterr()
    assert done.value.code in (0, None), out.err
    assert said in " ".join((out.out + out.err).split())
    files = list(tmp_path.iterdir())
    assert (len(files) == 1) == (words not in (["attack", "--limit", "50"], ["neighbours", "--limit", "200"]))


def test_features_serve_another_classifier(run: Path, tmp_path: Path) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    write_features(features(run, split="train"), tmp_path / "train.npz")
    table = np.load(tmp_path / "train.npz")  # no pickle allowed, numpy's default
    assert sorted(table.files) == ["class_names", "features", "labels", "layer", "names"]
    test = features(run, split="test")
    found = KNeighborsClassifier(3).fit(table["features"], table["labels"])
    assert found.score(test.values, test.labels) > 0.85


def test_neighbours_of_a_training_sample_begin_with_itself(run: Path) -> None:
    name = prototypes(run, label="4", count=1, criticisms=0)[0].prototypes[0]
    found = neighbours(run, f"digits:{re.findall(r'[0-9]+', name)[0]}", k=3)
    for part in found.lists:
        assert part.names[0] == name
        assert part.distances[0] == pytest.approx(0, abs=1e-3)
    assert found.lists[0].labels[0] == "4"


def test_features_are_better_neighbours_than_chance_and_the_measure_is_a_plain_count(run: Path) -> None:
    found = agreement(run, k=3, limit=300, queries=80)
    assert found.queries == 80
    assert found.searched == 300
    table, asked = features(run, limit=300), features(run, split="test", limit=80)
    shares, votes = [], []
    for row, label in zip(asked.values, asked.labels, strict=True):
        near = table.labels[np.argsort(np.linalg.norm(table.values - row, axis=1), kind="stable")[:3]]
        shares.append(np.mean(near == label))
        votes.append(np.bincount(near, minlength=10).argmax() == label)
    assert found.by_features == pytest.approx((np.mean(shares), np.mean(votes)), abs=1e-2)
    assert found.by_features[0] > 0.8 > 0.2 > found.chance


def test_attacks_and_their_opposite(run: Path) -> None:
    weak = attack_rate(run, eps=1 / 255, limit=60)
    strong = attack_rate(run, eps=40 / 255, limit=60)
    assert strong.flipped > weak.flipped
    assert strong.right == weak.right
    flipped = counterfactual(run, "digits:3")
    assert flipped.done.flipped[0]
    assert flipped.done.length[0] < attack(run, "digits:3", eps=40 / 255).done.length[0]
    kept = anchor(run, "digits:3")
    assert kept.anchor.precision >= 0.95 or kept.anchor.coverage == 1


class Heard(Watcher):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.remarks: list[str] = []

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def remark(self, text: str) -> None:
        self.remarks.append(text)


def test_a_prediction_and_its_explanation_name_one_probability_and_why_the_maps_have_another(run: Path) -> None:
    net = hubel.load(run)
    recipe = net.provenance.recipe
    recipe = {**recipe, "augment": {**recipe["augment"], "views": "mirror-shift"}}
    net = replace(net, provenance=replace(net.provenance, recipe=recipe))
    digit = np.random.default_rng(5).integers(0, 255, (8, 8), dtype=np.uint8)
    (said,) = hubel.predict(net, digit)
    page = explain_page(net, digit, methods=["saliency"], trusted=False)
    assert page.ranking[0] == (said.label, pytest.approx(said.probability, abs=1e-6))
    assert page.maps[0].probabilities[0] != pytest.approx(said.probability, abs=1e-3)
    assert "mean of 6 views, calibrated, as predict takes it; the one the maps explain says by itself" in page.sentence
    assert explain(net, digit, method="saliency").probability == pytest.approx(said.probability, abs=1e-6)


def test_what_an_explanation_takes_is_said_first_and_quick_methods_come_first(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Heard()
    monkeypatch.setattr(together, "WORTH_SAYING", 0)
    page = explain_page(run, "digits:3", methods=["smoothgrad", "saliency"], watch=watch)
    assert [found.method for found in page.maps] == ["saliency", "smoothgrad"]
    assert watch.remarks[0].startswith("this will take about ")
    assert "--no-trust" in watch.remarks[0]
    assert watch.stages[0].startswith("saliency on ")


def test_maps_of_a_large_net_are_checked_briefly_and_that_is_said(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trusting, "LARGE_NET", 0)
    watch = Heard()
    page = explain_page(run, "digits:3", methods=["saliency"], watch=watch)
    assert "checked in 7 steps and on one noisy copy" in watch.remarks[-1]
    assert watch.remarks[-1] in render(page)
    assert len(page.trusts[0].deletion_curve) == 8
    whole = explain_page(run, "digits:3", methods=["saliency"], thorough=True)
    assert (len(whole.trusts[0].deletion_curve), whole.spared) == (29, "")
    with pytest.raises(UsageError, match="--no-trust leaves that out"):
        explain_page(run, "digits:3", trusted=False, thorough=True)
