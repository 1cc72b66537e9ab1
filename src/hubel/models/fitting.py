"""Weights from elsewhere put into a net: by name and shape, or in order where only the names differ.

Names are brought together first: what wrappers put before them (data parallel, compile, averaging, a trainer's module)
is taken away, in whatever order it stands; a head of another name is found by its shape; positions of a transformer
are interpolated to another grid. Order is believed only where the caller vouches for it, and what could stand in more
than one place is counted.

>>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
>>> other = {"0.weight": torch.ones(4, 3, 3, 3), "0.bias": torch.zeros(4), "3.weight": torch.ones(10, 16)}
>>> fit = fit_weights(net, other)
>>> fit.loaded, fit.adapted, fit.mismatched, fit.missing
(('0.bias',), ('0.weight',), (('3.weight', (3, 16), (10, 16)),), ('3.bias',))
>>> net[0].weight[0, 0, 0, 0].item()
3.0
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from hubel.errors import ArtefactError, UsageError, near
from hubel.models.naming import in_order

Tensors = Mapping[str, torch.Tensor]

WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Words that wrappers put into names, anywhere."""
PREFIX = 4
"""Words that a trainer may put before every name, at most."""
ROLES = {
    "weight": "weight", "kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias",
    "running_mean": "mean", "moving_mean": "mean", "running_var": "variance", "moving_var": "variance",
    "moving_variance": "variance",
}  # fmt: skip
"""Last word of a tensor's name -> what it is to its layer."""


@dataclass(frozen=True)
class Fit:
    """What became of each tensor."""

    loaded: tuple[str, ...]
    """Names in the net that took a tensor as it was."""
    adapted: tuple[str, ...]
    """The stem, whose input channels were summed or spread, and positions that were interpolated."""
    missing: tuple[str, ...]
    """Names in the net for which nothing came: they keep their values."""
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    """Name, shape in the net, shape that came: the net keeps its values."""
    unexpected: tuple[str, ...]
    """Names that came and that the net does not have."""
    by_order: bool
    """Names did not fit, but the shapes did, one after the other (or each shape stands once on both sides)."""
    alike: int = 0
    """Tensors matched by order that by shape could also stand elsewhere: only the order speaks for them."""
    by_names: bool = False
    """Were the names those of another library, which tell the order?"""
    prefix: str = ""
    """What stood before the names of the tensors that fitted."""
    head: str = ""
    """What the head is called where they come from, if it is another name."""
    homeless: tuple[str, ...] = ()
    """Those of `unexpected` that were learnt inside a part that the net has: their net computes something else."""

    @property
    def complete(self) -> bool:
        """Did every tensor of the net get its value?"""
        return not self.missing and not self.mismatched

    @property
    def sentence(self) -> str:
        """What did not fit, in one line."""
        parts = []
        if self.mismatched:
            name, wanted, came = self.mismatched[0]
            parts.append(
                f"{len(self.mismatched)} differ in shape (the first, {name!r}: {_by(wanted)} wanted, {_by(came)} came)"
            )
        for names, what in ((self.missing, "are missing"), (self.unexpected, "are not in the net")):
            if names:
                parts.append(f"{len(names)} {what} (the first: {names[0]!r})")
        return "; ".join(parts) or "all tensors fit"


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "one number"


