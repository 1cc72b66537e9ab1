from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score

from hubel.errors import ArtefactError, UsageError
from hubel.evaluation import Drawn, Evaluation, Graded, assess, assess_regression, compare
from hubel.evaluation.several_labels import SeveralLabels
from hubel.metrics.intervals import redrawn
from hubel.metrics.several import drawn_precision
from hubel.types import Predictions

NAMES = ["cat", "dog", "owl"]
LABELS = np.arange(300) % 3


def told(wrong: range, ids: np.ndarray | None = None) -> Predictions:
    """Right everywhere except on the samples `wrong`."""
    answers = LABELS.copy()
    answers[wrong] = (answers[wrong] + 1) % 3
    return Predictions(5.0 * np.eye(3)[answers], LABELS, np.arange(300) if ids is None else ids)


def run(wrong: range, names: list[str] = NAMES, ids: np.ndarray | None = None) -> Evaluation:
    return assess(told(wrong, ids), names)


def test_the_better_of_two_runs_is_named_with_the_exact_test() -> None:
    found = compare({"old": run(range(60)), "new": run(range(50, 70))})
    (test,) = found.tests
    assert (found.best, test.first, test.second) == ("new", "new", "old")
    assert (test.wins, test.losses) == (50, 10)
    assert test.p_value == pytest.approx(binomtest(10, 60).pvalue)
    assert test.difference == pytest.approx(40 / 300)
    assert test.interval[0] > 0
    assert test.sentence.startswith("new is better than old: +13.33 points")
    turned = dataclasses.replace(
        test, first="old", second="new", wins=test.losses, losses=test.wins, difference=-test.difference,
        interval=(-test.interval[1], -test.interval[0]),
    )  # fmt: skip
    assert turned.sentence == test.sentence


def test_two_runs_with_as_many_mistakes_cannot_be_told_apart() -> None:
    (test,) = compare({"a": run(range(20)), "b": run(range(10, 30))}).tests
    assert test.p_value == 1.0
    assert "cannot be told apart on 300 samples" in test.sentence


def test_the_samples_that_would_decide_do_so_in_four_of_five_cases() -> None:
    (test,) = compare({"a": run(range(25)), "b": run(range(10, 43))}).tests
    assert test.deciding is not None
    random = np.random.default_rng(0)
    shares = np.array([test.wins, test.losses, test.samples - test.wins - test.losses]) / test.samples
    drawn = random.multinomial(test.deciding, shares, size=1000)[:, :2]
    found = np.mean([binomtest(int(one), int(one + other)).pvalue < 0.05 for one, other in drawn])
    assert 0.75 < found < 0.83  # the exact test is a little more careful than the formula
    assert (test.deciding, test.samples) == (1028, 300)
    assert "about 730 more samples would show it" in test.sentence


def test_runs_that_are_right_on_the_same_samples_are_told_so() -> None:
    (test,) = compare({"a": run(range(20)), "b": run(range(20))}).tests
    assert test.sentence.endswith("on 300 samples: on each of them both are equally good.")
    assert "Neither is ahead" in compare({"a": run(range(20)), "b": run(range(10, 30))}).tests[0].sentence


def test_each_run_is_held_against_each_other_and_looking_at_many_makes_each_finding_weaker() -> None:
    runs = {"best": run(range(0)), "a": run(range(8)), "b": run(range(9, 15)), "c": run(range(14, 40))}
    assert compare({name: runs[name] for name in ("best", "a")}).tests[0].p_value == pytest.approx(2**-7)
    found = compare(runs)
    # Holm over all six pairs, by the book: the smallest times 6, the next times 5, none below one before it.
    bare = {(p.first, p.second): binomtest(p.wins, p.wins + p.losses).pvalue for p in found.pairs}
    worst = 0.0
    for factor, pair in zip(range(6, 0, -1), sorted(bare, key=lambda pair: bare[pair]), strict=True):
        bare[pair] = worst = max(worst, min(1.0, factor * bare[pair]))
    assert {(p.first, p.second): p.p_value for p in found.pairs} == pytest.approx(bare)
    assert found.tests == tuple(p for p in found.pairs if p.first == "best")
    assert "corrected for the 6 pairs" in found.findings[3]
    assert found.ranked == ("best", "b", "a", "c")
    # 6 against 0 is p = 0.031 alone, and no finding among six pairs; 8 against 0 is one.
    assert found.grid[0] == ["–", "+2.00", "+2.67*", "+8.67*"]
    assert found.grid[3] == ["-8.67*", "-6.67*", "-6.00*", "–"]
    lines = str(found).splitlines()
    assert lines[-1].split() == ["4", "c", "-8.67*", "-6.67*", "-6.00*", "–"]
    assert max(map(len, lines)) <= 80


