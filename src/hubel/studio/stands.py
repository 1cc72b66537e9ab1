"""What the page Inspect looks at: a net, a picture, and all numbers between them, kept for a while."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hubel.checkpoint import EPOCH, Classifier
from hubel.errors import ArtefactError, DataError
from hubel.lessons.backward import Backward, go_back
from hubel.lessons.scene import Scene, observe
from hubel.models import CARDS, Card
from hubel.records.nets import open_net
from hubel.records.subjects import NetAndPictures, net_and_pictures
from hubel.studio.asking import Asked
from hubel.studio.places import Places

KEPT = 400 << 20
"""Bytes of numbers that all scenes together may hold; two are kept in any case."""
SUFFIX = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/bmp": ".bmp", "image/gif": ".gif"}


@dataclass(frozen=True, eq=False)
class Stand:
    """A net, a picture, and all numbers between them."""

    subject: NetAndPictures
    scene: Scene
    groups: tuple[tuple[str, tuple[int, ...]], ...]
    """Name of a stage, and its parts in order."""
    _back: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def largest(self) -> float:
        """The largest size of any number of any part."""
        return max(float(part.output.abs().max()) for part in self.scene.parts if part.output.numel())

    def backward(self, target: int) -> Backward:
        """The way back from a logit; the last one that was asked for is kept."""
        if self._back.get("target") != target:
            self._back.update(target=target, found=go_back(self.scene, target))
        found: Backward = self._back["found"]
        return found


def epochs(places: Places, run: str) -> list[int]:
    """The epochs whose weights a run keeps (`--keep-every`), 0 for those it began with."""
    folder = places.run(run) / "weights"
    found = (
        re.fullmatch(r"epoch-([0-9]{6,})\.json", each.name) for each in (folder.iterdir() if folder.is_dir() else ())
    )
    return sorted(int(each[1]) for each in found if each)


def take(asked: Asked) -> dict[str, Any]:
    """Keep a picture that was dropped, for the scenes that show it."""
    suffix = SUFFIX.get(asked.kind.partition(";")[0].strip())
    if suffix is None or not asked.body:
        raise DataError(f"{asked.kind or 'nothing'!r} is no picture", hint="drop a PNG or a JPEG")
    name = f"{hashlib.sha256(asked.body).hexdigest()[:16]}{suffix}"
    asked.studio.keep(("dropped", name), lambda: asked.body)
    return {"data": f"dropped:{name}"}


def stand(asked: Asked, name: str = "data") -> Stand:
    """The scene that is asked for, computed at the first time."""
    net, data, epoch = asked.word("net"), asked.word(name, "digits:0"), asked.word("epoch", "")
    key = f"scene {net} {data} {epoch}"
    return asked.studio.keep((key,), lambda: _kept(asked, key, net_of(asked.studio.places, net, epoch), data))


def net_of(places: Places, net: str, epoch: str = "") -> str:
    """A net as a command takes it: a name of the catalogue, or a run's folder, or the weights it kept of an epoch.

    Raises ArtefactError for an epoch that is not kept, and names those that are.
    """
    if net in CARDS and net != "layers":
        return net
    folder = places.run(net)
    if not epoch:
        return str(folder)
    kept = epochs(places, net)
    if epoch not in map(str, kept):
        listed = ", ".join(map(str, kept)) or "none"
        raise ArtefactError(
            f"{net} keeps no weights of epoch {epoch[:20]!r}", hint=f"it keeps: {listed}; train with --keep-every 1"
        )
    return str(folder / "weights" / f"{EPOCH.format(int(epoch))}.safetensors")


def _kept(asked: Asked, key: str, net: str, data: str) -> Stand:
    """A new scene; old ones go where all together hold too many numbers."""
    found = _stand(asked, net, data)
    shelf: OrderedDict[str, int] = asked.studio.keep(("scenes",), OrderedDict)
    shelf[key] = sum(part.output.numel() * 4 for part in found.scene.parts)
    while len(shelf) > 2 and sum(shelf.values()) > KEPT:
        asked.studio.forget(shelf.popitem(last=False)[0])
    return found


def _stand(asked: Asked, net: str, data: str) -> Stand:
    if data.startswith("dropped:"):
        subject = _dropped(asked, net, data.partition(":")[2])
    else:
        source, _, number = data.rpartition(":")
        if not (source and number.isascii() and number.isdigit()):
            source, number = data, "0"
        where = f"{asked.studio.places.source(source)}:{number}"
        subject = net_and_pictures(net, where, opened=_opened(asked, net))
    with asked.studio.computing:  # scenes of one net share it
        scene = observe(subject.model, subject.images[:1])
    return Stand(subject, scene, grouped(scene, tuple(getattr(subject.model, "stages", ()))))


def _dropped(asked: Asked, net: str, name: str) -> NetAndPictures:
    def gone() -> bytes:
        raise DataError("that picture is not kept any more", hint="drop it again")

    body = asked.studio.keep(("dropped", name), gone)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"picture{Path(name).suffix}")
        path.write_bytes(body)
        return net_and_pictures(net, str(path), opened=_opened(asked, net))


def _opened(asked: Asked, net: str) -> Classifier | Card:
    """A net that is looked into, read once for all pictures as long as its weights are those on the disk."""
    place = Path(net) if net.endswith(".safetensors") else Path(net, "weights", "best.json")
    stamp = place.stat().st_mtime_ns if place.is_file() else 0
    return asked.studio.keep(("opened", net, stamp), lambda: open_net(net))


def grouped(scene: Scene, stages: Sequence[str]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Parts by stage; what belongs to none is called by the first name of its module, or by the operation."""
    found: list[tuple[str, list[int]]] = []
    for part in scene.parts:
        inside = [stage for stage in stages if part.module == stage or part.module.startswith(f"{stage}.")]
        name = max(inside, key=len) if inside else part.module.split(".")[0] or part.name
        if found and found[-1][0] == name:
            found[-1][1].append(part.index)
        else:
            found.append((name, [part.index]))
    return tuple((name, tuple(parts)) for name, parts in found)


def placed(sources: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Column and row of each node: the column by the longest way to it, rows in order of coming.

    >>> placed([[], [0], [0], [1, 2]])
    [(0, 0), (1, 0), (1, 1), (2, 0)]
    """
    columns: list[int] = []
    rows: dict[int, int] = {}
    found = []
    for before in sources:
        column = max((columns[i] + 1 for i in before), default=0)
        columns.append(column)
        found.append((column, rows.get(column, 0)))
        rows[column] = rows.get(column, 0) + 1
    return found
