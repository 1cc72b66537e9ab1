"""Who proposes, and from which space: settings, or nets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hubel.errors import UsageError
from hubel.searching.asking import Ask
from hubel.searching.axes import Space, in_file, is_file, read_space, space_of
from hubel.searching.engines import Engine, engine_of
from hubel.searching.limits import Counter, Limits
from hubel.searching.nets.engines import check_space, net_engine, usual_space_of, usual_text_of
from hubel.searching.nets.genes import NetSpace
from hubel.searching.nets.spaces import read_nets
from hubel.searching.workshop import Workshop
from hubel.watching import Watcher
from hubel.words import short

PRINTED = "--print-space prints one to begin with"


def proposer(ask: Ask) -> Engine:
    """Who says what is tried next. Raises MissingExtra, UsageError."""
    if isinstance(ask.space, NetSpace):
        return net_engine(ask.nets, ask.space, ask.seed)
    return engine_of(ask.engine, ask.space, ask.seed, ask.default_net)


def read_words(
    space: Sequence[str] | Mapping[str, Any] | str | None, nets: str = "", *, cells: bool = False
) -> Space | None:
    """A space as a user gives it, of nets where `nets` says how they are searched; None where settings have none.

    Raises UsageError, UnknownName; also for a space of settings where nets are searched, and the reverse.
    """
    said = [space] if isinstance(space, str) else space
    if nets:
        return _read_nets(said, nets, cells=cells)
    if not said:
        return None
    return space_of(said) if isinstance(said, Mapping) else read_space(list(said))


def usual_text(nets: str, *, cells: bool = False) -> str:
    """What `nets` searches where no space is given, in YAML. Raises UnknownName, UsageError."""
    if not nets:
        raise UsageError(
            "--print-space prints the space of nets, and no way of searching nets is named",
            hint="hubel search --nets evolution --print-space; settings are searched around what hubel train chooses",
        )
    return usual_text_of(nets, cells=cells)


def _read_nets(said: Sequence[str] | Mapping[str, Any] | None, nets: str, *, cells: bool) -> NetSpace:
    if not said:
        return usual_space_of(nets, cells=cells)
    way = f"hubel search --nets {nets}{' --cells' if cells else ''}"
    if not isinstance(said, Mapping):
        if len(said) > 1 or not is_file(said[0]):
            raise UsageError(
                "--nets searches architectures, with all settings the same: its space is one YAML file of nets, got "
                f"{' '.join(said)}",
                hint=f"{way} {PRINTED}; settings are searched without --nets",
            )
        said = in_file(said[0])
    if "kind" not in said:
        raise UsageError(
            "--nets searches architectures, with all settings the same: its space says kind: layers, cells, …, and "
            f"this one holds {', '.join(map(str, list(said)[:4])) or 'nothing'}",
            hint=f"{way} {PRINTED}; a space of settings is searched without --nets",
        )
    found = read_nets(said)
    if cells and found.kind != "cells":
        raise UsageError(f"--cells asks for cells, and the space is one of {found.kind}", hint="leave one of them out")
    check_space(nets, found)
    return found


def nets_of(
    ask: Ask, space: Space | None, workshop: Workshop, given: Mapping[str, Any], watch: Watcher
) -> tuple[NetSpace, Ask]:
    """The space of nets for these pictures; without any limit they may cost as much as the net of `hubel train`.

    Raises UsageError for points, where a net is given, and for windows that are larger than the pictures.
    """
    assert isinstance(space, NetSpace)
    if given.get("model") is not None:
        raise UsageError("--nets searches architectures, and one is given: model", hint="leave --model out")
    if workshop.first.preprocessing is None:
        raise UsageError("nets are searched for pictures, and these are points", hint="hubel search moons --trials 20")
    sight = workshop.first.preprocessing
    found = replace(space, side=min(sight.height, sight.width))
    found.check_windows()
    if not ask.limits:
        most = Counter(Limits(), workshop.device).cost(workshop.spec(workshop.recipe({}))).macs
        ask = replace(ask, limits=Limits(macs=most))
        watch.remark(f"nets may cost as much as the default: {short(most)} MACs a picture (--max-macs says otherwise)")
    return found, ask
