"""From a recipe to data that is ready: source, scan, splits, open settings chosen, pictures decoded.

Training, evaluation and every later reader of a run's own data come this way.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch.distributed as dist

from hubel import runtime
from hubel.assembly.asking import Task, asked, settled, task_of
from hubel.assembly.choices import Facts, complete, validation_share
from hubel.assembly.sight import asked_mirrors, geometry, with_statistics
from hubel.assembly.teaching import Lesson, find_teacher, meet
from hubel.assembly.telling import divide, read_pictures, tell_labels, tell_problems, tell_range
from hubel.data.decode import Decoded, decode, measured
from hubel.data.manifest import Manifest
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import Scan, conclude
from hubel.data.sources import lies_among
from hubel.data.splits import Splits, limited
from hubel.data.unlabelled import Known, open_probe, some_of
from hubel.errors import DataError, UsageError
from hubel.recipes.chosen import Chosen
from hubel.recipes.schema import Recipe
from hubel.records.own_data import NO_PICTURES, Decided, bared, find_again, open_data, reads_otherwise
from hubel.runtime import rank, world
from hubel.watching import SILENT, Watcher

FEWEST = 32
"""Training pictures from which something can be learnt without labels at all; thousands are better."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Everything about the data that a run needs."""

    chosen: Chosen
    """The recipe with every open setting chosen, and why."""
    scan: Scan
    splits: Splits
    decoded: Decoded
    preprocessing: Preprocessing | None
    """None for points."""
    seconds: float
    """Time it took."""
    facts: Facts
    """What the choices depended on."""
    lesson: Lesson | None = None
    """The teacher before these data, where the recipe names one."""
    known: Known | None = None
    """Labels that were set aside, where the run learns without and its source has some."""

    @property
    def recipe(self) -> Recipe:
        """With every open setting chosen."""
        return self.chosen.recipe

    @property
    def reasons(self) -> Mapping[str, str]:
        """Why, by setting."""
        return self.chosen.reasons

    @property
    def manifest(self) -> Manifest:
        """The samples that are used."""
        return self.scan.manifest

    @property
    def task(self) -> Task:
        """What the net is trained for."""
        return task_of(self.recipe, self.manifest)

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of the outputs; empty in regression."""
        return self.manifest.class_names

    def ids(self, name: str) -> np.ndarray:
        """Rows of a split; the training rows as `limit` of the recipe has it."""
        rows = self.splits.ids(name)
        if name == "train" and self.recipe.data.limit is not None and len(rows) > self.recipe.data.limit:
            if self.recipe.pretext.method is not None:  # there are no classes to take from in turn
                return some_of(rows, self.recipe.data.limit, seed=self.recipe.data.split_seed)
            return limited(rows, self.manifest.labels[rows], self.recipe.data.limit)
        return rows

    @property
    def turns(self) -> int:
        """In how many turns each picture is learnt from."""
        return 4 if self.recipe.pretext.method == "rotation" else 1

    @property
    def samples(self) -> int:
        """Samples of an epoch."""
        return len(self.ids("train")) * self.turns

    def with_recipe(self, recipe: Recipe) -> Prepared:
        """The same data for another recipe, the reasons as they are."""
        return replace(self, chosen=replace(self.chosen, recipe=recipe))

    def names(self) -> list[str]:
        """What each sample is called in a list of predictions."""
        return [self.manifest.name(row) for row in range(len(self.manifest))]


def prepare(
    begun: Recipe | Chosen, watch: Watcher = SILENT, *, splits: Splits | None = None, edits: Decided = ()
) -> Prepared:
    """Scan, decode, split, choose what is open. With `splits`, those are used, after a check that they fit the data.

    `edits` are those of the run that the `splits` belong to; a new run takes those that lie beside the data.
    """
    started = time.perf_counter()
    chosen = asked(begun if isinstance(begun, Chosen) else Chosen(recipe=begun))
    teacher = find_teacher(chosen.recipe)
    if teacher is not None:
        chosen = chosen.change(teacher=teacher.place, teacher_sha256=teacher.sha256)
    recipe = chosen.recipe
    method = recipe.pretext.method
    if recipe.pretext.probe_data is not None and splits is None:
        open_probe(recipe.pretext.probe_data)  # what is wrong with it is better known now than in the end
    watch.stage("reading the data")
    listed = open_data(recipe, watch) if splits is None else find_again(recipe, watch, edits=edits)
    if splits is None and lies_among(listed, recipe.run.out):
        raise UsageError(
            f"runs would be written into the data: out is {recipe.run.out!r}, the data are {recipe.data.data!r}",
            hint="--out FOLDER: a folder of its own, for example runs",
        )
    chosen = settled(chosen, listed)
    if reads_otherwise(recipe, chosen.recipe):
        listed = open_data(chosen.recipe, watch) if splits is None else find_again(chosen.recipe, watch, edits=edits)
        task_of(chosen.recipe, listed).check_data(listed)
    recipe = chosen.recipe
    if listed.kind == "points":
        scanned = conclude(listed, None)
        decoded = decode(scanned.manifest, NO_PICTURES)
        preprocessing = None
    else:
        preprocessing, why = geometry(recipe, listed)
        chosen = chosen.change(why)
        scanned, decoded, chosen = read_pictures(listed, preprocessing, chosen, watch)
        tell_range(preprocessing, scanned, watch)
    tell_problems(scanned, recipe, watch)
    if method is not None:
        chosen = chosen.change(test_fraction=kept_for_test(recipe, scanned))
    if recipe.data.val_fraction is None:
        divided = int((scanned.manifest.given_split != "test").sum())
        most = 0.99 - chosen.recipe.data.test_fraction  # where the test takes nearly all, something is left to learn
        share, reason = validation_share(divided, scanned.manifest.num_classes)
        chosen = chosen.take(reason, val_fraction=max(0.0, min(share, most)))
    given = splits
    splits = given or divide(chosen.recipe, scanned.manifest, watch)
    scanned, decoded, known = bared(recipe, scanned, decoded)
    if given is not None:
        splits.verify(scanned.manifest)
    elif method is not None:
        splits = replace(splits, manifest_digest=scanned.manifest.digest)
        tell_labels(known, splits, watch)
    fewest = 2 if method is None else FEWEST
    if len(splits.train) < fewest:
        raise DataError(
            f"at least {'two' if fewest == 2 else fewest} training samples are needed, got {len(splits.train)}",
            hint="add pictures",
        )
    if preprocessing is not None:
        preprocessing = with_statistics(preprocessing, recipe, scanned, decoded, splits.train)
        size = (preprocessing.height, preprocessing.width)
        chosen = chosen.change(img_size=size, in_chans=preprocessing.channels, fit=preprocessing.fit)
    manifest = scanned.manifest
    if manifest.columns is not None:
        decoded = measured(decoded, manifest.columns, splits.train)
    lesson = None
    if teacher is not None:
        lesson = meet(teacher, manifest, decoded, preprocessing, splits, recipe, watch)
    facts = Facts(
        kind="points" if preprocessing is None else "images",
        task=task_of(recipe, manifest).name,
        samples=min(len(splits.train), recipe.data.limit or len(splits.train)) * (4 if method == "rotation" else 1),
        classes=manifest.num_classes,
        side=0 if preprocessing is None else min(preprocessing.height, preprocessing.width),
        channels=decoded.images.shape[1],
        sides=0 if preprocessing is not None or decoded.images.ndim < 3 else decoded.images.ndim - 1,
        accelerator=runtime.pick_device(recipe.train.device).type != "cpu",
        reused=recipe.transfer.from_ is not None,
        mirrors=asked_mirrors(preprocessing, recipe, manifest, decoded, splits.train, task_of(recipe, manifest)),
        method=method or "",
    )
    return Prepared(
        chosen=complete(chosen, facts),
        scan=scanned,
        splits=splits,
        decoded=decoded,
        preprocessing=preprocessing,
        known=known,
        seconds=time.perf_counter() - started,
        facts=facts,
        lesson=lesson,
    )


def chosen_anew(prepared: Prepared, recipe: Recipe) -> Prepared:
    """The same data for another `recipe`, which reads them alike: what it leaves open is chosen, nothing is read."""
    alike = {name: getattr(prepared.recipe.data, name) for name in type(recipe.data).model_fields}
    taught = recipe.distillation.teacher is not None
    also = prepared.recipe.distillation.model_dump() if taught else {}
    # The task as well, with its net: a recipe that names none would be taken for one of labels.
    asked_again = settled(Chosen(recipe=recipe.change(**alike, **also)), prepared.manifest)
    chosen = complete(asked_again, prepared.facts)
    return replace(prepared, chosen=chosen, lesson=prepared.lesson if taught else None)


def kept_for_test(recipe: Recipe, scanned: Scan) -> float:
    """What a training without labels keeps away for a test: what `hubel train` would, of pictures that have classes."""
    return recipe.data.test_fraction if scanned.manifest.num_classes > 1 else 0.0


def prepare_together(
    begun: Recipe | Chosen, watch: Watcher, splits: Splits | None = None, edits: Decided = ()
) -> Prepared:
    """Prepare the data; with several processes, the first fills the cache and the others read it."""
    if world() == 1:
        return prepare(begun, watch, splits=splits, edits=edits)
    if rank() == 0:
        prepared = prepare(begun, watch, splits=splits, edits=edits)
        dist.barrier()
        return prepared
    dist.barrier()
    return prepare(begun, splits=splits, edits=edits)
