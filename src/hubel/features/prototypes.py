"""Samples that together stand for their class, and those they represent worst.

B. Kim, R. Khanna, O. Koyejo, Examples are not Enough, Learn to Criticize!, NeurIPS 2016 (MMD-critic).

Letters: N samples, F features, m prototypes, c criticisms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from hubel.errors import DataError
from hubel.features.table import FeatureTable
from hubel.views import Viewed


@dataclass(frozen=True)
class Prototypes:
    """Rows of the samples, in the order in which they were chosen."""

    prototypes: np.ndarray
    criticisms: np.ndarray
    discrepancy: float
    """Squared maximum mean discrepancy between prototypes and samples; 0 if they are alike."""


def prototypes(samples: np.ndarray, *, count: int = 5, criticisms: int = 3) -> Prototypes:
    """Choose prototypes of samples N F so that the maximum mean discrepancy falls fastest, then the worst represented.

    The kernel is exp(-d^2 / median d^2).

    >>> found = prototypes(np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [12.0], [30.0]]), count=2, criticisms=1)
    >>> found.prototypes, found.criticisms
    (array([3, 0]), array([6]))
    """
    if len(samples) < 1 or count < 1 or criticisms < 0:
        raise DataError(
            f"prototypes need samples and a count of at least 1, got {len(samples)} samples, count {count}",
            hint="count=5 is usual; choose another split where it has no samples",
        )
    flat = samples.reshape(len(samples), -1).astype(np.float64)
    squares = (flat**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares - 2 * flat @ flat.T, 0)
    off = distances[np.triu_indices(len(flat), 1)]
    kernel = np.exp(-distances / max(float(np.median(off)) if len(off) else 1.0, 1e-12))
    mean = kernel.mean(axis=1)
    picked: list[int] = []
    inside = np.zeros(len(flat))  # sum of the kernel to those picked
    for step in range(1, min(count, len(flat)) + 1):
        # What the criterion 2/m sum(mean) - 1/m^2 sum(kernel) becomes with each candidate.
        gain = (
            2 / step * (mean[picked].sum() + mean) - (kernel[np.ix_(picked, picked)].sum() + 2 * inside + 1) / step**2
        )
        gain[picked] = -np.inf
        picked.append(int(gain.argmax()))
        inside += kernel[picked[-1]]
    witness = np.abs(mean - inside / len(picked))
    rest = [index for index in np.argsort(-witness, kind="stable").tolist() if index not in picked]
    discrepancy = kernel.mean() - 2 * mean[picked].mean() + kernel[np.ix_(picked, picked)].mean()
    return Prototypes(np.array(picked), np.array(rest[:criticisms], dtype=np.int64), float(max(discrepancy, 0)))


@dataclass(frozen=True, kw_only=True)
class ClassExamples(Viewed):
    """One class by examples."""

    label: str
    prototypes: tuple[str, ...]
    """Names of samples."""
    criticisms: tuple[str, ...]
    prototype_pictures: np.ndarray
    """m C H W uint8."""
    criticism_pictures: np.ndarray
    """c C H W uint8."""
    discrepancy: float
    """Squared maximum mean discrepancy between the prototypes and the class."""


def class_examples(
    table: FeatureTable,
    pictures: Callable[[np.ndarray], np.ndarray],
    classes: Iterable[int],
    *,
    count: int = 5,
    criticisms: int = 3,
    limit: int = 1000,
) -> list[ClassExamples]:
    """Prototypes and criticisms of each of `classes` that has samples, of at most `limit` of them.

    `pictures`: rows of the table -> C H W uint8 of each. Raises DataError where no class has samples.
    """
    found = []
    for k in classes:
        rows = np.flatnonzero(table.labels == k)[:limit]
        if not len(rows):
            continue
        chosen = prototypes(table.values[rows], count=count, criticisms=criticisms)
        typical, odd = rows[chosen.prototypes], rows[chosen.criticisms]
        found.append(
            ClassExamples(
                label=table.class_names[k],
                prototypes=tuple(table.names[row] for row in typical),
                criticisms=tuple(table.names[row] for row in odd),
                prototype_pictures=pictures(typical),
                criticism_pictures=pictures(odd),
                discrepancy=chosen.discrepancy,
            )
        )
    if not found:
        raise DataError(
            f"no sample of {', '.join(table.class_names[k] for k in classes) or 'no class'} is there",
            hint="choose another split, or give data",
        )
    return found
