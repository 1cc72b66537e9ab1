"""Randomness as a function of whole numbers: seeds that are the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

import torch

_WORD = (1 << 64) - 1


class Stream(IntEnum):
    """Words that keep the random numbers of different purposes apart where they come from one seed."""

    WEIGHTS = 1
    """Initial weights."""
    AUGMENT = 3
    """Augmentation, by epoch and sample."""
    DROPOUT = 4
    """Drop-out and noise inside the net, by step."""
    PROBE = 9
    """Copies on which a probe makes its steps."""
    HIDDEN = 13
    """A head with a hidden layer: its weights and its order of samples."""
    SANITY = 19
    """Weights drawn anew, to see whether a map depends on what was learnt."""


def mix(*words: int) -> int:
    """A 63-bit seed from whole numbers, the same on every machine: randomness as a function, not as a state.

    Each word passes through the finaliser of SplitMix64 (Steele, Lea, Flood 2014), so neighbouring seeds,
    epochs and steps give unrelated numbers.

    >>> mix(0, 1), mix(0, 2), mix(1, 1)
    (1534736266818221247, 4702803707325424070, 4858116031665395457)
    """
    state = 0
    for word in words:
        state = (state + (word & _WORD) + 0x9E3779B97F4A7C15) & _WORD
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _WORD
        state ^= state >> 31
    return state >> 1


def generator(*words: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator seeded with `mix(*words)`."""
    return torch.Generator(device=device).manual_seed(mix(*words))


def seed_all(*words: int) -> None:
    """Seed torch's global generators (initial weights, dropout) with `mix(*words)`."""
    torch.manual_seed(mix(*words))


def seed_step(device: torch.device, *words: int) -> None:
    """Seed the generators that a step on `device` draws from (drop-out): `seed_all`, but cheap enough for every step.

    torch.manual_seed remembers who called it, for devices that are not yet awake; that takes longer than a small step.
    """
    seed = mix(*words)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


@contextmanager
def seeded(*words: int) -> Iterator[None]:
    """Global generators seeded inside the block and put back afterwards."""
    # A GPU that nothing has used yet has no state to put back, and asking for it would wake it, which takes seconds.
    awake = torch.cuda.device_count() if torch.cuda.is_initialized() else 0
    with torch.random.fork_rng(devices=range(awake)):
        seed_all(*words)
        yield
