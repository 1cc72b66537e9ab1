"""The page Inspect: a net's graph with a picture's maps in it, down to one number and the sum it is, and the way back.

Maps go out as bytes (`hubel.studio.tiles`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from hubel.errors import UsageError
from hubel.features.units import top_patches
from hubel.lessons.backward import Backward, write_back
from hubel.lessons.scene import PICTURE, Part
from hubel.lessons.working import Term
from hubel.lessons.written import write_out
from hubel.models import CARDS
from hubel.records.samples import samples_of
from hubel.studio.asking import Asked, Route, Sent
from hubel.studio.stands import Stand, epochs, placed, stand, take
from hubel.studio.tiles import as_bytes, maps_of, packed, smaller, tiled

RANGES = ("unit", "layer", "net")
THUMB, SMALL, LARGE = 28, 64, 256
"""Pixels that a map has at most in the graph, in a layer, alone."""
SHOWN, MOST = 12, 256
"""Maps of a node in the graph, and of a layer, at most."""
LOOKED, EXCITING, PATCH = 500, 8, (48, 48)
"""Training pictures that are looked through for what excites a unit; how many are shown, and how large."""
TERMS = 4096
"""Terms of a sum that are sent at most."""


def nets(asked: Asked) -> dict[str, Any]:
    """Nets that can be looked into: the runs, and the catalogue with fresh weights."""
    folder = asked.studio.places.runs
    runs = (
        sorted((each.name for each in folder.iterdir() if (each / "weights" / "best.json").is_file()), reverse=True)
        if folder.is_dir()
        else []
    )
    return {"runs": runs, "zoo": [name for name in CARDS if name != "layers"]}


def kept(asked: Asked) -> dict[str, Any]:
    """The epochs of a run whose weights can be looked into."""
    net = asked.word("net")
    return {"epochs": [] if net in CARDS and net != "layers" else epochs(asked.studio.places, net)}


def scene(asked: Asked) -> dict[str, Any]:
    """The graph of stages, what the net says, and the parts of each stage."""
    found = stand(asked)
    where = {part: i for i, (_, parts) in enumerate(found.groups) for part in parts}
    sources = [
        sorted({where[s] for p in parts for s in found.scene.parts[p].sources if s != PICTURE and where[s] != i})
        for i, (_, parts) in enumerate(found.groups)
    ]
    nodes = [
        {
            "name": name,
            "parts": [parts[0], parts[-1]],
            "shape": found.scene.parts[parts[-1]].shape,
            "sources": before,
            "at": at,
        }
        for (name, parts), before, at in zip(found.groups, sources, placed(sources), strict=True)
    ]
    names = found.subject.class_names
    shares = found.scene.answer[0].double().softmax(0)
    best = shares.argsort(descending=True)[:5].tolist()
    label = found.subject.labels
    return {
        "nodes": nodes, "parts": [_told(part) for part in found.scene.parts], "trained": found.subject.trained,
        "picture": list(found.subject.pixels.shape[1:]), "classes": list(names) or [str(i) for i in range(len(shares))],
        "best": [[k, float(shares[k])] for k in best], "label": None if label is None else int(label[0]),
    }  # fmt: skip


def _told(part: Part) -> dict[str, Any]:
    weight = part.arguments.get("weight")
    return {
        "name": part.name, "module": part.module, "kind": part.kind, "shape": part.shape, "sources": part.sources,
        "weight": list(weight.shape) if isinstance(weight, torch.Tensor) else [], "closing": part.closing,
    }  # fmt: skip


def stage(asked: Asked) -> dict[str, Any]:
    """Where the parts of one stage stand in its graph."""
    found = stand(asked)
    _, parts = found.groups[asked.number("stage", most=len(found.groups) - 1)]
    first = {p: i for i, p in enumerate(parts)}
    sources = [[first[s] for s in found.scene.parts[p].sources if s in first] for p in parts]
    return {"parts": list(parts), "at": placed(sources), "sources": sources}


# ---- maps as bytes ----


def graph(asked: Asked) -> Sent:
    """The picture, and small maps of each stage's last part."""
    found, how = stand(asked), asked.choice("range", RANGES)
    tiles, data = [], [found.subject.pixels[0].transpose(1, 2, 0).tobytes()]
    for _, parts in found.groups:
        sent, tile = tiled(
            found.scene.parts[parts[-1]].output, found.scene.parts[parts[-1]].batched, how, found.largest, SHOWN, THUMB
        )
        tiles.append(tile)
        data.append(sent)
    return packed({"picture": list(found.subject.pixels.shape[1:]), "tiles": tiles}, b"".join(data))


