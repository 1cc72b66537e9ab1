"""How well areas overlap: counts of pixels in, IoU and Dice out. N pictures, K classes, H W height and width.

    IoU(k)  = TP / (TP + FP + FN)          Jaccard 1901
    Dice(k) = 2 TP / (2 TP + FP + FN)      Dice, Ecology 26, 1945; the F1 of the pixels, 2 IoU / (1 + IoU)

Both are counted over all pixels of a set together, as PASCAL VOC does: a picture without a class says nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

IGNORED = 255


def overlaps(masks: torch.Tensor, answers: torch.Tensor, classes: int) -> np.ndarray:
    """N K K counts of pixels by true class (rows) and answered class (columns); masks N H W, 255 is not counted.

    >>> import torch
    >>> overlaps(torch.tensor([[[0, 1, 255]]]), torch.tensor([[[0, 0, 1]]]), 2).tolist()
    [[[1, 0], [1, 0]]]
    """
    count = len(masks)
    truth, said = masks.reshape(count, -1).long(), answers.reshape(count, -1).long()
    cells = (truth * classes + said).masked_fill(truth == IGNORED, classes * classes)
    size = classes * classes + 1
    cells = cells + (truth.new_tensor(range(count)) * size)[:, None]
    found = cells.flatten().bincount(minlength=count * size).reshape(count, size)[:, :-1]
    return np.asarray(found.reshape(count, classes, classes).cpu().numpy())


def iou(counts: np.ndarray) -> np.ndarray:
    """K from counts … K K (leading axes stay): NaN for a class that is neither there nor answered.

    >>> iou(np.array([[3, 1], [0, 4]])).tolist()
    [0.75, 0.8]
    """
    hits = np.diagonal(counts, axis1=-2, axis2=-1).astype(float)
    union = counts.sum(-1) + counts.sum(-2) - hits
    return np.divide(hits, union, out=np.full(hits.shape, np.nan), where=union > 0)


def drawn_iou(hits_NK: np.ndarray, unions_NK: np.ndarray, weights_DN: np.ndarray) -> np.ndarray:
    """D K: the IoU of each class where each of N pictures counts so often, in D draws; NaN where a draw has none of it.

    >>> drawn_iou(np.array([[1, 0], [3, 0]]), np.array([[2, 0], [3, 0]]), np.array([[1, 1], [2, 0]])).tolist()
    [[0.8, nan], [0.5, nan]]
    """
    above, below = weights_DN @ hits_NK, weights_DN @ unions_NK
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def dice(counts: np.ndarray) -> np.ndarray:
    """K from counts … K K: 2 IoU / (1 + IoU).

    >>> dice(np.array([[3, 1], [0, 4]])).round(4).tolist()
    [0.8571, 0.8889]
    """
    found = iou(counts)
    return np.asarray(2 * found / (1 + found))


def mean_iou(counts: np.ndarray) -> float:
    """The mean over the classes of counts K K that are there or answered; 0 where nothing is counted.

    >>> mean_iou(np.array([[3, 1], [0, 4]]))
    0.775
    """
    found = iou(counts)
    return float(np.nanmean(found)) if np.isfinite(found).any() else 0.0
