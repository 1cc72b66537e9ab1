"""Pictures in memory get the answer of their file, and what is no picture an error in words."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from data.pictures import deep, encoded, scene
from hubel.data.given import ACCEPTED, read_given, spread
from hubel.data.preprocessing import Preprocessing
from hubel.errors import UsageError

P = Preprocessing(height=10, width=14, fit="squash")
PIXELS = np.asarray(scene(3, 14, 10))


def read(pictures: Any, p: Preprocessing = P) -> np.ndarray:
    """N H W C of what is given, with nothing left out."""
    _, found, problems = read_given(list(spread(pictures, folder=lambda path: sorted(path.iterdir()))), p)
    assert problems == ()
    return found.transpose(0, 2, 3, 1)


@pytest.fixture
def sideways(tmp_path: Path) -> Path:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "sideways.jpg"
    path.write_bytes(encoded(scene(1, 90, 60), exif=exif))
    return path


def test_a_picture_in_memory_is_seen_as_its_file_is(sideways: Path) -> None:
    (expected,) = read(sideways)
    forms = {
        "text": str(sideways), "bytes": sideways.read_bytes(), "bytearray": bytearray(sideways.read_bytes()),
        "file": io.BytesIO(sideways.read_bytes()), "PIL": Image.open(sideways),
        "PIL of a stream": Image.open(io.BytesIO(sideways.read_bytes())), "folder": sideways.parent,
    }  # fmt: skip
    for name, form in forms.items():
        assert np.array_equal(read(form)[0], expected), name
    forms["PIL"].close()
    loaded = Image.open(sideways)
    loaded.load()
    # Without its file it is shrunk in one step, and not first by the decoder: the same but for rounding.
    assert np.abs(read(loaded)[0].astype(int) - expected).max() < 40
    assert np.abs(read(loaded)[0].astype(int) - expected).mean() < 3


def test_a_file_that_was_just_written_is_read_from_its_beginning() -> None:
    file = io.BytesIO()
    scene(3, 14, 10).save(file, "PNG")
    assert np.array_equal(read(file)[0], PIXELS)


def test_a_picture_that_was_changed_in_memory_is_what_is_seen(tmp_path: Path) -> None:
    scene(3, 14, 10).save(tmp_path / "a.png")
    picture = Image.open(tmp_path / "a.png")
    picture.putpixel((0, 0), (1, 2, 3))
    assert read(picture)[0, 0, 0].tolist() == [1, 2, 3]
    frames = encoded(Image.new("L", (14, 10), 0), "GIF", save_all=True, append_images=[Image.new("L", (14, 10), 200)])
    second = Image.open(io.BytesIO(frames))
    second.seek(1)
    assert read(second).max() == 200


def test_arrays_and_tensors_of_any_usual_shape_and_type_are_the_same_picture() -> None:
    first = PIXELS.transpose(2, 0, 1)
    floats = PIXELS.astype(np.float32) / 255
    objects = np.empty(1, object)
    objects[0] = scene(3, 14, 10)
    for name, given in {
        "H W C": PIXELS, "N H W C": PIXELS[None], "C H W": first, "N C H W": first[None], "floats": floats,
        "doubles": PIXELS / 255, "16 bits": PIXELS.astype(np.uint16) * 257,
        "tensor C H W": torch.from_numpy(first.copy()),
        "tensor B C H W": torch.from_numpy(first[None].copy()), "tensor H W C": torch.from_numpy(PIXELS.copy()),
        "tensor that learns": torch.from_numpy(floats.transpose(2, 0, 1).copy()).requires_grad_(),
        "alpha": np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)]),
        "negative strides": PIXELS[::-1, ::-1].copy()[::-1, ::-1], "array of objects": objects,
    }.items():  # fmt: skip
        assert np.array_equal(read(given), PIXELS[None]), name
    rough = torch.from_numpy(floats.transpose(2, 0, 1).copy()).bfloat16()
    assert np.abs(read(rough)[0].astype(int) - PIXELS).max() <= 1
    grey = PIXELS[:, :, 0]
    for given in (grey, grey[:, :, None], torch.from_numpy(grey.copy()), grey[None, :, :, None]):
        assert np.array_equal(read(given)[0, :, :, 0], grey)
    assert set(np.unique(read(np.eye(10, 14, dtype=bool)))) == {0, 255}


def test_many_of_all_kinds_keep_their_order(tmp_path: Path) -> None:
    scene(5, 14, 10).save(tmp_path / "a.png")

    def stream() -> Iterator[Any]:
        yield tmp_path / "a.png"
        yield np.stack([PIXELS, PIXELS])
        yield [scene(6, 14, 10)]

    names, found, problems = read_given(list(spread(stream(), folder=list)), P)
    assert names == [str(tmp_path / "a.png"), "picture 2", "picture 3", "picture 4"]
    assert problems == ()
    assert np.array_equal(found[3].transpose(1, 2, 0), np.asarray(scene(6, 14, 10)))


def test_one_bad_picture_does_not_lose_the_others(tmp_path: Path) -> None:
    cut = encoded(scene(1, 300, 300))[:3000]
    (tmp_path / "cut.jpg").write_bytes(cut + b"\xff\xd9")  # closed, so that Pillow alone would not notice
    closed = Image.open(tmp_path / "cut.jpg")
    bad = {
        "truncated": [cut, Image.open(io.BytesIO(cut)), closed, tmp_path / "cut.jpg"],
        "not an image": [b"words"],
        "empty": [b"", np.zeros((0, 4, 3), np.uint8)],
        "beyond levels": [PIXELS * 1.0, PIXELS / 128 - 1, Image.new("F", (4, 4), 153.0), Image.new("I", (4, 4), 99)],
        "corrupt": [np.full((4, 4, 3), np.nan)],
    }  # fmt: skip
    items = [PIXELS, *(item for kind in bad.values() for item in kind), PIXELS]
    names, found, problems = read_given(list(spread(items, folder=list)), P)
    assert names == ["picture 1", f"picture {len(items)}"]
    assert np.array_equal(found[1].transpose(1, 2, 0), PIXELS)
    assert [problem.kind for problem in problems] == [kind for kind, some in bad.items() for _ in some]
    assert all(problem.reason for problem in problems)
    closed.close()


def test_a_bomb_in_memory_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    big = Image.new("L", (300, 200))
    monkeypatch.setenv("HUBEL_MAX_MEGAPIXELS", "0.01")
    for item in (big, encoded(big, "PNG"), np.asarray(big)):
        _, _, problems = read_given(list(spread(item, folder=list)), P)
        assert [problem.kind for problem in problems] == ["bomb"]


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (None, "a picture is needed, got None"),
        (3, "a picture is needed, got 3"),
        ({"a": 1}, "a picture is needed, got a dict"),
        ([[1, 2], [3, 4]], "a picture is needed, got 1"),
        (object(), "a picture is needed, got an object"),
        (io.StringIO("text"), "an open file must be open for bytes"),
        (np.zeros((4, 4), np.int64), r"pixels must be bytes .* got shape \(4, 4\) of int64"),
        (torch.zeros(4, 4, dtype=torch.int64), "of int64"),
        (np.array(["a", "b"]), "of <U1"),
        (np.zeros(5, np.uint8), r"pixels must be H W, .* got shape \(5,\)"),
        (np.float32(0.5), r"got shape \(\)"),
        (np.zeros((2, 8, 8, 8), np.uint8), "one side of pixels must be the channels"),
        (np.zeros((10, 28, 28), np.uint8), "one side of pixels must be the channels"),
        (np.zeros((1, 2, 8, 8, 3), np.uint8), "a batch of these, got shape"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_picture_is_refused_in_words_that_name_what_is(thing: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words) as error:
        list(spread(thing, folder=list))
    assert error.value.hint
    if "a picture is needed" in words:
        assert error.value.hint == ACCEPTED


def test_an_array_follows_the_levels_of_its_net() -> None:
    p = Preprocessing(height=4, width=4, channels=1, levels=(0, 4095))
    assert read(np.full((4, 4), 4095, np.uint16), p).max() == 255
    assert read(np.full((4, 4), 4095, np.float32), p).max() == 255
    assert read(Image.new("I", (4, 4), 2048), p).max() == 128
    for strange in (np.linspace(0, 1, 16).reshape(4, 4), np.linspace(9e3, 9e4, 16).reshape(4, 4)):
        _, _, problems = read_given([strange[:, :, None]], p)
        assert [problem.kind for problem in problems] == ["beyond levels"], "all black or all white tells nothing"
    colour = Preprocessing(height=4, width=4, levels=(0, 4095))
    samples = np.full((4, 4, 3), 4095, np.uint16)
    assert np.array_equal(read(samples, colour), read(deep(samples), colour))
    assert read(samples, colour).max() == 255
