"""What a worker does: opens a run, makes its net ready, and answers batches of picture files until it is told no more.

Pictures go through the same reader, the same preprocessing and the same function as those of `hubel predict`. Letters:
N pictures, C H W channels, height and width.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Sequence
from hashlib import sha256
from io import BytesIO
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from hubel import runtime
from hubel.checkpoint import Classifier
from hubel.data.given import read_each, read_given
from hubel.data.manifest import Problem
from hubel.data.preprocessing import Preprocessing
from hubel.deploy.files import is_shipped, opened_file, refuse_settings
from hubel.deploy.prediction import Prediction, refuse_views, say_plainly
from hubel.deploy.shipped import MOST_BYTES, Shipped
from hubel.deploy.shipped_answers import ShippedAnswers
from hubel.deploy.standing import answering
from hubel.errors import ArtefactError, HubelError
from hubel.records.ledger import RunRecord, find_run
from hubel.records.nets import load
from hubel.server.wire import Frame
from hubel.store import read_regular, shown
from hubel.tasks.answers import Answer

Send = Callable[..., None]
WARM = 2
"""Passes at the largest and the smallest batch before the first request."""


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


class Served(Protocol):
    """What answers."""

    def about(self) -> dict[str, Any]:
        """What a client may want to know of it."""

    def warm(self) -> None:
        """Run at the batch sizes it will meet, so that no client pays for the first time."""

    def read(self, data: bytes) -> np.ndarray | Problem:
        """A picture file as the net takes it, C H W uint8, or what is wrong with it."""

    def compute(self, names: Sequence[str], images: Sequence[np.ndarray]) -> Sequence[Prediction | Answer]:
        """Predictions for pictures as they were read, or answers of a net that says several labels."""


def opened(run: str, *, threads: int, **settings: Any) -> Served:
    """A run, or a file of `hubel export`, ready to answer; raises what reading it raises."""
    torch.set_num_threads(threads)
    return ServedFile(run, threads=threads, **settings) if is_shipped(run) else ServedRun(run, **settings)


class ServedRun:
    """The classifier of a run."""

    def __init__(
        self, run: str, *, which: str, views: str | None, device: str, batch: int, exact: bool, form: str
    ) -> None:
        runtime.keep_memory()
        self.device = runtime.pick_device(device)
        self.classifier = load(run, which=which)
        self.classifier.require_answers(several=True)
        refuse_views(self.classifier, views)
        if self.classifier.preprocessing is None:
            raise ArtefactError(
                f"pictures are served, and this run learnt from {self.classifier.material}",
                hint=f"hubel predict {run} NEW answers once, and --stream as it arrives",
            )
        self.preprocessing: Preprocessing = self.classifier.preprocessing
        self.classifier.model.to(self.device)
        self.views, self.batch = views, batch
        self.finished = _finished(RunRecord(find_run(run)))
        self._together = None if exact else answering(self.classifier, self.device, views=views, form=form)

    def about(self) -> dict[str, Any]:
        """What a client may want to know of it."""
        net = self.classifier
        return {
            "architecture": net.spec.architecture,
            "classes": list(net.class_names),
            "input": list(self.preprocessing.shape),
            "digest": digest_of(net),
            "views": net.views if self.views is None else self.views,
            "thresholds": net.label_thresholds.tolist() if net.several else None,
            "finished": self.finished,
        }

    def warm(self) -> None:
        """Passes at the smallest and the largest batch."""
        image = np.zeros(self.preprocessing.shape, np.uint8)
        for count in dict.fromkeys((1, self.batch)):
            for _ in range(WARM):
                self.compute([""] * count, [image] * count)

    def read(self, data: bytes) -> np.ndarray | Problem:
        """The picture, fitted to the net, C H W uint8."""
        _, images, problems = read_given([data], self.preprocessing)
        return problems[0] if problems else images[0]

    def compute(self, names: Sequence[str], images: Sequence[np.ndarray]) -> Sequence[Prediction | Answer]:
        """Together in the form that is fastest here, or, if exact, one after another through the net as trained."""
        if self._together is not None:
            return self._together(names, np.stack(images))
        return [
            each
            for name, image in zip(names, images, strict=True)
            for each in say_plainly(self.classifier, [name], image[None], self.device, views=self.views)
        ]


class ServedFile:
    """An exported file."""

    def __init__(
        self,
        path: str,
        *,
        threads: int,
        which: str,
        views: str | None,
        device: str,
        batch: int,
        exact: bool,
        form: str,
    ) -> None:
        asked = {"--which": (which, "best"), "--views": (views, None), "--exact": (exact, False)}
        refuse_settings(path, asked | {"--device": (device, "auto")})
        data = read_regular(path, limit=MOST_BYTES)
        self.shipped: Shipped | ShippedAnswers = opened_file(data, name=shown(path), threads=threads)
        if isinstance(self.shipped, ShippedAnswers):
            self.shipped.require_numbers("is not served", "hubel predict FILE NEW answers; so does ONNX Runtime itself")
        self.digest, self.whole = sha256(data).hexdigest(), self.shipped.preprocessing.whole()

    def about(self) -> dict[str, Any]:
        """What a client may want to know of it."""
        return {
            "architecture": self.shipped.architecture,
            "classes": list(self.shipped.class_names),
            "input": list(self.shipped.preprocessing.shape),
            "digest": self.digest,
            "views": self.shipped.views,
            "thresholds": None if self.shipped.limits is None else self.shipped.limits.tolist(),
            "finished": True,
        }

    def warm(self) -> None:
        """Its golden pictures have warmed it when it was opened."""

    def read(self, data: bytes) -> np.ndarray | Problem:
        """The picture in its own size; the file fits it itself."""
        _, images, problems = read_each([data], self.whole)
        return problems[0] if problems else images[0]

    def compute(self, names: Sequence[str], images: Sequence[np.ndarray]) -> Sequence[Prediction | Answer]:
        """Pictures of one size go together."""
        return self.shipped.named(names, images)


def answer_batch(
    served: Served, items: Sequence[dict[str, Any]], pictures: Sequence[bytes]
) -> tuple[dict[str, Any], list[bytes]]:
    """What is said of each picture as JSON, a blob each, and the milliseconds it took."""
    told: list[dict[str, Any]] = []
    good: list[tuple[int, np.ndarray]] = []
    decoding: list[float] = []
    for row, (item, data) in enumerate(zip(items, pictures, strict=True)):
        begun = time.perf_counter()
        image = served.read(data)
        decoding.append(1e3 * (time.perf_counter() - begun))
        if isinstance(image, Problem):
            told.append({"name": item["name"], "problem": {"kind": image.kind, "reason": image.reason}})
        else:
            told.append({})
            good.append((row, image))
    begun = time.perf_counter()
    if good:
        found = served.compute([items[row]["name"] for row, _ in good], [image for _, image in good])
        for (row, _), prediction in zip(good, found, strict=True):
            told[row] = said(prediction, items[row]["top"])
    net = 1e3 * (time.perf_counter() - begun)
    # json.dumps writes the shortest number that reads back as the same bits
    blobs = [json.dumps(each, ensure_ascii=False).encode("utf-8", "replace") for each in told]
    return {"decode": decoding, "net": net, "bad": ["problem" in each for each in told]}, blobs


def said(prediction: Prediction | Answer, top: int | None) -> dict[str, Any]:
    """A prediction as a client reads it; the `top` most probable classes, or all in the order of the outputs.

    Of several labels never fewer than are said.
    """
    if isinstance(prediction, Answer):
        known, familiarity = prediction.known, prediction.familiarity
        told = {"known": known, "familiarity": None if known is None else familiarity}
        found = {"name": prediction.name} | prediction.to_dict() | told
        if top is not None:
            first = sorted(prediction.numbers.items(), key=lambda item: -item[1])
            kept = [each for rank, each in enumerate(first) if rank < top or each[0] in found["labels"]]
            found["probabilities"] = dict(kept)
        return found
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


def digest_of(classifier: Classifier) -> str:
    """SHA-256 of all that makes its answers: that of the weights file, or of it with what was learnt about trust, and
    with the thresholds of its labels.
    """
    trust = classifier.trust
    if trust is None and not classifier.several:
        return classifier.provenance.sha256
    found = sha256(classifier.provenance.sha256.encode())
    if classifier.several:
        found.update(classifier.label_thresholds.tobytes())
    if trust is None:
        return found.hexdigest()
    how, sets = trust.calibrator, trust.sets
    found.update(json.dumps([how.temperature, sets.limit, sets.sum, sorted(trust.scores.items())]).encode())
    arrays = [trust.usual, how.scales, how.shifts, how.knots, sets.own]
    if trust.familiar is not None:
        arrays += [each for each in vars(trust.familiar).values() if isinstance(each, np.ndarray)]
    for array in arrays:
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _finished(record: RunRecord) -> bool:
    """Has its training ended? True for weights without a training."""
    return not (record.folder / "config.yaml").is_file() or record.status == "finished"
