"""What is served: a run, or a file of `hubel export`, ready to answer pictures whatever its task.

Pictures go through the same reader, the same preprocessing and the same function as those of `hubel predict`. Letters:
N pictures, C H W channels, height and width; h w of what a net sees.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from typing import Any, Protocol

import numpy as np
import torch

from hubel import runtime
from hubel.checkpoint import Classifier
from hubel.checkpoint.telling import net_of_voices
from hubel.data.given import read_sized
from hubel.data.manifest import BadPicture, Problem
from hubel.data.masks import IGNORED
from hubel.data.preprocessing import Preprocessing
from hubel.deploy.files import is_shipped, opened_file, read_shipped, refuse_settings
from hubel.deploy.prediction import Prediction, refuse_views, say_plainly
from hubel.deploy.standing import Answering, Looking, answering, looking, plainly
from hubel.errors import ArtefactError
from hubel.evaluation.answers import said_by
from hubel.records.ledger import RunRecord, find_run
from hubel.records.nets import load
from hubel.store import shown
from hubel.tasks import TASKS
from hubel.tasks.answers import Answer
from hubel.words import plain, plural

WARM = 2
"""Passes at the largest and the smallest batch before the first request."""
Size = tuple[int, int]
"""Height and width of a picture as it came in, upright."""
Read = tuple[np.ndarray, Size]
"""A picture as the net takes it, C H W uint8, and its own size."""


class Served(Protocol):
    """What answers."""

    def about(self) -> dict[str, Any]:
        """What a client may want to know of it."""

    def warm(self) -> None:
        """Run at the batch sizes it will meet, so that no client pays for the first time."""

    def read(self, data: bytes) -> Read | Problem:
        """A picture file as the net takes it, or what is wrong with it."""

    def compute(self, names: Sequence[str], images: Sequence[np.ndarray]) -> Sequence[Prediction | Answer]:
        """Predictions for pictures as they were read, or answers of a net whose task is no label."""

    def laid_back(self, mask: np.ndarray, size: Size) -> np.ndarray:
        """What is said of each pixel that the net sees, h w, laid over a picture of that size."""


def opened(run: str, *, threads: int, **settings: Any) -> Served:
    """A run, or a file of `hubel export`, ready to answer; raises what reading it raises."""
    torch.set_num_threads(threads)
    return ServedFile(run, threads=threads, **settings) if is_shipped(run) else ServedRun(run, **settings)


class ServedRun:
    """The net of a run, whatever its task."""

    def __init__(
        self, run: str, *, which: str, views: str | None, device: str, batch: int, exact: bool, form: str
    ) -> None:
        runtime.keep_memory()
        self.device = runtime.pick_device(device)
        self.classifier = load(run, which=which)
        self.classifier.require_served()
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
        self._together, self._alone = self._made(exact=exact, form=form)
        self.example = self.compute([""], [np.zeros(self.preprocessing.shape, np.uint8)])[0]

    def _made(self, *, exact: bool, form: str) -> tuple[Answering | None, Answering]:
        """What answers several pictures together, None if exact, and what answers one by the net as it was trained."""
        net, seen, device = self.classifier, self.preprocessing, self.device
        if net.labels or net.several:
            together = None if exact else answering(net, device, views=self.views, form=form)
            return together, partial(say_plainly, net, device=device, views=self.views)
        asked = net_of_voices(net, device) or TASKS.get(net.task).answering(net.model.eval())
        look = None if exact else looking(asked, seen, device, form=form)

        def telling(looks: Looking) -> Answering:
            return lambda names, images: said_by(net, names, *looks(images))

        return None if look is None else telling(look), telling(plainly(asked, seen, device))

    def about(self) -> dict[str, Any]:
        """What a client may want to know of it."""
        net = self.classifier
        return facts_of(net.task, net.class_names, self.example) | {
            "architecture": net.spec.architecture,
            "input": list(self.preprocessing.shape),
            "digest": digest_of(net),
            "views": (net.views if net.labels else "none") if self.views is None else self.views,
            "thresholds": net.label_thresholds.tolist() if net.several else None,
            "finished": self.finished,
        }

    def warm(self) -> None:
        """Passes at the smallest and the largest batch."""
        image = np.zeros(self.preprocessing.shape, np.uint8)
        for count in dict.fromkeys((1, self.batch)):
            for _ in range(WARM):
                self.compute([""] * count, [image] * count)

    def read(self, data: bytes) -> Read | Problem:
        """The picture, fitted to the net."""
        return _read(data, self.preprocessing)

    def whole(self, data: bytes) -> np.ndarray:
        """A picture file that was read, in its own size: C H W uint8."""
        return read_sized(data, self.preprocessing.whole())[0]

    def compute(self, names: Sequence[str], images: Sequence[np.ndarray]) -> Sequence[Prediction | Answer]:
        """Together in the form that is fastest here, or, if exact, one after another through the net as trained."""
        if self._together is not None:
            return self._together(names, np.stack(images))
        return [each for name, image in zip(names, images, strict=True) for each in self._alone([name], image[None])]

    def laid_back(self, mask: np.ndarray, size: Size) -> np.ndarray:
        """As the net's pixels lie on the picture."""
        return _laid_back(self.preprocessing, mask, size)


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
        data = read_shipped(path)
        self.shipped = opened_file(data, name=shown(path), threads=threads)
        self.digest, self.whole = sha256(data).hexdigest(), self.shipped.preprocessing.whole()
        self.example = self.compute([""], [np.zeros(self.shipped.preprocessing.shape, np.uint8)])[0]

    def about(self) -> dict[str, Any]:
        """What a client may want to know of it."""
        task = self.shipped.task
        return facts_of(task if isinstance(task, str) else task.name, self.shipped.class_names, self.example) | {
            "architecture": self.shipped.architecture,
            "input": list(self.shipped.preprocessing.shape),
            "digest": self.digest,
            "views": self.shipped.views,
            "thresholds": None if self.shipped.limits is None else self.shipped.limits.tolist(),
            "finished": True,
        }

    def warm(self) -> None:
        """Its golden pictures have warmed it when it was opened."""

    def read(self, data: bytes) -> Read | Problem:
        """The picture in its own size; the file fits it itself."""
        return _read(data, self.whole)

    def compute(self, names: Sequence[str], images: Sequence[np.ndarray]) -> Sequence[Prediction | Answer]:
        """Pictures of one size go together."""
        return self.shipped.named(names, images)

    def laid_back(self, mask: np.ndarray, size: Size) -> np.ndarray:
        """As the net's pixels lie on the picture."""
        return _laid_back(self.shipped.preprocessing, mask, size)


