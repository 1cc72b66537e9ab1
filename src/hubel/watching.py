"""How a verb tells what it is doing. The default watcher is silent; faces bring their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a face shows before the first step of a training."""

    run: str
    """Its folder."""
    data: str
    samples: Mapping[str, int]
    """By split: train, val, test."""
    classes: int
    """0 for a number."""
    method: str
    """What is learnt without labels: rotation, byol; "" where labels are."""
    shape: tuple[int, int, int] | None
    """C H W of what the net sees; None for points."""
    unit: str
    """What is learnt from, in the plural: images, rows, series."""
    model: str
    parameters: int
    transfer: str
    """What was taken over from another net, and what of it learns; "" for a net that starts from nothing."""
    fits_head: bool
    """Is only a head fitted, so that "epochs" are penalties?"""
    epochs: int
    epoch: int
    """Epochs done before, where a run goes on."""
    steps: int
    """Of an epoch."""
    batch_size: int
    optimizer: str
    lr: float
    device: str
    threads: int
    processes: int
    reasons: Mapping[str, str]
    """Why each setting that was left open is what it is."""


class Watcher:
    """Told of every stage, count and event of a verb; does nothing with it. Faces override what they show."""

    def stage(self, text: str) -> None:
        """A new stage begins: "decoding pictures"."""

    def progress(self, done: int, total: int) -> None:
        """So far in this stage."""

    def remark(self, text: str) -> None:
        """Something the user should know: what was left out, what was chosen, what was repaired."""

    def training(self, plan: Plan) -> None:
        """Training begins."""

    def event(self, event: Any) -> None:
        """An event of the training loop (`hubel.events`)."""

    def done(self) -> None:
        """No more stages follow."""


class Several(Watcher):
    """Watchers that are all told the same, one after the other.

    >>> Several(Watcher(), Watcher()).stage("decoding pictures")
    """

    def __init__(self, *watchers: Watcher) -> None:
        self.watchers = watchers

    def stage(self, text: str) -> None:
        """Tell all of them."""
        for watcher in self.watchers:
            watcher.stage(text)

    def progress(self, done: int, total: int) -> None:
        """Tell all of them."""
        for watcher in self.watchers:
            watcher.progress(done, total)

    def remark(self, text: str) -> None:
        """Tell all of them."""
        for watcher in self.watchers:
            watcher.remark(text)

    def training(self, plan: Plan) -> None:
        """Tell all of them."""
        for watcher in self.watchers:
            watcher.training(plan)

    def event(self, event: Any) -> None:
        """Tell all of them."""
        for watcher in self.watchers:
            watcher.event(event)

    def done(self) -> None:
        """Tell all of them."""
        for watcher in self.watchers:
            watcher.done()


class Held(Several):
    """Keeps remarks back until `release`: they are about something that may yet be given up.

    >>> held = Held(Watcher())
    >>> held.remark("the head learns")
    >>> held.kept
    ['the head learns']
    """

    def __init__(self, watcher: Watcher) -> None:
        super().__init__(watcher)
        self.kept: list[str] = []

    def remark(self, text: str) -> None:
        """Keep it."""
        self.kept.append(text)

    def release(self) -> None:
        """Tell all that was kept."""
        for text in self.kept:
            super().remark(text)


class Within(Watcher):
    """Tells `watcher` of a part of a stage, as the share from `first` to `last` of it; nothing but progress.

    >>> class Counts(Watcher):
    ...     def progress(self, done, total):
    ...         print(done, "of", total)
    >>> Within(Counts(), 0.6, 1.0).progress(1, 2)
    800 of 1000
    """

    def __init__(self, watcher: Watcher, first: float, last: float) -> None:
        self.watcher, self.first, self.last = watcher, first, last

    def progress(self, done: int, total: int) -> None:
        """Tell it how far the whole stage is."""
        share = self.first + (self.last - self.first) * done / max(1, total)
        self.watcher.progress(round(1000 * share), 1000)


class Once(Watcher):
    """Passes on each remark once: members of a series have the same data, and would all say the same of them."""

    def __init__(self, watch: Watcher) -> None:
        self.watch, self.told = watch, set[str]()

    def remark(self, text: str) -> None:
        """Tell it, if it is new."""
        if text not in self.told:
            self.told.add(text)
            self.watch.remark(text)

    def __getattribute__(self, name: str) -> Any:
        own = name in ("remark", "watch", "told") or name.startswith("__")
        return object.__getattribute__(self, name) if own else getattr(object.__getattribute__(self, "watch"), name)


SILENT = Watcher()
