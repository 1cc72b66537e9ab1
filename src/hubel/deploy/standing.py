"""A classifier that stands ready to answer again and again: everything is settled before the first picture.

Letters: N pictures, C H W channels, height and width; B K logits of a batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from hubel.checkpoint import Classifier
from hubel.checkpoint.telling import net_of_voices, net_that_tells
from hubel.data.preprocessing import Preprocessing
from hubel.deploy import onnx
from hubel.deploy.prediction import Prediction, say
from hubel.deploy.ready import PROBE, ready
from hubel.errors import ArtefactError, HubelError, UsageError, unknown
from hubel.inference import with_views
from hubel.nn.fuse import twin_of
from hubel.nn.modes import evaluating
from hubel.tasks.answers import Answer
from hubel.types import Predictions as Answers

FORMS = ("ready", "onnx", "auto")
FASTER = 0.9
"""Of the time of PyTorch: ONNX Runtime must take less than so much to be taken."""
PASSES = 15
"""Of each that are timed, in turn."""

Net = Callable[[torch.Tensor], torch.Tensor]
"""Normalised pictures in, logits out."""
Answering = Callable[[Sequence[str], np.ndarray], Sequence[Prediction | Answer]]
"""Names and pictures N C H W uint8 in, predictions out, or answers of a net that says several labels."""
Looking = Callable[[np.ndarray], tuple[torch.Tensor, torch.Tensor]]
"""Pictures N C H W uint8 in; out as the net sees them, N C H W, and what it says of them, N …"""


def answering(
    classifier: Classifier, device: torch.device, *, views: str | None = None, form: str = "ready"
) -> Answering:
    """`answers` by the net made ready once, for who keeps a classifier to himself: a server. Raises as `looking`."""
    check_form(form, device)
    assert classifier.preprocessing is not None
    probe = probe_of(classifier.preprocessing, device)
    model = net_that_tells(classifier, probe) or net_of_voices(classifier, device) or classifier.model
    seen = classifier.views if views is None else views
    look = looking(model, classifier.preprocessing, device, views=seen, form=form)

    def answer(names: Sequence[str], images: np.ndarray) -> Sequence[Prediction | Answer]:
        _, logits = look(images)
        ids = np.arange(len(images))
        return say(classifier, names, Answers(logits.float().cpu().numpy(), ids, ids))

    return answer


def looking(
    model: nn.Module, seen: Preprocessing, device: torch.device, *, views: str = "none", form: str = "ready"
) -> Looking:
    """What `model` says of pictures that are prepared as `seen`, by the net made ready once.

    Nothing is looked at again between pictures: neither whether weights have changed nor in which mode the net is,
    which for a small net takes as long as its pass. `form`: "ready", as fast as PyTorch is here, one picture and
    several each in their fastest form; or
    "onnx", ONNX Runtime on the CPU, whose making takes seconds; or "auto", for one picture and for several whichever of
    the two is faster here, PyTorch where ONNX Runtime is not installed or cannot take the net.
    Raises UsageError for ONNX Runtime on another device, MissingExtra without it, and ArtefactError where it answers
    otherwise than the net.
    """
    check_form(form, device)
    probe = probe_of(seen, device)
    model = model.eval()
    one: Net
    several: Net
    if form == "onnx":
        one = several = _in_onnx(model, probe)
    else:
        one, several = _in_torch(model, probe)
    if form == "auto" and device.type == "cpu" and not onnx.absent():
        one, several = _faster(one, several, model, probe)
    looks = with_views(one, views), with_views(several, views)

    def look(images: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.inference_mode():
            inputs = seen.normalise(torch.from_numpy(images).to(device))
            return inputs, looks[len(images) > 1](inputs)

    return look


def check_form(form: str, device: torch.device) -> None:
    """Raise UnknownName for no form, UsageError for ONNX Runtime on another device."""
    if form not in FORMS:
        raise unknown("form", form, FORMS)
    if form == "onnx" and device.type != "cpu":
        raise UsageError(f"ONNX Runtime answers on the CPU, got {device}", hint="--device cpu")


def plainly(model: nn.Module, seen: Preprocessing, device: torch.device) -> Looking:
    """The same by `model` as it is."""

    def look(images: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        with evaluating(model), torch.inference_mode():
            inputs = seen.normalise(torch.from_numpy(images).to(device))
            return inputs, model(inputs)

    return look


def probe_of(seen: Preprocessing, device: torch.device) -> torch.Tensor:
    """A few pictures of noise, B C H W, with which a net is made ready."""
    noise = np.random.default_rng(0).integers(0, 256, (PROBE, *seen.shape), dtype=np.uint8)
    return torch.as_tensor(seen.normalise(torch.from_numpy(noise).to(device)))


def _in_torch(model: nn.Module, probe: torch.Tensor) -> tuple[Net, Net]:
    """Made ready for one picture, and for several."""
    one, several = ready(model, probe[:1]), ready(model, probe)
    same = (one.form, one.threads) == (several.form, several.threads)
    return one, one if same else several  # which spares a copy of the weights


def _faster(one: Net, several: Net, model: nn.Module, probe: torch.Tensor) -> tuple[Net, Net]:
    """The same, or ONNX Runtime for one picture or for several, where it is faster."""
    try:
        other = _in_onnx(model, probe)
    except HubelError:  # it cannot be written as ONNX: PyTorch answers
        return one, several
    pairs = [(one, probe[:1]), (several, probe)]
    found = [other if seconds_of(other, some) < FASTER * seconds_of(ours, some) else ours for ours, some in pairs]
    return found[0], found[1]


def seconds_of(net: Net, images: torch.Tensor) -> float:
    """Of a pass at its best: another program's load only ever adds."""
    taken = []
    with torch.inference_mode():
        for _ in range(PASSES):
            begun = time.perf_counter()
            net(images)
            taken.append(time.perf_counter() - begun)
    return min(taken)


def _in_onnx(model: nn.Module, probe: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    try:
        return onnx.Session(onnx.exported(twin_of(model), probe), threads=torch.get_num_threads())
    except HubelError:
        raise
    except Exception as error:
        raise ArtefactError(
            f"this net cannot be written as ONNX: {onnx.refusal(error)}", hint="--form ready needs no ONNX"
        ) from None
