"""Read what flows through a net: record the outputs of modules by name, for any torch module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from hubel.errors import unknown


def find_module(model: nn.Module, name: str) -> nn.Module:
    """The sub-module called `name` ('layer4.1.conv2'); raises UnknownName with near names.

    >>> find_module(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), "1")
    ReLU()
    """
    try:
        if name:
            return model.get_submodule(name)
    except AttributeError:
        pass
    raise unknown("layer", name, [known for known, _ in model.named_modules() if known])


Heard = Callable[[str, nn.Module, tuple[Any, ...], Any], object]
"""What a watcher is told at each call: name, module, inputs, output (None before the call)."""


@contextmanager
def watch(modules: Mapping[str, nn.Module], heard: Heard, *, before: bool = False) -> Iterator[None]:
    """Inside the block each call of the named modules is told to `heard`; what that returns takes the output's place.

    None leaves the output as it is. With `before`, it is told before the call, and takes the place of the inputs. Every
    hook of hubel is set here, and removed on exit, also after an exception.

    >>> net, calls = nn.Sequential(nn.Linear(2, 3), nn.ReLU()), []
    >>> with watch(dict(net.named_children()), lambda name, module, inputs, output: calls.append(name)):
    ...     _ = net(torch.ones(1, 2))
    >>> calls
    ['0', '1']
    """
    with ExitStack() as hooks:
        for name, module in modules.items():
            if before:
                told = partial(_before, heard, name)
                hooks.callback(module.register_forward_pre_hook(told).remove)
            else:
                hooks.callback(module.register_forward_hook(partial(heard, name)).remove)
        yield


def _before(heard: Heard, name: str, module: nn.Module, inputs: tuple[Any, ...]) -> object:
    return heard(name, module, inputs, None)


@contextmanager
def module_calls(
    model: nn.Module,
    enter: Callable[[str, nn.Module, tuple[Any, ...], dict[str, Any]], None],
    leave: Callable[[Any], None],
) -> Iterator[None]:
    """Be told when modules begin, with inputs and keywords, and when they end, with the output; hooks as in `watch`.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> with module_calls(net, lambda name, module, inputs, keywords: print("+", name), lambda output: print("-")):
    ...     _ = net(torch.ones(1, 2))
    +
    + 0
    -
    + 1
    -
    -
    """
    with ExitStack() as hooks:
        for name, module in model.named_modules():
            begun = partial(enter, name)
            hooks.callback(module.register_forward_pre_hook(begun, with_kwargs=True).remove)
            hooks.callback(module.register_forward_hook(lambda module, inputs, output: leave(output)).remove)
        yield


@contextmanager
def record(
    model: nn.Module, *names: str, copy: bool = False, read: Callable[[torch.Tensor], torch.Tensor] | None = None
) -> Iterator[dict[str, torch.Tensor]]:
    """Inside the block, each forward pass fills the dictionary with the outputs of the named modules.

    With `copy`, the recorded tensor is a clone still in the graph, and an in-place operation that follows (an in-place
    ReLU, say) cannot overwrite it. With `read`, what that makes of the output is recorded, at once, and so safe from
    the same. A module that is called several times keeps its last output. Hooks are removed on exit, also after an
    exception.

    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    >>> with record(net, "0") as seen:
    ...     _ = net(torch.ones(1, 2))
    >>> seen["0"].shape
    torch.Size([1, 3])
    """
    seen: dict[str, torch.Tensor] = {}

    def keep(name: str, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> object:
        if not isinstance(output, torch.Tensor):
            return None
        seen[name] = output if read is None else read(output)
        # Whoever comes next gets the clone, so that working in place leaves what was recorded intact.
        return output.clone() if copy else None

    with watch({name: find_module(model, name) for name in names}, keep):
        yield seen


def pooled(output: torch.Tensor) -> torch.Tensor:
    """One vector a picture from what a module puts out: maps B … h w and sequences B N C averaged, vectors as they are.

    >>> pooled(torch.ones(2, 3, 4, 4)).shape, pooled(torch.ones(2, 16, 3)).shape, pooled(torch.ones(2, 5)).shape
    (torch.Size([2, 3]), torch.Size([2, 3]), torch.Size([2, 5]))
    """
    if output.dim() > 3:
        return output.mean(dim=(-2, -1)).flatten(1)
    return output.mean(dim=1) if output.dim() == 3 else output.flatten(1)
