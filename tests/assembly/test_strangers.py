"""What a net's own pictures are held against: made strange, corrupted, and given."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

import hubel
from hubel.assembly.strangers import make_strange
from hubel.assembly.trusting import best_of
from hubel.data.strange import CORRUPTED, KINDS
from hubel.robustness.corruptions import chosen, corrupt


def test_held_out_pictures_are_spoilt_by_every_corruption_in_turn() -> None:
    images = np.random.default_rng(0).integers(0, 256, (80, 1, 28, 28), np.uint8)
    learnt, held_out = np.arange(40), np.arange(40, 80)
    made = dict(make_strange(images, learnt, held_out, 200, np.random.default_rng(1)))
    assert list(made) == [*KINDS, CORRUPTED]
    names = chosen([], 1)
    assert len(made[CORRUPTED]) == 40 > len(names)
    for place, row in enumerate(held_out):
        expected = corrupt(images[row : row + 1], [row], names[place % len(names)], 5)[0]
        np.testing.assert_array_equal(made[CORRUPTED][place], expected)


def test_fewer_pictures_than_corruptions_are_spoilt_all_the_same() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 32, 32), np.uint8)
    made = dict(make_strange(images, np.arange(12), np.arange(12, 20), 5, np.random.default_rng(1)))
    assert {name: len(pictures) for name, pictures in made.items()} == dict.fromkeys([*KINDS, CORRUPTED], 5)
    assert not any((pictures == images[row]).all() for pictures in made[CORRUPTED] for row in range(20))


def test_scores_are_chosen_by_corrupted_pictures_too_but_not_as_the_worst_kind() -> None:
    low, high = np.zeros(50), np.ones(50)
    scales = {"energy": (0.0, 1.0), "neighbours": (0.0, 1.0)}
    known = {"energy": low, "neighbours": low}
    # Both tell what was made strange; only one of them notices that a picture has gone bad.
    odd = {"noise": {"energy": high, "neighbours": high}, CORRUPTED: {"energy": -5 * high, "neighbours": 0.4 * high}}
    assert list(best_of(known, odd, scales)[0]) == ["neighbours"]
    # Energy tells all noise and no corruption, the other most of the noise and half of the corrupted ones.
    noise = {"energy": high, "neighbours": np.where(np.arange(50) < 40, 1.0, -30.0)}
    spoilt = {"energy": low, "neighbours": np.where(np.arange(50) < 25, 1.0, 0.0)}
    assert list(best_of(known, {"noise": noise, CORRUPTED: spoilt}, scales)[0]) == ["energy"]
    assert list(best_of(known, {"noise": noise, "flat": spoilt}, scales)[0]) == ["energy", "neighbours"]


def test_a_run_says_how_well_it_tells_corrupted_pictures(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    run = hubel.train("digits", epochs=2, limit=600, out=str(tmp_path), device="cpu", threads=1, verbose=False)
    told = json.loads((run.folder / "summary.json").read_text())["trust"][f"separation_{CORRUPTED}"]
    assert 0.5 < told < 1
    page = (run.folder / "report.html").read_text()
    assert "each spoilt by one corruption at its worst" in page
