"""Decode once: the cache gives back the same pixels, only of the same contents, and never a torn file."""

from __future__ import annotations

import io
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hubel.data.decode as module
import hubel.data.index as index
from data.pictures import classes, deep, encoded, scene, tree
from hubel.data import cache
from hubel.data.augment import build_augment
from hubel.data.batches import batches
from hubel.data.choose import check_levels, choose_preprocessing, tell_levels
from hubel.data.decode import channel_statistics, decode, prepare, read_images
from hubel.data.folders import open_folder
from hubel.data.preprocessing import FITS, Preprocessing
from hubel.data.scan import scan
from hubel.data.sources import open_source
from hubel.errors import DataError, UsageError

P = Preprocessing(height=12, width=14)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return classes(tmp_path / "root", {"cat": 5, "dog": 4}, form="JPEG")


def files(cache: Path) -> set[str]:
    return {path.name for path in (cache / "decoded").iterdir()}


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_the_reader_one_by_one(root: Path, tmp_path: Path, fit: str, channels: int) -> None:
    p = Preprocessing(height=12, width=14, fit=fit, channels=channels)
    found, decoded = prepare(open_folder(root), p, cache_dir=tmp_path / "cache")
    assert found.manifest.paths is not None
    images, rows, problems = read_images([root / path for path in found.manifest.paths], p)
    assert problems == ()
    assert rows.tolist() == list(range(9))
    assert np.array_equal(decoded.images, images)
    assert decoded.labels.tolist() == [0] * 5 + [1] * 4
    assert decoded.ids.tolist() == list(range(9))


def test_what_training_cached_is_what_prediction_reads_of_large_photos(photo_folder: Path, tmp_path: Path) -> None:
    photos = sorted(photo_folder.iterdir())[:12]
    tree(tmp_path / "root", {f"{'ab'[i % 2]}/{path.name}": path.read_bytes() for i, path in enumerate(photos)})
    p = Preprocessing(height=64, width=64)
    found, decoded = prepare(open_folder(tmp_path / "root"), p, cache_dir=tmp_path / "cache")
    assert found.problems == ()
    assert found.manifest.paths is not None
    images, _, _ = read_images([tmp_path / "root" / path for path in found.manifest.paths], p)
    assert np.array_equal(decoded.images, images)
    # Decoding at a fraction of the size first is a matter of speed and must not be seen.
    for path, image in zip(found.manifest.paths, images, strict=True):
        slow = p.image(Image.open(tmp_path / "root" / path).convert("RGB"))
        assert np.abs(slow.astype(int) - image).mean() < 3


def test_scan_then_decode_is_the_same_as_both_in_one(root: Path, tmp_path: Path) -> None:
    found, decoded = prepare(open_folder(root), P, cache_dir=tmp_path / "one")
    again = decode(scan(open_folder(root), cache_dir=tmp_path / "two").manifest, P, cache_dir=tmp_path / "two")
    assert np.array_equal(decoded.images, again.images)
    assert decoded.digest == again.digest
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert found.manifest.digest == scan(open_folder(root), cache_dir=tmp_path / "two").manifest.digest


def test_a_second_start_reads_no_picture(root: Path, tmp_path: Path) -> None:
    _, first = prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    calls: list[int] = []
    _, second = prepare(
        open_folder(root), P, cache_dir=tmp_path / "cache", progress=lambda done, total: calls.append(done)
    )
    assert calls == []
    assert np.array_equal(first.images, second.images)
    assert first.digest == second.digest


def test_a_folder_that_was_moved_finds_its_pixels_again(root: Path, tmp_path: Path) -> None:
    prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    root.rename(tmp_path / "moved")
    before = files(tmp_path / "cache")
    prepare(open_folder(tmp_path / "moved"), P, cache_dir=tmp_path / "cache")
    assert files(tmp_path / "cache") == before


def test_another_geometry_is_another_cache_and_statistics_are_none_of_its_business(root: Path, tmp_path: Path) -> None:
    for p in (P, P.with_statistics((0.5,) * 3, (0.2,) * 3), Preprocessing(height=12, width=14, fit="pad")):
        prepare(open_folder(root), p, cache_dir=tmp_path / "cache")
    assert len(files(tmp_path / "cache")) == 2


