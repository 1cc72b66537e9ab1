"""Checks by copies: leaks, contradictions, and whether a sample is the same when it is read again."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator

import torch

from hubel.diagnosis.checks import error, examines, found, warning
from hubel.diagnosis.copies import COMPARED, digests_of, directions
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.patient import Patient, as_pair


@examines(
    "data",
    error("leak", "data", "the same sample in training and in validation"),
    warning("near-leak", "data", "nearly the same sample in training and in validation: frames, copies saved anew"),
    warning("conflicting-labels", "data", "the same sample with different labels", needs="classes"),
)
def look_for_copies(patient: Patient) -> Iterator[Finding]:
    """Digests of all samples, and correlations of those of validation with those of training."""
    part, held = patient.train, patient.held
    digests = digests_of(part.images)
    classes = part.classes
    if classes is not None:
        labels = defaultdict(set)
        for key, label in zip(digests, classes.tolist(), strict=True):
            labels[key].add(label)
        clash = [key for key, seen in labels.items() if len(seen) > 1]
        count = sum(key in set(clash) for key in digests)
        if clash and (count > 2 or count > 0.002 * len(digests)) and part.images[0].numel() > 4:
            yield found(
                "conflicting-labels", f"{count} samples have the same pixels and different labels", samples=count,
                groups=len(clash), of=len(digests), mend="hubel clean DATA lists them; keep one label for each",
                shown="group images by image.numpy().tobytes() and compare labels",
            )  # fmt: skip
    if held is None or part.images.shape[1:] != held.images.shape[1:]:
        return
    known = set(digests)
    own = [key in known for key in digests_of(held.images)]
    if any(own) and part.images[0].numel() > 4:
        yield found(
            "leak", f"{sum(own)} of {len(own)} validation samples {'is' if sum(own) == 1 else 'are'} in training, too",
            samples=sum(own), of=len(own),
            share=sum(own) / len(own), mend="take them out of one of the two parts, then measure again "
            "(hubel train divides so that copies stay together)", shown="train_digests & val_digests",
        )  # fmt: skip
        return
    if part.images[0].numel() < 16:
        return
    train, val = directions(part.images), directions(held.images)
    nearest = torch.cat([(block @ train.T).amax(1) for block in val.split(256)])
    inside = train[:: max(1, len(train) // COMPARED)]
    near = int((nearest > 0.999).sum())
    if near > max(1, 0.005 * len(val)) and len(inside):
        yield found(
            "near-leak", f"{near} of {len(val)} validation samples have a twin in training", samples=near, of=len(val),
            share=near / len(val), most_alike=float(nearest.max()),
            mend="split by group (video, patient, day): --column group=NAME; in scikit-learn: GroupShuffleSplit",
            shown="(val @ train.T).max(1) of normalised images",
        )  # fmt: skip


@examines(
    "data",
    error("validation-changes", "data", "validation samples differ from one reading to the next: augmented"),
    error("same-augmentation", "data", "every epoch augments a sample in the same way"),
)
def read_twice(patient: Patient) -> Iterator[Finding]:
    """Validation must be the same twice; what is drawn by chance in training must not be the same in two epochs."""
    if patient.val is not None and not isinstance(patient.val, (list, tuple)) and patient.held is not None:
        twice = [as_pair(batch, "val", patient.device) for batch in itertools.islice(iter(patient.val), 2)]
        for (one, _), (other, _) in zip(patient.held.pairs, twice, strict=False):
            if one.shape == other.shape and not torch.equal(one, other):
                apart = float((one.float() - other.float()).abs().max())
                order = torch.equal(_sorted_sums(one), _sorted_sums(other))
                if not order and not _mostly_known(other, patient.held.images):
                    yield found(
                        "validation-changes", "validation samples are not the same when they are read again",
                        largest_difference=apart, mend="no random transform in validation: resize and normalise only",
                        shown="next(iter(val_loader))[0] - next(iter(val_loader))[0]",
                    )  # fmt: skip
                break
    dataset = getattr(patient.batches, "dataset", None)
    if dataset is None or isinstance(patient.batches, (list, tuple)):
        return
    try:
        first, again = (torch.as_tensor(dataset[0][0]) for _ in range(2))
    except Exception:  # a data set of any kind may refuse this in any way, and nothing is lost
        return
    if torch.equal(first, again) or len(patient.train.images) < 8:
        return
    known = set(digests_of(patient.train.images))
    second: list[torch.Tensor] = []
    for batch in patient.batches:
        second.append(as_pair(batch, "batches", patient.device)[0].detach().cpu().float())
        if sum(map(len, second)) >= len(patient.train.images):
            break
    same = [key in known for key in digests_of(torch.cat(second))]
    if sum(same) > 0.5 * len(same):
        yield found(
            "same-augmentation", "a second epoch shows the very same augmented samples", repeated=sum(same),
            of=len(same),
            mend="draw from torch's generators inside __getitem__, not from one that is seeded there "
            "(worker_init_fn=seed_worker for NumPy's)", shown="dataset[0] in two epochs",
        )  # fmt: skip


def _sorted_sums(images: torch.Tensor) -> torch.Tensor:
    return images.float().flatten(1).sum(1).sort().values


def _mostly_known(images: torch.Tensor, among: torch.Tensor) -> bool:
    known = set(digests_of(among))
    return sum(key in known for key in digests_of(images.detach().cpu().float())) > 0.5 * len(images)