def test_of_many_runs_the_best_stand_in_the_table_of_pairs_and_those_apart_are_said() -> None:
    found = compare({f"{k} run of photographs of leaves": run(range(k)) for k in range(9)})
    lines = found.against
    assert "the best 6 of 9 runs; --out compare.html has all" in lines[-1]
    assert len(lines) == 10
    assert max(map(len, lines)) <= 80
    apart = compare({"a": run(range(5)), "b": run(range(9)), **{n: run(range(7), ids=np.arange(1, 301)) for n in "cd"}})
    assert apart.unpaired == ("c", "d")
    assert [(p.first, p.second) for p in apart.pairs] == [("a", "b"), ("c", "d")]
    assert apart.grid[0][1:] == ["other samples", "other samples", "+1.33"]


def test_the_same_samples_in_another_order_and_numbering_are_still_the_same() -> None:
    order = np.random.default_rng(0).permutation(300)
    first = run(range(30))
    logits = np.eye(3)[LABELS][:, [2, 0, 1]][order]
    other = assess(
        Predictions(logits, (np.array([1, 2, 0])[LABELS])[order], np.arange(300)[order]), ["owl", "cat", "dog"]
    )
    (test,) = compare({"a": first, "b": other}).tests
    assert (test.first, test.wins, test.losses) == ("b", 30, 0)


def test_runs_on_other_samples_are_shown_and_not_tested() -> None:
    found = compare(
        {"a": run(range(5)), "b": run(range(3), ids=np.arange(1, 301)), "c": run(range(9), ["x", "y", "z"])}
    )
    assert found.tests == ()
    assert set(found.unpaired) == {"a", "c"}
    assert "tested on other samples" in str(found)
    best_apart = compare({"a": run(range(50)), "b": run(range(9)), "c": run(range(3), ids=np.arange(1, 301))})
    assert (best_apart.best, best_apart.tests) == ("c", ())
    assert str(best_apart).splitlines()[-2].split() == ["1", "b", "–", "+13.67*"], "two others are still a pair"


def test_after_edits_runs_are_compared_on_the_test_samples_that_are_still_the_same() -> None:
    paths = [f"{NAMES[k]}/{row}.jpg" for row, k in enumerate(LABELS)]
    before = assess(predictions := told(range(60)), NAMES, paths=paths)
    kept = np.delete(np.arange(300), [3, 99, 200])  # three excluded, so that all row numbers after them are others
    labels = predictions.labels[kept].copy()
    labels[10] = (labels[10] + 1) % 3  # and one relabelled
    after = assess(
        Predictions(told(range(0)).logits[kept], labels, np.arange(297)), NAMES, paths=[paths[r] for r in kept]
    )
    (test,) = compare({"before": before, "after": after}).tests
    assert (test.first, test.samples, test.left) == ("after", 296, 4)
    assert (test.wins, test.losses) == (60 - 2, 0)  # of the 60 mistakes one was excluded, one relabelled
    assert test.sentence.endswith("p < 0.001, on the 296 samples that both were tested on.")
    other = assess(Predictions(told(range(0)).logits[:100], LABELS[:100], np.arange(100)), NAMES, paths=paths[:100])
    assert compare({"before": before, "other": other}).tests == ()


