"""A net with all that stands before and behind it as one program of PyTorch (`torch.export`), for who runs PyTorch.

The file needs no hubel: `torch.export.load("photos.pt2").module()(pictures)` maps N H W C uint8 to N K probabilities,
or to what another task answers with, by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel.data.preprocessing import Preprocessing
from hubel.deploy.ended import NOTHING, Ended
from hubel.deploy.onnx import quiet
from hubel.deploy.placing import Placing, laid_back
from hubel.metrics.calibrators import Calibrator
from hubel.nn.calibrated import Calibrated

CARD, CLASSES, THRESHOLDS = "card.json", "classes.json", "thresholds.json"
"""Further files in the archive."""


class Whole(nn.Module):
    """Pictures N H W C uint8 to probabilities N K float32."""

    def __init__(
        self, net: nn.Module, preprocessing: Preprocessing, calibrator: Calibrator, *, several: bool = False
    ) -> None:
        super().__init__()
        self.place = Placing(preprocessing)
        self.net = net
        self.calibrated = Calibrated(calibrator)
        self.several = several

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """N H W C uint8 -> N K float32."""
        logits = self.calibrated(self.net(self.place(pictures)))
        return torch.sigmoid(logits) if self.several else torch.softmax(logits, dim=1)


class WholeAnswers(nn.Module):
    """Pictures N H W C uint8 to what a task answers with, by the names of its outputs."""

    def __init__(self, net: Ended, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.place = Placing(preprocessing)
        self.net = net

    def forward(self, pictures: torch.Tensor) -> dict[str, torch.Tensor]:
        """N H W C uint8 -> N … each."""
        found = zip(self.net.ending.outputs, self.net(self.place(pictures)), strict=True)
        return {
            output.name: laid_back(given, pictures, self.place.seen, NOTHING) if output.placed else given
            for output, given in found
        }


def exported(
    whole: Whole | WholeAnswers, card: Mapping[str, Any], classes: Sequence[str], thresholds: np.ndarray | None = None
) -> tuple[bytes, torch.export.ExportedProgram]:
    """The bytes of a .pt2 file, and the program in it. Raises what `torch.export` raises for nets it cannot follow.

    `thresholds` K: where several labels may hold, from which probability on each is said.
    """
    seen = whole.place.seen
    pictures = torch.zeros((2, seen.height + 3, 2 * seen.width + 3, seen.channels), dtype=torch.uint8)
    free = {number: torch.export.Dim(name, min=1) for number, name in enumerate(("N", "H", "W"))}
    for parameter in whole.parameters():
        parameter.requires_grad_(False)
    buffer = BytesIO()
    with quiet("torch.export"), torch.no_grad():
        program = torch.export.export(whole.eval(), (pictures,), dynamic_shapes=(free,))
        # Names and lines of source files are nobody's business.
        graphs = [each.graph for each in program.graph_module.modules() if isinstance(each, torch.fx.GraphModule)]
        for node in (node for graph in graphs for node in graph.nodes):
            for key in ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node"):
                node.meta.pop(key, None)
        files = {
            CARD: json.dumps(dict(card), ensure_ascii=False),
            CLASSES: json.dumps(list(classes), ensure_ascii=False),
        }
        if thresholds is not None:
            files[THRESHOLDS] = json.dumps(thresholds.tolist())
        torch.export.save(program, buffer, extra_files=files)
    return buffer.getvalue(), program


def answering(program: torch.export.ExportedProgram) -> Callable[[Sequence[np.ndarray]], np.ndarray]:
    """The program at work: pictures H W C uint8 of any sizes to probabilities N K float64.

    It is the program that was written, and not the file read back: reading such files is left to PyTorch's users, since
    they may hold code.
    """
    with quiet("torch.export"):
        run = program.module()

    def answer(pictures: Sequence[np.ndarray]) -> np.ndarray:
        with torch.no_grad():
            found = [run(torch.from_numpy(np.array(each))[None]) for each in pictures]
        return torch.cat(found).double().numpy()

    return answer


def giving(program: torch.export.ExportedProgram) -> Callable[[Sequence[np.ndarray]], list[dict[str, np.ndarray]]]:
    """The same of a program that answers with several outputs: of each picture what it gives, by output."""
    with quiet("torch.export"):
        run = program.module()

    def give(pictures: Sequence[np.ndarray]) -> list[dict[str, np.ndarray]]:
        with torch.no_grad():
            found = [run(torch.from_numpy(np.array(each))[None]) for each in pictures]
        return [{name: given[0].numpy() for name, given in one.items()} for one in found]

    return give