def fit_weights(model: nn.Module, weights: Tensors, *, ordered: bool = False) -> Fit:
    """Copy into `model` what fits; what does not fit stays as it is and is told.

    A stem whose only difference is the number of input channels is adapted, as are positions of another square grid.
    `ordered` vouches that the tensors stand in the order of their author's net, so that names may differ altogether.
    Raises ArtefactError when nothing fits, or when two nets in the file fit equally well.
    """
    wanted = {name: value for name, value in model.state_dict(keep_vars=True).items() if value is not None}
    named, prefix = aligned(wanted, _modern(weights))
    told = in_order(named)  # their names say in which order they stand, whatever the file does
    if told is not None:
        named = told
    head = str(getattr(model, "head", ""))
    theirs = other_head(wanted, named, head)
    named = renamed(named, [(theirs, head)]) if theirs else named
    found = None if _complete(wanted, named) else _in_order(wanted, named, ordered or told is not None)
    if found is not None:
        named, theirs = found, ""
    loaded: list[str] = []
    adapted: list[str] = []
    mismatched: list[tuple[str, tuple[int, ...], tuple[int, ...]]] = []
    stem = _stem(wanted)
    with torch.no_grad():
        for name, value in wanted.items():
            came = named.get(name)
            if came is None:
                continue
            if came.shape == value.shape:
                loaded.append(name)
            elif name == stem and came.ndim == 4 and _but_channels(came.shape) == _but_channels(value.shape):
                came = adapt_stem(came, value.shape[1])
                adapted.append(name)
            elif (grid := _grid(model, name, value, came)) is not None:
                came = adapt_positions(came, grid)
                adapted.append(name)
            else:
                mismatched.append((name, tuple(value.shape), tuple(came.shape)))
                continue
            value.copy_(came)
    if not any(wanted[name].is_floating_point() for name in [*loaded, *adapted]):
        raise ArtefactError(
            f"none of the {len(weights)} tensors fits the net: it has for example {_some(wanted)}, "
            f"and for example {_some(weights)} came",
            hint="choose the architecture the weights were trained with (--as NAME; hubel models), "
            "or say which name is which (--rename OLD=NEW)"
            + ("" if ordered else "; a .pth file still has the order of the layers, which names can be told by"),
        )
    # Counters of batch norms are younger than many published files; nothing depends on them.
    missing = tuple(name for name in wanted if name not in named and not name.endswith("num_batches_tracked"))
    unexpected = tuple(name for name in named if name not in wanted)
    alike = _alike(wanted) if found is not None and ordered and told is None else 0
    parts = {name[:end] for name in loaded for end in _ends(name)}
    return Fit(
        tuple(loaded), tuple(adapted), missing, tuple(mismatched), unexpected, found is not None, alike,
        prefix=prefix, head=theirs,
        by_names=found is not None and told is not None,
        homeless=tuple(
            name for name in unexpected
            if named[name].ndim and named[name].is_floating_point() and any(name[:end] in parts for end in _ends(name))
        ),
    )  # fmt: skip


def _ends(name: str) -> list[int]:
    """Where the parts that a tensor lies in end in its name: a.b.weight lies in a.b and in a."""
    return [place for place, letter in enumerate(name) if letter == "."]


def renamed(weights: Tensors, pairs: Iterable[tuple[str, str]]) -> dict[str, torch.Tensor]:
    """The weights with OLD at the beginning of their names (whole words of it) put as NEW, for each (OLD, NEW).

    Raises UsageError where no name begins so, or where two tensors would have one name.

    >>> list(renamed({"net.linear.bias": torch.zeros(2)}, [("net", ""), ("linear", "fc")]))
    ['fc.bias']
    """
    named = dict(weights)
    for old, new in pairs:
        hit = [name for name in named if name == old or name.startswith(f"{old}.")]
        if not hit:
            words = dict.fromkeys(".".join(name.split(".")[:k]) for name in named for k in (1, 2, 3))
            close = near(old, words) or list(words)[:5]
            raise UsageError(f"no tensor's name begins with {old!r}", hint=f"there are for example: {', '.join(close)}")
        moved = {name: f"{new}{name[len(old) :]}".lstrip(".") for name in hit}
        names = [moved.get(name, name) for name in named]
        if len(set(names)) < len(names):
            twice = next(name for name, count in Counter(names).items() if count > 1)
            raise UsageError(f"{old}={new} would give two tensors the name {twice!r}", hint="rename the other one away")
        named = dict(zip(names, named.values(), strict=True))
    return named


