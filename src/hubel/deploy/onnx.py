"""A net as ONNX, and ONNX Runtime to run it. Needs the extra `export`; nothing here is imported before it is called."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from hubel.errors import missing_extra

PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def absent() -> str:
    """The first package of the extra that is not installed; "" if all are there."""
    return next((name for name in PACKAGES if importlib.util.find_spec(name) is None), "")


def exported(model: nn.Module, images: torch.Tensor) -> bytes:
    """The net in evaluation mode as the bytes of an ONNX file, for batches of any size of pictures like `images`.

    `images`: at least two, B C H W, since one alone would be taken for a fixed batch of one. Raises MissingExtra, and
    what PyTorch's exporter raises for nets it cannot follow.
    """
    if absent():
        raise missing_extra(absent(), "export", "writing ONNX")
    images = images if len(images) > 1 else images.repeat(2, *[1] * (images.dim() - 1))
    free = ({0: torch.export.Dim("batch", min=1)},)
    with _quiet():
        program = torch.onnx.export(model, (images,), dynamo=True, dynamic_shapes=free, verbose=False)
    assert program is not None
    return program.model_proto.SerializeToString()


class Session:
    """An ONNX net in ONNX Runtime on the CPU. Call it with pictures B C H W; it gives logits B K."""

    def __init__(self, data: bytes, *, threads: int) -> None:
        if absent():
            raise missing_extra(absent(), "export", "running ONNX")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Spinning threads of one runtime would slow the next one that is measured.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.version: str = onnxruntime.__version__

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Logits B K of pictures B C H W."""
        return torch.from_numpy(self.session.run(None, {self.input: images.numpy()})[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks about packages that it does not need."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
