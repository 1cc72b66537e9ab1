"""Checks of what belongs to a training beside its loop: averaged weights, the test, and going on after a stop."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch

from hubel.diagnosis.checks import error, examines, found
from hubel.diagnosis.copies import digests_of
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.norms import losses_by_statistics, running
from hubel.diagnosis.patient import Patient, as_pair

MOST = 8
"""Batches on which averaged weights are asked."""


@examines(
    "data",
    error("chosen-on-test", "data", "validation, by which epochs are chosen, is the test"),
    error("test-leak", "data", "samples of the test are in training or validation"),
)
def look_at_test(patient: Patient) -> Iterator[Finding]:
    """Digests of the test's samples against those of the other parts."""
    test = patient.tested
    if test is None or test.images[0].numel() <= 4:
        return
    keys = digests_of(test.images)
    known = {"training": patient.train, "validation": patient.held}
    inside = {
        name: sum(key in among for key in keys)
        for name, part in known.items() if part is not None for among in [set(digests_of(part.images))]
    }  # fmt: skip
    shared = inside.get("validation", 0)
    if shared > 0.5 * len(keys):
        yield found(
            "chosen-on-test", f"{shared} of {len(keys)} test samples are those of validation: the best epoch is chosen "
            "on the test, and measured too well", samples=shared, of=len(keys),
            mend="a validation part of its own, taken from training: random_split(train, …); measure the test once",
            shown="val_digests & test_digests",
        )  # fmt: skip
        return
    where, count = max(inside.items(), key=lambda each: each[1])
    if count:
        yield found(
            "test-leak", f"{count} of {len(keys)} test samples {'is' if count == 1 else 'are'} in {where}, too",
            samples=count, of=len(keys),
            share=count / len(keys), mend=f"take them out of {where}, then measure again",
            shown=f"{'train' if where == 'training' else 'val'}_digests & test_digests",
        )  # fmt: skip


@examines("data", error("resume-repeats", "data", "a resumed run begins again with the order of the first epoch"))
def look_at_resuming(patient: Patient) -> Iterator[Finding]:
    """The first batch after resuming against the first of all."""
    part = patient.train
    if patient.resumed is None or len(part.sizes) < 2:
        return
    after = next(iter(patient.resumed), None)
    if after is None:
        return
    images, labels = as_pair(after, "resumed", patient.device)
    first = part.first
    if images.shape == first[0].shape and torch.equal(images, first[0]) and torch.equal(labels, first[1]):
        yield found(
            "resume-repeats", "after resuming, the first batch is that of the first epoch: what was seen is seen again",
            batches=len(part.sizes),
            mend="save and restore the sampler's generator, or seed it by the epoch: generator.manual_seed(seed + "
            "epoch)", shown="torch.equal(next(iter(resumed))[0], next(iter(batches))[0])",
        )  # fmt: skip


@examines(
    "start",
    error("stale-average", "start", "averaged weights with the batch norm statistics of other weights"),
)
def look_at_average(patient: Patient) -> Iterator[Finding]:
    """Averaged weights with the statistics that they have, and with their own; where the net's own are in order."""
    if patient.average is None or not running(patient.average):
        return
    pairs, (_, _, loss) = patient.train.pairs[:MOST], patient.copied()
    kept, fresh = losses_by_statistics(copy.deepcopy(patient.average), loss, pairs)
    own, calm = losses_by_statistics(copy.deepcopy(patient.model), loss, pairs)
    if kept > 1.3 * fresh + 0.05 and not own > 1.3 * calm + 0.05:
        yield found(
            "stale-average", "the averaged weights do far better with fresh statistics of batch norm than with theirs",
            loss_as_it_is=kept, with_fresh_statistics=fresh, of_the_net_itself=own,
            mend="torch.optim.swa_utils.update_bn(loader, average) before each measurement, or "
            "AveragedModel(model, use_buffers=True)",
            shown="average.eval(); loss(…), before and after update_bn(loader, average)",
        )  # fmt: skip
