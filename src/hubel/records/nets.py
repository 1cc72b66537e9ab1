"""Which net is meant: a run, its weights, a catalogue name, a layer list; and which of its stages and classes."""

from __future__ import annotations

import re
from os import PathLike, fspath
from pathlib import Path

from torch import nn

from hubel import runtime
from hubel.checkpoint import Classifier
from hubel.checkpoint import load as load_checkpoint
from hubel.errors import ArtefactError, UsageError, unknown
from hubel.models import CARDS, LISTS, TIMM, Card, card, resolve
from hubel.models.files import known_as, stands_in_file
from hubel.records.ledger import find_run


def load(run: str | PathLike[str], *, which: str = "best") -> Classifier:
    """The classifier of a run, or of a weights folder; every file is checked before it is believed.

    Raises ArtefactError for what is missing, damaged or foreign.
    """
    return load_checkpoint(find_run(run), which)


def is_architecture(name: str) -> bool:
    """Is this a name of the catalogue, one of timm's nets, a file with a layer list, or a net in a file of one's own?

    >>> is_architecture("resnet18"), is_architecture("my-net.yaml"), is_architecture("runs/photos-1")
    (True, True, False)
    """
    return name in CARDS or name.endswith(LISTS) or name.startswith(TIMM) or stands_in_file(name)


def open_net(net: str | PathLike[str] | Classifier) -> Classifier | Card:
    """What a name stands for: the card of an architecture, of which nothing is built yet, or the classifier of a run.

    A run whose folder is called as an architecture is named by its path: ./resnet18. Raises ArtefactError for a run
    that is not there or cannot be read, UnknownName with near names for what is neither a run nor an architecture.
    """
    if isinstance(net, Classifier):
        return net
    name = known_as(fspath(net))
    if is_architecture(name):
        return card(name)
    if not Path(name).exists() and not (Path("runs") / name).exists() and "/" not in name:
        card(name)
    return load(name)


def made_for(net: Classifier | Card) -> tuple[int, ...]:
    """C H W of the pictures that a net takes, or was published for; C alone for points."""
    if isinstance(net, Classifier):
        return (net.spec.in_chans, *(net.spec.img_size or ()))
    size = net.img_size
    return (net.in_chans, *(() if size is None else (size, size) if isinstance(size, int) else size))


def outputs_of(net: str | PathLike[str], num_classes: int | None = None) -> int | None:
    """How many outputs a fresh net is built with: so many, else None, which is as it says itself.

    A layer list that leaves them open (K) has those of its card.

    >>> outputs_of("resnet18"), outputs_of("resnet18", 5)
    (None, 5)
    """
    name = fspath(net)
    layers = () if num_classes is not None else resolve(name, {})[1].get("layers", ())
    return card(name).num_classes if re.search(r"\bK\b", str(layers)) else num_classes


def keeps_outputs(what: str, num_classes: int | None) -> None:
    """Raise UsageError where a number of outputs is asked of a net that has its own."""
    if num_classes is not None:
        raise UsageError(
            f"{what} has its own outputs, and {num_classes} are asked for",
            hint="leave --num-classes out, or name an architecture",
        )


def classifier_of(
    run: str | PathLike[str] | Classifier,
    *,
    points: bool = False,
    answers: bool = True,
    several: bool = False,
    tasks: bool = False,
) -> tuple[Classifier, str]:
    """The classifier and what to call it; raises ArtefactError for runs on points (unless `points`), for regression,
    for several labels (unless `several`), and for other tasks (with `tasks` only for those whose answers no map
    explains).

    Whoever looks into a net asks it many times, so this process keeps its memory from now on.
    """
    runtime.keep_memory()
    classifier = run if isinstance(run, Classifier) else load(run)
    if tasks:
        classifier.require_explained()
    elif answers or classifier.task != "embed":  # what is near needs features and classes, and no logits
        classifier.require_labels(several=several)
    if (classifier.preprocessing is None and not points) or not classifier.class_names:
        raise ArtefactError(
            "only nets that name classes of pictures are looked into, and this one "
            + (f"learnt from {classifier.material}" if classifier.class_names else "tells a number"),
            hint="hubel evaluate and hubel predict know it; hubel compare sets runs side by side",
        )
    return classifier, "classifier" if isinstance(run, Classifier) else Path(run).name


def class_index(class_names: tuple[str, ...], target: str | int) -> int:
    """The class called `target`, or of that number.

    >>> class_index(("cat", "dog"), "dog"), class_index(("cat", "dog"), 0), class_index(("3", "4"), "3")
    (1, 0, 0)
    >>> class_index(("cat", "dog"), "dgo")
    Traceback (most recent call last):
        ...
    hubel.errors.UnknownName: unknown class 'dgo'
      did you mean 'dog'?
    """
    if target in class_names:
        return class_names.index(str(target))
    if isinstance(target, int) or target.isdigit():
        if 0 <= int(target) < len(class_names):
            return int(target)
        raise UsageError(
            f"a class number must be 0 to {len(class_names) - 1}, got {target}", hint="or give the class by name"
        )
    raise unknown("class", target, class_names)


def last_stage(model: nn.Module) -> str:
    """Where the features are read: the last stage."""
    stages: tuple[str, ...] = getattr(model, "stages", ())
    if not stages:
        raise UsageError(f"{type(model).__name__} names no stages", hint="give a layer by name")
    return stages[-1]


def stage_name(model: nn.Module, stage: str | int | None) -> str | None:
    """A stage by its number from 1 on, as people count, or a layer by its name."""
    if stage is None or not str(stage).isdigit():
        return None if stage is None else str(stage)
    stages: tuple[str, ...] = getattr(model, "stages", ())
    if not 1 <= int(stage) <= len(stages):
        raise UsageError(
            f"this net has {len(stages)} stages, counted from 1; got {stage}", hint=f"stages: {', '.join(stages)}"
        )
    return stages[int(stage) - 1]
