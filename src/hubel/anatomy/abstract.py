"""Build a net without its weights: modules and shapes only, so that a hundred billion parameters take no memory.

>>> with skeleton():
...     net = nn.Linear(1_000_000, 1_000_000)
>>> net.weight.device, net.weight.numel()
(device(type='meta'), 1000000000000)
>>> build(lambda: nn.Linear(2, 3)).weight.device
device(type='meta')
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode


class _Skeleton(TorchDispatchMode):
    """Tensors are made on the meta device and never filled: initialisation has nothing to write on."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # Or the first tensor imports torch's compiler; see graph.py.

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        schema = operator._schema
        name = schema.name.partition("::")[2]
        if schema.is_mutable and name.endswith("_") and args and args[0].device.type == "meta":
            return args[0]
        if name in ("zeros", "ones", "empty") and "names" not in kwargs:
            return torch.empty(args[0], dtype=kwargs.get("dtype"), device="meta")
        if name in ("full", "rand", "randn", "randint", "tensor"):
            kwargs = {**kwargs, "device": torch.device("meta")}
        return operator(*args, **kwargs)


@contextmanager
def skeleton() -> Iterator[None]:
    """Inside the block, every module is built without weights."""
    with torch.device("meta"), _Skeleton():
        yield


def build(make: Callable[[], nn.Module]) -> nn.Module:
    """The net that `make` makes, without weights if it can be.

    A constructor that computes with numbers (a table of rotations, say) has to be given real ones.
    """
    try:
        with skeleton():
            return make()
    except (NotImplementedError, RuntimeError):
        return make()
