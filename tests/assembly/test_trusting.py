"""A plain training ends in a net whose probabilities are honest and which says what it does not know."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import hubel
from hubel.cli import main
from hubel.data.strange import shuffled
from hubel.errors import ArtefactError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    settings = {"epochs": 3, "seed": 1, "device": "cpu", "threads": 1}
    return hubel.train("digits", out=str(tmp_path_factory.mktemp("trust")), **settings)


@pytest.fixture(scope="module")
def pictures(run: hubel.Run) -> list[np.ndarray]:
    return list(np.round(load_digits().images[run.evaluate().ids[:120]] * (255 / 16)).astype(np.uint8))


def test_its_probabilities_are_nearer_the_truth_than_the_nets_own(run: hubel.Run) -> None:
    told = run.summary["trust"]
    assert told["samples"] == 180
    assert told["temperature"] != 1
    assert told["test"]["ece_after"] < told["test"]["ece_before"]
    assert told["log_loss_after"] <= told["log_loss_before"]
    assert (told["calibration"], told["chosen"]) == ("temperature", "too few samples for another map")
    assert set(told["test"]["sets"]) == {"lac", "aps"}, "18 samples of a class are too few for a limit of its own"
    assert all(each["coverage"] > 0.9 for each in told["test"]["sets"].values())


def test_predict_and_evaluate_use_the_same_map(run: hubel.Run, pictures: list[np.ndarray]) -> None:
    classifier = hubel.load(run.folder)
    assert classifier.trust is not None
    inputs = classifier.preprocessing.normalise(torch.from_numpy(np.stack(pictures)[:, None]))
    with torch.no_grad():
        shares = classifier.honest(classifier.model(inputs).double()).softmax(dim=1).numpy()
    np.testing.assert_allclose(run.predict_proba(pictures), shares, atol=1e-5)
    measured = run.evaluate()
    assert measured.calibration.ece == pytest.approx(run.summary["trust"]["test"]["ece_after"], abs=1e-6)
    seen = hubel.explain(run.folder, pictures[0], method="saliency")
    assert seen.probability == pytest.approx(float(shares[0].max()), abs=1e-5)


def test_strange_pictures_are_called_unknown_and_its_own_kind_is_not(
    run: hubel.Run, pictures: list[np.ndarray]
) -> None:
    own = run.predict(pictures)
    odd = run.predict(list(shuffled(np.stack(pictures)[:, None], np.random.default_rng(9))[:, 0]))
    assert np.mean([p.known for p in own]) > 0.8
    assert np.mean([p.known for p in odd]) < 0.5
    assert all(p.known == (p.familiarity >= 0.05) for p in (*own, *odd))
    assert ", not like anything it was shown" in str(next(p for p in odd if not p.known))
    assert "Not like anything" in next(p for p in odd if not p.known)._repr_html_()


def test_the_made_ready_net_says_the_same_of_what_it_knows(run: hubel.Run, pictures: list[np.ndarray]) -> None:
    plain, fast = (run.predict(pictures, fast=fast) for fast in (False, True))
    assert [p.known for p in fast] == [p.known for p in plain]
    assert [p.plausible for p in fast] == [p.plausible for p in plain]


def test_plausible_classes_are_ordered_and_hold_the_answer(run: hubel.Run, pictures: list[np.ndarray]) -> None:
    for answer in run.predict(pictures[:40]):
        assert answer.plausible[0] == answer.label
        shares = [answer.probabilities[name] for name in answer.plausible]
        assert shares == sorted(shares, reverse=True)


def test_sets_by_sums_of_probability_are_told_and_limits_of_their_own_are_refused(
    run: hubel.Run, pictures: list[np.ndarray], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    lac, aps = run.predict(pictures), run.predict(pictures, sets="aps")
    assert [a.label for a in aps] == [a.label for a in lac]
    assert any(a.plausible != b.plausible for a, b in zip(aps, lac, strict=True))
    assert all(a.plausible[0] == a.label for a in aps)
    with pytest.raises(ArtefactError, match="a limit of its own needs"):
        run.predict(pictures, sets="per-class")
    Image.fromarray(pictures[0]).save(tmp_path / "a.png")
    with pytest.raises(SystemExit, match="0"):
        main(["predict", str(run.folder), str(tmp_path / "a.png"), "--sets", "aps"])
    assert f"plausible: {', '.join(aps[0].plausible)}" in capsys.readouterr().out


def test_a_table_of_answers_says_what_is_known(
    run: hubel.Run, pictures: list[np.ndarray], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    header, first, *_ = run.predict(pictures[:2]).to_csv().splitlines()
    assert header.endswith(",known,familiarity,plausible")
    assert first.split(",")[-3] in ("yes", "no")
    noise = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    with pytest.raises(SystemExit, match="0"):
        main(["predict", str(run.folder), str(tmp_path / "noise.png"), "--json"])
    answer = json.loads(capsys.readouterr().out)[0]
    assert {"known", "familiarity", "plausible"} <= set(answer)


def test_the_report_says_what_was_done_and_how_it_holds(run: hubel.Run) -> None:
    page = (run.folder / "report.html").read_text()
    assert "after its logits were divided by a temperature of" in page
    assert "What does it not know?" in page
    assert "clouds of the same grain and colour" in page


def test_at_the_end_no_picture_is_asked_twice_and_the_test_alone_in_full_precision(tmp_path: Path) -> None:
    settings = {"epochs": 1, "views": "mirror", "precision": "bf16", "device": "cpu", "threads": 1}
    run = hubel.train("digits", out=str(tmp_path), **settings)
    (run.folder / "report.html").unlink()
    passes = Counter[torch.dtype]()

    def count(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        if isinstance(module, torch.nn.Linear) and len(output) > 2:  # two are a probe
            passes[output.dtype] += len(output)

    hook = torch.nn.modules.module.register_module_forward_hook(count)
    try:
        hubel.train(resume=str(run.folder))  # the end alone, once more
    finally:
        hook.remove()
    val, test, shown, strange, views = 180, 180, 200, 9 * 16, 2
    assert passes[torch.bfloat16] == views * (val + strange) + shown
    assert passes[torch.float32] == views * test + 16, "and those by which a checkpoint is known again"
    told = hubel.Run(run.folder).summary["test"]
    assert told["accuracy"] == run.evaluate().top1
    assert told["one_view"]["accuracy"] == run.evaluate(views="none").top1 != told["accuracy"]


def test_too_few_validation_samples_are_said_to_be_too_few(tmp_path: Path) -> None:
    run = hubel.train("digits", limit=40, val_fraction=0.01, epochs=1, out=str(tmp_path), device="cpu", threads=1)
    assert "are too few to make them honest by, 30 would do" in run.summary["trust"]["note"]
    assert hubel.load(run.folder).trust is None
    assert "too few to make them honest by" in (run.folder / "report.html").read_text()
    assert run.predict(np.zeros((8, 8), np.uint8))[0].known is None


def test_points_have_honest_probabilities_too(tmp_path: Path) -> None:
    run = hubel.train("moons", epochs=30, out=str(tmp_path), device="cpu", threads=1)
    told = run.summary["trust"]
    assert told["log_loss_after"] <= told["log_loss_before"]
    answer = run.predict([0.5, -1.0])[0]
    assert answer.known is None, "what is strange is learnt from pictures"
    assert answer.plausible[0] == answer.label


def test_other_weights_of_the_run_are_answered_without_it(run: hubel.Run) -> None:
    last = hubel.load(run.folder, which="last")
    same = last.provenance.sha256 == hubel.load(run.folder).provenance.sha256
    assert last.trust is None or same
