"""The thousand classes of ImageNet (ILSVRC 2012): what published weights call their outputs.

Each class is a set of synonyms of WordNet (Princeton University) and known by its number there, the wnid; folders of
ImageNet are named by it. The order of the outputs is that of the wnids.

>>> len(class_names()), class_names()[0], name_of("n02119022")
(1000, 'tench', 'red fox')
>>> name_of("cat") is None
True
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["class_names", "known_as", "name_of"]


@cache
def _names() -> dict[str, str]:
    lines = files("hubel.models").joinpath("imagenet.txt").read_text(encoding="utf-8").splitlines()
    return {wnid: name for wnid, _, name in (line.partition(" ") for line in lines)}


def class_names() -> tuple[str, ...]:
    """The first word for each class, in the order of the outputs; unlike ones with one word have it explained."""
    return tuple(_names().values())


def name_of(wnid: str) -> str | None:
    """What the class with this number of WordNet is called; None for what is none of the thousand."""
    return _names().get(wnid)


def known_as(name: str) -> str:
    """A class name with what it means beside it, where it is a number of WordNet that ImageNet has.

    >>> known_as("n02119022"), known_as("cat")
    ('n02119022 red fox', 'cat')
    """
    word = name_of(name)
    return name if word is None else f"{name} {word}"
