"""Batches: every sample once an epoch, in an order that nothing but (seed, epoch, id) decides."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import hubel.data.batches as module
from data.pictures import classes
from hubel.data.augment import build_augment
from hubel.data.batches import batches, epoch_order, moved_whole, resident, steps_per_epoch, usual_ahead
from hubel.data.decode import Decoded, prepare
from hubel.data.preprocessing import Preprocessing
from hubel.data.sources import open_source
from hubel.errors import UsageError

P = Preprocessing(height=4, width=3, channels=1, mean=(0.4,), std=(0.3,))


def made(count: int) -> Decoded:
    images = np.random.RandomState(0).randint(0, 256, (count, 1, 4, 3), np.uint8)
    return Decoded(images=images, labels=np.arange(count) % 5, ids=np.arange(count), digest="made")


DATA = made(300)
ORDER = [5, 9, 1, 10, 6, 11, 4, 3, 0, 8, 2, 7]


@settings(max_examples=200, deadline=None)
@given(
    st.sets(st.integers(0, 299), max_size=300), st.integers(1, 64), st.booleans(), st.booleans(), st.integers(0, 3),
    st.integers(0, 3), st.data(),
)  # fmt: skip
def test_an_epoch_holds_every_sample_once_and_goes_on_anywhere(
    rows: set[int], batch_size: int, shuffle: bool, drop_last: bool, seed: int, epoch: int, data: st.DataObject
) -> None:
    ids = np.array(sorted(rows), dtype=np.int64)
    options = {"preprocessing": P, "batch_size": batch_size, "seed": seed, "epoch": epoch, "shuffle": shuffle}
    whole = list(batches(DATA, ids, drop_last=drop_last, **options))
    assert len(whole) == steps_per_epoch(len(ids), batch_size, drop_last=drop_last)
    seen = [int(i) for batch in whole for i in batch.ids]
    assert len(seen) == len(set(seen))
    assert set(seen) <= rows
    if not drop_last:
        assert set(seen) == rows
    if not shuffle:
        assert seen == ids.tolist()[: len(seen)]
    start = data.draw(st.integers(0, len(whole)))
    rest = list(batches(DATA, ids, drop_last=drop_last, start_step=start, **options))
    assert len(rest) == len(whole) - start
    for resumed, uninterrupted in zip(rest, whole[start:], strict=True):
        assert torch.equal(resumed.ids, uninterrupted.ids)
        assert torch.equal(resumed.images, uninterrupted.images)
        assert torch.equal(resumed.labels, uninterrupted.labels)


def test_images_labels_and_ids_belong_together() -> None:
    for batch in batches(DATA, np.arange(50, 200), preprocessing=P, batch_size=32, shuffle=True, seed=3, epoch=2):
        assert batch.images.dtype == torch.float32
        assert batch.labels.dtype == torch.int64
        expected = P.normalise(DATA.images[batch.ids.numpy()])
        assert np.allclose(batch.images.numpy(), expected, atol=1e-6)
        assert (batch.labels.numpy() == DATA.labels[batch.ids.numpy()]).all()


def test_the_order_does_not_depend_on_who_else_is_there_or_on_the_order_they_came_in() -> None:
    ids = np.arange(1000)
    order = epoch_order(ids, seed=1, epoch=2)
    part = order[np.isin(order, ids[::3])]
    assert epoch_order(ids[::3], seed=1, epoch=2).tolist() == part.tolist()
    assert epoch_order(ids[::-1], seed=1, epoch=2).tolist() == order.tolist()


def test_the_order_is_the_one_of_every_released_version() -> None:
    """A run that is resumed by a later version goes on in the order in which it began."""
    assert epoch_order(np.arange(12), seed=5, epoch=3).tolist() == ORDER
    by_default = [batch.ids.tolist() for batch in batches(DATA, np.arange(300), shuffle=True)]
    assert by_default[0][:4] == [264, 89, 42, 273]
    assert by_default == [b.ids.tolist() for b in batches(DATA, np.arange(300), shuffle=True, seed=0, epoch=0)]
    assert by_default != [b.ids.tolist() for b in batches(DATA, np.arange(300), shuffle=True, seed=1, epoch=0)]


def test_orders_of_different_epochs_and_seeds_have_nothing_in_common() -> None:
    ids = np.arange(2000)
    orders = [epoch_order(ids, seed=seed, epoch=epoch) for seed in range(3) for epoch in range(3)]
    for i, first in enumerate(orders):
        assert abs(np.corrcoef(ids, np.argsort(first))[0, 1]) < 0.08
        for second in orders[i + 1 :]:
            assert abs(np.corrcoef(np.argsort(first), np.argsort(second))[0, 1]) < 0.08


def test_every_place_in_the_order_is_equally_likely() -> None:
    first = np.array([epoch_order(np.arange(8), seed=0, epoch=epoch)[0] for epoch in range(4000)])
    counts = np.bincount(first, minlength=8)
    # Chi-squared with 7 degrees of freedom passes 24.3 once in a thousand.
    assert ((counts - 500) ** 2 / 500).sum() < 24.3


def test_an_augmentation_gets_bytes_ids_seed_and_epoch() -> None:
    seen = []

    def augment(images: torch.Tensor, ids: torch.Tensor, *, seed: int, epoch: int) -> torch.Tensor:
        seen.append((images.dtype, ids.tolist(), seed, epoch))
        return 255 - images

    (batch,) = batches(DATA, np.array([7, 9]), preprocessing=P, seed=4, epoch=5, augment=augment)
    assert seen == [(torch.uint8, [7, 9], 4, 5)]
    assert np.allclose(batch.images.numpy(), P.normalise(255 - DATA.images[[7, 9]]), atol=1e-6)


def test_channels_last_is_a_matter_of_memory_only() -> None:
    colour = Decoded(
        images=np.random.RandomState(1).randint(0, 256, (8, 3, 4, 3), np.uint8), labels=np.zeros(8, np.int64),
        ids=np.arange(8), digest="",
    )  # fmt: skip
    p = Preprocessing(height=4, width=3)
    (plain,) = batches(colour, colour.ids, preprocessing=p)
    (other,) = batches(colour, colour.ids, preprocessing=p, channels_last=True)
    assert other.images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(plain.images, other.images)


def test_a_mapped_file_serves_as_well_as_memory(tmp_path: object) -> None:
    path = f"{tmp_path}/images.npy"
    np.save(path, DATA.images)
    mapped = Decoded(
        images=np.load(path, mmap_mode="r"), labels=DATA.labels, ids=DATA.ids, digest="", mapped=True
    )  # fmt: skip
    for one, two in zip(
        batches(mapped, np.arange(100), preprocessing=P, shuffle=True),
        batches(DATA, np.arange(100), preprocessing=P, shuffle=True),
        strict=True,
    ):
        assert torch.equal(one.images, two.images)


def test_points_come_as_they_are() -> None:
    _, decoded = prepare(open_source("moons"), P)
    batch = next(batches(decoded, np.arange(10), batch_size=10))
    assert batch.images.shape == (10, 2)
    assert np.array_equal(batch.images.numpy(), decoded.images[:10])


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 1"):
        next(batches(DATA, np.arange(3), batch_size=0))


def test_a_folder_of_pictures_arrives_as_batches(tmp_path: object) -> None:
    root = classes(Path(str(tmp_path)) / "root", {"cat": 5, "dog": 5})
    found, decoded = prepare(open_source(root), Preprocessing(height=8, width=8), cache_dir=f"{tmp_path}/cache")
    labels = torch.cat([batch.labels for batch in batches(decoded, decoded.ids, batch_size=3, shuffle=True)])
    assert labels.bincount().tolist() == [5, 5]
    assert found.manifest.class_names == ("cat", "dog")


# ------------------------------------------------------------------------------------------------ in advance


def preparing() -> int:
    return sum(thread.name.startswith("hubel-batches") for thread in threading.enumerate())


@pytest.mark.parametrize("ahead", [1, 2, 5])
def test_batches_prepared_in_advance_are_the_same_bits_in_the_same_order(ahead: int) -> None:
    augment = build_augment("flip,translate=1,noise=0.1")
    options = {"preprocessing": P, "batch_size": 32, "seed": 3, "epoch": 2, "shuffle": True, "start_step": 1}
    plain = list(batches(DATA, np.arange(300), augment=augment, ahead=0, **options))
    early = list(batches(DATA, np.arange(300), augment=augment, ahead=ahead, **options))
    assert len(plain) == len(early) == 9
    for one, two in zip(plain, early, strict=True):
        assert torch.equal(one.ids, two.ids)
        assert torch.equal(one.images, two.images)
        assert torch.equal(one.labels, two.labels)
    assert preparing() == 0


def test_the_next_batches_are_prepared_while_one_is_used() -> None:
    begun: list[int] = []

    def augment(images: torch.Tensor, ids: torch.Tensor, *, seed: int, epoch: int) -> torch.Tensor:
        begun.append(int(ids[0]))
        return images

    reading = batches(DATA, np.arange(100), batch_size=10, augment=augment, ahead=2)
    next(reading)
    until = time.monotonic() + 20
    while len(begun) < 3 and time.monotonic() < until:
        time.sleep(0.001)
    assert sorted(begun) == [0, 10, 20]  # the one in hand and two more, but not the whole epoch
    list(reading)
    assert sorted(begun) == list(range(0, 100, 10))


def test_what_goes_wrong_in_advance_is_raised_when_its_turn_comes() -> None:
    def augment(images: torch.Tensor, ids: torch.Tensor, *, seed: int, epoch: int) -> torch.Tensor:
        if 25 in ids:
            raise UsageError("no such picture")
        return images

    reading = batches(DATA, np.arange(100), batch_size=10, augment=augment, ahead=3)
    assert [int(next(reading).ids[0]) for _ in range(2)] == [0, 10]
    with pytest.raises(UsageError, match="no such picture"):
        next(reading)
    assert preparing() == 0


def test_leaving_early_leaves_no_thread_behind() -> None:
    reading = batches(DATA, np.arange(300), batch_size=4, ahead=3)
    next(reading)
    assert preparing() > 0
    reading.close()  # type: ignore[attr-defined]
    assert preparing() == 0
    for batch in batches(DATA, np.arange(300), batch_size=4, ahead=3):
        assert len(batch) == 4
        break
    del reading
    assert preparing() == 0


def test_a_cpu_prepares_nothing_in_advance_and_pictures_on_a_device_need_not_be() -> None:
    assert usual_ahead(torch.device("cpu"), False) == 0
    assert usual_ahead(torch.device("cuda"), False) == 2
    assert usual_ahead(torch.device("cuda"), True) == 0
    assert usual_ahead(torch.device("mps"), False) == 0


def test_pictures_are_moved_whole_also_from_a_file_that_is_only_read(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", DATA.images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    whole = moved_whole(mapped, torch.device("cpu"), rows=7)
    assert torch.equal(whole, torch.from_numpy(DATA.images))
    rows = torch.tensor([5, 299, 0])
    assert torch.equal(whole.index_select(0, rows), torch.from_numpy(DATA.images[[5, 299, 0]]))
    assert resident(DATA, torch.device("cpu")) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("share", [0.0, 0.25], ids=["streamed", "resident"])
def test_a_gpu_gets_the_same_batches(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESIDENT_SHARE", share)
    data = made(300)
    options = {"preprocessing": P, "batch_size": 32, "seed": 3, "epoch": 2, "shuffle": True}
    augment = build_augment("flip,translate=1")
    here = list(batches(data, np.arange(300), augment=augment, **options))
    there = list(batches(data, np.arange(300), augment=augment, device="cuda", **options))
    assert (resident(data, torch.device("cuda")) is None) == (share == 0.0)
    for one, two in zip(here, there, strict=True):
        assert torch.equal(one.ids, two.ids.cpu())
        assert torch.equal(one.labels, two.labels.cpu())
        torch.testing.assert_close(one.images, two.images.cpu(), atol=1e-6, rtol=0)
