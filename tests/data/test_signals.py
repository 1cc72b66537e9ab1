"""Folders of NumPy files: signals of unequal lengths and volumes, and everything that is wrong with such files."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from hubel.data.columns import SIGNALS, VOLUMES
from hubel.data.signals import open_signals, read_signals
from hubel.data.sources import open_source
from hubel.errors import DataError, UsageError


def save(folder: Path, **classes: list[np.ndarray]) -> Path:
    for name, arrays in classes.items():
        (folder / name).mkdir(parents=True)
        for k, array in enumerate(arrays):
            np.save(folder / name / f"{k}.npy", array, allow_pickle=True)
    return folder


def test_signals_are_filled_up_behind_their_ends(tmp_path: Path) -> None:
    found = open_source(save(tmp_path / "x", a=[np.arange(3), np.arange(5.0)], b=[np.ones((1, 4), np.int16)]))
    assert found.kind == "points"
    assert found.class_names == ("a", "b")
    assert found.titles == ("a/0.npy", "a/1.npy", "b/0.npy")
    assert found.arrays is not None
    assert found.columns is not None
    assert found.columns.files == SIGNALS
    assert found.arrays[0, 0].tolist() == [0, 1, 2, np.inf, np.inf]
    scaled = found.columns.measured(found.arrays).scaled(found.arrays)
    assert scaled[:, 1].tolist() == [[1, 1, 1, 0, 0], [1] * 5, [1, 1, 1, 1, 0]]
    assert scaled[0, 0, 3:].tolist() == [0, 0]
    known = np.concatenate([row[np.isfinite(row)] for row in found.arrays[:, 0]])
    np.testing.assert_allclose(scaled[1, 0, :5], (np.arange(5) - known.mean()) / known.std(), rtol=1e-5)


def test_numbers_that_lie_column_by_column_are_read_as_they_were_meant(tmp_path: Path) -> None:
    signal = np.arange(10.0).reshape(2, 5)
    found = open_signals(save(tmp_path / "x", a=[np.asfortranarray(signal)], b=[signal]))
    assert found.arrays is not None
    assert found.arrays.tolist() == [signal.tolist()] * 2


def test_volumes_have_one_scale_and_one_size(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    cubes = [draw.normal(7, 3, (4, 5, 6)) for _ in range(4)]
    found = open_signals(save(tmp_path / "x", a=cubes[:2], b=[*cubes[2:], np.zeros((4, 5, 7))]))
    assert found.arrays is not None
    assert found.arrays.shape == (4, 4, 5, 6)
    assert found.columns is not None
    assert found.columns.files == VOLUMES
    scaled = found.columns.measured(found.arrays).scaled(found.arrays)
    assert scaled.mean() == pytest.approx(0, abs=1e-5)
    assert scaled.std() == pytest.approx(1, abs=1e-5)
    (left,) = (p for p in found.problems if p.left_out)
    assert (left.path, left.reason) == ("b/2.npy", "its shape is (4, 5, 7), and volumes of 4 x 5 x 6 are needed")


class Harmful:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("/tmp/hubel-was-unpickled"),))


def raw(array: np.ndarray) -> bytes:
    np.save(out := io.BytesIO(), array, allow_pickle=True)
    return out.getvalue()


def claiming(shape: str) -> bytes:
    return raw(np.zeros(4)).replace(b"(4,), }", f"{shape}, }}".encode())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (raw(np.array([1, "a", None], dtype=object)), "Python objects, which are never unpickled"),
        (raw(np.array([Harmful()], dtype=object)), "Python objects, which are never unpickled"),
        (raw(np.array(["a", "b"])), "it holds <U1, and numbers are needed"),
        (raw(np.ones(3, complex)), "it holds complex128, and numbers are needed"),
        (raw(np.array([(1, 2.0)], dtype="i4,f4")), "and numbers are needed"),
        (raw(np.array([1.0, np.nan, np.inf])), "2 numbers of 3 are not finite"),
        (raw(np.array([1e300])), "1 number of 1 is not finite"),
        (raw(np.float64(3)), "its shape is ()"),
        (raw(np.zeros((2, 2, 2, 2))), "its shape is (2, 2, 2, 2), and T, C T or D H W is needed"),
        (raw(np.zeros((3, 8))), "its shape is (3, 8), and signals of 1 channel are needed"),
        (raw(np.zeros((3, 0))), "its shape is (3, 0)"),
        (raw(np.zeros(9))[:-8], "64 bytes of numbers, its header says 72"),
        (claiming("(9999999999999,)"), "bytes of numbers, its header says 79,999"),
        (raw(np.zeros(9))[:20], "its header is damaged"),
        (pickle.dumps(Harmful()), "its header is damaged"),
        (b"", "0 bytes"),
        (b"PK\x03\x04more", "an .npz archive: save each array in a file of its own"),
    ],
)
def test_files_that_cannot_be_used_are_left_out_by_name(data: bytes, words: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "x", a=[np.arange(5)] * 3, b=[np.arange(4)] * 3)
    (folder / "b" / "odd.npy").write_bytes(data)
    found = open_source(folder)
    assert len(found) == 6
    (left,) = (p for p in found.problems if p.left_out)
    assert left.path == "b/odd.npy"
    assert words in left.reason
    assert not Path("/tmp/hubel-was-unpickled").exists()


def test_a_class_without_a_usable_file_is_told_and_one_alone_is_refused(tmp_path: Path) -> None:
    bad = np.array([np.nan])
    found = open_signals(save(tmp_path / "x", a=[np.arange(5)], b=[bad], c=[np.arange(3)]))
    assert found.class_names == ("a", "c")
    assert ("b", "none of its files is usable") in {(p.path, p.reason) for p in found.problems}
    with pytest.raises(DataError, match=r"usable files of 1 class, and 2 are needed; first: b/0\.npy"):
        open_signals(save(tmp_path / "y", a=[np.arange(5)], b=[bad]))


def test_steps_that_lie_where_channels_should_are_worth_a_word(tmp_path: Path) -> None:
    found = open_signals(save(tmp_path / "x", a=[np.zeros((50, 2))], b=[np.ones((50, 2))]))
    assert any("are they C T, and not T C" in p.reason for p in found.problems)


def test_given_parts_and_other_files_are_as_in_folders_of_pictures(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    for part in ("train", "test"):
        save(folder / part, a=[np.arange(5)], b=[np.arange(4)])
    (folder / "train" / "a" / "notes.txt").write_text("x")
    found = open_source(folder)
    assert found.given_split.tolist() == ["train", "train", "test", "test"]
    assert ("train/a/notes.txt", "its name does not end like those of .npy files") in {
        (p.path, p.reason) for p in found.problems
    }
    with pytest.raises(UsageError, match="--column has no meaning for a folder of NumPy files"):
        open_source(folder, columns={"label": "x"})


def test_new_files_are_read_as_the_net_takes_them(tmp_path: Path) -> None:
    known = open_signals(save(tmp_path / "x", a=[np.arange(5)], b=[np.arange(4)])).columns
    assert known is not None
    names, values = read_signals([tmp_path / "x" / "a" / "0.npy", np.arange(7), tmp_path / "x" / "b"], known, ())
    assert [Path(name).name for name in names] == ["0.npy", "array 2", "0.npy"]
    assert values.shape == (3, 1, 7)
    with pytest.raises(DataError, match=r"array 1: its shape is \(2, 3\), and signals of 1 channel are needed"):
        read_signals(np.zeros((2, 3)), known, ())
    with pytest.raises(UsageError, match=r"takes \.npy files, got 'x\.png'"):
        read_signals("x.png", known, ())
    with pytest.raises(UsageError, match="no signal was given"):
        read_signals([], known, ())
