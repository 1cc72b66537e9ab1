"""The catalogue of nets. One architecture is one file here; its facts (paper, counts) are a card in `cards/`.

Listing and describing load no torch; building imports the one file that is asked for.

>>> list_models("resnet5*")
['resnet50', 'resnet56']
>>> card("lenet5").year
1998
>>> net = create_model("mnist_cnn", num_classes=10, in_chans=1)
>>> sum(p.numel() for p in net.parameters())
34826
"""

from __future__ import annotations

import fnmatch
import inspect
from typing import TYPE_CHECKING, Any

from hubel.errors import UsageError, near, unknown
from hubel.models.cards import CARDS, Card

if TYPE_CHECKING:
    from torch import nn

__all__ = ["CARDS", "Card", "card", "create_model", "list_models"]


def list_models(match: str = "*") -> list[str]:
    """Names of the architectures whose name fits the shell pattern `match`, sorted."""
    return sorted(name for name in CARDS if fnmatch.fnmatchcase(name, match))


def card(name: str) -> Card:
    """The card of an architecture; raises UnknownName with near names."""
    if name not in CARDS:
        raise unknown("model", name, CARDS, listing="hubel models")
    return CARDS[name]


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    in_chans: int = 3,
    img_size: int | tuple[int, int] | None = None,
    **options: Any,
) -> nn.Module:
    """Build the net called `name` with fresh random weights (from torch's global generator).

    `num_classes` K: outputs (None: as published); `in_chans` C: input channels; `img_size`: H and W in pixels, None for
    the size of the paper. Small sizes get the stem that is right for the family. `options` are the builder's own keywords.
    The result maps images B C H W to logits B K and has the attributes `stages` and `head` (names of modules).

    Raises UnknownName for a name that is not in the catalogue, UsageError for options or sizes the net cannot take.
    """
    entry = card(name)
    builder = entry.builder
    known = {p for p in inspect.signature(builder).parameters} - {"num_classes", "in_chans", "img_size"}
    for option in options:
        if option not in known:
            close = near(option, known)
            hint = f"did you mean {close[0]!r}?" if close else f"it takes: {', '.join(sorted(known)) or 'nothing more'}"
            raise UsageError(f"model {name!r} has no option {option!r}", hint=hint)
    height, width = _pair(img_size) or _pair(entry.img_size) or (None, None)
    if height and width and min(height, width) < entry.min_size:
        raise UsageError(
            f"model {name!r} needs images of at least {entry.min_size}x{entry.min_size} pixels, got {height}x{width}",
            hint=f"use --img-size {entry.min_size} or more, or another model: hubel models",
        )
    net: nn.Module = builder(
        num_classes=entry.num_classes if num_classes is None else num_classes,
        in_chans=in_chans,
        img_size=(height, width),
        **options,
    )
    return net


def _pair(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    return (size, size) if isinstance(size, int) else size