@pytest.mark.parametrize(
    "change", [{"height": 11}, {"width": 13}, {"channels": 1}, {"fit": "pad"}, {"interpolation": "nearest"}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_every_part_of_the_geometry_decides_about_the_cache(root: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    for p in (P, replace(P, **change), P):
        _, decoded = prepare(open_folder(root), p, cache_dir=tmp_path / "cache")
        images, _, _ = read_images(sorted(root.rglob("*.jpeg")), p)
        assert np.array_equal(decoded.images, images)
    assert len(files(tmp_path / "cache")) == 2


@pytest.mark.parametrize("happens", ["added", "removed", "renamed", "moved to another class", "swapped"])
def test_whatever_happens_to_the_folder_pixels_and_labels_are_those_of_the_files(
    root: Path, tmp_path: Path, happens: str
) -> None:
    prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    if happens == "added":
        (root / "cat/0005.jpeg").write_bytes(encoded(scene(79, 20, 16), "JPEG"))
    elif happens == "removed":
        (root / "cat/002.jpeg").unlink()
    elif happens == "renamed":
        (root / "cat/002.jpeg").rename(root / "cat/zzz.jpeg")
    elif happens == "moved to another class":
        (root / "cat/002.jpeg").rename(root / "dog/002b.jpeg")
    else:
        (root / "cat/000.jpeg").rename(root / "spare")
        (root / "dog/000.jpeg").rename(root / "cat/000.jpeg")
        (root / "spare").rename(root / "dog/000.jpeg")
    found, decoded = prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    assert found.manifest.paths is not None
    images, _, _ = read_images([root / path for path in found.manifest.paths], P)
    assert np.array_equal(decoded.images, images)
    assert [found.manifest.class_names[label] for label in decoded.labels] == [
        path.split("/")[0] for path in found.manifest.paths
    ]


@pytest.mark.parametrize("begun", ["Pillow 99.0, JPEG 3.0, WebP 1.0"])
def test_another_decoder_reads_the_files_again(
    root: Path, tmp_path: Path, begun: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    monkeypatch.setattr(module, "decoder", lambda: begun)
    monkeypatch.setattr(index, "FORMAT", f"1, {begun}")
    calls: list[int] = []
    prepare(open_folder(root), P, cache_dir=tmp_path / "cache", progress=lambda done, total: calls.append(done))
    assert calls[-1] == 9
    assert len(files(tmp_path / "cache")) == 2


def test_a_changed_picture_never_meets_its_old_pixels(root: Path, tmp_path: Path) -> None:
    _, before = prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    path = root / "cat/002.jpeg"
    about = path.stat()
    replacement = encoded(scene(77, 20, 16), "JPEG", quality=20)
    path.write_bytes(replacement.ljust(about.st_size, b"\0"))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))  # as a careless tool would: same size, same time
    _, after = prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    changed = [row for row in range(9) if not np.array_equal(before.images[row], after.images[row])]
    assert changed == [2]


def test_a_picture_that_changed_between_scan_and_decode_is_refused(root: Path, tmp_path: Path) -> None:
    found = scan(open_folder(root), cache_dir=tmp_path / "cache")
    (root / "dog/001.jpeg").write_bytes(encoded(scene(78), "JPEG"))
    with pytest.raises(DataError, match=r"dog/001.jpeg is not what it was"):
        decode(found.manifest, P, cache_dir=tmp_path / "cache")
    assert files(tmp_path / "cache") == set()


def test_bad_files_leave_no_gap(root: Path, tmp_path: Path) -> None:
    _, clean = prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    tree(root, {"cat/000-bad.jpg": b"words", "cat/0019.jpg": b"", "dog/zzz.jpg": encoded(scene(1))[:200]})

    def gone(done: int, total: int) -> None:
        if done == total:  # one pass over the files is enough: after it, nobody needs them
            (root / "cat").rename(tmp_path / "gone")

    found, decoded = prepare(open_folder(root), P, cache_dir=tmp_path / "another", progress=gone)
    assert found.left_out == 3
    assert len(decoded) == 9
    assert np.array_equal(decoded.images, clean.images)
    assert decoded.digest == clean.digest


def test_a_bad_file_in_the_middle_moves_only_what_comes_after_it(root: Path, tmp_path: Path) -> None:
    _, clean = prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    tree(root, {"dog/zzz.jpg": encoded(scene(1))[:200], "owl/1.jpg": encoded(scene(2))})
    found, decoded = prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    assert found.left_out == 1
    assert np.array_equal(decoded.images[:9], clean.images)


@pytest.mark.parametrize("damage", ["cut", "header", "empty"])
def test_a_damaged_cache_file_is_made_again(root: Path, tmp_path: Path, damage: str) -> None:
    _, first = prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    (cached,) = (tmp_path / "cache/decoded").iterdir()
    whole = cached.read_bytes()
    cached.write_bytes({"cut": whole[:-1], "header": b"!" + whole[1:], "empty": b""}[damage])
    _, second = prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    assert np.array_equal(first.images, second.images)
    assert cached.read_bytes() == whole


def test_data_larger_than_memory_is_mapped(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, loaded = prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    assert not loaded.mapped
    monkeypatch.setattr(module, "free_memory", lambda: 1000)
    _, mapped = prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    assert mapped.mapped
    assert isinstance(mapped.images, np.memmap)
    assert np.array_equal(mapped.images, loaded.images)


def test_the_cache_stays_under_its_limit_and_keeps_what_was_used_last(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBEL_CACHE_GB", str(3.5 * 9 * P.height * P.width * 3 / 2**30))
    made = []
    for fit in ("pad", "crop", "squash"):
        prepare(open_folder(root), Preprocessing(height=12, width=14, fit=fit), cache_dir=tmp_path / "cache")
        made.append(next(iter(files(tmp_path / "cache") - set(made))))
        time.sleep(0.01)
    prepare(open_folder(root), Preprocessing(height=12, width=14, fit="pad"), cache_dir=tmp_path / "cache")
    prepare(open_folder(root), Preprocessing(height=12, width=15), cache_dir=tmp_path / "cache")
    left = files(tmp_path / "cache")
    assert made[0] in left
    assert made[1] not in left
    assert len(left) == 3


@pytest.mark.parametrize("newest_first", [True, False])
def test_what_was_used_longest_ago_goes_first_whatever_it_is_called(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, newest_first: bool
) -> None:
    monkeypatch.setenv("HUBEL_CACHE_GB", str(20_000 / 2**30))  # the nine pictures take less than 5,000 bytes of it
    (tmp_path / "cache/decoded").mkdir(parents=True)
    names = [f"{letter}.npy" for letter in "abcdefgh"]
    for age, name in enumerate(names if newest_first else names[::-1]):
        (tmp_path / "cache/decoded" / name).write_bytes(bytes(5_000))
        os.utime(tmp_path / "cache/decoded" / name, (time.time() - 60 * (age + 1),) * 2)
    prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    assert files(tmp_path / "cache") & set(names) == set(names[:3] if newest_first else names[-3:])


def test_a_limit_of_nothing_keeps_only_what_is_in_use(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache.limit() == 50 << 30, "fifty gibibytes, as the docs say"
    monkeypatch.setenv("HUBEL_CACHE_GB", "0")
    for fit in ("pad", "crop"):
        prepare(open_folder(root), Preprocessing(height=12, width=14, fit=fit), cache_dir=tmp_path / "cache")
        assert len(files(tmp_path / "cache")) == 1


def test_a_cache_file_of_another_shape_is_made_again(root: Path, tmp_path: Path) -> None:
    _, first = prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    (cached,) = (tmp_path / "cache/decoded").iterdir()
    np.save(cached, first.images[1:])
    _, second = prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    assert np.array_equal(first.images, second.images)


@pytest.mark.parametrize("mapped", [False, True])
def test_a_cache_file_whose_bytes_are_not_those_written_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapped: bool
) -> None:
    monkeypatch.setattr(module, "free_memory", lambda: 0 if mapped else 1 << 40)
    (tmp_path / "decoded").mkdir()
    with module._PixelFile(tmp_path, 3, P) as pixels:
        Path(pixels.name).write_bytes(bytes(pixels.header) + os.urandom(3 * 12 * 14 * 3))
        written = pixels.publish("key")
    start, file = pixels.header, tmp_path / "decoded/key.npy"
    whole, shape = file.read_bytes(), (3, 3, 12, 14)
    found = module._open_cached(file, shape)
    assert found is not None
    assert np.array_equal(found, written)
    assert isinstance(found, np.memmap) == mapped
    for name, damaged in {
        "zeroed pixels": whole[:start] + bytes(len(whole) - start - 9) + whole[-9:],
        "one bit": whole[: start + 100] + bytes([whole[start + 100] ^ 1]) + whole[start + 101 :],
        "a zeroed end": whole[:-20] + bytes(20), "no seal": whole[:-9], "more": whole + b"x",
        "zeros": bytes(len(whole)),
    }.items():  # fmt: skip
        file.write_bytes(damaged)
        assert module._open_cached(file, shape) is None, name


def test_a_zeroed_file_among_the_decoded_is_made_again(root: Path, tmp_path: Path) -> None:
    _, first = prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    (cached,) = (tmp_path / "cache/decoded").iterdir()
    whole = cached.read_bytes()
    cached.write_bytes(whole[:200] + bytes(len(whole) - 200))
    _, second = prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    assert np.array_equal(first.images, second.images)
    assert cached.read_bytes() == whole


def test_pixels_lie_as_nets_are_fed_and_batches_are_the_same_bits_either_way(root: Path, tmp_path: Path) -> None:
    _, decoded = prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    assert decoded.images.transpose(0, 2, 3, 1).flags.c_contiguous
    plain = replace(decoded, images=np.ascontiguousarray(decoded.images))
    for chain in ("none", "flip", "alternating-flip,translate=2,erase=3", "flip,resized-crop=0.1", "photos", "trivial"):
        for last in (False, True):
            options: dict[str, Any] = {
                "preprocessing": P, "batch_size": 4, "shuffle": True, "augment": build_augment(chain),
                "channels_last": last,
            }  # fmt: skip
            for one, other in zip(
                batches(decoded, decoded.ids, **options), batches(plain, plain.ids, **options), strict=True
            ):
                assert torch.equal(one.images, other.images), chain
                assert one.images.stride() == other.images.stride(), chain


@pytest.mark.parametrize("limit", ["much", "-1", "nan"])
def test_a_limit_that_is_no_number_is_an_error_in_words(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setenv("HUBEL_CACHE_GB", limit)
    with pytest.raises(UsageError, match=f"HUBEL_CACHE_GB must be a number of gigabytes, got '{limit}'"):
        prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    assert files(tmp_path / "cache") == set()


def test_a_disk_too_small_for_the_pixels_is_refused_before_a_picture_is_read(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need = len(module._npy_header((9, *P.shape))) + 9 * P.height * P.width * 3
    usage = module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: usage._replace(free=need - 1))
    monkeypatch.setattr(module, "read_pictures", None)
    with pytest.raises(DataError, match=r"decoded pictures need 4.66 kB, .* has .* free"):
        prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    assert files(tmp_path / "cache") == set()


def test_what_a_dead_process_left_is_swept_after_a_day_and_not_before(root: Path, tmp_path: Path) -> None:
    (tmp_path / "cache/decoded").mkdir(parents=True)
    for name, hours in (("old.tmp", 25), ("young.tmp", 23)):
        (tmp_path / "cache/decoded" / name).write_bytes(b"half a file")
        os.utime(tmp_path / "cache/decoded" / name, (time.time() - hours * 3600,) * 2)
    (tmp_path / "cache/decoded/gone.tmp").symlink_to(tmp_path / "nowhere")  # listed, and gone when it is looked at
    (tmp_path / "cache/decoded/gone.npy").symlink_to(tmp_path / "nowhere")
    prepare(open_folder(root), P, cache_dir=tmp_path / "cache")
    left = files(tmp_path / "cache")
    assert "young.tmp" in left
    assert "old.tmp" not in left


def test_a_manifest_that_was_not_scanned_is_not_decoded(root: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must be scanned before it is decoded"):
        decode(open_folder(root), P, cache_dir=tmp_path)


def test_a_cache_that_loses_what_was_written_is_an_error_in_words(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_open_cached", lambda file, shape, checked=False: None)
    with pytest.raises(DataError, match="lost what was just written to it"):
        prepare(open_folder(root), P, cache_dir=tmp_path / "cache")


def test_a_system_that_does_not_say_how_much_memory_is_free_gets_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(path: str) -> None:
        raise FileNotFoundError(path)

    assert module.free_memory() > 1 << 20
    monkeypatch.setattr(module, "open", lambda path: io.StringIO("MemAvailable: 3000 kB\n"), raising=False)
    assert module.free_memory() == 3000 * 1024
    monkeypatch.setattr(module, "open", lambda path: io.StringIO("MemTotal: 3 kB\n"), raising=False)
    assert module.free_memory() == 4 << 30
    monkeypatch.setattr(module, "open", absent, raising=False)
    assert module.free_memory() == 4 << 30


def test_a_cache_folder_that_cannot_be_written_is_an_error_in_words(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="cannot keep decoded pictures") as error:
        prepare(open_folder(root), P, cache_dir=tmp_path / "file")
    assert "HUBEL_HOME" in error.value.hint


def test_sets_in_memory_are_fitted_too() -> None:
    found, decoded = prepare(open_source("digits"), Preprocessing(height=12, width=12, fit="squash", channels=3))
    assert decoded.images.shape == (1797, 3, 12, 12)
    assert len(found.manifest) == 1797
    assert not decoded.mapped
    small = prepare(open_source("digits"), Preprocessing(height=8, width=8, channels=1))[1]
    assert np.array_equal(small.images[:, 0], open_source("digits").arrays[..., 0])  # type: ignore[index]


def test_points_pass_through() -> None:
    _, decoded = prepare(open_source("moons"), P)
    assert decoded.images.shape == (1000, 2)
    assert decoded.images.dtype == np.float32


def test_statistics_are_exact_and_of_the_asked_samples_only() -> None:
    decoded = prepare(open_source("digits"), Preprocessing(height=8, width=8, channels=1))[1]
    ids = np.arange(100, 1200)
    mean, std = channel_statistics(decoded, ids)
    values = decoded.images[100:1200].astype(np.float64) / 255
    assert mean == pytest.approx((values.mean(),), abs=1e-12)
    assert std == pytest.approx((values.std(),), abs=1e-12)
    flat = module.Decoded(images=np.full((4, 1, 2, 2), 7, np.uint8), labels=np.zeros(4), ids=np.arange(4), digest="")
    assert channel_statistics(flat, np.arange(4))[1] == (1.0,)


def test_read_images_names_what_it_cannot_read(root: Path, tmp_path: Path) -> None:
    (tmp_path / "words.jpg").write_bytes(b"words")
    paths = [root / "cat/000.jpeg", tmp_path / "words.jpg", tmp_path / "missing.png", root / "dog/000.jpeg"]
    images, rows, problems = read_images(paths, P)
    assert images.shape == (2, 3, 12, 14)
    assert rows.tolist() == [0, 3]
    assert [(Path(p.path).name, p.kind) for p in problems] == [
        ("words.jpg", "not an image"),
        ("missing.png", "unreadable"),
    ]


def test_where_no_file_is_a_picture_there_are_no_images_of_the_right_shape(tmp_path: Path) -> None:
    (tmp_path / "words.jpg").write_bytes(b"words")
    images, rows, problems = read_images([tmp_path / "words.jpg"], P)
    assert images.shape == (0, 3, 12, 14)
    assert rows.tolist() == []
    assert len(problems) == 1


def test_the_choice_of_preprocessing_follows_the_pictures(photo_folder: Path, tmp_path: Path) -> None:
    assert choose_preprocessing(open_source("digits")).shape == (1, 8, 8)
    small = open_folder(classes(tmp_path / "small", {"cat": 3, "dog": 3}))
    assert choose_preprocessing(small).shape == (3, 16, 20)
    assert choose_preprocessing(small, img_size=10).fit == "pad"
    assert choose_preprocessing(small, img_size=(8, 10), channels=1).shape == (1, 8, 10)
    photos = sorted(photo_folder.iterdir())[:20]
    tree(tmp_path / "large", {f"{'ab'[i % 2]}/{path.name}": path.read_bytes() for i, path in enumerate(photos)})
    assert choose_preprocessing(open_folder(tmp_path / "large")).shape == (3, 128, 128)
    grey = tree(tmp_path / "grey", {f"{c}/1.png": encoded(scene(1).convert("L"), "PNG") for c in "ab"})
    assert choose_preprocessing(open_folder(grey)).channels == 1


def test_grey_is_what_is_grey_whatever_the_file_says(tmp_path: Path) -> None:
    def chosen(name: str, **pictures: Image.Image) -> Preprocessing:
        files = {f"{c}/{n}.jpg": encoded(picture, quality=60) for c in "ab" for n, picture in pictures.items()}
        return choose_preprocessing(open_folder(tree(tmp_path / name, files)))

    grey = scene(1, 300, 200).convert("L").convert("RGB")
    assert chosen("grey", one=grey).channels == 1
    spot = grey.copy()
    spot.paste("red", (100, 90, 140, 120))
    assert chosen("spot", one=grey, two=spot).channels == 3
    assert choose_preprocessing(open_folder(tmp_path / "grey"), channels=3).channels == 3


def test_pictures_of_more_than_8_bits_get_one_range_for_the_set_and_it_is_said(tmp_path: Path) -> None:
    def file(top: float, kind: type, seed: int = 0) -> bytes:
        ramp = np.linspace(0, top, 256).reshape(16, 16).astype(kind)
        return encoded(Image.fromarray(np.roll(ramp, seed, axis=0)), "TIFF")

    def made(name: str, *files: bytes) -> tuple[Preprocessing, np.ndarray, list[str]]:
        root = tree(tmp_path / name, {f"{'ab'[i % 2]}/{i}.tif": data for i, data in enumerate(files)})
        p = choose_preprocessing(open_folder(root))
        found, decoded = prepare(open_folder(root), p, cache_dir=tmp_path / "cache")
        return p, decoded.images.reshape(len(files), -1).max(axis=1), [q.kind for q in found.problems]

    p, brightest, problems = made("twelve", file(4095, np.uint16), file(1000, np.uint16))
    assert p.levels == (0, 4095)
    assert tell_levels(p.levels, ["I;16"]) == "12 of 16 bits used: 0 is black and 4095 white, in every picture"
    assert brightest.tolist() == [255, 62]
    assert "beyond levels" not in problems
    assert made("sixteen", file(65535, np.uint16), file(65535, np.uint16, 1))[0].levels is None
    assert tell_levels(None, ["I;16"]).startswith("16 of 16 bits used")
    assert made("floats", file(1.0, np.float32), file(0.5, np.float32))[1].tolist() == [255, 128]
    assert made("bytes", file(250, np.float32), file(0.5, np.float32))[0].levels == (0, 255)
    assert made("hounsfield", file(-1000, np.int32), file(2000, np.int32))[0].levels == (-1024, 2047)
    assert tell_levels(None, ["L", "RGB"]) == ""
    colours = [deep(np.full((8, 8, 3), (top, 9, 200))) for top in (1023, 300)]
    p, brightest, _ = made("colours", *colours)
    assert (p.levels, p.channels, brightest.tolist()) == ((0, 1023), 3, [255, 75])
    cut = check_levels(scan(open_folder(tmp_path / "twelve"), cache_dir=tmp_path / "cache"), (0, 2047))
    assert [(q.path, q.reason) for q in cut.problems if q.kind == "beyond levels"] == [
        ("a/0.tif", "samples from 0 to 4095: those beyond 0 to 2047 are cut off")
    ]


def test_a_cache_of_other_levels_is_another_cache(tmp_path: Path) -> None:
    data = [encoded(Image.fromarray(np.full((8, 8), value, np.uint16)), "PNG") for value in (100, 200)]
    root = tree(tmp_path / "root", {"a/1.png": data[0], "b/2.png": data[1]})
    for levels, seen in (((0, 255), [100, 200]), ((0, 510), [50, 100])):
        p = Preprocessing(height=8, width=8, channels=1, levels=levels)
        decoded = prepare(open_folder(root), p, cache_dir=tmp_path / "cache")[1]
        assert decoded.images[:, 0, 0, 0].tolist() == seen
