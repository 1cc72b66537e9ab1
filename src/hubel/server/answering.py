"""What a worker does: opens a run, makes its net ready, and answers batches of picture files until it is told no more.

Pictures go through the same reader, the same preprocessing and the same function as those of `hubel predict`. Letters:
N pictures, C H W channels, height and width.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from hubel import runtime
from hubel.data.given import read_given
from hubel.deploy.prediction import Prediction, answers
from hubel.errors import ArtefactError, HubelError
from hubel.records.ledger import RunRecord, find_run
from hubel.records.nets import load
from hubel.server.wire import Frame

Send = Callable[..., None]
WARM = 2
"""Passes at the largest and the smallest batch before the first request."""


def answer(receive: Callable[[], Frame], send: Send) -> None:
    """Open what the first frame names, tell what it is, and answer the frames after it."""
    asked, _ = receive()
    try:
        served = Served(**asked)
        about = served.about()
        served.warm()
    except HubelError as error:
        send({"failed": {"kind": type(error).__name__, "what": error.what, "hint": error.hint}})
        return
    send({"about": about})
    while True:
        said, pictures = receive()
        try:
            told, blobs = served.answer(said["items"], pictures)
        except Exception as error:  # a fault of ours costs this batch, and is told by its name only
            if not runtime.out_of_memory(error):
                traceback.print_exc()
            told, blobs = {"fault": type(error).__name__}, []
        send(told, *blobs)


class Served:
    """A classifier that is ready to answer."""

    def __init__(
        self,
        *,
        run: str,
        which: str,
        views: str | None,
        device: str,
        threads: int,
        batch: int,
        exact: bool,
    ) -> None:
        runtime.keep_memory()
        torch.set_num_threads(threads)
        self.device = runtime.pick_device(device)
        self.classifier = load(run, which=which)
        self.classifier.require_answers()
        if self.classifier.preprocessing is None:
            raise ArtefactError(
                f"pictures are served, and this run ({self.classifier.spec.architecture}) takes points",
                hint=f"hubel predict {run} 0.5,0.5",
            )
        self.classifier.model.to(self.device)
        self.views, self.batch, self.exact = views, batch, exact
        self.finished = _finished(RunRecord(find_run(run)))

    def about(self) -> dict[str, Any]:
        """What a client may want to know of it."""
        net = self.classifier
        assert net.preprocessing is not None
        return {
            "architecture": net.spec.architecture,
            "classes": list(net.class_names),
            "input": list(net.preprocessing.shape),
            "digest": net.provenance.sha256,
            "device": str(self.device),
            "threads": torch.get_num_threads(),
            "views": net.views if self.views is None else self.views,
            "finished": self.finished,
        }

    def warm(self) -> None:
        """Run the net at the batch sizes it will meet, so that no client pays for the first time."""
        assert self.classifier.preprocessing is not None
        for count in dict.fromkeys((1, self.batch)):
            images = np.zeros((count, *self.classifier.preprocessing.shape), np.uint8)
            for _ in range(WARM):
                self.compute([""] * count, images)

    def compute(self, names: Sequence[str], images: np.ndarray) -> list[Prediction]:
        """Predictions for N C H W uint8: together in the form that is fastest here, or, if exact, one after another."""
        if not self.exact:
            return answers(self.classifier, names, images, self.device, views=self.views, fast=True)
        return [
            each
            for name, image in zip(names, images, strict=True)
            for each in answers(self.classifier, [name], image[None], self.device, views=self.views)
        ]

    def answer(self, items: Sequence[dict[str, Any]], pictures: Sequence[bytes]) -> tuple[dict[str, Any], list[bytes]]:
        """What is said of each picture as JSON, a blob each, and the milliseconds it took."""
        assert self.classifier.preprocessing is not None
        told: list[dict[str, Any]] = []
        good: list[tuple[int, np.ndarray]] = []
        decoding: list[float] = []
        for row, (item, data) in enumerate(zip(items, pictures, strict=True)):
            begun = time.perf_counter()
            _, image, problems = read_given([data], self.classifier.preprocessing)
            decoding.append(1e3 * (time.perf_counter() - begun))
            if problems:
                problem = {"kind": problems[0].kind, "reason": problems[0].reason}
                told.append({"name": item["name"], "problem": problem})
            else:
                told.append({})
                good.append((row, image[0]))
        begun = time.perf_counter()
        if good:
            names = [items[row]["name"] for row, _ in good]
            found = self.compute(names, np.stack([image for _, image in good]))
            for (row, _), prediction in zip(good, found, strict=True):
                told[row] = said(prediction, items[row]["top"])
        net = 1e3 * (time.perf_counter() - begun)
        # json.dumps writes the shortest number that reads back as the same bits
        blobs = [json.dumps(each, ensure_ascii=False).encode("utf-8", "replace") for each in told]
        return {"decode": decoding, "net": net, "bad": ["problem" in each for each in told]}, blobs


def said(prediction: Prediction, top: int | None) -> dict[str, Any]:
    """A prediction as a client reads it; the `top` most probable classes, or all in the order of the outputs."""
    if not prediction.probabilities:
        return {"name": prediction.name, "value": prediction.value}
    return {
        "name": prediction.name,
        "label": prediction.label,
        "probability": prediction.probability,
        "known": prediction.known,
        "familiarity": None if prediction.known is None else prediction.familiarity,
        "plausible": list(prediction.plausible),
        "probabilities": prediction.probabilities if top is None else dict(prediction.top(top)),
    }


def _finished(record: RunRecord) -> bool:
    """Has its training ended? True for weights without a training."""
    return not (record.folder / "config.yaml").is_file() or record.status == "finished"