def aligned(wanted: Tensors, weights: Tensors) -> tuple[dict[str, torch.Tensor], str]:
    """The weights without what stands before their names, where more names fit so, and what that was.

    Words that only wrappers use are taken away wherever they stand. Raises ArtefactError where two prefixes fit
    equally well: the file holds two nets (averaged and not, say), and which one is meant must be said.

    >>> bias = {"fc.bias": torch.zeros(2)}
    >>> aligned(bias, {"module._orig_mod.net.fc.bias": torch.ones(2), "n_averaged": torch.tensor(3)})[1]
    'net'
    """
    words = WRAPPERS - {word for name in wanted for word in name.split(".")}
    plain = {name: [word for word in name.split(".") if word not in words] for name in weights}
    fitting: Counter[str] = Counter({"": 0})
    for name, parts in plain.items():
        for depth in range(min(len(parts), PREFIX + 1)):
            ours = wanted.get(".".join(parts[depth:]))
            if ours is not None and ours.shape == weights[name].shape:
                fitting[".".join(parts[:depth])] += 1
    best = max(fitting.values())
    chosen = [prefix for prefix, count in fitting.items() if count == best]
    prefix = "" if "" in chosen else chosen[0]
    if prefix and len(chosen) > 1:
        raise ArtefactError(
            f"the file holds {len(chosen)} nets that fit equally well: {', '.join(chosen[:4])}",
            hint=f"say which one is meant: --rename {chosen[0]}=",
        )
    depth = len(prefix.split(".")) if prefix else 0
    named: dict[str, torch.Tensor] = {}
    for inside in (True, False):  # those of the net first: what has their name beside them keeps its own
        for name, parts in plain.items():
            if (parts[:depth] == prefix.split(".")[:depth]) is inside:
                short = ".".join(parts[depth if inside else 0 :])
                named.setdefault(short if short not in named else name, weights[name])
    if len(named) < len(weights):  # unwrapped, two names became one
        return dict(weights), ""
    order = {id(value): number for number, value in enumerate(weights.values())}
    return dict(sorted(named.items(), key=lambda item: order[id(item[1])])), prefix


def other_head(wanted: Tensors, weights: Tensors, head: str) -> str:
    """What the head is called in `weights`, if not `head`: the one layer the net lacks that takes the same features."""
    ours = wanted.get(f"{head}.weight")
    if ours is None or f"{head}.weight" in weights:
        return ""
    found = []
    for name, value in weights.items():
        layer, _, last = name.rpartition(".")
        if last != "weight" or name in wanted or value.shape[1:] != ours.shape[1:] or value.ndim != ours.ndim:
            continue
        bias = weights.get(f"{layer}.bias")
        if (bias is not None) == (f"{head}.bias" in wanted) and (bias is None or bias.shape == value.shape[:1]):
            found.append(layer)
    return found[0] if len(found) == 1 else ""


def at_the_place_of(name: str, wanted: Tensors, weights: Tensors) -> torch.Tensor | None:
    """What stands in `weights` where `name` stands in the net, and could be it but for its number of outputs."""
    ours, theirs = _counted(wanted), _counted(weights)
    if name not in ours or len(ours) != len(theirs):
        return None
    came = weights[theirs[ours.index(name)]]
    return came if came.ndim == wanted[name].ndim and came.shape[1:] == wanted[name].shape[1:] else None


def adapt_stem(weight: torch.Tensor, channels: int) -> torch.Tensor:
    """Filters O C h w for another number of input channels, with the same answer to a grey picture.

    To one channel: the sum over the old ones. To more: that sum, shared equally.

    >>> adapt_stem(torch.ones(1, 3, 1, 1), 1).item(), adapt_stem(torch.ones(1, 3, 1, 1), 6).sum().item()
    (3.0, 3.0)
    """
    return weight.sum(1, keepdim=True).expand(-1, channels, -1, -1) / channels


