"""How a verb tells what it is doing. The default watcher is silent; faces bring their own."""

from __future__ import annotations

from typing import Any


class Watcher:
    """Told of every stage, count and event of a verb; does nothing with it. Faces override what they show."""

    def stage(self, text: str) -> None:
        """A new stage begins: "decoding pictures"."""

    def progress(self, done: int, total: int) -> None:
        """So far in this stage."""

    def remark(self, text: str) -> None:
        """Something the user should know: what was left out, what was chosen, what was repaired."""

    def training(self, plan: dict[str, Any]) -> None:
        """Training begins: epochs, steps an epoch, samples, model, parameters, device, folder."""

    def event(self, event: Any) -> None:
        """An event of the training loop (`hubel.training.events`), which stands above this module."""

    def done(self) -> None:
        """No more stages follow."""


SILENT = Watcher()
