"""What parts there are: layers, blocks, activations, losses, optimisers, schedules, kernels, metrics and more.

Read from the registries themselves, with those that a user has added; `hubel.lessons.parts` has the list without them.
"""

from __future__ import annotations

from hubel.errors import UsageError, unknown
from hubel.figures.theme import Figure
from hubel.lessons.catalogue import all_parts
from hubel.lessons.parts import Part, choose, parts_named
from hubel.report.drawings.parts import PICTURES

__all__ = ["PICTURES", "Part", "check_picture", "component", "components", "picture"]


def components(pattern: str = "*", *, kind: str = "") -> tuple[Part, ...]:
    """All parts, or those of a kind, whose name fits a shell pattern, in the order of the registries.

    Raises UnknownName for a kind that is not there.

    >>> [part.name for part in components("*elu", kind="activations")][:3]
    ['relu', 'leaky-relu', 'prelu']
    """
    return choose(all_parts(), pattern, kind=kind)


def component(name: str) -> tuple[Part, ...]:
    """The parts called `name`: one, or several of different kinds. Raises UnknownName with near names.

    >>> print(component("gelu")[0].formula)
    x Φ(x)
    """
    return parts_named(all_parts(), name)


def picture(kind: str) -> Figure:
    """All parts of a kind in one drawing, computed by the parts themselves. Raises UnknownName for other kinds.

    >>> picture("schedules").kind
    'svg'
    """
    if kind not in PICTURES:
        raise unknown("picture", kind, PICTURES)
    return PICTURES[kind]()


def check_picture(kind: str, path: str) -> None:
    """Raise UsageError if the picture of `kind` cannot be written to a file of this name."""
    wanted = "png" if kind in ("augmentations", "kernels") else "svg"
    if not path.endswith(f".{wanted}"):
        raise UsageError(f"the picture of {kind} is a {wanted} file, got {path!r}", hint=f"--out {kind}.{wanted}")