def adapt_positions(table: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
    """Learned positions 1 N D of a square grid (and of the class token before it, if any) for `grid` h w: bicubic.

    What ViT does for larger pictures (Dosovitskiy et al., ICLR 2021, section 3.2).

    >>> adapt_positions(torch.zeros(1, 1 + 9, 8), (4, 4)).shape
    torch.Size([1, 17, 8])
    """
    side = math.isqrt(table.shape[1])  # of N with or without a class token: N = s² or s² + 1
    tokens = table.shape[1] - side * side
    maps = table[:, tokens:].transpose(1, 2).unflatten(2, (side, side))  # 1 D s s
    maps = F.interpolate(maps.float(), grid, mode="bicubic", align_corners=False).to(table.dtype)
    return torch.cat([table[:, :tokens], maps.flatten(2).transpose(1, 2)], dim=1)


def _grid(model: nn.Module, name: str, value: torch.Tensor, came: torch.Tensor) -> tuple[int, int] | None:
    """Height and width of the patches, where a tensor is a table of positions that can be interpolated to them."""
    if "pos" not in name.rpartition(".")[2] or value.ndim != 3 or came.ndim != 3 or value.shape[::2] != came.shape[::2]:
        return None
    side = math.isqrt(came.shape[1])
    tokens = came.shape[1] - side * side
    grid = getattr(model, "grid", None) or (math.isqrt(value.shape[1] - tokens),) * 2
    fits = tokens <= 1 and grid[0] * grid[1] + tokens == value.shape[1] and min(side, *grid) > 0
    return (int(grid[0]), int(grid[1])) if fits else None


def _stem(wanted: Tensors) -> str | None:
    return next((name for name, value in wanted.items() if value.ndim == 4), None)


def _but_channels(shape: torch.Size) -> tuple[int, ...]:
    return (shape[0], *shape[2:])


# torchvision's DenseNets were saved when norm.1 was a legal name of a module.
_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|conv))\.([12]\..*)")


def _modern(weights: Tensors) -> dict[str, torch.Tensor]:
    return {_DENSENET.sub(r"\1\2", name): value for name, value in weights.items()}


def _complete(wanted: Tensors, weights: Tensors) -> bool:
    return all(name in weights for name in _counted(wanted))


def _counted(tensors: Tensors) -> list[str]:
    """Names of what a net learns; counters (of batch norms, of averaged models) are left out."""
    return [name for name, value in tensors.items() if value.ndim or value.is_floating_point()]


def _in_order(wanted: Tensors, weights: Tensors, ordered: bool) -> dict[str, torch.Tensor] | None:
    """The weights under the net's names where shapes say which is which; None where they do not, or not alone."""
    ours, theirs = _counted(wanted), _counted(weights)
    if len(ours) != len(theirs) or not ours:
        return None
    if not ordered:  # then each shape must stand once, or nothing says which tensor is which
        roles = all(_role(name) for name in theirs)
        places = {_key(weights, name, roles): name for name in theirs}
        if len(places) < len(theirs) or {_key(wanted, name, roles) for name in ours} != set(places):
            return None
        theirs = [places[_key(wanted, name, roles)] for name in ours]
    pairs = list(zip(ours, theirs, strict=True))
    if not all(_alike_in(wanted, name, weights, other) for name, other in pairs):
        return None
    if any(other in wanted and other != name for name, other in pairs):
        return None  # what fits by its name stands elsewhere: the order is another one
    negative = any(_role(name) == "variance" and bool((weights[other] < 0).any()) for name, other in pairs)
    return None if negative else {name: weights[other] for name, other in pairs}


def _alike_in(wanted: Tensors, name: str, weights: Tensors, other: str) -> bool:
    ours, theirs = wanted[name].shape, weights[other].shape
    stem = name == _stem(wanted) and len(theirs) == 4 and _but_channels(ours) == _but_channels(theirs)
    roles = _role(name), _role(other)
    return (ours == theirs or stem) and (roles[0] == roles[1] or "" in roles)


def _alike(wanted: Tensors) -> int:
    """Tensors of a net that have the shape and the role of another one."""
    counts = Counter(_key(wanted, name, True) for name in _counted(wanted))
    return sum(count for count in counts.values() if count > 1)


def _key(tensors: Tensors, name: str, roles: bool) -> tuple[str, tuple[int, ...]]:
    return _role(name) if roles else "", tuple(tensors[name].shape)


def _role(name: str) -> str:
    return ROLES.get(re.split(r"[./]", name)[-1].partition(":")[0], "")


def _some(tensors: Tensors) -> str:
    return ", ".join(f"{name} {_by(tuple(value.shape))}" for name, value in list(tensors.items())[:2])


__all__ = ["Fit", "adapt_positions", "adapt_stem", "aligned", "at_the_place_of", "fit_weights", "other_head", "renamed"]
