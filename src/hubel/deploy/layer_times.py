"""How long each layer of a net takes, as PyTorch runs it: a clock before and behind each, pass after pass."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn

from hubel import runtime
from hubel.nn.modes import evaluating
from hubel.nn.taps import watch
from hubel.views import Viewed, html_table
from hubel.words import percent, plain, plural

FEWEST, MOST = 10, 300
"""Passes that are counted, whatever the time."""
SHOWN = 0.005
"""Of a pass: layers that take less are shown together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTime:
    """One call of a layer."""

    name: str
    kind: str
    output: tuple[int, ...]
    """Of one picture."""
    seconds: float
    """Median over the passes."""
    share: float
    """Of a whole pass."""
    macs: int
    """Multiply-accumulates of the batch; 0 for what has none, or where they are not counted here."""

    @property
    def rate(self) -> float:
        """Multiply-accumulates in a second."""
        return self.macs / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, kw_only=True)
class LayerTimes(Viewed):
    """All layers of a net, in the order in which a pass calls them."""

    title: str
    shape: tuple[int, ...]
    batch: int
    passes: int
    seconds: float
    """Of a pass without any clock in it, the median."""
    layers: tuple[LayerTime, ...]
    environment: dict[str, object]

    @property
    def between(self) -> float:
        """Share of a pass that no layer takes: sums, functions and views that the net's own code calls."""
        return max(0.0, 1 - sum(layer.share for layer in self.layers))

    @property
    def kinds(self) -> dict[str, float]:
        """Share of each kind of layer, the largest first, and of what lies between them."""
        found: dict[str, float] = defaultdict(float)
        for layer in self.layers:
            found[layer.kind] += layer.share
        return dict(sorted({**found, "between layers": self.between}.items(), key=lambda pair: -pair[1]))

    HEAD = ("layer", "kind", "output", "ms", "share", "GMAC/s")

    def rows(self) -> list[tuple[str, str, str, str, str, str]]:
        """As they are shown: what hardly counts in one line."""
        found, few = [], [layer for layer in self.layers if layer.share < SHOWN]
        for layer in self.layers:
            if layer.share >= SHOWN:
                rate = f"{layer.rate / 1e9:.1f}" if layer.macs else ""
                size = "x".join(map(str, layer.output))
                found.append(
                    (layer.name, layer.kind, size, f"{1e3 * layer.seconds:.3g}", percent(layer.share, 1), rate)
                )
        if few:
            seconds, share = sum(each.seconds for each in few), sum(each.share for each in few)
            found.append((f"{len(few)} others", "", "", f"{1e3 * seconds:.3g}", percent(share, 1), ""))
        rest = self.between
        return [*found, ("between layers", "", "", f"{1e3 * rest * self.seconds:.3g}", percent(rest, 1), "")]

    def __str__(self) -> str:
        lines = [
            f"{_cut(a, 26)}{_cut(b, 17)}{_cut(c, 13)}{d:>8}{e:>9}{f:>7}".rstrip()
            for a, b, c, d, e, f in (self.HEAD, *self.rows())
        ]
        return "\n".join([*lines, "", super().__str__()])

    def _repr_html_(self) -> str:
        return html_table(self.HEAD, self.rows()) + super()._repr_html_()

    def facts(self) -> dict[str, str]:
        """As it is printed below the table."""
        kinds = ", ".join(f"{kind} {percent(share, 0)}" for kind, share in self.kinds.items() if share >= SHOWN)
        size = "x".join(map(str, self.shape))
        threads = plural(int(str(self.environment["threads"])), "thread")
        return {
            "net": f"{self.title}, {plural(self.batch, 'picture')} of {size}, {threads}",
            "pass": f"{1e3 * self.seconds:.3g} ms, median of {plural(self.passes, 'pass')}, as PyTorch runs it",
            "kinds": kinds,
        }

    def to_json(self) -> str:
        """All of it as JSON."""
        more = {"between": self.between, "kinds": self.kinds}
        return json.dumps(plain(asdict(self) | more), indent=1, ensure_ascii=False)


