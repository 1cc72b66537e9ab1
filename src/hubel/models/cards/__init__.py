"""Cards: what is known about each architecture, as data, gathered from the modules of this folder (no torch)."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, cast

__all__ = ["CARDS", "Card"]


@dataclass(frozen=True, kw_only=True)
class Card:
    """Facts about one architecture, each from the paper or the source named in `reference`."""

    name: str
    """The name by which it is built, torchvision's where torchvision has the net."""
    builder_at: str
    """Where the builder is: "resnet:resnet18" is the function resnet18 in hubel/models/architectures/resnet.py."""
    title: str
    """What people call it: "ResNet-18"."""
    year: int
    reference: str
    """Authors, title, venue, and arXiv number or DOI."""
    novelty: str
    """What was new about it, in one sentence."""
    num_classes: int = 1000
    img_size: int | tuple[int, int] | None = 224
    """Published input size H (and W) in pixels; None if there is none (point sets)."""
    in_chans: int = 3
    min_size: int = 1
    """The smallest H and W it can honestly take (with its stem for small images)."""
    params: int | None = None
    """Parameters at the published num_classes, in_chans and img_size: the exact published or derived count."""
    macs: int | None = None
    """Multiply-accumulates of one forward pass at the published size."""
    accuracy: str = ""
    """Published accuracy in words: "ImageNet top-1 69.76 % (torchvision weights)"."""
    notes: tuple[str, ...] = ()
    """Departures from the paper, corrections of figures that circulate, advice."""
    rows: tuple[str, ...] = ()
    """Rows of the specification it covers: ("S43",)."""
    tags: tuple[str, ...] = field(default=())
    """Words to search by: "residual", "mobile", "sequence"."""

    @property
    def builder(self) -> Callable[..., Any]:
        """The function that builds the net; imports its module."""
        return cast("Callable[..., Any]", getattr(self.module, self.builder_at.partition(":")[2]))

    @property
    def module(self) -> ModuleType:
        """The page that holds the builder, imported. A leading dot leads out of architectures: ".layers:layers"."""
        return importlib.import_module("." + self.builder_at.partition(":")[0], "hubel.models.architectures")


def _gather() -> dict[str, Card]:
    cards: dict[str, Card] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        for entry in importlib.import_module(f"{__name__}.{module}").CARDS:
            if entry.name in cards:
                raise ValueError(f"model {entry.name!r} has two cards")
            cards[entry.name] = entry
    return cards


CARDS: dict[str, Card] = _gather()
