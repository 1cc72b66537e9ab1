"""Looking must change nothing: whatever happens inside `untouched`, net, optimiser and random numbers come out as they
went in, to the bit.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel import runtime


@contextmanager
def untouched(
    *modules: nn.Module, optimiser: torch.optim.Optimizer | None = None, others: tuple[Any, ...] = ()
) -> Iterator[None]:
    """Weights, gradients, statistics, modes, the optimiser's state and all random generators are put back on exit.

    `others`: loaders, whose own generators are put back too.

    >>> net = nn.Linear(2, 2)
    >>> before = net.weight.clone()
    >>> with untouched(net):
    ...     _ = net.weight.data.zero_(), torch.rand(3)
    >>> bool((net.weight == before).all())
    True
    """
    states = [_Module(module) for module in modules]
    packed = None if optimiser is None else copy.deepcopy(optimiser.state_dict())
    held = [g for other in others for g in _generators(other)]
    kept = [(generator, generator.get_state()) for generator in held]
    # NumPy's old generator is put back, since the user's code may draw from it.
    plain, numbers = random.getstate(), np.random.get_state()  # noqa: NPY002
    awake = torch.cuda.device_count() if torch.cuda.is_initialized() else 0
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=range(awake)))
        stack.enter_context(torch.enable_grad())
        try:
            yield
        finally:
            for state in states:
                state.put_back()
            if optimiser is not None and packed is not None:
                optimiser.load_state_dict(packed)
            for generator, numbers_of in kept:
                generator.set_state(numbers_of)
            random.setstate(plain)
            np.random.set_state(numbers)  # noqa: NPY002


@contextmanager
def reseeded(*words: int) -> Iterator[None]:
    """All global generators seeded inside the block and put back afterwards, Python's and NumPy's among them."""
    # NumPy's old generator is put back, since the user's code may draw from it.
    plain, numbers = random.getstate(), np.random.get_state()  # noqa: NPY002
    with runtime.seeded(*words):
        random.seed(runtime.mix(*words))
        np.random.seed(runtime.mix(*words) % (1 << 32))  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(plain)
            np.random.set_state(numbers)  # noqa: NPY002


class _Module:
    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.tensors = [(t, t.detach().clone()) for t in (*module.parameters(), *module.buffers())]
        self.gradients = [(p, p.requires_grad, p.grad, None if p.grad is None else p.grad.detach().clone())
                          for p in module.parameters()]  # fmt: skip
        self.modes = [(part, part.training) for part in module.modules()]

    def put_back(self) -> None:
        """Only what has changed is written, so that counters of versions stay where nothing happened."""
        with torch.no_grad():
            for tensor, old in self.tensors:
                if not torch.equal(tensor, old):
                    tensor.copy_(old)
            for parameter, learns, gradient, values in self.gradients:
                if parameter.requires_grad != learns:
                    parameter.requires_grad_(learns)
                parameter.grad = gradient
                if gradient is not None and values is not None and not torch.equal(gradient, values):
                    gradient.copy_(values)
        for part, mode in self.modes:
            part.training = mode


def _generators(loader: Any) -> list[torch.Generator]:
    places = (
        loader,
        getattr(loader, "sampler", None),
        getattr(getattr(loader, "batch_sampler", None), "sampler", None),
    )
    found = [getattr(place, "generator", None) for place in places]
    return list({id(g): g for g in found if isinstance(g, torch.Generator)}.values())