def _cut(text: str, columns: int) -> str:
    """The end of a long name, which tells layers apart.

    >>> _cut("features.12.block.0.conv", 12), _cut("conv1", 8)
    ('…ock.0.conv ', 'conv1   ')
    """
    room = columns - 1
    return (text if len(text) <= room else f"…{text[1 - room :]}").ljust(columns)


def layer_times(
    model: nn.Module, shape: Sequence[int], *, title: str = "", batch: int = 1, seconds: float = 1.0
) -> LayerTimes:
    """Time each layer of `model` on `batch` random pictures of `shape` (C H W), for about `seconds` in all.

    A layer is a module that holds no others. The model is left as it was. Raises what it raises for such pictures.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
    >>> [(layer.name, layer.kind, layer.macs) for layer in layer_times(net, (3, 2, 2), seconds=0.01).layers]
    [('0', 'Flatten', 0), ('1', 'Linear', 36)]
    """
    parameter = next(model.parameters(), None)
    device = parameter.device if parameter is not None else torch.device("cpu")
    images = torch.randn((batch, *shape), generator=runtime.generator(0)).to(device)
    inside = {name: module for name, module in model.named_modules() if not list(module.children())}
    found: list[tuple[str, nn.Module, tuple[int, ...]]] = []
    clocks: list[list[float]] = []
    begun: list[float] = []

    def begins(name: str, module: nn.Module, inputs: object, output: object) -> None:
        runtime.synchronise(device)
        begun.append(time.perf_counter())

    def ends(name: str, module: nn.Module, inputs: object, output: object) -> None:
        runtime.synchronise(device)
        clocks[-1].append(time.perf_counter() - begun.pop())
        if len(clocks) == 1:
            found.append((name, module, tuple(output.shape) if isinstance(output, torch.Tensor) else ()))

    def one_pass() -> float:
        start = time.perf_counter()
        model(images)
        runtime.synchronise(device)
        return time.perf_counter() - start

    plain_passes: list[float] = []
    with evaluating(model), torch.no_grad():
        one_pass()
        started = time.perf_counter()
        # In turn with and without clocks, so that a busy moment of the machine meets both.
        while len(clocks) < FEWEST or (len(clocks) < MOST and time.perf_counter() - started < seconds):
            with watch(inside, begins, before=True), watch(inside, ends):
                clocks.append([])
                model(images)
            plain_passes.append(one_pass())
    usual = [row for row in clocks if len(row) == len(found)]
    medians = np.median(np.array(usual), axis=0) if found else np.zeros(0)
    whole = max(float(np.median(plain_passes)), 1e-9)
    scale = min(1.0, whole / max(float(medians.sum()), 1e-12))  # the clocks themselves take time, too
    layers = tuple(
        LayerTime(
            name=name, kind=type(module).__name__, output=size[1:], seconds=float(lasted) * scale,
            share=float(lasted) * scale / whole, macs=macs_of(module, size),
        )
        for (name, module, size), lasted in zip(found, medians, strict=True)
    )  # fmt: skip
    return LayerTimes(
        title=title or type(model).__name__, shape=tuple(shape), batch=batch, passes=len(plain_passes), seconds=whole,
        layers=layers, environment=runtime.environment(device),
    )  # fmt: skip


def macs_of(module: nn.Module, output: Sequence[int]) -> int:
    """Multiply-accumulates of a convolution or a dense layer that gives so large an output.

    >>> macs_of(nn.Conv2d(3, 8, 5), (1, 8, 4, 4)), macs_of(nn.ReLU(), (1, 8))
    (9600, 0)
    """
    convolutions = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    if not isinstance(module, (nn.Linear, *convolutions)):
        return 0
    return int(np.prod(output)) * module.weight[0].numel()
