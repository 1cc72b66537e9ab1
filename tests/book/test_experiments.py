"""Claims as they come out in the quick budget, and what must turn a verdict."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hubel.book import bench, shared
from hubel.book.bench import batches, digits, fit, mlp, right
from hubel.book.chapters import claims
from hubel.book.experiment import Budget
from hubel.book.experiments import all_experiments, not_measured, settled
from hubel.book.experiments.ch05 import aliasing
from hubel.book.experiments.ch09 import normalised
from hubel.book.reading import read, recorded
from hubel.book.shared import Recipe, permuted, run_a, trained
from hubel.book.verdicts import (
    CONFIRMED,
    MEASURED,
    NEEDS_GPU,
    ONLY_FULL,
    OPINION,
    REFUTED,
    UNDECIDED,
    VERDICTS,
    compared,
    exact,
    more_in_mean,
    more_right,
    share_above,
    together,
)
from hubel.metrics.intervals import resampled_interval
from hubel.report.pages.book import render_book

FAST = (
    "1.3", "1.4", "2.2", "2.3", "2.5", "2.6", "3.1", "3.2", "3.3", "3.7", "4.1", "4.2", "4.3", "4.4", "5.1", "5.2",
    "5.3", "6.1", "6.3", "6.4", "6.5", "7.2", "7.3", "7.4", "8.1", "8.2", "8.4", "8.5", "8.6", "9.7", "11.2", "11.3",
    "11.4",
)  # fmt: skip
SLOW = tuple(number for number, each in all_experiments().items() if number not in FAST and each.quick is not None)


def test_every_claim_is_in_exactly_one_experiment_or_says_why_not() -> None:
    rows = [row for each in all_experiments().values() for row in each.rows]
    assert len(rows) == len(set(rows))
    assert set(rows) | set(not_measured()) == set(claims())
    assert set(rows) & set(not_measured()) == set()
    assert not_measured() == {"E68": OPINION}
    assert all(claims()[row].experiment == number for row, number in settled().items())


def test_every_experiment_says_what_it_does_and_what_it_may_cost() -> None:
    for number, each in all_experiments().items():
        assert each.setup.endswith("."), number
        assert number == each.number
        assert each.full.seconds >= (each.quick.seconds if each.quick else 0), number


def check(number: str) -> None:
    book = read([number])
    (chapter,) = book.chapters
    wanted = all_experiments()[number].rows
    known = recorded()["quick"]
    for claimed in chapter.claims:
        row = claimed.claim.row
        if row not in wanted:
            continue
        if claimed.verdict in (NEEDS_GPU, ONLY_FULL):
            continue
        assert claimed.verdict in MEASURED, row
        assert any(letter.isdigit() for letter in claimed.finding.text), f"{row} has no number"
        before = known.get(row, {}).get(book.data[row])
        assert before in (None, claimed.verdict), f"{row}: {claimed.verdict}, recorded {before}: {claimed.finding.text}"
    page = render_book(book)[f"chapter-{chapter.chapter.number:02}.html"]
    assert all(f'id="{row}"' in page for row in wanted)


@pytest.mark.parametrize("number", FAST)
def test_claims_come_out_as_recorded(number: str) -> None:
    check(number)


@pytest.mark.slow
@pytest.mark.parametrize("number", SLOW)
def test_the_other_claims_come_out_as_recorded(number: str) -> None:
    check(number)


def test_recorded_verdicts_are_of_rows_that_are_measured() -> None:
    for verdicts in recorded().values():
        assert set(verdicts) <= set(settled())
        assert {v for entry in verdicts.values() for v in entry.values()} <= set(MEASURED)
        assert {name for entry in verdicts.values() for name in entry} <= {"own", "mnist", "digits", "cifar10"}


# ---- mutations: what must turn a verdict ---------------------------------------------------------------------------


def test_a_stride_in_place_of_the_blur_turns_e36(monkeypatch: pytest.MonkeyPatch) -> None:
    assert aliasing(Budget(1)).findings["E36"].verdict == CONFIRMED
    monkeypatch.setattr("hubel.book.experiments.ch05.BlurPool2d", lambda size: lambda x: x[..., ::2, ::2], raising=True)
    assert aliasing(Budget(1)).findings["E36"].verdict != CONFIRMED


@pytest.mark.slow
def test_an_identity_in_place_of_normalisation_turns_e116(monkeypatch: pytest.MonkeyPatch) -> None:
    class Nothing(nn.Identity):
        def __init__(self, features: int) -> None:
            super().__init__()

    monkeypatch.setattr("hubel.book.experiments.ch09.nn.BatchNorm1d", Nothing)
    assert normalised(Budget(1, steps=60)).findings["E116"].verdict != CONFIRMED


@pytest.mark.slow
def test_shuffled_labels_turn_e14_and_e61(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUBEL_HOME", str(tmp_path))
    trained.cache_clear()

    def shuffled(train: int, test: int = 2000) -> bench.Digits:
        found = digits(train, test)
        order = torch.randperm(len(found.y), generator=torch.Generator().manual_seed(0))
        return bench.Digits(found.name, found.x, found.y[order], found.test_x, found.test_y)

    monkeypatch.setattr(shared, "digits", shuffled)
    verdicts = {each.claim.row: each.verdict for chapter in read(["E14", "E61"], workers=1).chapters
                for each in chapter.claims}  # fmt: skip
    trained.cache_clear()
    assert CONFIRMED not in verdicts.values()


# ---- the bench -----------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_net_and_another_seed_another() -> None:
    data = digits(64, 32)
    ends = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        net = mlp([784, 8, 10])
        fit(net, data.x, data.y, steps=3, seed=seed, batch=16)
        ends.append(torch.cat([p.detach().flatten() for p in net.parameters()]))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_every_sample_comes_once_before_any_comes_twice() -> None:
    rows = torch.cat(list(batches(10, 5, 4, 0)))
    assert rows[:10].sort().values.tolist() == list(range(10))
    assert rows[10:].sort().values.tolist() == list(range(10))


def test_training_samples_are_never_test_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUBEL_DATA", raising=False)
    bench._all_digits.cache_clear()
    data = digits(5000, 5000)
    bench._all_digits.cache_clear()
    assert (len(data.x), len(data.test_x)) == (1347, 450)
    assert "enlarged" in data.note
    seen = {x.numpy().tobytes() for x in data.x}
    assert sum(x.numpy().tobytes() in seen for x in data.test_x) == 0


def test_a_shared_net_is_kept_and_rebuilt_with_the_same_bits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUBEL_HOME", str(tmp_path))
    monkeypatch.delenv("HUBEL_DATA", raising=False)
    bench._all_digits.cache_clear()
    recipe = Recipe("mnist_mlp", 100, 4)

    def weights() -> torch.Tensor:
        trained.cache_clear()
        return torch.cat([p.detach().flatten() for p in trained(recipe, "digits").parameters()])

    first = weights()
    (file,) = (tmp_path / "book").iterdir()
    kept = file.read_bytes()
    assert torch.equal(weights(), first), "read back"
    file.unlink()
    assert torch.equal(weights(), first), "rebuilt"
    file.write_bytes(kept[: len(kept) // 2])
    assert torch.equal(weights(), first), "damaged, and made anew"
    assert file.read_bytes() == kept
    trained.cache_clear()
    bench._all_digits.cache_clear()


def test_pixels_are_permuted_and_none_is_lost() -> None:
    x = torch.arange(784.0).reshape(1, 1, 28, 28)
    mixed = permuted(x)
    assert not torch.equal(mixed, x)
    assert torch.equal(mixed.flatten().sort().values, x.flatten())


def test_right_says_where_the_largest_output_is_the_label() -> None:
    assert right(nn.Identity(), torch.eye(3), torch.tensor([0, 1, 1])).tolist() == [True, True, False]


def test_a_run_that_is_asked_for_twice_is_trained_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUBEL_HOME", str(tmp_path))
    monkeypatch.setattr(shared, "sizes", lambda budget: (64, 2))
    trained.cache_clear()
    first, _ = run_a("mnist_mlp", Budget(1))
    assert run_a("mnist_mlp", Budget(1))[0] is first
    trained.cache_clear()


# ---- verdicts ------------------------------------------------------------------------------------------------------


def test_a_verdict_needs_the_whole_interval_on_one_side() -> None:
    sure, even = np.arange(200) < 190, np.arange(200) % 2 == 0
    assert more_right(sure, even, "").verdict == CONFIRMED
    assert more_right(even, sure, "").verdict == REFUTED
    assert more_right(sure, sure, "").verdict == UNDECIDED
    assert more_right(sure, even, "", by=0.45).verdict == UNDECIDED
    assert more_in_mean([1.0], "").verdict == UNDECIDED, "one seed decides nothing"
    assert more_in_mean([1.0, 1.0], "").verdict == UNDECIDED, "no spread to judge by"
    assert more_in_mean([1.0, -1.0, 0.2], "").verdict == UNDECIDED
    assert more_in_mean([-1.0, -1.1, -0.9], "").verdict == REFUTED
    assert share_above(3, 10, 0.5, "").verdict == UNDECIDED
    assert compared((math.nan, math.nan), 0.0, "").verdict == UNDECIDED


def test_a_claim_of_several_parts_is_confirmed_only_where_all_are() -> None:
    yes, no, open_one = exact(True, "a"), exact(False, "b"), more_in_mean([1.0], "c")
    assert together([yes, yes]).verdict == CONFIRMED
    assert together([yes, no, open_one]).verdict == REFUTED
    assert together([yes, open_one]).verdict == UNDECIDED
    assert together([yes, no]).text == "a; b"


def test_the_interval_of_a_mean_is_student_s() -> None:
    low, high = resampled_interval(np.array([1.0, 2.0, 3.0, 4.0]))
    assert (low, high) == pytest.approx((2.5 - 3.18244631 * 1.29099445 / 2, 2.5 + 3.18244631 * 1.29099445 / 2))


def test_every_verdict_has_words() -> None:
    assert set(MEASURED) < set(VERDICTS)


def test_titles_of_drawings_are_not_cut() -> None:
    for path in Path(shared.__file__).parent.glob("experiments/ch*.py"):
        long = re.findall(r'(?:Lines|Bars|Cut)\(\s*"([^"]{41,})"', path.read_text())
        assert long == [], path.name
