"""A run before strange pictures, and one that keeps unsure answers back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

import hubel
from hubel.assembly.beside import joined
from hubel.assembly.seeing import Look
from hubel.checkpoint import load as load_checkpoint
from hubel.cli import main
from hubel.diagnosis.doubted import weigh_trust
from hubel.errors import ArtefactError, DataError, UsageError
from hubel.records.own_data import own_data
from hubel.verbs.doubt import selective, strangers
from hubel.watching import Watcher


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    return hubel.train("digits", epochs=4, seed=2, out=str(tmp_path_factory.mktemp("doubt")), device="cpu", threads=1)


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty pictures of stripes: no digit among them, and no class folders."""
    folder = tmp_path_factory.mktemp("stripes")
    draw = np.random.default_rng(0)
    for number in range(40):
        rows = draw.integers(0, 256, (8, 1), dtype=np.uint8)
        Image.fromarray(np.repeat(rows, 8, axis=1)).save(folder / f"{number}.png")
    return folder


class Listening(Watcher):
    def __init__(self) -> None:
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        self.remarks.append(text)


def test_strange_pictures_are_told_from_its_own_kind(run: hubel.Run, stripes: Path) -> None:
    found = strangers(run.folder, stripes)
    assert (found.own, found.strange) == (180, 40)
    assert found.separation > 0.9
    assert found.interval[0] <= found.separation <= found.interval[1]
    assert found.strange_unknown > 0.5 > found.own_unknown
    answers = run.predict(stripes)
    assert found.strange_unknown == pytest.approx(np.mean([not p.known for p in answers]))
    by_hand = roc_auc_score(
        np.r_[np.zeros(180), np.ones(40)],
        -np.r_[run.evaluate().confidence, [p.probability for p in answers]],
    )
    assert found.by_confidence == pytest.approx(by_hand, abs=1e-6)


def test_its_own_training_pictures_are_no_strangers_and_that_is_said(run: hubel.Run) -> None:
    heard = Listening()
    found = strangers(run.folder, "digits", watch=heard)
    assert found.separation < 0.6
    assert "1,437 of 1,797 pictures in digits were trained on: those are not strange to it" in heard.remarks
    assert found.most_familiar[0][2] >= found.most_familiar[-1][2] >= 0.05


def test_a_run_that_learnt_nothing_about_strangers_says_what_to_do(tmp_path: Path, stripes: Path) -> None:
    small = hubel.train("digits", limit=40, val_fraction=0.01, epochs=1, out=str(tmp_path), device="cpu", threads=1)
    with pytest.raises(ArtefactError, match="learnt nothing about strange pictures"):
        strangers(small.folder, stripes)


