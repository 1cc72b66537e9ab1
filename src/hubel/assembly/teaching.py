"""Distillation: a trained net as the teacher of a new one (Hinton, Vinyals, Dean, arXiv:1503.02531).

The teacher looks at the training pictures in its own preprocessing, once; the new net learns from its softened answers
beside the labels. Test pictures are shown to it only after the training, for the report.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from os import fspath
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist

from hubel import runtime
from hubel.checkpoint import Classifier
from hubel.checkpoint import load as load_checkpoint
from hubel.data.augment import mirrors
from hubel.data.decode import Decoded, decode
from hubel.data.images import decoder
from hubel.data.manifest import Manifest
from hubel.data.splits import Splits
from hubel.errors import ArtefactError, HubelError, UsageError
from hubel.recipes.schema import Recipe
from hubel.records.ledger import find_folder, find_run
from hubel.records.other_data import learnt_from
from hubel.runtime import rank, world
from hubel.store import shown
from hubel.training.kept import digest_of
from hubel.training.loop import forward_precision
from hubel.training.teaching import Answers, Question, ask, look
from hubel.watching import Watcher
from hubel.words import duration, percent, plural


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A trained net to learn from."""

    place: str
    """Where it was found; the name alone of a net with published weights."""
    classifier: Classifier

    @property
    def sha256(self) -> str:
        """Of its weights file."""
        return self.classifier.provenance.sha256


def find_teacher(recipe: Recipe) -> Teacher | None:
    """The teacher that a recipe names; None where it names none.

    Raises ArtefactError where it is not there, is damaged, or has other weights than the recipe was made with, and
    UsageError where it gives a number.
    """
    part = recipe.distillation
    if part.teacher is None:
        return None
    try:
        classifier = load_checkpoint(find_run(part.teacher))
    except ArtefactError as error:
        raise ArtefactError(f"the teacher cannot be read: {error.what}", hint=error.hint) from None
    if not classifier.class_names or not classifier.labels:
        what = "gives a number" if classifier.labels else f"was trained for the task {classifier.task}"
        raise UsageError(
            f"the teacher {part.teacher} {what}, and softened answers are those of a classifier",
            hint="leave --teacher out, or name a run that was trained on classes: hubel runs",
        )
    found = classifier.provenance.sha256
    if part.teacher_sha256 not in (None, found):
        raise ArtefactError(
            f"the weights of the teacher {part.teacher} are not those this recipe was made with: "
            f"sha-256 {found[:12]}…, not {str(part.teacher_sha256)[:12]}…",
            hint="give the old weights with --teacher, or leave teacher_sha256 out",
        )
    return Teacher(place=fspath(find_folder(part.teacher) or part.teacher), classifier=classifier)


