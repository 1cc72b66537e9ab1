"""Who proposes, and from which space: settings, or nets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hubel.errors import UsageError
from hubel.searching.asking import Ask
from hubel.searching.axes import Space
from hubel.searching.engines import Engine, engine_of
from hubel.searching.limits import Counter, Limits
from hubel.searching.nets.engines import net_engine
from hubel.searching.nets.genes import NetSpace
from hubel.searching.workshop import Workshop
from hubel.watching import Watcher
from hubel.words import short


def proposer(ask: Ask) -> Engine:
    """Who says what is tried next. Raises MissingExtra, UsageError."""
    if isinstance(ask.space, NetSpace):
        return net_engine(ask.nets, ask.space, ask.seed)
    return engine_of(ask.engine, ask.space, ask.seed, ask.default_net)


def nets_of(
    ask: Ask, space: Space | None, workshop: Workshop, given: Mapping[str, Any], watch: Watcher
) -> tuple[NetSpace, Ask]:
    """The space of nets for these pictures; without any limit they may cost as much as the net of `hubel train`.

    Raises UsageError for points, and where settings are to be searched at once.
    """
    if space is not None or given.get("model") is not None:
        raise UsageError(
            "--nets searches architectures, with all settings the same", hint="leave --space and --model out"
        )
    if workshop.first.preprocessing is None:
        raise UsageError("nets are searched for pictures, and these are points", hint="hubel search moons --trials 20")
    sight = workshop.first.preprocessing
    kind = "cells" if ask.cells else "motifs" if ask.nets == "hierarchical" else "layers"
    found = NetSpace(kind=kind, side=min(sight.height, sight.width))
    net_engine(ask.nets, found, ask.seed)
    if not ask.limits:
        most = Counter(Limits(), workshop.device).cost(workshop.spec(workshop.recipe({}))).macs
        ask = replace(ask, limits=Limits(macs=most))
        watch.remark(f"nets may cost as much as the default: {short(most)} MACs a picture (--max-macs says otherwise)")
    return found, ask
