"""What may be said beside `--resume`: settings that a run can take up on the way, and those it is made of.

A run that goes on with other settings begins a new segment: the recipe is that of all that follows, and what changed is
written down. The schedule is the one that the new recipe has from its first step on: with 8 epochs for 2, a run that
ended at the foot of its curve goes on a quarter of the way along a longer one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hubel.errors import UsageError
from hubel.recipes.schema import SECTION_OF, Recipe, compose, flatten

LENGTH = ("epochs", "time", "target", "patience")
"""How far a run goes."""
PACE = (
    "lr", "weight_decay", "clip_grad", "schedule", "schedule_options", "warmup_epochs", "l1", "l2", "label_smoothing",
    "augment", "mixup", "cutmix",
)  # fmt: skip
"""How it learns on the way."""
HERE = (
    "threads", "workers", "device", "precision", "compile", "channels_last", "micro_batch", "sync_bn", "save_every",
    "cache", "keep_every", "on_nonfinite", "on_save_error", "grid_intensity", "baseline", "data_dir", "data_root",
)  # fmt: skip
"""Where and how it is computed."""
APART = ("out", "name")
"""Which run it is, and no part of what it is made of."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A recipe to go on with, and what is new in it."""

    recipe: Recipe
    changed: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """Setting -> (old value, new value)."""

    @property
    def learns_otherwise(self) -> bool:
        """Will the weights to come depend on what changed?"""
        return bool(set(self.changed) & {*LENGTH, *PACE})

    def __str__(self) -> str:
        return in_words(self.changed)


def in_words(changed: Mapping[str, Sequence[Any]]) -> str:
    """What changed, setting by setting, from (old, new).

    >>> in_words({"lr": (0.1, 0.01), "epochs": (2, 8)})
    'lr 0.1 → 0.01, epochs 2 → 8'
    """
    return ", ".join(f"{name} {_said(old)} → {_said(new)}" for name, (old, new) in changed.items())


def continued(saved: Recipe, settings: Mapping[str, Any], folder: str | Path = "RUN") -> Segment:
    """The recipe of a run that goes on with `settings`, which override what it was begun with.

    What is said as it was already is no change, and "auto" leaves a setting as the run has it. Raises UsageError for a
    setting that the run is made of: its data, its net, the order of its samples.

    >>> saved = compose({"data": "digits", "epochs": 2, "lr": 0.1})
    >>> print(continued(saved, {"epochs": 8, "lr": 0.1}))
    epochs 2 → 8
    >>> continued(saved, {"model": "resnet20"}, "runs/digits-1")
    Traceback (most recent call last):
        ...
    hubel.errors.UsageError: a run keeps the model it was begun with: None, not 'resnet20'
      leave --model out, or begin another run from this one: hubel train digits --from runs/digits-1
    """
    before = flatten(saved)
    wanted = {name: value for name, value in flatten(compose(settings)).items() if name in flatten(settings)}
    changed = {
        name: (before[name], value)
        for name, value in wanted.items()
        if value is not None and name not in APART and not _same(name, before[name], value)
    }
    for name, (old, new) in changed.items():
        if name not in (*LENGTH, *PACE, *HERE):
            flag = f"--{name.rstrip('_').replace('_', '-')}"
            raise UsageError(
                f"a run keeps the {name.rstrip('_')} it was begun with: {_said(old)}, not {_said(new)}",
                hint=f"leave {'the data' if name == 'data' else flag} out, or begin another run from this one: "
                f"hubel train {settings.get('data') or saved.data.data} --from {folder}",
            )
    return Segment(recipe=saved.change(**{name: new for name, (_, new) in changed.items()}), changed=changed)


def plainly(recipe: Recipe) -> dict[str, Any]:
    """Every setting by its name, as a file of text has it."""
    return {
        name: value for part in recipe.model_dump(mode="json", by_alias=False).values() for name, value in part.items()
    }


def asked(recipe: Recipe) -> dict[str, Any]:
    """What a recipe says beyond the defaults, of all that a run is made of: by this two runs are the same or not.

    A path is told as it is found from anywhere.

    >>> asked(compose({"data": "digits", "epochs": 2, "threads": 1, "out": "elsewhere"}))
    {'data': 'digits', 'epochs': 2}
    """
    usual = plainly(Recipe())
    found = {
        name: value for name, value in plainly(recipe).items() if value != usual[name] and name not in (*HERE, *APART)
    }
    if "data" in found and Path(found["data"]).exists():
        found["data"] = str(Path(found["data"]).resolve())
    return found


def unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    """Settings in which two recipes differ, as `asked` tells them, in the order of the schema.

    >>> unlike({"data": "digits", "lr": 0.1}, {"data": "digits", "epochs": 3})
    ('lr', 'epochs')
    """
    return tuple(name for name in SECTION_OF if one.get(name) != other.get(name))


def _same(name: str, one: Any, other: Any) -> bool:
    """Are these one value? A place is the same by whatever path it is told."""
    if name in ("data", "images", "data_dir", "data_root", "teacher") and one and other:
        return bool(one == other or Path(one).resolve() == Path(other).resolve())
    return bool(one == other)


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)
