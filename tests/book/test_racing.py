"""Nets side by side, pictures in colour, and intervals over seeds."""

from __future__ import annotations

import io
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from hubel.book import bench
from hubel.book.colours import ARCHIVE, colours
from hubel.book.experiments import all_experiments
from hubel.book.experiments.ch11_blocks import KINDS, counted
from hubel.book.experiments.ch12_stages import gabor_fit, gabors
from hubel.book.experiments.ch14 import planted_squares
from hubel.book.experiments.ch14_series import series
from hubel.book.racing import between, cost, raced, widest
from hubel.book.verdicts import CONFIRMED, UNDECIDED, more_right
from hubel.data.formats import CIFAR10_CLASSES
from hubel.metrics.intervals import mean_interval
from hubel.report.drawings.book import draw_plot


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three pictures a class to learn, one to test, each of one colour that its class has."""
    with tarfile.open(tmp_path / ARCHIVE, "w:gz") as tar:
        for part, count in (("train", 3), ("test", 1)):
            for k, name in enumerate(CIFAR10_CLASSES):
                for i in range(count):
                    out = io.BytesIO()
                    Image.new("RGB", (32, 32), (25 * k, 0, 0)).save(out, "JPEG", quality=95)
                    info = tarfile.TarInfo(f"{part}/{name}/{i:04}.jpg")
                    info.size = out.tell()
                    out.seek(0)
                    tar.addfile(info, out)
    monkeypatch.setenv("HUBEL_DATA", str(tmp_path))
    return tmp_path


def test_pictures_in_colour_come_with_their_labels(archive: Path) -> None:
    data = colours(20, 5, 16)
    assert data.name == "cifar10"
    assert (data.x.shape, data.test_x.shape) == ((20, 3, 16, 16), (5, 3, 16, 16))
    assert "20 for training" in data.note
    reds = data.x[:, 0].mean((1, 2)) * 255
    assert torch.allclose(reds, 25.0 * data.y, atol=3)
    assert torch.equal(colours(20, 5, 16).x, data.x)


def test_without_cifar_10_digits_stand_in_and_the_book_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUBEL_DATA", raising=False)
    bench._all_digits.cache_clear()
    data = colours(30, 10, 16)
    bench._all_digits.cache_clear()
    assert data.name == "digits"
    assert data.x.shape == (30, 3, 16, 16)
    assert "CIFAR-10 is not in HUBEL_DATA" in data.note
    assert torch.equal(data.x[:, 0], data.x[:, 2])


def test_a_sample_that_several_seeds_answer_counts_once() -> None:
    draw = np.random.RandomState(0)
    first, second = draw.rand(300) < 0.8, draw.rand(300) < 0.7
    once = more_right(first, second, "")
    thrice = more_right(np.stack([first] * 3), np.stack([second] * 3), "")
    low, high = mean_interval(first.astype(float) - second)
    assert f"{100 * low:+.1f} to {100 * high:+.1f}" in thrice.text
    assert once.verdict == thrice.verdict
    pooled = more_right(np.concatenate([first] * 3), np.concatenate([second] * 3), "")
    assert (pooled.verdict, thrice.verdict) in ((CONFIRMED, UNDECIDED), (CONFIRMED, CONFIRMED), (UNDECIDED, UNDECIDED))


def test_nets_of_a_race_begin_with_the_same_seeds_and_see_the_same_batches(archive: Path) -> None:
    data = colours(20, 10)

    def net() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(3072, 10))

    done = raced({"one": net, "two": net}, data, seeds=2, steps=2, row=1)
    assert done["one"].hits.shape == (2, 10)
    for a, b in zip(done["one"].nets, done["two"].nets, strict=True):
        assert torch.equal(a[1].weight, b[1].weight)  # type: ignore[index]
    first, second = done["one"].nets
    assert not torch.equal(first[1].weight, second[1].weight)  # type: ignore[index]


def test_the_widest_net_within_a_cost_is_within_and_the_next_is_not() -> None:
    def build(maps: int) -> nn.Module:
        return between(KINDS["3x3 thrice"], maps, 2 * maps)

    most = cost(between(KINDS["7x7"], 8, 16)).macs
    width = widest(build, most, lambda net: cost(net).macs)
    assert cost(build(width)).macs <= most < cost(build(width + 1)).macs


@pytest.mark.parametrize("kind", KINDS)
def test_every_block_keeps_the_size_and_the_maps(kind: str) -> None:
    assert KINDS[kind](16, 16)(torch.zeros(2, 16, 6, 6)).shape == (2, 16, 6, 6)


def test_a_wrong_count_would_be_noticed() -> None:
    _, found = counted()
    assert {finding.verdict for finding in found.values()} == {CONFIRMED}
    assert "hears of 4 of 16 inputs, 16 when they are dealt out" in found["E149"].text
    assert "45%" in found["E41"].text


def test_gabors_explain_themselves_and_noise_does_not() -> None:
    bank = gabors()
    waves = bank[::40].reshape(-1, 1, 7, 7) * np.array([1.0, 0.5, -0.3]).reshape(1, 3, 1, 1)
    assert (gabor_fit(waves) > 0.99).all()
    noise = np.random.RandomState(0).randn(200, 3, 7, 7)
    assert (gabor_fit(noise) > 0.7).mean() < 0.1


def test_planted_squares_are_where_they_are_said_to_be_and_can_be_seen() -> None:
    draw = torch.Generator().manual_seed(0)
    usual, other = (torch.rand(6, 1, 14, 14, generator=draw) for _ in range(2))
    odd, where = planted_squares(usual, 5, 0, other)
    assert torch.allclose(odd[~where], usual[~where], atol=0.021)
    assert ((where.sum((1, 2, 3)) > 15) & (where.sum((1, 2, 3)) <= 25)).all()
    assert ((odd != usual).sum((1, 2, 3)) <= 25).all()
    assert ((odd - usual).abs() * where).sum((1, 2, 3)).min() > 0.25 * 25


def test_a_series_without_faults_has_none_and_one_with_faults_says_where() -> None:
    usual, none = series(600, 3, odd=False)
    odd, where = series(600, 3, odd=True)
    assert not none.any()
    assert 30 <= where.sum() <= 90
    assert np.array_equal(usual[~where], odd[~where])


@pytest.mark.slow
@pytest.mark.parametrize("number", ["3.6", "5.5", "11.4", "11.5", "11.10", "11.11"])
def test_experiments_that_take_minutes_settle_all_their_claims(
    number: str, monkeypatch: pytest.MonkeyPatch, archive: Path
) -> None:
    """In full, but for next to no pictures and steps: what they would say then is nothing, and that is undecided."""
    each = all_experiments()[number]
    monkeypatch.setattr(
        sys.modules[each.measure.__module__], "colours", lambda train, test, side=32: colours(30, 10, side)
    )
    outcome = each.measure(replace(each.full, seeds=1, samples=30, steps=10))
    assert set(outcome.findings) == set(each.rows)
    assert all(any(letter.isdigit() for letter in finding.text) for finding in outcome.findings.values())
    assert all(draw_plot(plot) is not None or plot.title for plot in outcome.plots)