def test_regressors_are_compared_by_who_is_nearer() -> None:
    targets = np.linspace(0, 1, 40)
    near, far = (assess_regression(Predictions(targets + shift, targets, np.arange(40))) for shift in (0.1, 0.2))
    found = compare({"far": far, "near": near})
    assert (found.best, found.tests[0].wins) == ("near", 40)
    assert "rmse" in str(found)


def test_a_comparison_prints_in_80_columns_and_goes_through_json() -> None:
    found = compare({"a-run-with-a-very-long-name-indeed-1": run(range(3)), "b": run(range(9))})
    assert max(map(len, str(found).splitlines())) <= 80
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["best"].startswith("a-run")


def test_what_a_run_folder_keeps_compares_like_the_results_themselves() -> None:
    runs = {"a": run(range(30)), "b": run(range(20, 60))}
    kept = {
        name: Graded.read(json.loads(json.dumps(r.to_dict())), {"predictions.csv": r.predictions_csv()})
        for name, r in runs.items()
    }
    direct, read = compare(runs), compare(kept)
    assert read.tests == direct.tests
    assert read.to_dict() == direct.to_dict()


def test_kept_regressions_compare_too() -> None:
    targets = np.linspace(0, 1, 40)
    runs = [assess_regression(Predictions(targets + s, targets, np.arange(40))) for s in (0.1, 0.2)]
    near, far = (Graded.read(r.to_dict(), {"predictions.csv": r.predictions_csv()}) for r in runs)
    assert compare({"far": far, "near": near}).tests[0].wins == 40


def test_files_that_do_not_belong_together_are_refused() -> None:
    result = run(range(30))
    with pytest.raises(ArtefactError, match="2 predictions for 300 samples"):
        Graded.read(
            result.to_dict(), {"predictions.csv": "".join(result.predictions_csv().splitlines(keepends=True)[:3])}
        )
    with pytest.raises(ArtefactError, match="must be whole"):
        Graded.read({}, {})


def test_nothing_and_mixtures_cannot_be_compared() -> None:
    with pytest.raises(UsageError, match="got none"):
        compare({})
    regression = assess_regression(Predictions(np.zeros(2), np.zeros(2), np.arange(2)))
    with pytest.raises(UsageError, match="classification and regression"):
        compare({"a": run(range(3)), "b": regression})  # type: ignore[dict-item]


LABELLED = ("cat", "=dog", "path")  # one that a spreadsheet would run, one called as a column is
THERE = (np.random.default_rng(0).random((60, 3)) < 0.4).astype(int)


def labelled(noise: float, seed: int, names: tuple[str, ...] = LABELLED) -> SeveralLabels:
    """Sixty samples with some of three labels, told as badly as the noise has it."""
    said = np.clip(0.5 + 0.3 * (THERE - 0.5) + np.random.default_rng(seed).normal(0, noise, THERE.shape), 0.01, 0.99)
    turned = [LABELLED.index(name) for name in names]
    return SeveralLabels(
        split="test", samples=60, class_names=names, shares=said[:, turned], truth=THERE[:, turned],
        thresholds=np.full(3, 0.5), fitted=False, intervals={"mean_ap": (0.0, 1.0), "exact": (0.0, 1.0)},
        ids=np.arange(60), paths=tuple(f"{row}.png" for row in range(60)), pictures={},
    )  # fmt: skip


