"""A small loop for the nets of this room: one cycle of the rate, within a time that is allowed.

These nets are parts of a method, not runs: they have no labels, no validation and no report of their own, and are
learnt in seconds. Randomness is a function of the seed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from hubel import runtime
from hubel.anomalies.settings import Settings, State
from hubel.nn.optimisers import build_optimiser
from hubel.watching import Watcher

BATCH = 64
STEPS = 1_500
"""Steps that are made where nobody says how many epochs and the time allows."""


def learn(
    net: nn.Module,
    images: torch.Tensor,
    loss: Callable[[nn.Module, torch.Tensor, torch.Generator], torch.Tensor],
    settings: Settings,
    watch: Watcher,
    *,
    optimiser: str = "adam",
    rate: float = 2e-3,
    size: int = BATCH,
    most: int = STEPS,
) -> int:
    """Learn from pictures N C H W of 0..1; the steps that were made, `most` at most, of `size` pictures each. `loss`
    gets the net, a batch and a generator; `optimiser` is one of `hubel components optimisers`, with its `rate`.
    """
    device = torch.device(settings.device)
    draw = torch.Generator().manual_seed(settings.seed)
    net.to(device).train()
    # As a list of one it has no head: its last filter moves as the others do, which keeps logits calm at bold rates.
    rule = build_optimiser(optimiser, nn.ModuleList([net]), lr=rate)
    made = 0
    for batch, share in paced(images, draw, settings, watch, most, size):
        for group in rule.param_groups:
            group["lr"] = group["base_lr"] * share
        rule.zero_grad(set_to_none=True)
        value = loss(net, batch.to(device), draw)
        value.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        rule.step()
        made += 1
    return made


def paced(
    images: torch.Tensor, draw: torch.Generator, settings: Settings, watch: Watcher, most: int = STEPS,
    size: int = BATCH,
) -> Iterator[tuple[torch.Tensor, float]]:  # fmt: skip
    """Batches of shuffled pictures, each with the share of the rate that is due, until steps (`most`) or time are gone.

    >>> from hubel.watching import SILENT
    >>> pictures, draw = torch.zeros(100, 1, 4, 4), torch.Generator().manual_seed(0)
    >>> [(len(batch), round(share, 2)) for batch, share in paced(pictures, draw, Settings(epochs=1), SILENT)]
    [(64, 0.05), (64, 0.05)]
    """
    count = len(images)
    size = min(size, count)
    each = -(-count // size)
    steps = settings.epochs * each if settings.epochs is not None else most
    began = time.perf_counter()
    order = torch.zeros(0, dtype=torch.int64)
    for step in range(steps):
        # The rate follows the share of steps or of time that is gone, whichever is more: both end at its foot.
        gone = max(step / steps, (time.perf_counter() - began) / settings.seconds)
        if gone >= 1 and step:
            return
        if len(order) < size:
            order = torch.cat([order, torch.randperm(count, generator=draw)])
        rows, order = order[:size], order[size:]
        yield images[rows], min(1.0, (step + 1) / 20) * max(0.01, 0.5 * (1 + float(np.cos(np.pi * min(gone, 1)))))
        if step % 20 == 0:
            watch.progress(int(1000 * gone), 1000)


def weights_of(net: nn.Module) -> State:
    """The tensors of a net as arrays, each behind "net.".

    >>> sorted(weights_of(nn.Linear(2, 1)))
    ['net.bias', 'net.weight']
    """
    return {f"net.{name}": tensor.detach().cpu().numpy() for name, tensor in net.state_dict().items()}


def filled(net: nn.Module, state: State, device: str) -> nn.Module:
    """The net with such tensors, in evaluation mode. Raises RuntimeError where they are of another net."""
    tensors = {
        name.removeprefix("net."): torch.from_numpy(np.array(value))
        for name, value in state.items()
        if name.startswith("net.")
    }
    net.load_state_dict(tensors)
    return net.to(device).eval()


def fresh(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A net with weights from a seed; the state of the process is left as it was."""
    with runtime.seeded(seed):
        return build()