@dataclass(kw_only=True, eq=False)
class Lesson:
    """A teacher before the data of a new run. What it says is asked for when it is first needed, and remembered."""

    teacher: Teacher
    manifest: Manifest
    given: Decoded
    """The data as the new net sees them."""
    same_sight: bool
    """Does the teacher see them just so, before the scaling of the channels?"""
    workers: int | None
    met: int
    """Test pictures that the teacher was trained on."""
    watch: Watcher
    _seen: Decoded | None = None
    _said: dict[str, Answers] = field(default_factory=dict)

    @property
    def decoded(self) -> Decoded:
        """The data as the teacher sees them."""
        seen, sight = self._seen, self.teacher.classifier.preprocessing
        if seen is None:
            same = self.same_sight or sight is None
            self._seen = seen = self.given if same or sight is None else decode(
                self.manifest, sight, workers=self.workers, progress=self.watch.progress
            )  # fmt: skip
        return seen

    def answers(self, recipe: Recipe, rows: np.ndarray, device: torch.device) -> Answers:
        """What the teacher says of the training samples `rows`; of several processes the first asks for all."""
        net, precision = self.teacher.classifier, fast_precision(device)
        question = Question(
            data=f"{self.manifest.digest} {decoder()}",
            rows=digest_of(rows),
            device=device.type,
            weights=self.teacher.sha256,
            architecture=json.dumps(net.spec.to_dict(), sort_keys=True, default=str),
            preprocessing="" if net.preprocessing is None else json.dumps(net.preprocessing.to_dict(), sort_keys=True),
            classes=self.manifest.class_names,
            views="mirror" if net.preprocessing is not None and mirrors(recipe.augment.augment or ()) else "none",
            precision=str(precision),
        )
        if question.key not in self._said:
            if world() > 1 and rank() > 0:
                dist.barrier()
            self.watch.stage("asking the teacher")
            told = hold_to(recipe.train.time, self.watch.progress)
            said = ask(
                net, lambda: self.decoded, rows, question=question, device=device, precision=precision, progress=told
            )
            if world() > 1 and rank() == 0:
                dist.barrier()
            right = self.right(said, rows)
            self.watch.remark(
                f"the teacher {self.teacher.place} names {percent(right, 1)} of {plural(len(rows), 'training sample')} "
                "right" + ("; its answers were kept from before" if said.cached else "")
            )
            self._said[question.key] = said
        return self._said[question.key]

    def right(self, said: Answers, rows: np.ndarray) -> float:
        """The share of samples whose label the teacher names."""
        return float((said.logits.argmax(1).numpy() == self.manifest.labels[rows]).mean())

    def facts(self, recipe: Recipe, rows: np.ndarray, device: torch.device) -> dict[str, Any]:
        """Who the teacher was, and what it said of the training samples `rows`, as plain data: for teacher.json."""
        said, part = self.answers(recipe, rows, device), recipe.distillation
        return {
            "place": self.teacher.place,
            "sha256": self.teacher.sha256,
            "architecture": self.teacher.classifier.spec.architecture,
            "temperature": part.temperature,
            "teacher_weight": part.teacher_weight,
            "views": said.views,
            "answered": len(rows),
            "train_accuracy": self.right(said, rows),
            "answers_sha256": said.sha256,
            "test_learnt": self.met,
            "seconds": said.seconds,
            "cached": said.cached,
        }

    def compare(self, began: Any, recipe: Recipe, rows: np.ndarray, device: torch.device) -> None:
        """Say where a run that goes on learns from other answers than those it `began` with (its teacher.json)."""
        said = self.answers(recipe, rows, device)
        if isinstance(began, dict) and began.get("answers_sha256") != said.sha256:
            self.watch.remark("not the same bits as without the stop: asked again, the teacher answers otherwise")

    def beside(self, student: Classifier, splits: Splits, device: torch.device) -> dict[str, Any]:
        """Teacher and student after the training, each as it answers by itself, as plain data; {} where that fails.

        Both parts that were not learnt from, test pictures among them, are shown to the teacher only here.
        """
        nets = {"teacher": (self.teacher.classifier, lambda: self.decoded), "student": (student, lambda: self.given)}
        found: dict[str, Any] = {
            name: {
                "architecture": net.spec.architecture,
                "input": [net.spec.in_chans, *(net.spec.img_size or ())],
                "parameters": sum(p.numel() for p in net.model.parameters()),
                "bytes": sum(value.numel() * value.element_size() for value in net.model.state_dict().values()),
            }
            for name, (net, _) in nets.items()
        }
        self.watch.stage("measuring the teacher beside it")
        for split in ("val", "test"):
            rows = splits.ids(split)
            if not len(rows):
                continue
            said = {}
            for name, (net, sight) in nets.items():
                try:
                    logits = look(
                        net, sight(), rows, classes=self.manifest.class_names, views=net.views, device=device,
                        progress=self.watch.progress,
                    )  # fmt: skip
                except HubelError as error:  # pictures that are gone by now cost no run
                    self.watch.remark(f"the teacher was not measured: {error.what}")
                    return {}
                said[name] = logits.argmax(1)
            right = {name: float((answer == self.manifest.labels[rows]).mean()) for name, answer in said.items()}
            agreement = float((said["teacher"] == said["student"]).mean())
            found[split] = {"samples": len(rows), **right, "agreement": agreement}
        return found


