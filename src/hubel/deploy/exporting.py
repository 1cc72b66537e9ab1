"""What a trained net can be shipped as: a table of forms, and what each is made of and gives back.

A form is made of one `Wanted` and gives one `Made`: the bytes of the file, and the file itself as a function of
pictures, so that the same comparison (`hubel.deploy.parity`) serves them all.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch import nn

from hubel.checkpoint import Classifier
from hubel.checkpoint.trust import Trust
from hubel.deploy import int8, onnx, onnx_answers, onnx_graph, onnx_known, program, shipped, shipped_answers
from hubel.deploy.ended import ending_of, folded_with, given_of, shapes_of
from hubel.deploy.likeness import Gives
from hubel.deploy.page import shipping
from hubel.deploy.wanted import Said, Wanted, first_line, folded, reference_of, require_pictures, told_in
from hubel.errors import ArtefactError, HubelError, UsageError
from hubel.tasks.ending import Ending
from hubel.words import plural

Answer = Callable[[Sequence[np.ndarray]], Said]
"""What is said of pictures H W C uint8 of any sizes, upright and in the net's channels."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A file, not yet written."""

    data: bytes
    what: str
    """A line on how it was made."""
    says: Answer | None = None
    """The file at work, or what stands for it here; None where it gives no probabilities of classes."""
    gives: Gives | None = None
    """The same of one that gives what its task's ending says."""
    remarks: tuple[str, ...] = ()
    """What the user should know."""
    more: Mapping[str, bytes] = field(default_factory=dict)
    """Further files beside it, by suffix."""
    seconds: float | None = None
    """About what a picture takes where the file will run, if that is not here."""
    plain: Made | None = None
    """The same in float32, where this one is in whole numbers: what it is compared with."""

    def answer(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Probabilities N K float64 of pictures H W C uint8."""
        assert self.says is not None
        return self.says(pictures).probabilities


@dataclass(frozen=True, kw_only=True)
class Form:
    """One kind of file."""

    suffix: str
    what: str
    """In a few words, for help pages."""
    tolerance: float
    """The largest difference of a probability from the net's own that passes if nobody says otherwise."""
    make: Callable[[Wanted], Made]
    end: Callable[[Wanted, Ending], Made] | None = None
    """Makes one of a net whose task answers otherwise than by probabilities of classes; None where it knows these only.
    """
    int8: bool = False
    """Can its weights be whole numbers of 8 bits?"""


def only_probabilities(answer: Callable[[Sequence[np.ndarray]], np.ndarray]) -> Answer:
    """What answers with probabilities N K, and cannot tell how familiar a picture is."""
    return lambda pictures: Said(probabilities=answer(pictures), familiarity=None)


def make_onnx(wanted: Wanted) -> Made:
    """One ONNX file with everything from decoded bytes to probabilities in it."""
    classifier = wanted.classifier
    assert classifier.preprocessing is not None
    trust = told_in(wanted)
    net, images, count = folded(wanted, inside=trust is not None and trust.looks_inside)
    written = _written(net, images)
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


def _written(net: nn.Module, images: torch.Tensor, names: Sequence[str] = ()) -> bytes:
    """A net as ONNX, with `names` for its outputs; raises ArtefactError for one that cannot be written so."""
    try:
        return onnx.exported(net, images, names)
    except HubelError:
        raise
    except Exception as error:
        raise ArtefactError(
            f"the net cannot be written as ONNX: {onnx.refusal(error)}", hint="--to program ships it as PyTorch's own"
        ) from None


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
        several=classifier.several, tells=None if trust is None else partial(onnx_known.familiarity, trust=trust),
    )  # fmt: skip
    data = shipped.signed(model, classifier, wanted.views, wanted.calibrator, wanted.card, golden)
    opened = shipped.Shipped(data, name="the exported file")

    def says(pictures: Sequence[np.ndarray]) -> Said:
        shares, familiarity = opened.told(pictures)
        return Said(probabilities=shares, familiarity=None if trust is None else familiarity)

    return Made(data=data, says=says, what=what, remarks=_silent(wanted, trust))


def _silent(wanted: Wanted, trust: Trust | None) -> tuple[str, ...]:
    """What is said where the run can tell what it does not know, and the file cannot."""
    known = wanted.classifier.trust
    if trust is not None or known is None or not known.knows:
        return ()
    why = "whole numbers shift its scores" if wanted.int8 else "its features cannot be read in one pass"
    return (f"the file does not say whether a picture is known, as the run does: {why}",)


