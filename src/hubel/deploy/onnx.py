"""A net as ONNX, and ONNX Runtime to run it. Needs the extra `export`; nothing here is imported before it is called."""

from __future__ import annotations

import importlib.util
import logging
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from hubel.deploy.onnx_graph import tidy
from hubel.deploy.ready import difference
from hubel.errors import ArtefactError, missing_extra

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
SIZES = (1, 2, 3, 5)
"""Batch sizes at which an exported net is compared with the net itself."""


def absent() -> str:
    """The first package of the extra that is not installed; "" if all are there."""
    return next((name for name in PACKAGES if importlib.util.find_spec(name) is None), "")


def exported(model: nn.Module, images: torch.Tensor, gives: Sequence[str] = ()) -> bytes:
    """The net in evaluation mode as the bytes of an ONNX file, for batches of any size of pictures like `images`.

    `gives`: names of what comes out, of a net that gives several tensors; the first of them is compared.

    `images`: at least two, B C H W, since one alone would be taken for a fixed batch of one. The exporter burns the
    batch size in, without a word, where a net takes it for a plain number; so the file is tried at several sizes.
    Raises MissingExtra, ArtefactError where the file answers otherwise than the net or only batches of one size, and
    what PyTorch's exporter raises for nets it cannot follow.
    """
    if absent():
        raise missing_extra(absent(), "export", "writing ONNX")
    images = images if len(images) > 1 else images.repeat(2, *[1] * (images.dim() - 1))
    free = ({0: torch.export.Dim("batch", min=1)},)
    with quiet():
        program = torch.onnx.export(
            model, (images,), dynamo=True, dynamic_shapes=free, verbose=False, output_names=list(gives) or None
        )
    assert program is not None
    data: bytes = program.model_proto.SerializeToString()
    check_batches(data, (lambda pictures: model(pictures)[0]) if gives else model, images)
    return data


def annotated(
    model: nn.Module, inputs: torch.Tensor, *, takes: str, gives: Sequence[str], least: int, about: Mapping[str, str]
) -> bytes:
    """The bytes of an ONNX file of a net whose input, called `takes`, has a first axis of any length from `least` on.

    `about` goes into the metadata. Raises MissingExtra, ArtefactError where that length was fixed, and what PyTorch's
    exporter raises.
    """
    if absent():
        raise missing_extra(absent(), "export", "writing ONNX")
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            model.eval(), (inputs,), dynamo=True, verbose=False, input_names=[takes], output_names=list(gives),
            dynamic_shapes=({0: torch.export.Dim("count", min=least)},),
        )  # fmt: skip
    assert program is not None
    proto = program.model_proto
    # Once it has written one recurrent net, PyTorch's exporter unrolls the next one in the same process.
    if not proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise ArtefactError(
            "PyTorch's exporter has fixed the length of what this file takes, as it does with recurrent nets from the "
            "second one of a process on; nothing was written",
            hint="a process of its own for each: hubel export DETECTOR",
        )
    tidy(proto)
    for key, value in about.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    data: bytes = proto.SerializeToString()
    return data


def apart(theirs: np.ndarray, ours: np.ndarray) -> float:
    """The largest difference, as a share where numbers are above 1; infinity where only one of both is NaN.

    >>> apart(np.array([1.0, np.nan, 250.0]), np.array([0.9, np.nan, 200.0]))
    0.25
    >>> apart(np.array([np.nan]), np.array([1.0]))
    inf
    """
    if not np.array_equal(np.isnan(theirs), np.isnan(ours)):
        return math.inf
    return float(np.nan_to_num(np.abs(theirs - ours) / np.maximum(1, np.abs(ours))).max(initial=0.0))


def refusal(error: BaseException) -> str:
    """What the exporter could not do, in one line: the operation where its pages of text name one.

    >>> refusal(RuntimeError("No ONNX function found for <OpOverload(op='aten.fft_fft2', overload='default')>. More"))
    "it has no counterpart of PyTorch's fft_fft2"
    """
    text = f"{error} {error.__cause__ or ''}"
    found = re.search(r"No ONNX function found for <OpOverload\(op='(?:\w+[.:]+)?(\w+)", text)
    if found:
        return f"it has no counterpart of PyTorch's {found[1]}"
    said = re.sub(r"\x1b\[\d*m|^.*## Exception summary|<class '[^']*'>:", "", text, flags=re.DOTALL)
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:160]


def check_batches(
    data: bytes, model: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor, sizes: Sequence[int] = SIZES
) -> None:
    """Raise ArtefactError unless an ONNX file gives the net's logits for pictures like `images` in batches of `sizes`.

    The net must be in evaluation mode.
    """
    session = Session(data, threads=torch.get_num_threads())
    for size in sizes:
        pictures = images.repeat(-(-size // len(images)), *[1] * (images.dim() - 1))[:size]
        # Each another one, so that an answer that only repeats the first picture's is noticed.
        pictures = pictures * torch.linspace(1, 0.5, size).reshape(-1, *[1] * (images.dim() - 1))
        with torch.no_grad():
            plain = model(pictures)
        try:
            found = session(pictures)
        except Exception as error:
            why = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise ArtefactError(
                f"the ONNX file does not take a batch of {size}: {why}",
                hint="in the net's forward, take the batch size as x.shape[0], not as len(x)",
            ) from None
        away, allowed = difference(plain, found)
        if not away <= allowed:
            raise ArtefactError(
                f"at batch {size} the ONNX file's logits are off by {away:.3g}, allowed {allowed:.3g}",
                hint="leave this form out: --form eager --form ready",
            )


class Session:
    """An ONNX net in ONNX Runtime on the CPU. Call it with pictures B C H W; it gives logits B K."""

    def __init__(self, data: bytes, *, threads: int) -> None:
        if absent():
            raise missing_extra(absent(), "export", "running ONNX")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # what fails is raised, and told in our words
        # Spinning threads of one runtime would slow the next one that is measured.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(
            data, options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
        self.input = self.session.get_inputs()[0].name
        self.version: str = onnxruntime.__version__

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Logits B K of pictures B C H W."""
        return torch.from_numpy(self.run(images.numpy()))

    def run(self, inputs: np.ndarray) -> np.ndarray:
        """What comes out first, for arrays of whatever the net takes."""
        return self.all(inputs)[0]

    def all(self, inputs: np.ndarray) -> list[np.ndarray]:
        """All that comes out."""
        found: list[np.ndarray] = self.session.run(None, {self.input: inputs})
        return found


@contextmanager
def quiet(exporter: str = "torch.onnx") -> Iterator[None]:
    """Without what an exporter remarks of packages that it does not need and of its own deprecated parts."""
    logger = logging.getLogger(exporter)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
