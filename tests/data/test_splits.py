"""Splits: disjoint, complete, in proportion, and the same everywhere; copies and groups never straddle."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubel.data.manifest import Manifest
from hubel.data.sources import open_source
from hubel.data.splits import NAMES, Splits, split, val_stands_for_test
from hubel.errors import DataError, UsageError


def made(
    labels: list[int],
    *,
    copies: list[str] | None = None,
    groups: list[str] | None = None,
    given_split: list[str] | None = None,
) -> Manifest:
    count = len(labels)
    return Manifest(
        source="made", root="/", kind="files", paths=tuple(f"{i:04}.png" for i in range(count)),
        labels=np.array(labels, dtype=np.int64), class_names=tuple(f"class {k}" for k in range(max(labels) + 1)),
        given_split=np.array(given_split or [""] * count, dtype="<U5"),
        groups=None if groups is None else np.array(groups),
        digests=tuple(copies or (f"digest {i}" for i in range(count))),
    )  # fmt: skip


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    count = draw(st.integers(1, 60))
    labels = draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    copies = draw(st.lists(st.integers(0, count * 2).map(str), min_size=count, max_size=count))
    groups = draw(st.none() | st.lists(st.sampled_from(["", "a", "b", "c", "d", "e"]), min_size=count, max_size=count))
    given_split = draw(st.none() | st.lists(st.sampled_from(["", *NAMES]), min_size=count, max_size=count))
    return made(labels, copies=copies, groups=groups, given_split=given_split)


@settings(max_examples=300, deadline=None)
@given(manifests(), st.floats(0, 0.45), st.floats(0, 0.45), st.integers(0, 5))
def test_the_promises_hold_for_any_data(manifest: Manifest, val: float, test: float, seed: int) -> None:
    try:
        parts = split(manifest, val=val, test=test, seed=seed)
    except DataError:
        # Rightly only where every picture is given away already, or is a copy of one that is.
        assert manifest.digests is not None
        away = {manifest.digests[row] for row in np.flatnonzero(np.isin(manifest.given_split, ["val", "test"]))}
        assert set(manifest.digests) == away
        return
    place: dict[int, str] = {}
    for name in NAMES:
        rows = parts.ids(name)
        assert (np.diff(rows) > 0).all()
        for row in rows.tolist():
            assert row not in place
            place[row] = name
    assert sorted([*place, *parts.dropped.tolist()]) == list(range(len(manifest)))
    assert len(parts.train)
    given_split = manifest.given_split
    for row, name in place.items():
        if given_split[row] in ("val", "test"):
            assert name == ("test" if val_stands_for_test(manifest, test) else given_split[row])
    assert manifest.digests is not None
    copies: dict[str, set[str]] = {}
    for row, name in place.items():
        copies.setdefault(manifest.digests[row], set()).add(name)
    assert all(len(where) == 1 for where in copies.values())
    if manifest.groups is not None and not any(given_split != ""):
        groups: dict[str, set[str]] = {}
        for row, name in place.items():
            if manifest.groups[row]:
                groups.setdefault(str(manifest.groups[row]), set()).add(name)
        assert all(len(where) == 1 for where in groups.values())
    if val == 0 and ("val" not in given_split or val_stands_for_test(manifest, test)):
        assert not len(parts.val)
    assert split(manifest, val=val, test=test, seed=seed).digest == parts.digest


@pytest.mark.parametrize("counts", [(100, 100), (500, 50, 7), (3, 3, 3, 3), (1000,) * 3])
def test_every_class_is_split_in_proportion(counts: tuple[int, ...]) -> None:
    manifest = made([label for label, count in enumerate(counts) for _ in range(count)])
    parts = split(manifest, val=0.2, test=0.1, seed=3)
    for name, share in (("val", 0.2), ("test", 0.1)):
        found = np.bincount(manifest.labels[parts.ids(name)], minlength=len(counts))
        assert abs(len(parts.ids(name)) - share * sum(counts)) <= 1
        for label, count in enumerate(counts):
            assert abs(found[label] - share * count) <= 1.01
    assert (np.bincount(manifest.labels[parts.train], minlength=len(counts)) > 0).all()


def test_the_split_is_the_same_on_every_machine() -> None:
    # Stored numbers: order comes from SHA-256, so no version of any library may move them.
    parts = split(open_source("digits"), val=0.1, test=0.1, seed=0)
    assert parts.digest == "20685256918a4a5b9c2e24b05a115009364277ab115fcb76626713e0519be995"
    assert Counter(open_source("digits").labels[parts.test].tolist()) == dict.fromkeys(range(10), 18)


def test_another_seed_gives_another_split() -> None:
    manifest = made([0, 1] * 50)
    assert len({split(manifest, seed=seed).digest for seed in range(20)}) == 20


def test_one_more_picture_hardly_moves_the_others() -> None:
    before = split(made([0, 1] * 200), val=0.2, test=0.2)
    after = split(made([0, 1] * 200 + [0]), val=0.2, test=0.2)
    moved = sum(len(set(before.ids(name).tolist()) ^ set(after.ids(name).tolist())) for name in NAMES)
    assert moved <= 10


def test_order_and_names_of_files_do_not_matter_only_contents_do() -> None:
    manifest = made([0] * 30 + [1] * 30)
    order = np.random.RandomState(0).permutation(60)
    shuffled = manifest.select(order)
    for name in NAMES:
        want = {manifest.digests[row] for row in split(manifest).ids(name)}  # type: ignore[index]
        assert {shuffled.digests[row] for row in split(shuffled).ids(name)} == want  # type: ignore[index]


def test_a_given_test_split_is_kept_and_validation_comes_out_of_training() -> None:
    manifest = made([0, 1] * 50, given_split=["train"] * 80 + ["test"] * 20)
    parts = split(manifest, val=0.25, test=0.5)
    assert parts.test.tolist() == list(range(80, 100))
    assert len(parts.val) == 20
    assert parts.val.max() < 80


def test_a_copy_of_a_test_picture_is_dropped_from_training() -> None:
    copies = [f"d{i}" for i in range(100)]
    copies[3] = copies[95]
    manifest = made([0, 1] * 50, copies=copies, given_split=["train"] * 80 + ["test"] * 20)
    parts = split(manifest)
    assert parts.dropped.tolist() == [3]
    assert 95 in parts.test


def test_real_digits_have_their_copies_on_one_side() -> None:
    manifest = open_source("iris")  # two of Fisher's flowers have the same four lengths
    for seed in range(10):
        parts = split(manifest, val=0.3, test=0.3, seed=seed)
        where = {int(row): name for name in NAMES for row in parts.ids(name)}
        assert where[101] == where[142]


def test_numbers_are_split_over_their_whole_range() -> None:
    manifest = made([0] * 200)
    values = np.random.RandomState(0).rand(200).astype(np.float32)
    manifest = Manifest(
        source="made", root="/", kind="files", paths=manifest.paths, labels=values, class_names=(),
        given_split=manifest.given_split, digests=manifest.digests,
    )  # fmt: skip
    parts = split(manifest, val=0.2, test=0.2)
    for name in NAMES:
        assert abs(values[parts.ids(name)].mean() - values.mean()) < 0.05


def test_it_survives_the_way_through_json_and_notices_a_change() -> None:
    manifest = made([0, 1] * 20)
    parts = split(manifest)
    stored = json.loads(json.dumps(parts.to_dict()))
    back = Splits.from_dict(stored)
    assert back.digest == parts.digest
    back.verify(manifest)
    stored["test"][0] += 1
    with pytest.raises(DataError, match="changed or damaged"):
        Splits.from_dict(stored)
    for key in ("test", "seed", "digest", "manifest_digest"):
        with pytest.raises(DataError, match="split file"):
            Splits.from_dict({k: v for k, v in parts.to_dict().items() if k != key})


@settings(max_examples=100, deadline=None)
@given(st.permutations(["a", "b", "c"]), st.sampled_from(["rename", "order", "missing", "label", "contents"]))
def test_data_that_is_not_what_was_split_is_refused(names: list[str], change: str) -> None:
    def manifest(names: tuple[str, ...], labels: list[int], contents: str) -> Manifest:
        return Manifest(
            source="made", kind="files", root="/", paths=("1.png", "2.png", "3.png"), labels=np.array(labels),
            class_names=names, given_split=np.array([""] * 3), digests=("x", "y", contents),
        )  # fmt: skip

    split_of = manifest(tuple(names), [0, 1, 2], "z")
    parts = split(split_of, val=0, test=0)
    other = {
        "rename": lambda: manifest((names[0] + "!", *names[1:]), [0, 1, 2], "z"),
        "order": lambda: manifest((names[1], names[0], names[2]), [0, 1, 2], "z"),
        "missing": lambda: split_of.select([0, 1]),
        "label": lambda: manifest(tuple(names), [0, 2, 1], "z"),
        "contents": lambda: manifest(tuple(names), [0, 1, 2], "other"),
    }[change]()
    parts.verify(split_of)
    with pytest.raises(DataError, match="not what was split"):
        parts.verify(other)


@pytest.mark.parametrize(("val", "test"), [(-0.1, 0.1), (0.5, 0.5), (1.0, 0.0), (float("nan"), 0.1)])
def test_impossible_shares_are_refused(val: float, test: float) -> None:
    with pytest.raises(UsageError, match="shares"):
        split(made([0, 1]), val=val, test=test)


def test_data_that_leaves_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(DataError, match="nothing to split"):
        split(made([0]).select([]))
    with pytest.raises(DataError, match="leaves nothing to learn from"):
        split(made([0, 1], given_split=["val", "test"]))


def test_files_without_digests_are_told_apart_by_their_paths() -> None:
    manifest = replace(made([0, 1] * 20), digests=None)
    parts = split(manifest, val=0.25, test=0.25)
    assert [len(parts.ids(name)) for name in NAMES] == [20, 10, 10]


def test_a_split_of_another_name_is_refused() -> None:
    with pytest.raises(UsageError, match="train, val, test"):
        split(made([0, 1])).ids("dev")
    with pytest.raises(DataError, match="given split"):
        split(made([0, 1], given_split=["train", "dev"]))


def test_a_validation_part_given_without_a_test_is_the_test() -> None:
    manifest = made([0, 1] * 40, given_split=["train"] * 60 + ["val"] * 20)
    parts = split(manifest, val=0.1, test=0.1)
    assert parts.test.tolist() == list(range(60, 80))
    assert len(parts.val) == 6
    chosen = split(manifest, val=0.1, test=0.0)  # who asks for no test chooses by it
    assert (chosen.val.tolist(), len(chosen.test)) == (list(range(60, 80)), 0)
