"""`summary`: count everything about a net, compare nets, and ask what fits into a device's memory."""

from __future__ import annotations

from dataclasses import dataclass, fields
from os import PathLike, fspath

from torch import nn

from hubel.anatomy import memory as bytes_bench
from hubel.anatomy.abstract import build
from hubel.anatomy.graph import Input
from hubel.anatomy.memory import Capacity, Memory
from hubel.anatomy.summary import Row, summarise
from hubel.anatomy.summary import Summary as Table
from hubel.checkpoint import Classifier
from hubel.errors import UsageError
from hubel.figures.theme import Figure
from hubel.models import create_model, resolve, size_for_points
from hubel.models.files import known_as
from hubel.records.nets import keeps_outputs, made_for, open_net, outputs_of
from hubel.report.drawings.anatomy import draw_summary

__all__ = ["Capacity", "Memory", "Row", "Summary", "memory", "model_of", "summary"]


@dataclass(frozen=True, slots=True)
class Summary(Table):
    """The table of a net, with a picture."""

    def plot(self) -> Figure:
        """Memory, parameters and arithmetic layer by layer, as a figure with `.data` in SVG."""
        return draw_summary(self)


Target = nn.Module | Classifier | str | PathLike[str]


def model_of(
    target: Target,
    input: Input | None = None,  # noqa: A002
    num_classes: int | None = None,
) -> tuple[nn.Module, Input, str]:
    """A net without weights (or the user's own module), the input it is made for, and what to call it.

    `target`: a module, a classifier, a name from the catalogue, a layer list (.yaml), or a run; `num_classes`: outputs
    of a net by name (None: as published; ten where a layer list leaves them open).
    Raises UnknownName, UsageError, ArtefactError.
    """
    if isinstance(target, nn.Module):
        keeps_outputs("a module", num_classes)
        return target, input or (3, 224, 224), type(target).__name__
    if not isinstance(target, (str, PathLike, Classifier)):
        raise UsageError(
            f"a net is a module, a classifier, a run or a name, got {type(target).__name__}",
            hint="names: hubel models",
        )
    target = target if isinstance(target, Classifier) else known_as(fspath(target))
    entry = open_net(target)
    name = "classifier" if isinstance(target, Classifier) else target
    if isinstance(entry, Classifier):
        keeps_outputs("a trained run", num_classes)
        return entry.model, input or made_for(entry), f"{entry.spec.architecture} ({name})"
    shape = input or made_for(entry)
    listed, options = resolve(name, {})
    sides = tuple(side for side in shape if isinstance(side, int)) if isinstance(shape, tuple) else ()
    if len(sides) not in (1, 3) or len(sides) != len(shape):
        raise UsageError(f"{name!r} takes one image, got {shape!r}", hint="give channels x height x width: 3x224x224")
    size = (sides[1], sides[2]) if len(sides) == 3 else size_for_points(listed, options)
    classes = outputs_of(name, num_classes)
    called = name if classes is None else f"{name} (K = {classes})"
    net = build(lambda: create_model(listed, num_classes=classes, in_chans=sides[0], img_size=size, **options))
    return net, shape, called


def summary(
    target: Target,
    input: Input | None = None,  # noqa: A002
    *,
    batch: int = 1,
    convention: str = "mac",
    num_classes: int | None = None,
) -> Summary:
    """Shapes, parameters, memory, multiply-accumulates and receptive field of every layer. Nothing is run or allocated.

    `target`: any torch module, a name ("resnet50"), a layer list ("my-net.yaml") or a run ("runs/photos-1"); `input`:
    C H W without the batch (None: what the net was made for); `convention`: "mac" or "flop"; `num_classes`: outputs of
    a net by name, else as published.

    >>> table = summary("mnist_cnn")
    >>> table.params, table.rows[0].output
    (34826, (32, 26, 26))
    """
    net, shape, name = model_of(target, input, num_classes)
    table = summarise(net, shape, batch=batch, convention=convention, name=name)
    return Summary(**{field.name: getattr(table, field.name) for field in fields(Table)})


def memory(
    target: Target,
    input: Input | None = None,  # noqa: A002
    *,
    batch: int = 1,
    optimiser: str = "adam",
    limit: int | None = None,
    train: bool = True,
    num_classes: int | None = None,
) -> tuple[Memory, Capacity | None]:
    """Bytes of one training step and of inference; with a `limit` in bytes, whether it fits and the largest batch."""
    net, shape, _ = model_of(target, input, num_classes)
    measured = bytes_bench.measure(net, shape, batch=batch, optimiser=optimiser)
    if limit is None:
        return measured, None
    return measured, bytes_bench.find_capacity(net, shape, limit=limit, batch=batch, optimiser=optimiser, train=train)