def strip(asked: Asked) -> Sent:
    """Small maps of each part of a stage."""
    found, how = stand(asked), asked.choice("range", RANGES)
    _, parts = found.groups[asked.number("stage", most=len(found.groups) - 1)]
    pairs = [
        tiled(found.scene.parts[p].output, found.scene.parts[p].batched, how, found.largest, 4, THUMB) for p in parts
    ]
    return packed({"tiles": [tile for _, tile in pairs]}, b"".join(sent for sent, _ in pairs))


def layer(asked: Asked) -> Sent:
    """All maps of one part: its numbers, or how a class's answer changes with them (`what=gradient`)."""
    found, how = stand(asked), asked.choice("range", RANGES)
    part = found.scene.parts[asked.number("part", most=len(found.scene.parts) - 1)]
    values = part.output
    if asked.choice("what", ("values", "gradient"), "values") == "gradient":
        gradient = back(asked, found).gradients[part.index]
        values = torch.zeros_like(values) if gradient is None else gradient
    one = asked.number("channel", 0, most=len(maps_of(values, part.batched)) - 1) if "channel" in asked.query else None
    if one is not None:
        maps = maps_of(values, part.batched)
        values, batched = maps[one : one + 1], False
        data, tile = tiled(values, batched, how, found.largest, 1, LARGE)
        if how == "layer":
            tile["scales"] = [float(maps.nan_to_num(0.0).abs().max())]
            data = as_bytes(smaller(values, LARGE), torch.tensor(tile["scales"]))
    else:
        data, tile = tiled(values, part.batched, how, found.largest, MOST, SMALL)
    return packed(tile, data)


def back(asked: Asked, found: Stand) -> Backward:
    """The way back from the class that is asked about."""
    return found.backward(asked.number("target", 0, most=len(found.scene.answer[0]) - 1))


# ---- numbers ----


def place_in(shape: Sequence[int], channel: int, row: int, column: int) -> tuple[int, ...]:
    """The place in a part's output that a map, a row and a column mean.

    >>> place_in((3, 4, 4), 2, 1, 0), place_in((10,), 0, 0, 7), place_in((2, 3, 5, 5), 4, 1, 2)
    ((2, 1, 0), (7,), (1, 1, 1, 2))
    """
    if len(shape) < 2:
        return (column,) if len(shape) else ()
    maps = math.prod(shape[:-2])
    if not 0 <= channel < maps:
        raise UsageError(f"there is no map {channel}", hint=f"they are counted from 0 to {maps - 1}")
    above = np.unravel_index(channel, tuple(shape[:-2])) if len(shape) > 2 else ()
    return (*(int(v) for v in above), row, column)


def value(asked: Asked) -> dict[str, Any]:
    """One number, written out, with where each number of it came from."""
    found = stand(asked)
    index = asked.number("part", most=len(found.scene.parts) - 1)
    part = found.scene.parts[index]
    if "place" in asked.query:
        words = asked.word("place").split(",")
        if not all(word.isascii() and word.isdigit() and len(word) < 8 for word in words):
            raise UsageError(f"a place is whole numbers, got {asked.word('place')[:40]!r}", hint="channel,row,column")
        at = tuple(int(word) for word in words)
    else:
        at = place_in(part.shape, *(asked.number(name, 0) for name in ("channel", "row", "column")))
    if asked.choice("what", ("values", "gradient"), "values") == "gradient":
        written = write_back(back(asked, found), index, at)
    else:
        written = write_out(found.scene, index, at)
    return {
        "title": written.title, "place": at, "value": written.value, "result": written.result, "text": written.text,
        "lines": written.lines, "apart": written.apart, "window": written.window, "corner": written.corner,
        "terms": [_term(term) for term in written.terms[:TERMS]], "count": len(written.terms),
        "command": _command(found, asked, part, at),
    }  # fmt: skip