def fast_precision(device: torch.device) -> torch.dtype:
    """bf16 where the device has instructions for it, whatever the student learns in: softened answers are no finer, and
    a teacher that is asked in full precision takes several times as long.
    """
    half = runtime.has_bf16() if device.type == "cpu" else forward_precision("auto", device) == torch.bfloat16
    return torch.bfloat16 if half else torch.float32


def hold_to(allowed: float | None, progress: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """`progress`, which raises UsageError once it is clear that asking alone takes more than `allowed` seconds."""
    started, first = time.perf_counter(), 0

    def told(done: int, total: int) -> None:
        nonlocal started, first
        progress(done, total)
        if not first:  # reading and warming up lie before the first answers
            started, first = time.perf_counter(), done
            return
        needed = (time.perf_counter() - started) / (done - first) * total
        if allowed is not None and needed > allowed:
            raise UsageError(
                f"the teacher needs about {duration(needed)} for {plural(total, 'training sample')}, and the whole "
                f"training may take {duration(allowed)}",
                hint=f"--time {math.ceil(2 * needed / 60)}m, a faster teacher, fewer pictures (--limit), or no --time: "
                "answers are kept, and asked for once",
            )

    return told


def meet(
    teacher: Teacher, manifest: Manifest, decoded: Decoded, sight: Any, splits: Splits, recipe: Recipe, watch: Watcher
) -> Lesson:
    """The teacher before the data of a new run, which sees them with preprocessing `sight` (None for points).

    Raises UsageError where it cannot teach them: numbers, points instead of pictures, other classes.
    """
    _check(teacher, manifest, decoded, sight)
    met = len(learnt_from(Path(teacher.place), manifest, splits.test))
    if met:
        watch.remark(
            f"leak: the teacher was trained on {met:,} of the {plural(len(splits.test), 'test sample')} of this run, "
            "so that what is measured on them flatters both; another split: --split-seed and --test-fraction as it had"
        )
    own = teacher.classifier.preprocessing
    return Lesson(
        teacher=teacher, manifest=manifest, given=decoded, workers=recipe.data.workers, met=met, watch=watch,
        same_sight=own is not None and sight is not None and own.geometry == sight.geometry,
    )  # fmt: skip


def _check(teacher: Teacher, manifest: Manifest, decoded: Decoded, sight: Any) -> None:
    net, name = teacher.classifier, teacher.place
    if manifest.regression:
        raise UsageError(
            "the target is a number, and a teacher's softened answers need classes", hint="leave --teacher out"
        )
    if (net.preprocessing is None) != (sight is None):
        kinds = ("points", "pictures") if net.preprocessing is None else ("pictures", "points")
        raise UsageError(
            f"the teacher {name} takes {kinds[0]}, and {manifest.source} holds {kinds[1]}",
            hint="take a teacher of the same kind: hubel runs",
        )
    if sight is None and net.spec.in_chans != decoded.images.shape[1]:
        raise UsageError(
            f"the teacher {name} takes points of {net.spec.in_chans} values, and those of {manifest.source} have "
            f"{decoded.images.shape[1]}",
            hint=f"train one on these: hubel train {manifest.source}",
        )
    ours, theirs = set(manifest.class_names), set(net.class_names)
    if ours != theirs:
        lacks = [f"does not know {_listed(ours - theirs)}"] if ours - theirs else []
        more = [f"knows {_listed(theirs - ours)} besides"] if theirs - ours else []
        raise UsageError(
            f"the teacher {name} has other classes than {manifest.source}: it {' and '.join((*lacks, *more))}",
            hint=f"train one on these classes: hubel train {manifest.source}; or start from what this one has learnt, "
            f"whatever its classes: --from {name}",
        )


def _listed(names: set[str], most: int = 4) -> str:
    first = ", ".join(shown(name, 40) for name in sorted(names)[:most])
    return f"{first} and {len(names) - most} more" if len(names) > most else first