def test_an_empty_folder_holds_no_strangers(run: hubel.Run, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        strangers(run.folder, tmp_path)


def test_answers_are_kept_back_so_that_few_of_those_given_are_wrong(run: hubel.Run) -> None:
    found = selective(run.folder, 0.02)
    measured = run.evaluate()
    given = measured.confidence >= found.threshold
    assert found.answered == given.sum()
    assert found.wrong == (given & (measured.predicted != measured.labels)).sum()
    val = run.evaluate(split="val")
    kept = val.confidence >= found.threshold
    assert (val.predicted != val.labels)[kept].mean() <= 0.02
    assert found.fitted == 180


def test_no_threshold_is_invented_where_none_keeps_the_risk(tmp_path: Path) -> None:
    run = hubel.train(
        "digits", model="softmax_regression", epochs=1, lr=1e-7, seed=3, out=str(tmp_path), device="cpu", threads=1
    )
    found = selective(run.folder, 0.0)
    if not np.isfinite(found.threshold):
        assert "no threshold keeps that" in found.sentence
        assert found.answered == 0
    else:
        assert (run.evaluate(split="val").confidence >= found.threshold).any()


@pytest.mark.parametrize(
    ("risk", "split", "said"), [(1.0, "test", "from 0 to below 1"), (0.1, "val", "fitted on the val")]
)
def test_a_risk_that_cannot_be_is_refused(run: hubel.Run, risk: float, split: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        selective(run.folder, risk, split=split)


def test_the_command_says_both_beside_the_accuracy(
    run: hubel.Run, stripes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["evaluate", str(run.folder), "--strange", str(stripes), "--risk", "0.05"])
    text = capsys.readouterr().out
    assert "told apart" in text
    assert "From a probability of" in text
    assert max(map(len, text.splitlines())) <= 80
    with pytest.raises(SystemExit, match="0"):
        main(["evaluate", str(run.folder), "--strange", str(stripes), "--risk", "0.05", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["strange"]["strange"] == 40
    assert found["selective"]["wished"] == 0.05
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", str(run.folder), "digits", "--risk", "0.05"])
    assert "--risk is about the run's best weights and own data" in capsys.readouterr().err


@pytest.fixture(scope="module")
def auto(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    """An autoencoder of the same digits."""
    out = str(tmp_path_factory.mktemp("auto"))
    return hubel.train(
        "digits", task="reconstruct", epochs=3, seed=2, out=out, device="cpu", threads=1, verbose=False,
    )  # fmt: skip


def test_an_autoencoder_is_asked_too_and_its_errors_are_one_more_score(
    run: hubel.Run, auto: hubel.Run, stripes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = strangers(run.folder, stripes, autoencoder=auto.folder)
    assert found.second is not None
    own, away = auto.evaluate(split="test"), hubel.predict(auto.folder, stripes)
    by_hand = roc_auc_score(np.r_[np.zeros(180), np.ones(40)], np.r_[own.errors, [a.numbers["mse"] for a in away]])
    assert found.second.alone == pytest.approx(by_hand, abs=1e-6)
    assert found.second.without == pytest.approx(strangers(run.folder, stripes).separation)
    assert found.own_unknown < 0.2
    with pytest.raises(SystemExit, match="0"):
        main(["evaluate", str(run.folder), "--strange", str(stripes), "--autoencoder", str(auto.folder), "--json"])
    assert json.loads(capsys.readouterr().out)["strange"]["second"]["alone"] == found.second.alone


def test_a_second_net_that_is_better_has_a_say_in_what_is_known_and_one_that_is_not_has_none(
    run: hubel.Run, stripes: Path
) -> None:
    own = own_data(run.folder, run.load())
    trust, look = run.load().trust, Look(run.load(), own.decoded, torch.device("cpu"))
    assert trust is not None
    digits = {picture.tobytes() for picture in own.decoded.images}

    def knowing(pictures: np.ndarray) -> np.ndarray:
        return np.array([float(picture.tobytes() not in digits) for picture in pictures]) + 1e-3 * pictures.mean(
            (1, 2, 3)
        )

    def guessing(pictures: np.ndarray) -> np.ndarray:
        return pictures[:, 0, 0, 0] % 2 + 1e-3 * np.arange(len(pictures))

    better = joined(trust, look, knowing, own.ids("val"), own.ids("train"))
    assert "reconstruction" in better.scores
    rows = own.ids("test")
    assert (better.familiarity(*look.at(rows), own.decoded.images[rows]) >= 0.05).mean() > 0.85
    odd = np.random.default_rng(0).integers(0, 256, (30, 1, 8, 8), dtype=np.uint8)
    assert (better.familiarity(*look.at_pictures(odd), odd) < 0.05).all()
    worse = joined(trust, look, guessing, own.ids("val"), own.ids("train"))
    if "reconstruction" in worse.scores:  # of equals the larger mixture is taken
        assert len(worse.scores) > 1
    with pytest.raises(DataError, match="validation"):
        joined(trust, look, knowing, own.ids("val")[:0], own.ids("train"))


def test_predict_takes_a_detector_s_opinion_of_what_is_known(run: hubel.Run, stripes: Path, tmp_path: Path) -> None:
    good = tmp_path / "good"
    good.mkdir()
    own = own_data(run.folder, run.load())
    for row in own.ids("train")[:120]:
        Image.fromarray(own.decoded.images[row, 0]).save(good / f"{row}.png")
    seen = run.load().preprocessing
    assert seen is not None
    detector = hubel.anomaly(good, method="pca", out=str(tmp_path / "detectors"), img_size=8, device="cpu")
    before = [p.known for p in run.predict(stripes)]
    after = hubel.predict(run.folder, stripes, autoencoder=detector.folder)
    assert np.mean([p.known for p in after]) <= np.mean(before)
    assert all(p.familiarity >= 0 for p in after)


def test_a_second_net_must_see_the_same_pictures_and_give_them_back(
    run: hubel.Run, auto: hubel.Run, stripes: Path, tmp_path: Path
) -> None:
    with pytest.raises(ArtefactError, match="its task is classify"):
        strangers(run.folder, stripes, autoencoder=run.folder)
    large = hubel.train(
        "digits", task="reconstruct", img_size=12, limit=60, epochs=1, out=str(tmp_path), device="cpu", verbose=False
    )
    with pytest.raises(ArtefactError, match="the run sees 8 x 8 in grey"):
        strangers(run.folder, stripes, autoencoder=large.folder)
    with pytest.raises(UsageError, match="a classifier has none"):
        hubel.predict(run.load(), stripes, autoencoder=auto.folder)
    with pytest.raises(UsageError, match="for one net"):
        hubel.predict([run.folder, run.folder], stripes, autoencoder=auto.folder)


def test_the_curve_of_answers_kept_back_is_that_of_every_threshold(run: hubel.Run) -> None:
    found, seen = selective(run.folder, 0.02), run.evaluate()
    assert found.coverage[-1] == 1.0
    assert found.risks[-1] == pytest.approx(1 - seen.top1)
    assert list(found.coverage) == sorted(found.coverage)
    own = own_data(run.folder, load_checkpoint(run.folder))
    shares = run.predict_proba(list(own.decoded.images[own.ids("test")][:, 0]))
    sure, right = shares.max(axis=1), shares.argmax(axis=1) == own.scan.manifest.labels[own.ids("test")]
    for answered, wrong in list(zip(found.coverage, found.risks, strict=True))[::20]:
        first = np.argsort(-sure, kind="stable")[: round(answered * len(sure))]
        assert wrong == pytest.approx(float((~right[first]).mean()), abs=1 / len(first))
    assert found.to_dict()["curve"]["answered"] == list(found.coverage)


def test_a_net_is_trusted_by_what_it_says_of_its_own_pictures_and_of_strange_ones(run: hubel.Run) -> None:
    net = load_checkpoint(run.folder)
    own = own_data(run.folder, net)
    rows = own.ids("test")
    turned = np.ascontiguousarray(255 - own.decoded.images[rows[:50]])
    found = weigh_trust(net, own, rows, turned, torch.device("cpu"))
    facts = run.summary["trust"]["test"]
    assert found.after.ece == pytest.approx(facts["ece_after"], abs=0.01)
    assert found.before.ece == pytest.approx(facts["ece_before"], abs=0.01)
    assert set(found.strange) == {"those made strange", "those spoilt"}
    answers = run.predict(list(own.decoded.images[rows][:, 0]))
    assert found.unknown["its own"] == pytest.approx(np.mean([not answer.known for answer in answers]), abs=0.02)
    spoilt = run.predict(list(turned[:, 0]))
    assert found.unknown["those spoilt"] == pytest.approx(np.mean([not answer.known for answer in spoilt]), abs=0.03)
    assert found.unknown["those made strange"] > 0.5 > found.unknown["its own"]


def test_the_table_names_the_plausible_classes_where_there_are_several(
    tmp_path: Path, stripes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weak = hubel.train("digits", model="softmax_regression", epochs=1, out=str(tmp_path), device="cpu", threads=1)
    answers = weak.predict(stripes)
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["predict", str(weak.folder), str(stripes)])
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if ".png" in line]
    assert len(told) == 40
    several = {Path(p.name).name: p.plausible for p in answers if len(p.plausible) > 1}
    assert several
    for line in told:
        classes = several.get(line.split()[0].rsplit("/", 1)[-1])
        assert ("plausible: " in line) == (classes is not None)
        if classes is not None:
            assert f"plausible: {', '.join(classes[:6])}" in line
