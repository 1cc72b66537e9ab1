"""What a trained net can be shipped as: a table of forms, and what each is made of and gives back.

A form is made of one `Wanted` and gives one `Made`: the bytes of the file, and the file itself as a function of
pictures, so that the same comparison (`hubel.deploy.parity`) serves them all.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from hubel.checkpoint import Classifier
from hubel.checkpoint.trust import Trust
from hubel.deploy import int8, onnx, onnx_graph, onnx_known, program, shipped
from hubel.deploy.page import shipping
from hubel.deploy.prediction import answers
from hubel.errors import ArtefactError, HubelError, UsageError
from hubel.inference import predict, with_views
from hubel.metrics.calibrators import Calibrator
from hubel.nn.beside import with_features
from hubel.nn.fuse import fused, pairs, twin_of
from hubel.types import Batch, Predictions
from hubel.words import plural

AT_ONCE = 1 << 20
"""Numbers of the pictures that go through the net together: few enough to stay near the processor."""
Answer = Callable[[Sequence[np.ndarray]], np.ndarray]
"""Pictures H W C uint8 of any sizes, upright and in the net's channels, to probabilities N K float64."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be shipped."""

    classifier: Classifier
    """Over pictures, with classes."""
    views: str
    """The views of a picture that are averaged (`hubel.inference.VIEWS`)."""
    calibrator: Calibrator
    """What makes logits honest before the softmax."""
    card: Mapping[str, Any]
    """`hubel.deploy.card.describe`."""
    int8: bool = False
    calibration: np.ndarray | None = None
    """Pictures of the run's own training part, N C H W uint8, fitted; for int8 only."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A file, not yet written."""

    data: bytes
    answer: Answer
    """The file at work, or what stands for it here."""
    what: str
    """A line on how it was made."""
    remarks: tuple[str, ...] = ()
    """What the user should know."""
    more: Mapping[str, bytes] = field(default_factory=dict)
    """Further files beside it, by suffix."""
    seconds: float | None = None
    """About what a picture takes where the file will run, if that is not here."""
    knows: Answer | None = None
    """How familiar each picture is, N; None where the file cannot tell."""
    plain: Made | None = None
    """The same in float32, where this one is in whole numbers: what it is compared with."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """One kind of file."""

    suffix: str
    what: str
    """In a few words, for help pages."""
    tolerance: float
    """The largest difference of a probability from the net's own that passes if nobody says otherwise."""
    make: Callable[[Wanted], Made]
    int8: bool = False
    """Can its weights be whole numbers of 8 bits?"""


def require_pictures(classifier: Classifier) -> None:
    """Raise ArtefactError for what cannot be shipped: nets over points, on numbers, and those that name nothing."""
    classifier.require_answers()
    if classifier.preprocessing is None or not classifier.class_names:
        what = "takes points, not pictures" if classifier.preprocessing is None else "predicts a number"
        raise ArtefactError(
            f"only classifiers of pictures can be exported, and this net ({classifier.spec.architecture}) {what}",
            hint="hubel predict answers with it, from Python or the command line",
        )


