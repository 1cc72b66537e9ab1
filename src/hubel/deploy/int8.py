"""An ONNX net in whole numbers of 8 bits, and what that costs: accuracy with its interval, size, time, beside float.

Static quantisation by ONNX Runtime: weights a scale a filter, activations a scale each, from the range they have on
pictures that the net was trained on (Jacob et al. 2018, arXiv:1712.05877). One bit of the weights is left unused: the
processors without VNNI would otherwise overflow now and then, and the same file would answer differently elsewhere.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hubel.deploy.latency import side_by_side
from hubel.deploy.onnx import quiet
from hubel.errors import ArtefactError
from hubel.metrics.intervals import paired_difference, wilson
from hubel.views import Viewed
from hubel.words import amount, percent, span

AT_ONCE = 8
"""Pictures of calibration in one pass."""
KINDS = ("Conv", "Gemm", "MatMul")
"""Operators whose arithmetic becomes whole; all others stay in float."""


def quantised(net: bytes, images: np.ndarray) -> bytes:
    """An ONNX net N C H W float32 -> N K with the weights and activations of its products in 8 bits.

    `images` N C H W float32, normalised: the ranges of the activations are those that these give. Raises ArtefactError
    for a net that has no such products, or that the runtime cannot quantise.
    """
    import onnx
    from onnxruntime import quantization

    model = onnx.load_from_string(net)
    name = model.graph.input[0].name
    if not any(node.op_type in KINDS for node in model.graph.node):
        raise ArtefactError("this net has no product that could be made of whole numbers", hint="leave --int8 out")
    with tempfile.TemporaryDirectory() as folder, quiet(""):  # the quantiser remarks on the root logger
        target = Path(folder, "int8.onnx")
        try:
            quantization.quantize_static(
                model, target, _reader(quantization, name, images), quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=list(KINDS), per_channel=True, reduce_range=True,
                activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
                extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
            )  # fmt: skip
        except Exception as error:
            said = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
            raise ArtefactError(f"the net cannot be quantised: {said}", hint="leave --int8 out") from None
        return target.read_bytes()


def _reader(quantization: Any, name: str, images: np.ndarray) -> Any:
    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.parts = iter(np.array_split(images, max(1, len(images) // AT_ONCE)))

        def get_next(self) -> dict[str, np.ndarray] | None:
            part = next(self.parts, None)
            return None if part is None else {name: np.ascontiguousarray(part)}

    return Reader()


@dataclass(frozen=True, kw_only=True)
class Row:
    """A file of numbers of one kind."""

    kind: str
    """float32 or int8."""
    bytes: int
    accuracy: float
    """Share of pictures whose class is right; where several labels may hold, of which all labels are."""
    interval: tuple[float, float]
    """95 %, Wilson."""
    milliseconds: float
    """The median for one picture, decoded bytes in, probabilities out."""


@dataclass(frozen=True, kw_only=True)
class Cost(Viewed):
    """What whole numbers cost, on the same labelled pictures."""

    split: str
    samples: int
    rows: tuple[Row, Row]
    """float32, int8."""
    loss: float
    """Accuracy lost, in points of a hundred; below 0 where int8 names more of them."""
    interval: tuple[float, float]
    """Of the loss, 95 %, from the pictures on which the two differ."""

    def __str__(self) -> str:
        head = f"{'':<9}{'accuracy':>9}  {'95 % interval':<15}{'size':>9}{'ms a picture':>14}"
        lines = [
            f"{row.kind:<9}{percent(row.accuracy):>9}  {span(row.interval):<15}{amount(row.bytes):>9}"
            f"{row.milliseconds:>14.2f}"
            for row in self.rows
        ]
        low, high = self.interval
        last = f"lost: {self.loss:.2f} points ({low:.2f} to {high:.2f}) on {self.samples:,} {self.split} samples"
        return "\n".join([head, *lines, last])


def cost(
    split: str,
    labels: np.ndarray,
    answers: tuple[np.ndarray, np.ndarray],
    sizes: tuple[int, int],
    run: tuple[Callable[[Sequence[np.ndarray]], object], Callable[[Sequence[np.ndarray]], object]],
    picture: np.ndarray,
    *,
    seconds: float = 0.5,
    known: tuple[float | None, float | None] = (None, None),
    limits: np.ndarray | None = None,
) -> Cost:
    """float32 beside int8: `answers` are probabilities N K, `run` gives them for pictures H W C, `picture` is one.

    `labels` are N classes; with `limits` K, from which probability on each label is said, N K of 0 and 1.

    `known`: seconds that a picture takes where the files will run, if that is not here; else both are timed.
    """
    if limits is None:
        right = [found.argmax(axis=1) == labels for found in answers]
    else:
        right = [((found >= limits) == (labels > 0)).all(axis=1) for found in answers]
    one = torch.from_numpy(picture)
    calls = {"float32": lambda some: run[0]([some.numpy()]), "int8": lambda some: run[1]([some.numpy()])}
    timed = {kind: time for kind, time in zip(calls, known, strict=True) if time is not None}
    if len(timed) < 2:
        timed = {timing.form: timing.median for timing in side_by_side(calls, one, seconds)}
    rows = tuple(
        Row(
            kind=kind, bytes=sizes[number], accuracy=float(right[number].mean()),
            interval=wilson(int(right[number].sum()), len(labels)), milliseconds=1e3 * timed[kind],
        )
        for number, kind in enumerate(calls)
    )  # fmt: skip
    low, high = paired_difference(int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum()), len(labels))
    return Cost(
        split=split, samples=len(labels), rows=(rows[0], rows[1]), loss=100 * float(right[0].mean() - right[1].mean()),
        interval=(100 * low, 100 * high),
    )  # fmt: skip
