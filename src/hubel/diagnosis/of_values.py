"""Checks of the values that the net gets, in training and in validation."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from hubel.diagnosis.checks import error, examines, found, warning
from hubel.diagnosis.finding import Finding
from hubel.diagnosis.patient import Patient
from hubel.words import percent


@examines(
    "data",
    error("not-finite-inputs", "data", "NaN or infinity among the images"),
    warning("constant-inputs", "data", "images that show nothing, or are all the same"),
    warning("input-range", "data", "inputs far from mean 0 and deviation 1: not normalised, or twice"),
)
def look_at_values(patient: Patient) -> Iterator[Finding]:
    """The range of the inputs."""
    images = patient.train.images.flatten(1)
    bad = ~torch.isfinite(images).all(1)
    if bool(bad.any()):
        yield found(
            "not-finite-inputs", f"NaN or infinity in {int(bad.sum())} of {len(images)} samples",
            samples=int(bad.sum()), of=len(images), first=int(bad.nonzero()[0]),
            mend="images = torch.nan_to_num(images), or leave these samples out",
            shown="torch.isfinite(images).flatten(1).all(1)",
        )  # fmt: skip
        return
    flat = images.std(1) < 1e-6 if images.shape[1] > 4 else torch.zeros(len(images), dtype=torch.bool)
    alike = bool((images.std(0) < 1e-7).all()) and len(images) > 1
    if alike or float(flat.float().mean()) > 0.05:
        what = (
            "all samples are the same"
            if alike
            else f"{percent(float(flat.float().mean()), 0)} of the samples are of one level"
        )
        yield found(
            "constant-inputs", f"{what} after preprocessing", samples=len(images), of_one_level=int(flat.sum()),
            mend="look at images[0] before and after each transform: one of them loses the picture "
            "(a cast to integers after scaling to 0..1 is the usual one)",
            shown="images.flatten(1).std(1)", severity="error" if alike else None,
        )  # fmt: skip
        return
    mean, spread = float(images.mean()), float(images.std())
    if abs(mean) > 5 or not 0.05 <= spread <= 5:
        far = abs(mean) > 5 or spread > 5
        yield found(
            "input-range",
            f"inputs are not normalised: mean {mean:.3g}, deviation {spread:.3g}", mean=mean, deviation=spread,
            smallest=float(images.min()), largest=float(images.max()),
            mend="images = (images / 255 - mean) / std" if far else "images = (images - mean) / std, once and not "
            "twice",
            shown="images.mean(), images.std()",
        )  # fmt: skip


@examines(
    "data",
    error("channels-swapped", "data", "validation has red and blue the other way round (BGR for RGB)"),
    warning("prepared-differently", "data", "validation is normalised otherwise than training"),
)
def compare_preprocessing(patient: Patient) -> Iterator[Finding]:
    """Means and deviations of each channel, in training and validation."""
    if patient.held is None or not patient.train.pictures or not patient.held.pictures:
        return
    one, other = patient.train.images, patient.held.images
    if one.shape[1] != other.shape[1] or not bool(torch.isfinite(one).all() & torch.isfinite(other).all()):
        return
    means, against = one.mean((2, 3)), other.mean((2, 3))  # N C each
    spread = means.std(0).clamp_min(1e-6)
    far = ((means.mean(0) - against.mean(0)).abs() / spread).max()
    error_of = (spread / spread * (1 / len(one) + 1 / len(other)) ** 0.5).max()
    surely = float(far) / float(error_of) > 6
    if one.shape[1] == 3 and surely:
        swapped = ((means.mean(0) - against.flip(1).mean(0)).abs() / spread).max()
        if float(swapped) < 0.35 * float(far):
            yield found(
                "channels-swapped", "red and blue are the other way round in validation",
                apart=float(far), apart_when_swapped=float(swapped),
                mend="images = images.flip(1) in validation (cv2 reads BGR: cv2.cvtColor(image, cv2.COLOR_BGR2RGB))",
                shown="train_images.mean((0, 2, 3)), val_images.mean((0, 2, 3))",
            )  # fmt: skip
            return
    width, width_there = float(one.std()), float(other.std())
    ratio = max(width, width_there) / max(1e-9, min(width, width_there))
    mean_gap = abs(float(one.mean()) - float(other.mean())) / max(1e-9, width)
    if ratio > 2 or (mean_gap > 1 and surely) or (float(far) > 2 and surely):
        yield found(
            "prepared-differently",
            f"training has mean {float(one.mean()):.3g} and deviation {width:.3g}, validation "
            f"{float(other.mean()):.3g} and {width_there:.3g}", ratio_of_deviations=ratio, means_apart=mean_gap,
            mend="one function prepares both: the same mean and std in training, validation and serving",
            shown="train_images.mean(), train_images.std(), val_images.mean(), val_images.std()",
            severity="error" if ratio > 10 else None,
        )  # fmt: skip
