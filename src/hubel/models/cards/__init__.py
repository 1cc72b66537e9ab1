"""Cards: what is known about each architecture, as data, gathered from the modules of this folder (no torch)."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from hubel.errors import UsageError
from hubel.registry import Registry, package
from hubel.views import Viewed

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["CARDS", "Card"]


@dataclass(frozen=True, kw_only=True)
class Card(Viewed):
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
    task: str = "classify"
    """What all of its parts learn from: classes, or "reconstruct", which gives pictures back."""
    loss: str = ""
    """What it is derived from, where that is not the usual loss of its task."""
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

    find: Callable[[], Callable[..., Any]] | None = field(default=None, repr=False, compare=False)
    """Gives the builder of a net that is not hubel's own (`hubel.models.own`); None for the catalogue."""

    @property
    def builder(self) -> Callable[..., Any]:
        """The function that builds the net; imports its module."""
        if self.find is not None:
            return self.find()
        return cast("Callable[..., Any]", getattr(self.module, self.builder_at.partition(":")[2]))

    def to_dict(self) -> dict[str, Any]:
        """The facts as plain data."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "find"}

    @property
    def module(self) -> ModuleType:
        """The page that holds the builder, imported. A leading dot leads out of architectures: ".layers:layers"."""
        if self.find is not None:
            return importlib.import_module(self.builder.__module__)
        return importlib.import_module("." + self.builder_at.partition(":")[0], "hubel.models.architectures")


def _offered(offer: EntryPoint) -> Card:
    """The card of a net that an installed package offers: its code is imported when the net is built, no sooner."""

    def find() -> Callable[..., Any]:
        try:
            builder = offer.load()
        except Exception as error:  # the code of others may fail in any way
            raise UsageError(
                f"the model {offer.name!r} of {package(offer)} cannot be loaded: {type(error).__name__}: {error}",
                hint=f"it is offered as {offer.value}: mend that package or uninstall it",
            ) from error
        return cast("Callable[..., Any]", builder)

    return Card(
        name=offer.name, builder_at=offer.value, title=f"of {package(offer)}", year=0,
        reference="", novelty=f"offered by the package {package(offer)}", find=find,
    )  # fmt: skip


def _gather() -> Registry[Card]:
    cards: Registry[Card] = Registry("model", listing="hubel models", group="hubel.models", adopt=_offered)
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        for entry in importlib.import_module(f"{__name__}.{module}").CARDS:
            cards.add(entry.name, entry)
    return cards


CARDS: Registry[Card] = _gather()
