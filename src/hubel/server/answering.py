"""What a worker does: opens a run, makes its net ready, and answers batches of picture files until it is told no more.

What it says of a picture is plain data, and pictures as PNG files in base64. Letters: C H W channels, height and width.
"""

from __future__ import annotations

import json
import math
import time
import traceback
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from hubel import runtime
from hubel.data.manifest import Problem
from hubel.deploy.prediction import Prediction
from hubel.errors import HubelError
from hubel.server.served import Served, Size, opened
from hubel.server.wire import Frame
from hubel.tasks.answers import Answer, png

Send = Callable[..., None]


def answer(receive: Callable[[], Frame], send: Send) -> None:
    """Open what the first frame names, tell what it is, and answer the frames after it."""
    asked, _ = receive()
    try:
        served = opened(**asked)
        about = served.about()
        warm_reader(served)
        served.warm()
    except HubelError as error:
        send({"failed": {"kind": type(error).__name__, "what": error.what, "hint": error.hint}})
        return
    send({"about": about})
    while True:
        told, pictures = receive()
        try:
            said_of, blobs = answer_batch(served, told["items"], pictures)
        except Exception as error:  # a fault of ours costs this batch, and is told by its name only
            if not runtime.out_of_memory(error):
                traceback.print_exc()
            said_of, blobs = {"fault": type(error).__name__}, []
        send(said_of, *blobs)


def warm_reader(served: Served) -> None:
    """Read a picture of each common format once: the first of each loads its decoder."""
    for kind in ("JPEG", "PNG", "WEBP"):
        file = BytesIO()
        Image.new("RGB", (16, 16)).save(file, kind)
        served.read(file.getvalue())


def answer_batch(
    served: Served, items: Sequence[dict[str, Any]], pictures: Sequence[bytes]
) -> tuple[dict[str, Any], list[bytes]]:
    """What is said of each picture as JSON, a blob each, and the milliseconds it took."""
    told: list[dict[str, Any]] = []
    good: list[tuple[int, np.ndarray, Size]] = []
    decoding: list[float] = []
    for row, (item, data) in enumerate(zip(items, pictures, strict=True)):
        begun = time.perf_counter()
        found = served.read(data)
        decoding.append(1e3 * (time.perf_counter() - begun))
        if isinstance(found, Problem):
            told.append({"name": item["name"], "problem": {"kind": found.kind, "reason": found.reason}})
        else:
            told.append({})
            good.append((row, *found))
    begun = time.perf_counter()
    if good:
        answers = served.compute([items[row]["name"] for row, *_ in good], [image for _, image, _ in good])
        for (row, _, size), one in zip(good, answers, strict=True):
            told[row] = said(one, items[row]["top"]) | drawn(one, partial(served.laid_back, size=size))
    net = 1e3 * (time.perf_counter() - begun)
    # json.dumps writes the shortest number that reads back as the same bits
    blobs = [json.dumps(each, ensure_ascii=False).encode("utf-8", "replace") for each in told]
    return {"decode": decoding, "net": net, "bad": ["problem" in each for each in told]}, blobs


def said(prediction: Prediction | Answer, top: int | None) -> dict[str, Any]:
    """A prediction as a client reads it; the `top` classes, the best first, or all in the order of the outputs.

    Of several labels never fewer than are said.
    """
    if isinstance(prediction, Answer):
        found = {"name": prediction.name} | prediction.to_dict()
        if prediction.of_labels == "probabilities":  # null where no trust was learnt
            known = prediction.known
            found |= {"known": known, "familiarity": None if known is None else prediction.familiarity}
        if top is not None and prediction.of_labels:
            kept = [
                name for rank, name in enumerate(prediction.ranked) if rank < top or name in (prediction.labels or ())
            ]
            found[prediction.of_labels] = {name: prediction.numbers[name] for name in kept}
        return found
    told = {} if math.isnan(prediction.disagreement) else {"disagreement": prediction.disagreement}
    if not prediction.probabilities:
        return {"name": prediction.name, "value": prediction.value} | told
    return told | {
        "name": prediction.name,
        "label": prediction.label,
        "probability": prediction.probability,
        "known": prediction.known,
        "familiarity": None if prediction.known is None else prediction.familiarity,
        "plausible": list(prediction.plausible),
        "probabilities": prediction.probabilities if top is None else dict(prediction.top(top)),
    }


def drawn(prediction: Prediction | Answer, laid: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
    """What an answer has besides numbers: the point, and as base64 of a PNG file the class of each pixel, as large as
    the picture by `laid`, or the picture given back.
    """
    if not isinstance(prediction, Answer):
        return {}
    found: dict[str, Any] = {} if prediction.point is None else {"point": prediction.point.tolist()}
    if prediction.picture is not None:
        mask = prediction.picture.ndim == 2
        shown = replace(prediction, picture=laid(prediction.picture)) if mask else prediction
        found["mask" if mask else "picture"] = b64encode(png(shown.image)).decode()
    return found