def test_runs_of_several_labels_are_compared_by_mean_average_precision_over_the_same_draws() -> None:
    good, bad = labelled(0.1, 1), labelled(0.3, 2, ("path", "cat", "=dog"))  # numbered in another order
    found = compare({"bad": bad, "good": good})
    (test,) = found.tests
    assert isinstance(test, Drawn)
    assert (test.first, test.samples) == ("good", 60)
    assert test.difference == pytest.approx(good.mean_ap - bad.mean_ap)
    shares = [np.stack([each.shares[:, each.class_names.index(n)] for n in LABELLED], 1) for each in (good, bad)]
    weights = np.concatenate(list(redrawn(60)))
    drawn = np.stack([drawn_precision(each, THERE, weights) for each in shares], 1)  # D, runs, labels
    for rows, told in zip(weights[:20], drawn[:20], strict=True):
        here = THERE.repeat(rows, axis=0)
        oracle = [average_precision_score(here, each.repeat(rows, axis=0), average=None) for each in shares]
        assert told == pytest.approx(np.array(oracle))
    assert test.interval == pytest.approx(np.quantile((drawn[:, 0] - drawn[:, 1]).mean(1), [0.025, 0.975]))
    dog = next(each for each in test.classes if each.name == "=dog")
    assert dog.interval == pytest.approx(np.quantile(drawn[:, 0, 1] - drawn[:, 1, 1], [0.025, 0.975]))
    assert test.sentence.startswith("good is better than bad: +")
    (counted,) = found.counted
    assert (counted.wins, counted.losses) == ((good.right & ~bad.right).sum(), (bad.right & ~good.right).sum())
    assert counted.sentence.startswith("By all labels of a sample right, good is better than bad")
    assert max(map(len, found.against)) <= 80


def areas(hits: np.ndarray, said: np.ndarray, truth: np.ndarray) -> Graded:
    """A segmenter of two classes, of which picture n has so many pixels, is said to have, and has rightly."""
    lines = ["id,path,class,pixels,said,right"]
    lines += [
        f"{n},{n}.png,{'cd'[k]},{truth[n, k]},{said[n, k]},{hits[n, k]}" for n in range(len(hits)) for k in range(2)
    ]
    document = {
        "task": "segment", "samples": len(hits), "mean_iou": float((hits.sum(0) / (truth + said - hits).sum(0)).mean()),
        "pixel_accuracy": 0.5, "intervals": {}, "per_class": {"c": {}, "d": {}},
    }  # fmt: skip
    predictions = "\n".join(["id,path,mean_iou", *(f"{n},{n}.png,0.5" for n in range(len(hits)))])
    return Graded.read(document, {"predictions.csv": predictions, "areas.csv": "\n".join(lines)})


def test_segmenters_are_compared_by_mean_iou_over_the_same_pictures_drawn_again() -> None:
    draw = np.random.default_rng(0)
    truth = np.stack([draw.integers(0, 90, 40), np.where(np.arange(40) < 2, 50, 0)], axis=1)
    near = [np.minimum(truth, truth * share // 100) for share in (90, 60)]
    runs = {name: areas(hits, np.maximum(hits, 1), truth) for name, hits in zip(("good", "bad"), near, strict=True)}
    (test,) = compare(runs).tests
    assert isinstance(test, Drawn)
    ahead = []
    for rows in np.concatenate(list(redrawn(40))):
        parts = [(rows @ hits) / (rows @ (truth + np.maximum(hits, 1) - hits)) for hits in near]
        ahead.append(parts[0].mean() - parts[1].mean())  # what is said of a class that a draw does not have counts
    assert test.interval == pytest.approx(np.quantile(ahead, [0.025, 0.975]))
    assert "points of mean IoU" in test.sentence
    assert "40 pictures drawn again" in test.sentence
    assert [each.name for each in test.classes] == ["c", "d"]
    with pytest.raises(ArtefactError, match=r"areas\.csv is not there.*\n.*hubel evaluate RUN --out RUN"):
        Graded.read({"task": "segment", "samples": 0, "per_class": {}}, {"predictions.csv": "id,path,mean_iou\n"})


def test_of_many_runs_a_difference_that_is_sure_stays_one_after_the_correction() -> None:
    # A p-value of a thousand draws is 0.002 at least, and of 28 pairs nothing would be left of it.
    runs = {f"run-{seed}": labelled(0.1 if seed == 0 else 0.6, seed) for seed in range(8)}
    found = compare(runs)
    assert len(found.pairs) == 28
    assert (found.best, all(test.p_value < 0.05 for test in found.tests)) == ("run-0", True)
