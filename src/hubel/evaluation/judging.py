"""Who judges a task: the function that runs a net over samples and tells how well it did, by the task's name."""

from __future__ import annotations

from collections.abc import Callable

from hubel.evaluation.fields import judge_field
from hubel.evaluation.metric_learning import judge_embedding
from hubel.evaluation.reconstruction import judge_reconstruction
from hubel.evaluation.result import TaskResult
from hubel.evaluation.segmentation import judge_segmentation
from hubel.evaluation.sequences import judge_sequence
from hubel.evaluation.several_labels import judge_labels

Judge = Callable[..., TaskResult]
"""(classifier, scan, decoded, rows, split, device) -> result."""

JUDGES: dict[str, Judge] = {
    "embed": judge_embedding,
    "field": judge_field,
    "multilabel": judge_labels,
    "reconstruct": judge_reconstruction,
    "segment": judge_segmentation,
    "sequence": judge_sequence,
}
"""Of every task that is no label; labels are judged by `hubel.evaluation.judge`."""
