"""One net that holds all nets of a space: its weights are shared, and nets are ranked without training each.

H. Pham, M. Guan, B. Zoph, Q. Le, J. Dean, Efficient Neural Architecture Search via Parameter Sharing (ENAS),
arXiv:1802.03268. Each batch trains one path through the shared net. After each epoch the controller that writes paths
learns from what they reach, with the weights they share, on a batch of validation samples. In the end paths that it
writes are judged, and the best are trained by themselves. In the first epochs, paths are drawn evenly: what learns
first would else be written more often and learn still more. (L. Li, A. Talwalkar, arXiv:1902.07638, and C. Sciuto et
al., arXiv:1902.08142, found even draws as good as the controller.)

Which choices a path has is said by its space (`paths`); as it comes, two places in each of up to three stages.

>>> sentence_of(("conv 3", "none"))
['0: conv 3', '1: none']
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, Protocol, cast

import torch
from torch import nn
from torch.nn import functional

from hubel.searching.engines import Proposal
from hubel.searching.journal import Trial
from hubel.searching.nets.controller import Controller, Grammar, Reinforced
from hubel.searching.nets.paths import NONE, Path, PathSpace

WEIGHTS = {"enas": "shared weights", "smash": "generated weights"}
"""With what paths are judged before they are trained."""
JUDGED = 100
"""Paths that are ranked."""
BATCH, RATE, DECAY = 64, 0.05, 3e-4
EVEN = 0.25
"""Of the epochs, those at the beginning in which paths are drawn evenly."""
LESSONS, LOOKED_AT = 0.5, 128
"""Of the controller after an epoch, for each batch in it (5 in the paper), and validation samples for each."""
CONTROLLER_RATE, FLAT, ENTROPY = 0.005, 2.5, 1e-3
"""Of Adam (0.00035 in the paper), the tanh constant of the logits, and what entropy is worth (0.0001 in the paper)."""


def written_by(controller: Controller, space: PathSpace, random: Random) -> Path:
    """A path as a controller writes it."""
    return tuple(word.partition(" ")[2] for word in controller.write(grammar_of(space), random))


def sentence_of(path: Path) -> list[str]:
    """A path as a controller says it."""
    return [f"{place}: {choice}" for place, choice in enumerate(path)]


def grammar_of(space: PathSpace) -> Grammar:
    """Paths as sentences: a word for each place, which says the place, too."""
    choices = [tuple(f"{place}: {one}" for one in these) for place, these in enumerate(space.places)]
    return lambda words: choices[len(words)] if len(words) < len(choices) else ()


def new_pupil(space: PathSpace) -> Reinforced:
    """A controller of paths that has learnt nothing, and how it learns."""
    grammar = grammar_of(space)
    words = [f"{place}: {one}" for place, these in enumerate(space.places) for one in these]
    controller = Controller(words, flat=FLAT)
    return Reinforced(controller, grammar, rate=CONTROLLER_RATE, decay=0.95, entropy=ENTROPY)


class Shared(nn.Module):
    """All paths at once. Norms take their statistics from each batch, since those of one path are not another's."""

    def __init__(self, space: PathSpace, channels: int, classes: int) -> None:
        """For the paths of a space, and pictures C H W of `channels`."""
        super().__init__()
        self.space = space
        self.places = nn.ModuleList()
        maps = channels
        for place, choices in enumerate(space.places):
            wide = space.maps_at(place)
            self.places.append(nn.ModuleDict({one: _layers(one, maps, wide) for one in choices if one != NONE}))
            maps = wide
        self.head = nn.Linear(maps, classes)

    def forward(self, images: torch.Tensor, path: Path) -> torch.Tensor:
        """What the net of a path says: B C H W -> logits B K."""
        out = images
        for place, (choices, choice) in enumerate(zip(self.places, path, strict=True)):
            if self.space.pools_before(place):
                out = functional.max_pool2d(out, 2)
            if choice != NONE:
                out = cast(nn.ModuleDict, choices)[choice](out)
        return cast(torch.Tensor, self.head(out.mean((2, 3))))


