"""Memory of training and of inference, byte by byte: run on shapes, with every allocation watched.

A meta tensor has a storage of a size and no memory behind it. Running forward and backward on meta tensors therefore
makes and frees the same tensors, in the same order, as the real thing, and the sum of the living ones is the memory
that activations and gradients need. What autograd keeps for the backward pass is counted as it is packed away.

    peak of training  = weights + buffers + optimiser state + the most that activations and gradients take at once
    peak of inference = weights + buffers + the most that two neighbouring layers take at once

Not included: the device's own context, the workspace of convolution kernels, fragmentation. Attention is counted in its
plain form, with the matrix of attention weights; fused kernels keep less.

>>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
>>> memory = measure(net, (3, 8, 8), batch=4, optimiser="adam")
>>> memory.weights, memory.gradients, memory.optimiser
(12456, 12456, 24912)
>>> memory.kept  # the image, the output of ReLU (which is the input of the dense layer)
7680
"""

from __future__ import annotations

import weakref
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from hubel.anatomy.graph import Input, abstract_input, abstract_weights, tensors_in
from hubel.errors import UsageError, unknown
from hubel.nn.modes import evaluating, training
from hubel.nn.taps import module_calls
from hubel.views import Viewed

# Numbers kept per trainable parameter between steps, by torch.optim's own bookkeeping (a step counter is not worth
# counting). "sgd" is without momentum.
STATE_PER_PARAMETER = {
    "sgd": 0,
    "momentum": 1,
    "nesterov": 1,
    "rmsprop": 1,
    "adagrad": 1,
    "lion": 1,
    "lars": 1,
    "muon": 1,
    "adadelta": 2,
    "adam": 2,
    "adamw": 2,
    "adamax": 2,
    "nadam": 2,
    "radam": 2,
    "lamb": 2,
    "amsgrad": 3,
}


@dataclass(frozen=True, slots=True)
class Memory(Viewed):
    """Bytes, at one batch size."""

    batch: int
    optimiser_name: str
    weights: int
    buffers: int
    gradients: int
    """One number for each trainable parameter."""
    optimiser: int
    kept: int
    """Activations that autograd keeps for the backward pass (the images count, weights do not)."""
    peak_training: int
    peak_inference: int
    kept_by_module: tuple[tuple[str, int], ...]
    """Which module made autograd keep how much, largest first."""

    @property
    def fixed(self) -> int:
        """What does not grow with the batch."""
        return self.weights + self.buffers + self.gradients + self.optimiser


@dataclass(frozen=True, slots=True)
class Capacity(Viewed):
    """Will it fit, and up to which batch size?"""

    limit: int
    """Bytes."""
    batch: int
    """The batch size asked for."""
    needed: int
    """Peak bytes at that batch size."""
    fits: bool
    largest: int
    """The largest batch that fits; 0 if not even one image does."""
    needed_at_largest: int


def measure(model: nn.Module, input: Input, *, batch: int = 1, optimiser: str = "adam") -> Memory:  # noqa: A002
    """Memory of one training step and of inference at this batch size. Nothing is allocated.

    Raises UnknownName for an optimiser, UsageError when the forward pass cannot be followed on shapes.
    """
    if optimiser not in STATE_PER_PARAMETER:
        raise unknown("optimiser", optimiser, STATE_PER_PARAMETER)
    weights = abstract_weights(model)
    own = {id(t.untyped_storage()): t for t in weights.values()}
    names = dict(model.named_parameters(remove_duplicate=False))
    parameters = {id(t): t for name, t in weights.items() if name in names}
    buffers = {id(t): t for name, t in weights.items() if name not in names}
    trainable = [t for t in parameters.values() if t.requires_grad]

    with training(model):
        kept, training_peak = _step(model, weights, abstract_input(input, batch), own)
    with evaluating(model), torch.no_grad(), _Watch(set(own)) as watch:
        tensors = abstract_input(input, batch)
        watch.keep(tensors)
        _guarded(model, weights, tensors)
        inference_peak = watch.peak
    fixed = _bytes(parameters.values())
    extra = _bytes(buffers.values())
    state = STATE_PER_PARAMETER[optimiser] * _bytes(trainable)
    return Memory(
        batch,
        optimiser,
        fixed,
        extra,
        _bytes(trainable),
        state,
        sum(kept.values()),
        fixed + extra + state + training_peak,
        fixed + extra + inference_peak,
        tuple(sorted(kept.items(), key=lambda item: -item[1])),
    )