def reference(wanted: Wanted, images: np.ndarray) -> np.ndarray:
    """What the net itself says of fitted pictures N C H W uint8, as `hubel predict` computes it: N K float64."""
    classifier = wanted.classifier
    assert classifier.preprocessing is not None
    ids = torch.arange(len(images))
    pictures = torch.from_numpy(np.ascontiguousarray(images)).contiguous(memory_format=torch.channels_last)
    some = max(1, min(64, AT_ONCE // max(1, images[0].size if len(images) else 1)))
    batches = (
        Batch(classifier.preprocessing.normalise(part), rows, rows)
        for part, rows in zip(pictures.split(some), ids.split(some), strict=True)
    )
    found = predict(classifier.model, batches, forward=with_views(classifier.model, wanted.views))
    return Predictions(wanted.calibrator(found.logits), found.labels, found.ids).probabilities


def familiar(wanted: Wanted, images: np.ndarray) -> np.ndarray:
    """How familiar fitted pictures N C H W uint8 are, as `hubel predict` says: N float64."""
    classifier, found = wanted.classifier, []
    for start in range(0, len(images), 64):
        part = images[start : start + 64]
        said = answers(classifier, [""] * len(part), part, torch.device("cpu"), views=wanted.views)
        found += [each.familiarity for each in said]
    return np.array(found)


class Looking(nn.Module):
    """A net with its test-time views, for exporters: B C H W -> B K.

    All views go through the net in one batch, so that the net stands in the file once.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 3))
    >>> images = torch.rand(2, 1, 32, 32)
    >>> torch.allclose(Looking(net, "mirror-shift")(images), with_views(net, "mirror-shift")(images), atol=1e-6)
    True
    """

    def __init__(self, net: nn.Module, views: str) -> None:
        super().__init__()
        self.net = net
        self.views = views

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """B C H W -> B K."""
        if self.views == "none":
            return self.net(images)
        seen: list[torch.Tensor] = []

        def noted(view: torch.Tensor) -> torch.Tensor:
            seen.append(view)
            return view[:, 0, 0, :1]

        with_views(noted, self.views)(images)
        logits = self.net(torch.cat(seen))
        answers = iter(logits.reshape(len(seen), -1, logits.shape[-1]).unbind(0))
        return with_views(lambda view: next(answers), self.views)(images)


def told_in(wanted: Wanted) -> Trust | None:
    """What tells a file how familiar a picture is: None where the run does not know, or the file is in whole numbers.

    So it is where the net's head is not its last step, so that its features cannot be had in the same pass.
    """
    classifier, trust = wanted.classifier, wanted.classifier.trust
    if trust is None or not trust.knows or wanted.int8:
        return None
    assert classifier.preprocessing is not None
    zeros = torch.zeros(2, *classifier.preprocessing.shape)
    return None if trust.looks_inside and with_features(classifier.model, zeros) is None else trust


def folded(wanted: Wanted, *, inside: bool = False) -> tuple[nn.Module, torch.Tensor, int]:
    """(the net with views and with batch norms folded, two pictures to try it with, how many norms were folded).

    `inside`: its features come out behind its logits.


    The pictures are noise in the shape that the net takes; the net is run on them once, so that a shape it does not
    take is told here in words, and not by an exporter in pages.
    """
    classifier = wanted.classifier
    assert classifier.preprocessing is not None
    noise = np.random.default_rng(0).integers(0, 256, (2, *classifier.preprocessing.shape), dtype=np.uint8)
    images = classifier.preprocessing.normalise(torch.from_numpy(noise))
    net = twin_of(classifier.model)
    try:
        with torch.no_grad():
            logits = net(images)
            net = (with_features(classifier.model, images) or net) if inside else net
            found = pairs(net, images[:1])
    except RuntimeError as error:
        raise ArtefactError(
            f"the net does not take pictures of {'x'.join(map(str, images.shape[1:]))}: {first_line(error)}",
            hint="the run's preprocessing and its net do not belong together: train it again",
        ) from None
    if tuple(logits.shape) != (2, len(classifier.class_names)):
        raise ArtefactError(
            f"the net gives {tuple(logits.shape)} for 2 pictures and {len(classifier.class_names)} classes",
            hint="a net's forward must map B C H W to B K",
        )
    return Looking(fused(net, found), wanted.views).eval(), images, len(found)


def first_line(error: BaseException) -> str:
    """The beginning of what an error says, in one line."""
    return ((str(error).strip().splitlines() or [""])[0] or type(error).__name__)[:160]


def make_onnx(wanted: Wanted) -> Made:
    """One ONNX file with everything from decoded bytes to probabilities in it."""
    classifier = wanted.classifier
    assert classifier.preprocessing is not None
    trust = told_in(wanted)
    net, images, count = folded(wanted, inside=trust is not None and trust.looks_inside)
    try:
        written = onnx.exported(net, images)
    except HubelError:
        raise
    except Exception as error:
        raise ArtefactError(
            f"the net cannot be written as ONNX: {onnx.refusal(error)}", hint="--to program ships it as PyTorch's own"
        ) from None
    golden = reference_of(wanted, shipped.golden_pictures(classifier.preprocessing))
    what = f"ONNX, {plural(count, 'batch norm')} folded" if count else "ONNX"
    made = _signed(wanted, written, golden, what, trust)
    if not wanted.int8:
        return made
    if wanted.calibration is None or not len(wanted.calibration):
        raise ArtefactError(
            "whole numbers need the pictures that the net was trained on, and they are not here",
            hint="--data-root FOLDER says where they lie now",
        )
    images = classifier.preprocessing.normalise(np.ascontiguousarray(wanted.calibration))
    return replace(_signed(wanted, int8.quantised(written, images), None, f"{what}, int8"), plain=made)


def _signed(
    wanted: Wanted, net: bytes, golden: np.ndarray | None, what: str, trust: Trust | None = None
) -> Made:  # fmt: skip
    """A net's ONNX with all that belongs to it. Without `golden` answers, its own are those it must give again.

    With `trust` it tells how familiar a picture is.
    """
    classifier = wanted.classifier
    assert classifier.preprocessing is not None
    model = onnx_graph.assembled(
        net, classifier.preprocessing, classes=len(classifier.class_names), calibrator=wanted.calibrator,
        tells=None if trust is None else partial(onnx_known.familiarity, trust=trust),
    )  # fmt: skip
    data = shipped.signed(model, classifier, wanted.views, wanted.calibrator, wanted.card, golden)
    opened = shipped.Shipped(data, name="the exported file")
    knows = None if trust is None else opened.familiarity
    return Made(data=data, answer=opened.answer, what=what, knows=knows, remarks=_silent(wanted, trust))


def _silent(wanted: Wanted, trust: Trust | None) -> tuple[str, ...]:
    """What is said where the run can tell what it does not know, and the file cannot."""
    known = wanted.classifier.trust
    if trust is not None or known is None or not known.knows:
        return ()
    why = "whole numbers shift its scores" if wanted.int8 else "its features cannot be read in one pass"
    return (f"the file does not say whether a picture is known, as the run does: {why}",)


def make_program(wanted: Wanted) -> Made:
    """One program of PyTorch with everything from decoded bytes to probabilities in it."""
    classifier = wanted.classifier
    assert classifier.preprocessing is not None
    net, _, count = folded(wanted)
    # Parameters are marked as not learning: those of the net itself are left as they are.
    whole = program.Whole(copy.deepcopy(net), classifier.preprocessing, wanted.calibrator)
    try:
        data, written = program.exported(whole, wanted.card, classifier.class_names)
    except Exception as error:
        raise ArtefactError(
            f"the net cannot be written as a program: {first_line(error)}", hint="--to onnx may do"
        ) from None
    what = f"PyTorch {torch.__version__}"
    what += f", {plural(count, 'batch norm')} folded" if count else ""
    return Made(data=data, answer=program.answering(written), what=what)


def make_page(wanted: Wanted) -> Made:
    """One page of HTML that needs nothing else; what answers here is the net as the page holds it."""
    title = str(wanted.card.get("name") or "A classifier of pictures")

    def stored(weights: str) -> Made:
        page = shipping.made(
            wanted.classifier, views=wanted.views, calibrator=wanted.calibrator, card=wanted.card, title=title,
            weights=weights,
        )  # fmt: skip
        remark = f"a picture will take about {shipping.milliseconds(page.seconds)} in a browser"
        return Made(data=page.data, answer=page.answer, what=page.what, remarks=(remark,), seconds=page.seconds)

    return replace(stored("i8"), plain=stored("f32")) if wanted.int8 else stored("i16")


def reference_of(wanted: Wanted, pictures: Sequence[np.ndarray]) -> np.ndarray:
    """`reference` of pictures H W C uint8 in sizes of their own."""
    assert wanted.classifier.preprocessing is not None
    return reference(wanted, np.stack([wanted.classifier.preprocessing.array(picture) for picture in pictures]))


FORMS: dict[str, Form] = {
    "onnx": Form(
        suffix=".onnx", what="one ONNX file, preprocessing inside", tolerance=1e-4, make=make_onnx, int8=True
    ),
    "page": Form(
        suffix=".html", what="one page of HTML for any browser", tolerance=2e-3, make=make_page, int8=True
    ),
    "program": Form(
        suffix=".pt2", what="one torch.export program, preprocessing inside", tolerance=1e-4, make=make_program
    ),
}  # fmt: skip
"""What `hubel export --to` takes, the usual one first."""


def check_form(name: str, form: Form, *, whole: bool) -> None:
    """Raise UsageError where whole numbers are asked of a form that has none."""
    if whole and not form.int8:
        able = [other for other, each in FORMS.items() if each.int8]
        raise UsageError(f"--int8 is not offered for --to {name}", hint=f"it is for --to {' and --to '.join(able)}")
