"""Whether flips may be a default: what looks like writing is told from what looks like the world."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from data.pictures import scene
from hubel.data.mirrors import FEWEST, ask_mirrors, ask_outlines


def coloured_digits(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Digits in one colour on another, N 3 8 8, and their labels."""
    bunch, random = load_digits(), np.random.default_rng(0)
    ink, paper = random.integers(0, 256, (2, count, 3, 1, 1))
    share = bunch.images[:count, None] / 16
    return (share * ink + (1 - share) * paper).astype(np.uint8), bunch.target[:count]


@pytest.mark.parametrize("count", [200, 1700])
def test_mirror_images_of_digits_are_strangers_in_any_colour(count: int) -> None:
    answer = ask_mirrors(*coloured_digits(count), np.arange(count))
    assert answer is not None
    assert answer.asked == min(count, 1000)
    assert answer.handed > 0.85
    assert answer.strangers


def test_mirror_images_of_scenes_that_may_face_either_way_are_not() -> None:
    pictures = [np.asarray(scene(seed % 12, 40, 40)) for seed in range(240)]
    random = np.random.default_rng(0)
    turned = [picture[:, ::-1] if random.random() < 0.5 else picture for picture in pictures]
    answer = ask_mirrors(np.stack(turned).transpose(0, 3, 1, 2), np.arange(240) % 12, np.arange(240))
    assert answer is not None
    assert 0.3 < answer.handed < 0.7
    assert not answer.strangers


def test_where_mirror_images_help_to_tell_the_classes_they_are_kept() -> None:
    # Every scene of a class is alone in facing its way; its mirror image is among the others.
    pictures = np.stack([np.asarray(scene(seed // 2, 40, 40))[:, :: (-1) ** seed] for seed in range(200)])
    answer = ask_mirrors(pictures.transpose(0, 3, 1, 2), np.arange(200) // 2, np.arange(200))
    assert answer is not None
    assert answer.gained > answer.lost + 50
    assert not answer.strangers


def test_few_pictures_or_classes_of_one_give_no_answer() -> None:
    images, labels = coloured_digits(100)
    assert ask_mirrors(images, labels, np.arange(FEWEST - 1)) is None
    assert ask_mirrors(images, np.arange(100), np.arange(100)) is None
    assert ask_mirrors(np.zeros((100, 3, 2, 2), np.uint8), labels, np.arange(100)) is not None, "and nothing breaks"


def test_of_masks_the_outlines_of_whole_objects_are_asked() -> None:
    bunch, random = load_digits(), np.random.default_rng(0)
    masks = np.zeros((150, 40, 60), np.uint8)
    for mask, strokes, label in zip(masks, bunch.images, bunch.target, strict=False):
        large = (np.kron(strokes, np.ones((3, 3))) > 6).astype(np.uint8) * (label + 1)
        top, left = random.integers(1, 15), random.integers(1, 35)
        mask[top : top + 24, left : left + 24] = large
    digits, mirrored = ask_outlines(masks, np.arange(150)), masks.copy()
    mirrored[::2] = mirrored[::2, :, ::-1]
    either_way = ask_outlines(mirrored, np.arange(150))
    assert digits is not None
    assert either_way is not None
    assert (digits.asked, digits.strangers, "of 150 outlines" in digits.told) == (150, True, True)
    assert not either_way.strangers
    assert either_way.handed < 0.7
    cut_off = masks.copy()
    cut_off[:, :, 0] = cut_off.max(axis=(1, 2))[:, None]
    assert ask_outlines(cut_off, np.arange(150)) is None, "what reaches the rim has no outline"