def find_capacity(
    model: nn.Module,
    input: Input,  # noqa: A002
    *,
    limit: int,
    batch: int = 1,
    optimiser: str = "adam",
    train: bool = True,
) -> Capacity:
    """Whether a batch fits into `limit` bytes, and the largest that does.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
    >>> answer = find_capacity(net, (3, 32, 32), limit=10_000_000, batch=64)
    >>> answer.fits, answer.largest
    (True, 90)
    """

    def needed(size: int) -> int:
        memory = measure(model, input, batch=size, optimiser=optimiser)
        return memory.peak_training if train else memory.peak_inference

    at_batch, one = needed(batch), needed(1)
    if one > limit:
        return Capacity(limit, batch, at_batch, at_batch <= limit, 0, one)
    # All sizes grow nearly in proportion to the batch: a straight line through the last two sizes soon finds the limit.
    low, low_bytes, high, high_bytes = 1, one, 0, 0
    slope = max(1, needed(2) - one)
    while high - low != 1:
        if high:
            slope = max(1, (high_bytes - low_bytes) // (high - low))
        guess = low + max(1, (limit - low_bytes) // slope)
        guess = min(guess, high - 1) if high else guess
        bytes_there = needed(guess)
        if bytes_there <= limit:
            low, low_bytes = guess, bytes_there
        else:
            high, high_bytes = guess, bytes_there
    return Capacity(limit, batch, at_batch, at_batch <= limit, low, low_bytes)


def _bytes(tensors: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _step(
    model: nn.Module, weights: dict[str, torch.Tensor], tensors: tuple[torch.Tensor, ...], own: dict[int, torch.Tensor]
) -> tuple[dict[str, int], int]:
    """Forward and backward: what each module makes autograd keep, and the most bytes alive at once."""
    kept: dict[str, int] = {}
    seen: dict[int, torch.UntypedStorage] = {}
    stack: list[str] = []
    forward = True

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if forward and id(storage) not in own and id(storage) not in seen:
            seen[id(storage)] = storage
            where = stack[-1] if stack else ""
            kept[where] = kept.get(where, 0) + storage.nbytes()
        return tensor

    def enter(name: str, *_: Any) -> None:
        stack.append(name)

    def leave(_: Any) -> None:
        stack.pop()

    with ExitStack() as context:
        watch = context.enter_context(_Watch(set(own)))
        watch.keep(tensors)
        context.enter_context(module_calls(model, enter, leave))
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            result = _guarded(model, weights, tensors)
            total = sum(t.float().sum() for t in tensors_in(result) if t.requires_grad)
        forward = False
        seen.clear()
        del result
        if isinstance(total, torch.Tensor):
            total.backward()
    return kept, watch.peak


def _guarded(model: nn.Module, weights: dict[str, torch.Tensor], tensors: tuple[torch.Tensor, ...]) -> Any:
    try:
        return torch.func.functional_call(model, weights, tensors)
    except UsageError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        raise UsageError(
            f"{type(model).__name__} cannot be run on shapes alone: {lines[0] if lines else type(error).__name__}",
            hint="check the input shape with a plain summary first; forward must not read values of tensors",
        ) from error


class _Watch(TorchDispatchMode):
    """Counts the bytes of living storages, as Python and autograd free them."""

    def __init__(self, own: set[int]) -> None:
        super().__init__()
        self.own = own
        self.known: set[int] = set()
        self.live = self.peak = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # Or the first operation imports torch's compiler; see graph.py.

    def keep(self, tensors: Any) -> None:
        for tensor in tensors_in(tensors):
            storage = tensor.untyped_storage()
            key = id(storage)
            if key in self.own or key in self.known:
                continue
            size = storage.nbytes()
            self.known.add(key)
            self.live += size
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self.gone, key, size)

    def gone(self, key: int, size: int) -> None:
        self.known.discard(key)
        self.live -= size

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operator(*args, **(kwargs or {}))
        self.keep(result)
        return result
