"""Nets that several experiments read: trained once for each recipe, kept in HUBEL_HOME/book, rebuilt where deleted."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cache

import torch
from torch import nn

from hubel.book.bench import Digits, digits, fit
from hubel.book.experiment import Budget
from hubel.checkpoint.tensors import read_header, read_tensors, write_tensors
from hubel.data.cache import home
from hubel.errors import HubelError
from hubel.models import create_model
from hubel.runtime.seeds import mix, seeded
from hubel.store import RunStore
from hubel.store.reading import opened

VERSION = 1
"""Raised where the way of training changes, so that what was kept is not taken for the new."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A net on handwritten digits: R-A of the plan, and R-P where `permuted`."""

    net: str
    train: int
    steps: int
    seed: int = 0
    permuted: bool = False
    """Pixels in one fixed random order."""


@cache
def pixel_order() -> torch.Tensor:
    """The fixed order of the 784 pixels."""
    return torch.randperm(784, generator=torch.Generator().manual_seed(mix(14, 0)))


def permuted(x: torch.Tensor) -> torch.Tensor:
    """Pictures with their pixels in the fixed order."""
    return x.flatten(1)[:, pixel_order()].reshape(x.shape)


def sizes(budget: Budget) -> tuple[int, int]:
    """Samples and steps of R-A in this budget: 6 epochs or 3, in batches of 128."""
    return (10_000, 474) if budget.full else (3_000, 72)


def run_a(net: str, budget: Budget, seed: int = 0, *, shuffled: bool = False) -> tuple[nn.Module, Digits]:
    """`net` trained on the digits of R-A (or, `shuffled`, on the same in the fixed order of pixels), and the data."""
    train, steps = sizes(budget)
    data = digits(train)
    return trained(Recipe(net, len(data.x), steps, seed, shuffled), data.name), data


@cache
def trained(recipe: Recipe, name: str) -> nn.Module:
    """The net of a recipe: from the folder where it was kept, else trained and kept. In evaluation."""
    with seeded(14, recipe.seed):
        net = create_model(recipe.net, in_chans=1, num_classes=10, img_size=28)
    said = json.dumps([VERSION, torch.__version__, name, asdict(recipe)])
    file = f"{hashlib.sha256(said.encode()).hexdigest()[:20]}.safetensors"
    folder = home() / "book"
    try:
        with opened(folder / file) as (descriptor, size):
            net.load_state_dict(read_tensors(descriptor, read_header(descriptor, size, name=file), name=file))
        return net.eval()
    except (HubelError, OSError, RuntimeError):
        pass  # never kept, deleted or damaged: it is made anew
    data = digits(recipe.train, 1)
    x = permuted(data.x) if recipe.permuted else data.x
    fit(net, x, data.y, steps=recipe.steps, seed=recipe.seed)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with RunStore(folder).writing(file) as writer:
            write_tensors(writer, net.state_dict())
    except (HubelError, OSError):
        pass  # a folder that cannot be written costs time, not the book
    return net.eval()