class OneNet(Protocol):
    """A net that holds all nets: of shared weights, or of weights that another net says (`smash`)."""

    space: PathSpace

    def __call__(self, images: torch.Tensor, path: Path) -> torch.Tensor:
        """What the net of a path says: B C H W -> logits B K."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """What is learnt."""


class _Residual(nn.Module):
    def __init__(self, maps: int, window: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_conv(maps, maps, window), nn.ReLU(), *_conv(maps, maps, window),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(x + self.body(x))


def _layers(choice: str, maps: int, wide: int) -> nn.Module:
    kind, window = choice.split()[0], int(choice.split()[1])
    if kind == "res":
        return _Residual(wide, window)
    if kind == "conv":
        return nn.Sequential(*_conv(maps, wide, window), nn.ReLU())
    depthwise = nn.Conv2d(maps, maps, window, padding="same", groups=maps, bias=False)
    return nn.Sequential(depthwise, *_conv(maps, wide, 1), nn.ReLU())


def _conv(maps: int, wide: int, window: int) -> tuple[nn.Module, nn.Module]:
    norm = nn.BatchNorm2d(wide, track_running_stats=False)
    return nn.Conv2d(maps, wide, window, padding="same", bias=False), norm


def train_shared(
    net: OneNet,
    see: Callable[[torch.Tensor], torch.Tensor],
    labels: torch.Tensor,
    *,
    epochs: int,
    seed: int,
    goes_on: Callable[[int], bool],
    draw: Callable[[int, Random], Path] | None = None,
    after: Callable[[int], None] = lambda epoch: None,
) -> float:
    """Train all paths together, another one each batch; the epochs done.

    `see(rows)` are the samples of some rows, B C H W; `goes_on(step)` is asked before each step. `draw(epoch, random)`
    says the path of a batch, any if not given; `after(epoch)` is called when an epoch is done.
    """
    optimiser = torch.optim.SGD(net.parameters(), RATE, momentum=0.9, nesterov=True, weight_decay=DECAY)
    steps = max(1, len(labels) // BATCH)
    random, order = Random(f"{seed}/shared"), torch.Generator().manual_seed(seed)
    for step in range(epochs * steps):
        if not goes_on(step):
            return step / steps
        if step % steps == 0:
            rows = torch.randperm(len(labels), generator=order)
        for group in optimiser.param_groups:
            group["lr"] = RATE * (1 + math.cos(math.pi * step / (epochs * steps))) / 2
        batch = rows[step % steps * BATCH : (step % steps + 1) * BATCH]
        path = net.space.draw_path(random) if draw is None else draw(step // steps, random)
        loss = functional.cross_entropy(net(see(batch), path), labels[batch])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        if (step + 1) % steps == 0:
            after(step // steps)
    return float(epochs)


@torch.no_grad()
def judge(net: OneNet, paths: Sequence[Path], inputs: torch.Tensor, labels: torch.Tensor) -> list[float]:
    """The accuracy of each path with the shared weights."""
    return [float((net(inputs, path).argmax(1) == labels).float().mean()) for path in paths]


class OneShot:
    """Proposes the paths that the one net holds for the best."""

    def __init__(self, how: str, space: PathSpace, seed: int) -> None:
        """`how`: enas, or smash."""
        self.how, self.space, self.seed = how, space, seed
        self.ranking: list[tuple[Path, float]] = []
        """Paths and their accuracy with shared weights, the best first; [] before they are judged."""

    def small_nets(self) -> Iterator[dict[str, Any]]:
        """Nets of which one is the smallest that may be proposed."""
        return self.space.small_nets()

    def propose(self, tried: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """The best path that was not tried; beyond the ranking any."""
        known = {tuple(trial.values["net"]) for trial in tried if trial.values}
        left = [(path, score) for path, score in self.ranking if tuple(self.space.genes_of(path)) not in known]
        if attempt < len(left):
            path, score = left[attempt]
            return Proposal({"net": self.space.genes_of(path)}, f"{score:.1%} with {WEIGHTS[self.how]}")
        return Proposal(self.space.draw(Random(f"{self.seed}/{number}/{attempt}")), "drawn at random")
