"""Who judges a task: the function that runs a net over samples and tells how well it did, by the task's name."""

from __future__ import annotations

from collections.abc import Callable

from hubel.evaluation.metric_learning import judge_embedding
from hubel.evaluation.reconstruction import judge_reconstruction
from hubel.evaluation.result import TaskResult
from hubel.evaluation.segmentation import judge_segmentation
from hubel.evaluation.several_labels import judge_labels

Judge = Callable[..., TaskResult]
"""(classifier, scan, decoded, rows, split, device) -> result."""

JUDGES: dict[str, Judge] = {
    "embed": judge_embedding,
    "multilabel": judge_labels,
    "reconstruct": judge_reconstruction,
    "segment": judge_segmentation,
}
"""Of every task that is no label; labels are judged by `hubel.evaluation.judge`."""
