"""Runs of several labels in other hands: exported files, a page, a server say the labels that the run says."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hubel
from chromium import Chromium
from hubel.deploy.int8 import cost
from hubel.deploy.parity import Pictures, compare
from hubel.errors import ArtefactError, UsageError
from hubel.evaluation.several_labels import SeveralLabels
from hubel.server.answering import answer_batch
from hubel.server.schema import SCHEMAS
from hubel.server.served import opened
from hubel.tasks.answers import Answers
from hubel.verbs.export import Exported, export

onnx = pytest.importorskip("onnx")

SERVED: dict[str, Any] = {
    "which": "best", "views": None, "device": "cpu", "threads": 1, "batch": 4, "exact": False, "form": "ready",
}  # fmt: skip


@pytest.fixture(scope="module")
def file(pairs_run: hubel.Run, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export(pairs_run.folder, out=tmp_path_factory.mktemp("files") / "pairs.onnx", pictures=30)


def pictures_in(folder: Path, count: int = 40) -> list[Path]:
    return sorted(folder.glob("*.png"))[:count]


def test_any_runtime_finds_the_labels_of_the_run_by_the_thresholds_in_the_file(
    file: Exported, pairs_run: hubel.Run, pairs_folder: Path
) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(file.path)
    facts = session.get_modelmeta().custom_metadata_map
    names, limits = json.loads(facts["class_names"]), np.array(json.loads(facts["thresholds"]))
    assert len(set(limits.tolist())) == len(limits) == 3, "each label has its own"
    said = pairs_run.predict(pictures_in(pairs_folder))
    assert isinstance(said, Answers)
    assert {len(answer.labels or ()) for answer in said} == {0, 1, 2}
    for path, answer in zip(pictures_in(pairs_folder), said, strict=True):
        [shares] = session.run(None, {"pictures": np.asarray(Image.open(path))[None, :, :, None]})[0]
        assert {name for name, there in zip(names, shares >= limits, strict=True) if there} == set(answer.labels or ())
        assert shares.tolist() == pytest.approx(list(answer.numbers.values()), abs=1e-5)


def test_a_file_is_asked_and_measured_like_its_run(
    file: Exported, pairs_run: hubel.Run, pairs_folder: Path, tmp_path: Path
) -> None:
    by_run, by_file = pairs_run.predict(pairs_folder), hubel.predict(file.path, pairs_folder)
    assert isinstance(by_run, Answers)
    assert isinstance(by_file, Answers)
    assert [answer.labels for answer in by_file] == [answer.labels for answer in by_run]
    apart = [abs(file.familiarity - run.familiarity) for file, run in zip(by_file, by_run, strict=True)]
    assert max(apart) < 0.03, "a step of the few quantiles of forty validation pictures"
    assert {answer.known for answer in by_file} == {True, False}
    ours, theirs = pairs_run.evaluate(pairs_folder), hubel.evaluate(str(file.path), pairs_folder)
    assert isinstance(ours, SeveralLabels)
    assert isinstance(theirs, SeveralLabels)
    assert (theirs.said == ours.said).all()
    assert theirs.fitted
    assert theirs.sentence == ours.sentence
    with pytest.raises(UsageError, match="judges labels, and here is the task multilabel"):
        hubel.evaluate(str(file.path), pairs_folder, metrics=["accuracy"])
    with pytest.raises(UsageError, match="views are averaged of classes"):
        export(pairs_run.folder, out=tmp_path / "a.onnx", views="mirror")
    assert not list(tmp_path.iterdir())


def test_the_card_and_the_program_have_the_thresholds_too(file: Exported, pairs_run: hubel.Run, tmp_path: Path) -> None:
    card = json.loads(file.files[1].read_text())
    assert card["measured"]["numbers"]["mean_ap"]["value"] == pairs_run.summary["test"]["mean_ap"]
    assert [row["class"] for row in card["per_class"]] == card["classes"]
    page = file.files[0].read_text()
    assert "A net that says which of 3 labels hold of a picture. All labels are right in" in page
    assert f"`digit 0` from {card['thresholds'][0]:.3g} on" in page
    made = export(pairs_run.folder, "program", out=tmp_path / "pairs.pt2", pictures=30)
    with zipfile.ZipFile(made.path) as archive:
        [place] = [name for name in archive.namelist() if name.endswith("thresholds.json")]
        assert json.loads(archive.read(place)) == card["thresholds"]
    found = torch.export.load(made.path).module()(torch.zeros(2, 8, 16, 1, dtype=torch.uint8))
    own = pairs_run.predict(np.zeros((8, 16), np.uint8))
    assert isinstance(own, Answers)
    assert found[1].tolist() == pytest.approx(list(own[0].numbers.values()), abs=1e-5)


def test_a_file_whose_labels_would_be_others_is_not_written() -> None:
    some = Pictures(names=("a", "b"), placed=np.zeros((2, 1, 1, 1), np.uint8), whole=(), real=2)
    net, limits = np.array([[0.9, 0.3], [0.9, 0.8]]), np.array([0.5, 0.31])
    near = compare("onnx", net, net + np.array([0, 0.02]), some, split="test", tolerance=0.05, limits=limits)
    assert (near.holds, near.ties, near.labels_differ) == (True, 1, 0)
    wrong = compare("onnx", net, net * np.array([1, 0.3]), some, split="test", tolerance=0.7, limits=limits * 0.9)
    assert (wrong.holds, wrong.ties, wrong.labels_differ, wrong.first_different) == (True, 2, 0, "")
    far = compare("onnx", net, net * np.array([1, 0.3]), some, split="test", tolerance=0.1, limits=limits)
    assert (far.holds, far.labels_differ, far.first_different) == (False, 1, "b")
    assert far.sentence.startswith("1 of 2 sets of labels are those of the net")


def test_what_whole_numbers_cost_is_counted_in_pictures_of_which_all_labels_are_right() -> None:
    truth, limits = np.array([[1, 0], [1, 1], [0, 0], [0, 1]]), np.array([0.5, 0.2])
    exact = np.where(truth > 0, limits + 0.1, limits - 0.1)
    coarse = exact.copy()
    coarse[1, 1] = 0.1
    found = cost("test", truth, (exact, coarse), (8, 2), (len, len), np.zeros((1, 1, 1)), known=(1.0, 1.0),
                 limits=limits)  # fmt: skip
    assert [row.accuracy for row in found.rows] == [1.0, 0.75]
    assert found.loss == 25


@pytest.mark.parametrize("change", [
    {"thresholds": [0.5, 0.5]}, {"thresholds": [0.5, 0.5, 2]}, {"thresholds": None}, {"task": "classify"},
    {"version": 1}, {"fitted": "yes"},
])  # fmt: skip
def test_thresholds_that_are_none_are_refused(file: Exported, change: dict[str, Any], tmp_path: Path) -> None:
    model = onnx.load_from_string(file.path.read_bytes())
    for entry in model.metadata_props:
        if entry.key == "hubel":
            entry.value = json.dumps(json.loads(entry.value) | change)
    (tmp_path / "other.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ArtefactError, match="its thresholds are none for its labels"):
        hubel.predict(tmp_path / "other.onnx", np.zeros((8, 16), np.uint8))


@pytest.mark.parametrize("exact", [False, True])
def test_a_server_answers_what_predict_says(pairs_run: hubel.Run, pairs_folder: Path, exact: bool) -> None:
    served = opened(str(pairs_run.folder), **SERVED | {"exact": exact})
    files = pictures_in(pairs_folder, 12)
    items: list[dict[str, Any]] = [{"name": path.name, "top": None} for path in files]
    _, blobs = answer_batch(served, items, [path.read_bytes() for path in files])
    said = pairs_run.predict(files)
    assert isinstance(said, Answers)
    for blob, answer in zip(blobs, said, strict=True):
        told = json.loads(blob)
        assert list(told) == SCHEMAS["Labels"]["required"]
        assert told["labels"] == list(answer.labels or ())
        assert told["probabilities"] == pytest.approx(answer.numbers, abs=1e-5)
        assert told["known"] is answer.known is not None
        assert told["familiarity"] == pytest.approx(answer.familiarity, abs=0.02)  # a step of few quantiles
    assert served.about()["thresholds"] == hubel.load(pairs_run.folder).label_thresholds.tolist()


def test_a_served_file_never_leaves_out_a_label_that_is_said(
    file: Exported, pairs_run: hubel.Run, pairs_folder: Path
) -> None:
    served = opened(str(file.path), **SERVED)
    said = pairs_run.predict(pictures_in(pairs_folder))
    assert isinstance(said, Answers)
    both = next(row for row, answer in enumerate(said) if len(answer.labels or ()) == 2)
    path = pictures_in(pairs_folder)[both]
    _, [blob] = answer_batch(served, [{"name": "a", "top": 1}], [path.read_bytes()])
    told = json.loads(blob)
    assert list(told["probabilities"]) == told["labels"] == list(said[both].labels or ())
    with pytest.raises(UsageError, match="views are averaged of classes"):
        opened(str(pairs_run.folder), **SERVED | {"views": "mirror"})


@pytest.mark.browser
def test_a_page_shows_every_label_above_its_threshold(
    browser: Chromium, pairs_run: hubel.Run, pairs_folder: Path, tmp_path: Path
) -> None:
    made = export(pairs_run.folder, "page", out=tmp_path / "pairs.html", pictures=30)
    said = pairs_run.predict(pictures_in(pairs_folder, 20))
    assert isinstance(said, Answers)
    browser.open(made.path.as_uri())
    browser.until("document.documentElement.dataset.way")
    browser.choose("#file", pictures_in(pairs_folder, 20))
    browser.until("document.documentElement.dataset.done === '20'")
    rows = browser.evaluate(
        "[...document.querySelectorAll('#lines tr')].map((r) => [...r.cells].map((c) => c.textContent))"
    )
    assert [row[1] for row in rows] == [", ".join(answer.labels or ()) or "none" for answer in said]
    assert [row[-1] for row in rows] == ["yes" if answer.known else "no" for answer in said]
    two = next(row for row, answer in enumerate(said) if len(answer.labels or ()) == 2)
    browser.evaluate("document.documentElement.dataset.done = ''")
    browser.choose("#file", [pictures_in(pairs_folder, 20)[two]])
    browser.until("document.documentElement.dataset.done === '1'")
    shown = browser.evaluate("[...document.querySelectorAll('#rows .said .name')].map((n) => n.textContent)")
    assert shown == list(said[two].labels or ())
    assert "said from" in browser.evaluate("document.querySelector('#rows .unsaid .share').textContent")
    assert browser.evaluate("document.querySelector('#what').textContent") == "Labels"
    assert browser.complaints == []
