"""What a net said of its training samples as it learnt, and what is known from that of wrong labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

import hubel
from hubel.checkpoint import load, load_state, save_state
from hubel.checkpoint.dynamics import SEEN, SUMS, means_of
from hubel.records.own_data import own_data
from hubel.store import RunStore
from hubel.training.dynamics import FIRST, Dynamics

QUIET: dict[str, Any] = {"device": "cpu", "threads": 1, "verbose": False, "baseline": False}


def state_of(run: hubel.Run) -> dict[str, torch.Tensor]:
    return dict(load_state(RunStore.open(run.folder)).tensors)


def test_means_are_those_of_what_the_net_says(tmp_path: Path) -> None:
    run = hubel.train(
        "digits", limit=200, model="softmax_regression", epochs=4, lr=1e-9, optimizer="sgd", augment="none",
        weight_decay=0.0, batch_size="full", micro_batch=7, out=str(tmp_path), **QUIET,
    )  # fmt: skip
    state = state_of(run)
    means = means_of(RunStore.open(run.folder))
    assert means is not None
    classifier = load(run.folder, "best")
    own = own_data(run.folder, classifier)
    learnt = np.flatnonzero(~np.isnan(means).any(axis=1))
    assert len(learnt) > 100
    assert set(learnt.tolist()) <= set(own.ids("train").tolist())
    assert state[SEEN][learnt].tolist() == [4.0] * len(learnt)
    assert classifier.preprocessing is not None
    pictures = classifier.preprocessing.normalise(torch.from_numpy(own.decoded.images[learnt]))
    with torch.inference_mode():  # of a net that has hardly changed
        said = torch.log_softmax(classifier.model.eval()(pictures), dim=1).numpy()
    assert np.abs(said - means[learnt]).max() < 1e-4


def test_a_long_training_counts_its_first_half_and_a_short_one_all_of_it() -> None:
    for epochs, counted in ((4, 4), (12, FIRST), (40, 20)):
        dynamics = Dynamics(1, 2, epochs=epochs, steps_per_epoch=3)
        for step in range(3 * epochs):
            dynamics.note(step, torch.tensor([0]), torch.zeros(1, 2))
            dynamics.keep()
        assert dynamics.seen.item() == 3 * counted


def test_what_was_said_in_a_step_that_is_not_made_does_not_count() -> None:
    dynamics = Dynamics(2, 2, epochs=4, steps_per_epoch=1)
    dynamics.note(0, torch.tensor([0]), torch.tensor([[torch.nan, 0.0]]))
    dynamics.drop()
    dynamics.note(0, torch.tensor([1]), torch.zeros(1, 2))
    dynamics.keep()
    assert dynamics.seen.tolist() == [0, 1]
    assert torch.isfinite(dynamics.sums).all()


def test_a_state_that_was_saved_without_is_no_start_for_sums(tmp_path: Path) -> None:
    dynamics = Dynamics(2, 2, epochs=4, steps_per_epoch=1)
    assert not dynamics.restore({})
    assert not dynamics.restore({SUMS: torch.zeros(3, 2), SEEN: torch.zeros(3)})
    assert dynamics.restore({SUMS: torch.ones(2, 2), SEEN: torch.ones(2)})
    assert dynamics.sums.sum() == 4
    store = RunStore(tmp_path)
    assert means_of(store) is None  # without a state
    for epochs, found in ((1, None), (3, [[1 / 3, 1 / 3]] * 2)):
        dynamics.seen.fill_(epochs)
        save_state(store, dynamics.state(), {})
        means = means_of(store)
        assert (means if means is None else means.tolist()) == found
    for damaged in (
        {SUMS: torch.zeros(2, 2), SEEN: torch.full((3,), 5.0)},
        {SUMS: torch.zeros(2), SEEN: torch.zeros(0)},
    ):
        save_state(store, damaged, {})
        assert means_of(store) is None


@pytest.mark.parametrize("settings", [{"mixup": 0.4}, {"task": "regress"}], ids=["blended", "numbers"])
def test_pictures_that_are_blended_and_numbers_are_not_followed(settings: dict[str, Any], tmp_path: Path) -> None:
    data = "digits"
    if "task" in settings:
        (tmp_path / "t").mkdir()
        lines = ["file,label"]
        for row in range(40):
            Image.fromarray(np.full((8, 8), 6 * row, np.uint8)).save(tmp_path / "t" / f"{row}.png")
            lines.append(f"{row}.png,{row / 40}")
        (tmp_path / "t" / "labels.csv").write_text("\n".join(lines) + "\n")
        data, settings = str(tmp_path / "t"), {}
    run = hubel.train(data, limit=40, model="mlp", epochs=1, out=str(tmp_path), **settings, **QUIET)
    assert SUMS not in state_of(run)


@pytest.fixture(scope="module")
def known_by_heart(tmp_path_factory: pytest.TempPathFactory) -> tuple[hubel.Run, set[str]]:
    """A net that has learnt 600 digits by heart, among them 30 wrong labels; and the files of those."""
    folder = tmp_path_factory.mktemp("noisy")
    digits, draw = load_digits(), np.random.default_rng(0)
    wrong = set(draw.permutation(600)[:30].tolist())
    for row, (pixels, label) in enumerate(zip(digits.data[:600], digits.target[:600].tolist(), strict=True)):
        given = (label + int(draw.integers(1, 10))) % 10 if row in wrong else label
        (folder / str(given)).mkdir(exist_ok=True)
        Image.fromarray((pixels.reshape(8, 8) * 255 / 16).astype(np.uint8)).save(folder / str(given) / f"{row:03}.png")
    run = hubel.train(folder, test_fraction=0.0, out=str(tmp_path_factory.mktemp("runs")), **QUIET)
    return run, {f"{row:03}.png" for row in wrong}


def test_wrong_labels_are_found_also_where_the_net_knows_them_by_heart(
    known_by_heart: tuple[hubel.Run, set[str]],
) -> None:
    run, wrong = known_by_heart
    assert run.history["train_accuracy"][-1] > 0.995
    found, heads = run.clean(device="cpu"), run.clean(device="cpu", folds=5)
    assert found.labels is not None
    assert heads.labels is not None
    truth = np.array([Path(found.name(row)).name in wrong for row in range(len(found.manifest))])
    ours, theirs = (roc_auc_score(truth, -check.scores) for check in (found.labels, heads.labels))
    assert ours > 0.99
    assert theirs < 0.95
    assert found.labels.interval[0] <= 30 <= found.labels.interval[1]
    assert "before it could know them by heart, and of the others in the end" in found.labels.by
    assert "5 heads on the frozen features" in heads.labels.by
    first = [one for one in found.labels.suspects[:20] if truth[one.row]]
    digits = load_digits().target
    assert np.mean([int(one.suggested) == digits[int(found.name(one.row)[-7:-4])] for one in first]) > 0.9
