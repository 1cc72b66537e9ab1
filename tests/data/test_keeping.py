"""Where decoded pictures are kept: the same bytes and the same weights on the disk, in memory and nowhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import hubel
from data.test_shards import keyed, png, tar
from hubel.data import cache, decode, keeping
from hubel.data.batches import batches
from hubel.data.decode import channel_statistics, rows_of
from hubel.data.keeping import prepare_kept
from hubel.data.preprocessing import Preprocessing
from hubel.data.sources import open_source
from hubel.data.streamed import Streamed
from hubel.errors import DataError

SMALL = Preprocessing(height=6, width=7, channels=3)


@pytest.fixture
def shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUBEL_HOME", str(tmp_path / "home"))
    return tar(tmp_path / "a.tar", keyed(range(14)))


def test_the_three_ways_give_the_same_rows_in_the_same_layout(shard: Path) -> None:
    found = {keep: prepare_kept(open_source(shard), SMALL, keep=keep)[1] for keep in ("none", "memory", "disk")}
    disk = found["disk"].images
    order = np.array([3, 0, 3, 13, 7])
    for keep, decoded in found.items():
        images = decoded.images
        assert (images.shape, images.ndim, images.nbytes, len(images)) == (disk.shape, 4, disk.nbytes, 14), keep
        assert np.array_equal(np.asarray(images), disk), keep
        assert np.array_equal(np.ascontiguousarray(images), disk), keep
        taken = rows_of(images, order)
        assert np.array_equal(taken, disk[order]), keep
        assert taken.strides == rows_of(disk, order).strides, keep
        for which in (4, -1, slice(2, 5), order, disk.sum(axis=(1, 2, 3)) > 20_000, (order, 1), (slice(3), 0, 2)):
            assert np.array_equal(images[which], disk[which]), (keep, which)
        assert [row.tobytes() for row in images] == [row.tobytes() for row in disk]
        assert channel_statistics(decoded, order) == channel_statistics(found["disk"], order)
        with pytest.raises(IndexError):
            images[14]
    assert isinstance(found["none"].images, Streamed)
    assert found["none"].digest == found["disk"].digest


def test_batches_are_a_function_of_seed_epoch_and_sample_wherever_pictures_are_kept(shard: Path) -> None:
    ways = [prepare_kept(open_source(shard), SMALL, keep=keep)[1] for keep in ("disk", "memory", "none")]
    for epoch in (0, 1):
        rows = [
            list(batches(way, way.ids, preprocessing=SMALL, batch_size=5, shuffle=True, seed=3, epoch=epoch))
            for way in ways
        ]
        for one, other, third in zip(*rows, strict=True):
            assert torch.equal(one.ids, third.ids)
            assert torch.equal(one.images, other.images)
            assert torch.equal(one.images, third.images)
            assert one.images.stride() == third.images.stride()


def test_a_training_ends_in_the_same_weights_to_the_bit_in_all_three_ways(shard: Path, tmp_path: Path) -> None:
    weights = []
    for keep in ("disk", "memory", "none"):
        run = hubel.train(
            str(shard), cache=keep, model="mnist_gap", epochs=2, batch_size=4, img_size=12, augment="flip", seed=1,
            out=str(tmp_path / keep), val_fraction=0.2, test_fraction=0.2, verbose=False,
        )  # fmt: skip
        assert f"cache: {keep}" in (run.folder / "config.yaml").read_text()
        weights.append(run.load().model.state_dict())
    for other in weights[1:]:
        assert all(torch.equal(value, other[name]) for name, value in weights[0].items())


def test_without_a_word_the_first_that_has_room_is_chosen_and_said(
    shard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need = 14 * 6 * 7 * 3
    usage = keeping.shutil.disk_usage(shard.parent)
    for free, memory, where in ((need, 0, "disk"), (need - 1, 2 * need, "memory"), (need - 1, 2 * need - 2, "none")):
        monkeypatch.setattr(keeping.shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        monkeypatch.setattr(decode, "free_memory", lambda memory=memory: memory)
        kept = keeping.room_for(cache.home(), need)
        assert kept.where == where
        assert ("1.76 kB" in kept.why) == (where != "disk")
    _, decoded, kept = prepare_kept(open_source(shard), SMALL)
    assert (kept.where, isinstance(decoded.images, Streamed)) == ("none", True)
    monkeypatch.setenv("HUBEL_CACHE_GB", "0")
    monkeypatch.setattr(keeping.shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(decode, "free_memory", lambda: 1 << 30)
    assert keeping.room_for(cache.home(), need).where == "memory"


def test_what_lies_in_the_cache_already_is_used_though_the_disk_is_full(
    shard: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_kept(open_source(shard), SMALL, keep="disk")
    usage = keeping.shutil.disk_usage(shard.parent)
    monkeypatch.setattr(keeping.shutil, "disk_usage", lambda _: usage._replace(free=0))
    assert prepare_kept(open_source(shard), SMALL)[2].where == "disk"


@pytest.mark.parametrize("keep", [None, "disk"])
def test_a_disk_that_fills_while_it_is_written_is_told_and_the_training_goes_on(
    shard: Path, monkeypatch: pytest.MonkeyPatch, keep: str | None
) -> None:
    def full(*_: object, **__: object) -> None:
        raise cache.NoRoom("cannot write the decoded pictures: no space left on device")

    monkeypatch.setattr(decode, "read_pictures", full)
    _, decoded, kept = prepare_kept(open_source(shard), SMALL, keep=keep)
    assert (kept.where, len(decoded.images)) == ("memory", 14)
    assert kept.why.startswith("cannot write the decoded pictures: no space left on device; decoded pictures need")
    assert not list((cache.home() / "decoded").glob("*"))


def test_a_shard_that_changes_during_a_training_is_named(shard: Path) -> None:
    _, decoded, _ = prepare_kept(open_source(shard), SMALL, keep="none")
    assert len(decoded.images[:2]) == 2
    tar(shard, [(name, png(99) if name == "0003.png" else data) for name, data in keyed(range(14))])
    with pytest.raises(DataError, match=r"a\.tar/\d+\.png is not what it was when it was scanned"):
        decoded.images[np.arange(14)]
