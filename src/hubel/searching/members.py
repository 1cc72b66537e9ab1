"""Is there anything in the space that the limits allow? Asked before the first trial, by counting nets alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product
from typing import Any

from hubel.errors import HubelError, UsageError
from hubel.searching.asking import Ask
from hubel.searching.axes import Axis, in_words
from hubel.searching.limits import Counter
from hubel.searching.nets.engines import net_engine
from hubel.searching.nets.genes import NetSpace
from hubel.searching.workshop import Workshop
from hubel.watching import Watcher
from hubel.words import amount, short

MOST = 500
"""Nets that are counted beforehand."""
NET = ("model", "img_size", "model_options")
"""What makes a net smaller or larger."""


def check_members(ask: Ask, workshop: Workshop, watch: Watcher) -> None:
    """Raise UsageError where no net of the space is within the limits, or none can be built at all.

    It says which limit, and what the smallest net is.
    """
    if not ask.limits and not ask.space.axes:
        return
    counter, smallest, faults = Counter(ask.limits, workshop.device), None, []
    for axis in ask.space.axes:
        check_axis(ask, axis, workshop, counter)
    for values in islice(corners(ask), MOST):
        try:
            recipe = workshop.recipe(ask.space.settings(values, ask.given), epochs=1)
            cost = counter.cost(workshop.spec(recipe))
        except HubelError as error:
            faults.append(f"{in_words(values)}: {error.what}")
            continue
        excess = ask.limits.excess(cost)
        if smallest is None or excess < smallest[0]:
            smallest = (excess, values, cost)
        if not ask.limits.broken(cost):
            return
    if smallest is None:
        raise UsageError(
            f"no member of the space can be built: {faults[0] if faults else 'it is empty'}",
            hint=f"change the space: hubel search --nets {ask.nets} --print-space prints one that can"
            if ask.nets
            else "change the space: --space model=resnet20,mobilenet_v2",
        )
    _, values, cost = smallest
    size = f"{cost.params:,} parameters, {short(cost.macs)} MACs, {amount(cost.megabytes * 1e6)}"
    if cost.milliseconds is not None:
        size += f", {cost.milliseconds:.3g} ms"
    raise UsageError(
        f"no net of the space is within {ask.limits.flags}: the smallest is {in_words(values)} with {size} "
        f"({ask.limits.broken(cost)})",
        hint=f"allow it: {ask.limits.enough(cost)}"
        + (
            "" if ask.nets or narrow(ask) else "; or add smaller nets to the space: --space quicknet.width=0.0625,0.125"
        ),
    )


def narrow(ask: Ask) -> bool:
    """Does the space hold narrow nets already, as the one that is searched where none is given?"""
    return any(axis.name == "quicknet.width" for axis in ask.space.axes)


def check_axis(ask: Ask, axis: Axis, workshop: Workshop, counter: Counter) -> None:
    """Raise UsageError for an option of a net that can be built with none of its values."""
    if "." not in axis.name:
        return
    fault = None
    for value in axis.ends:
        try:
            settings = ask.space.settings({axis.name: value}, ask.given) | ({"model": axis.net} if axis.net else {})
            counter.cost(workshop.spec(workshop.recipe(settings, epochs=1)))
            return
        except HubelError as error:
            fault = error
    assert fault is not None
    raise UsageError(f"in the space, no value of {axis.name} can be used: {fault.what}", hint=fault.hint)


def corners(ask: Ask) -> Iterator[dict[str, Any]]:
    """Of all that makes the net, each combination of choices and of the ends of ranges; the defaults first.

    Of architectures the smallest alone: the defaults are none of them.
    """
    if isinstance(ask.space, NetSpace):
        yield from net_engine(ask.nets, ask.space, ask.seed).small_nets()
        return
    axes = [axis for axis in ask.space.axes if axis.net or axis.name.partition(".")[0] in NET]
    yield {}
    for values in product(*(axis.ends for axis in axes)):
        drawn = dict(zip((axis.name for axis in axes), values, strict=True))
        yield ask.space.relevant(drawn, ask.default_net)


__all__ = ["check_axis", "check_members", "corners"]