def make_onnx_of_answers(wanted: Wanted, ending: Ending) -> Made:
    """One ONNX file with everything from decoded bytes to what the task answers with in it."""
    classifier = wanted.classifier
    assert classifier.preprocessing is not None
    whole, images, count = folded_with(wanted, ending)
    shapes = shapes_of(classifier, ending)
    written = _written(whole, images, onnx_answers.names_in_net(ending.outputs))
    model = onnx_answers.assembled(written, classifier.preprocessing, ending.outputs, shapes)
    golden = given_of(wanted, ending, shipped.golden_pictures(classifier.preprocessing))
    data = shipped_answers.signed(model, classifier, ending, shapes, wanted.views, wanted.card, golden)
    opened = shipped_answers.ShippedAnswers(data, name="the exported file")
    what = f"ONNX, {plural(count, 'batch norm')} folded" if count else "ONNX"
    return Made(data=data, gives=opened.gives, what=what)


def make_program(wanted: Wanted) -> Made:
    """One program of PyTorch with everything from decoded bytes to probabilities in it."""
    classifier = wanted.classifier
    assert classifier.preprocessing is not None
    net, _, count = folded(wanted)
    # Parameters are marked as not learning: those of the net itself are left as they are.
    whole = program.Whole(
        copy.deepcopy(net), classifier.preprocessing, wanted.calibrator, several=classifier.several
    )  # fmt: skip
    try:
        data, written = program.exported(whole, wanted.card, classifier.class_names, wanted.limits)
    except Exception as error:
        raise ArtefactError(
            f"the net cannot be written as a program: {first_line(error)}", hint="--to onnx may do"
        ) from None
    what = f"PyTorch {torch.__version__}"
    what += f", {plural(count, 'batch norm')} folded" if count else ""
    return Made(data=data, says=only_probabilities(program.answering(written)), what=what)


def make_program_of_answers(wanted: Wanted, ending: Ending) -> Made:
    """One program of PyTorch with everything from decoded bytes to what the task answers with in it."""
    classifier = wanted.classifier
    assert classifier.preprocessing is not None
    net, _, count = folded_with(wanted, ending)
    whole = program.WholeAnswers(copy.deepcopy(net), classifier.preprocessing)
    try:
        data, written = program.exported(whole, wanted.card, classifier.class_names)
    except Exception as error:
        raise ArtefactError(
            f"the net cannot be written as a program: {first_line(error)}", hint="--to onnx may do"
        ) from None
    what = f"PyTorch {torch.__version__}"
    what += f", {plural(count, 'batch norm')} folded" if count else ""
    return Made(data=data, gives=program.giving(written), what=what)


def make_page(wanted: Wanted) -> Made:
    """One page of HTML that needs nothing else; what answers here is the net as the page holds it."""
    title = str(wanted.card.get("name") or "A classifier of pictures")

    def stored(weights: str) -> Made:
        page = shipping.made(
            wanted.classifier, views=wanted.views, calibrator=wanted.calibrator, card=wanted.card, title=title,
            weights=weights,
        )  # fmt: skip
        remark = f"a picture will take about {shipping.milliseconds(page.seconds)} in a browser"
        return Made(
            data=page.data, says=only_probabilities(page.answer), what=page.what, remarks=(remark,),
            seconds=page.seconds,
        )  # fmt: skip

    return replace(stored("i8"), plain=stored("f32")) if wanted.int8 else stored("i16")


FORMS: dict[str, Form] = {
    "onnx": Form(
        suffix=".onnx", what="one ONNX file, preprocessing inside", tolerance=1e-4, make=make_onnx,
        end=make_onnx_of_answers, int8=True,
    ),
    "page": Form(
        suffix=".html", what="one page of HTML for any browser", tolerance=2e-3, make=make_page, int8=True
    ),
    "program": Form(
        suffix=".pt2", what="one torch.export program, preprocessing inside", tolerance=1e-4, make=make_program,
        end=make_program_of_answers,
    ),
}  # fmt: skip
"""What `hubel export --to` takes, the usual one first."""


def check_form(name: str, form: Form, *, whole: bool) -> None:
    """Raise UsageError where whole numbers are asked of a form that has none."""
    if whole and not form.int8:
        able = [other for other, each in FORMS.items() if each.int8]
        raise UsageError(f"--int8 is not offered for --to {name}", hint=f"it is for --to {' and --to '.join(able)}")


def refusal(classifier: Classifier, to: str, *, whole: bool = False) -> HubelError | None:
    """Why a net is not written in a form, `whole` in whole numbers, as `hubel export` says it; None where it is."""
    try:
        check_form(to, FORMS[to], whole=whole)
        require_pictures(classifier)
        if ending_of(classifier) is not None:
            check_ending(to, FORMS[to], classifier.task, whole=whole)
    except HubelError as error:
        return error
    return None


def check_ending(name: str, form: Form, task: str, *, whole: bool) -> None:
    """Raise UsageError for a form, or for whole numbers, that know probabilities of classes only."""
    if form.end is None:
        able = [other for other, each in FORMS.items() if each.end is not None]
        raise UsageError(
            f"--to {name} shows classes and their probabilities, and the task is {task}",
            hint=f"take --to {' or --to '.join(able)}",
        )
    if whole:
        raise UsageError(
            f"what --int8 costs is measured in classes that are right, and the task is {task}",
            hint="leave it out: float32 loses nothing",
        )