def _term(term: Term) -> list[Any]:
    return [term.value, term.weight, term.source, list(term.place)]


def _command(found: Stand, asked: Asked, part: Part, at: tuple[int, ...]) -> str:
    data = asked.word("data", "digits:0")
    picture = "picture.png" if data.startswith("dropped:") else data
    path = Path(found.subject.name)
    net = asked.studio.places.spoken(path) if path.is_absolute() else found.subject.name
    if asked.query.get("what") == "gradient":
        return f"hubel trace {net} {picture}"
    if not (part.closing and part.module):
        return f"hubel summary {net}"
    return f"hubel step {net} {picture} --layer {part.module} --unit {','.join(map(str, at))}"


def kernels(asked: Asked) -> Sent:
    """The weights of one unit of a convolution, a map for each channel it reads."""
    found = stand(asked)
    part = found.scene.parts[asked.number("part", most=len(found.scene.parts) - 1)]
    weight = part.arguments.get("weight")
    if part.name not in ("conv2d", "linear") or not isinstance(weight, torch.Tensor):
        raise UsageError(f"{part.title} has no kernels", hint="choose a convolution or a dense layer")
    unit = weight[asked.number("channel", 0, most=len(weight) - 1)]
    maps = unit.reshape(1, 1, -1) if unit.dim() == 1 else unit
    data, tile = tiled(maps, False, "layer", 0.0, MOST, SMALL)
    return packed(tile, data)


def patches(asked: Asked) -> Sent:
    """The places of a run's training pictures that excite one unit of a layer most, a picture of each."""
    found = stand(asked)
    part = found.scene.parts[asked.number("part", most=len(found.scene.parts) - 1)]
    if not found.subject.trained:
        raise UsageError(
            "this net has seen no pictures yet", hint="choose a run: its training pictures are looked through"
        )
    if not (part.closing and part.module) or len(part.shape) not in (1, 3):
        raise UsageError("units are those of what a module gives", hint="choose the last operation of a layer")
    run = str(asked.studio.places.run(asked.word("net")))
    samples = asked.studio.keep(("samples", run), lambda: samples_of(run, limit=LOOKED))
    with asked.studio.computing:  # the net of a kept epoch looks at the same pictures
        net = found.subject.model.to(samples.device)
        top = asked.studio.keep(
            ("patches", found.subject.name, part.module),
            lambda: top_patches(net, samples.batches(), part.module, k=EXCITING),
        )
    unit = asked.number("unit", 0, most=len(top.values) - 1)
    places = [(int(row), box) for row, box in zip(top.ids[unit], top.boxes[unit], strict=True) if row >= 0]
    cut = [samples.decoded.images[row][:, t:b, left:r] for row, (t, left, b, r) in places]
    alike = [F.interpolate(torch.from_numpy(each.copy())[None].float(), PATCH, mode="nearest")[0] for each in cut]
    data = b"".join(each.to(torch.uint8).permute(1, 2, 0).numpy().tobytes() for each in alike)
    names = [samples.name(row) for row, _ in places]
    values = [float(v) for v in top.values[unit][: len(places)]]
    channels = int(samples.decoded.images.shape[1])
    return packed({"size": [channels, *PATCH], "names": names, "values": values, "looked": len(samples.rows)}, data)


def digits(asked: Asked) -> Sent:
    """Small pictures to learn from: 600 digits of 8 by 8, a byte a pixel from 0 to 16."""
    images, targets = load_digits(return_X_y=True)
    return packed({"targets": [int(k) for k in targets[:600]]}, images[:600].astype(np.uint8).tobytes())


ROUTES = [
    Route("nets", nets), Route("kept", kept), Route("take", take, "POST"), Route("scene", scene), Route("stage", stage),
    Route("graph", graph),
    Route("strip", strip), Route("layer", layer), Route("value", value), Route("kernels", kernels),
    Route("digits", digits), Route("patches", patches),
]  # fmt: skip