def _read(data: bytes, seen: Preprocessing) -> Read | Problem:
    try:
        return read_sized(data, seen)
    except BadPicture as bad:
        return Problem("", bad.kind, bad.reason)


def _laid_back(seen: Preprocessing, mask: np.ndarray, size: Size) -> np.ndarray:
    return seen.laid_back(mask[None], *size, IGNORED)[0]


def facts_of(task: str, classes: Sequence[str], example: Prediction | Answer) -> dict[str, Any]:
    """What it was trained for, in words, and its classes with the colours of areas; `example`: an answer of it."""
    by_class = not isinstance(example, Answer) or bool(example.of_labels)
    title = "" if isinstance(example, Prediction) or example.of_labels == "probabilities" else TASKS.get(task).title
    counted = plural(len(classes), "class") if classes and by_class else "" if title else "a number"
    shades = example.palette.tolist() if isinstance(example, Answer) and example.palette is not None else None
    return {
        "task": task,
        "title": title,
        "says": ", ".join(part for part in (title.lower(), counted) if part),
        "classes": list(classes),
        "colours": None if shades is None else ["#{:02x}{:02x}{:02x}".format(*shade) for shade in shades],
    }


def digest_of(classifier: Classifier) -> str:
    """SHA-256 of all that makes its answers: that of the weights file, or of it with what was learnt about trust, and
    with what its task learnt, such as the thresholds of its labels.
    """
    trust, learnt = classifier.trust, classifier.learnt
    if trust is None and learnt is None and not classifier.several:
        return classifier.provenance.sha256
    found = sha256(classifier.provenance.sha256.encode())
    if classifier.several:
        found.update(classifier.label_thresholds.tobytes())
    elif learnt is not None:
        found.update(json.dumps(plain(learnt.facts), sort_keys=True).encode())
        for _, array in sorted(learnt.arrays.items()):
            found.update(np.ascontiguousarray(array).tobytes())
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
