"""What the net that a training started from would have said of the new pictures by itself, in its own words."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Any

import torch

from hubel.assembly.prepare import Prepared
from hubel.assembly.transfer.source import find_source
from hubel.data.batches import batches, reading_size
from hubel.errors import HubelError
from hubel.inference import predict
from hubel.models.imagenet import name_of
from hubel.training.features import folded, in_precision
from hubel.training.state import forward_precision

ASKED = 120
"""Samples that it is asked about at most, evenly through the split."""
WORDS, SHOWN = 3, 8
"""Names for a class that are told, the commonest first; pictures shown, one a class."""


def named_beforehand(prepared: Prepared, split: str, device: torch.device) -> dict[str, Any]:
    """For each new class what the old net calls its pictures, and how often that is the very name of the class.

    `shown` are pictures by their rows, each with its class and what that is called most often, the ones first whose own
    name that is. {} where there is nothing to ask: no source, one that names nothing or takes other pictures, one that
    is gone, or pictures that have no class each.
    """
    name = prepared.recipe.transfer.from_
    preprocessing = prepared.preprocessing
    if not name or preprocessing is None or not prepared.task.labels:
        return {}
    try:
        source = find_source(name)
    except HubelError:  # it was there when the training began, and the report does not need it
        return {}
    if not source.names_classes or source.spec.in_chans != preprocessing.channels:
        return {}
    net = source.spec.build()
    net.load_state_dict(dict(source.tensors))
    rows = prepared.splits.ids(split)
    rows = rows[:: max(1, -(-len(rows) // ASKED))]
    if not len(rows):
        return {}
    reading = batches(
        prepared.decoded, rows, preprocessing=preprocessing, batch_size=reading_size(prepared.decoded), device=device,
        channels_last=True,
    )  # fmt: skip
    net, how = net.eval().to(device), forward_precision(prepared.recipe.train.precision, device)
    some = next(reading)
    with in_precision(how, device):  # for a word, the training's arithmetic is fine enough
        said = predict(folded(net, some.images), chain([some], reading)).predicted
    labels = prepared.manifest.labels[rows]
    classes, right, counted, shown = [], 0, 0, []
    for k, own in enumerate(prepared.class_names):
        names = [source.class_names[answer] for answer in said[labels == k]]
        if not names:
            continue
        has_word = any(same(own, old) for old in source.class_names)
        hits = sum(same(own, old) for old in names)
        called = Counter(names).most_common(WORDS)
        classes.append({"name": own, "samples": len(names), "called": called, "right": hits})
        first = int(rows[labels == k][names.index(called[0][0])])
        shown.append({"id": first, "name": own, "called": called[0][0], "right": same(own, called[0][0])})
        right, counted = right + hits, counted + (len(names) if has_word else 0)
    shown = sorted(shown, key=lambda one: not one["right"])[:SHOWN]
    return {
        "split": split, "asked": len(rows), "classes": classes, "right": right, "of": counted, "shown": shown
    }  # fmt: skip


def same(own: str, old: str) -> bool:
    """Is this one name? By WordNet's number, or by the words, whatever their case and what joins them.

    >>> same("n02119022", "red fox"), same("Red_Fox", "red fox"), same("ants", "ant"), same("fox", "red fox")
    (True, True, True, False)
    """
    own, old = _plain(own), _plain(old)
    return own == old or own == f"{old}s" or old == f"{own}s"


def _plain(name: str) -> str:
    return " ".join((name_of(name) or name).replace("_", " ").replace("-", " ").casefold().split())
