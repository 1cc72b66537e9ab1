"""A classifier that stands ready: the answers of `answers`, whatever it runs in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hubel.deploy.prediction import answers
from hubel.deploy.standing import answering
from hubel.errors import UnknownName, UsageError
from hubel.records.nets import load

CPU = torch.device("cpu")


@pytest.mark.parametrize("form", ["ready", "onnx"])
@pytest.mark.parametrize("views", [None, "none", "mirror-shift"])
def test_it_says_what_the_net_says_of_one_picture_and_of_several(
    digits_run: Path, form: str, views: str | None
) -> None:
    if form == "onnx":
        pytest.importorskip("onnxruntime")
    classifier = load(digits_run)
    answer = answering(classifier, CPU, views=views, form=form)
    images = np.random.default_rng(1).integers(0, 256, (5, 1, 8, 8), dtype=np.uint8)
    for some in (images[:1], images):
        names = [str(number) for number in range(len(some))]
        expected = answers(classifier, names, some, CPU, views=views)
        found = answer(names, some)
        assert [(f.name, f.label, f.known, f.plausible) for f in found] == [
            (e.name, e.label, e.known, e.plausible) for e in expected
        ]
        for f, e in zip(found, expected, strict=True):
            assert list(f.probabilities.values()) == pytest.approx(list(e.probabilities.values()), abs=1e-5)


def test_a_form_that_is_none_is_named_and_onnx_answers_on_the_cpu(digits_run: Path) -> None:
    with pytest.raises(UnknownName, match="unknown form 'tensorrt'"):
        answering(load(digits_run), CPU, form="tensorrt")
    pytest.importorskip("onnxruntime")
    with pytest.raises(UsageError, match="ONNX Runtime answers on the CPU"):
        answering(load(digits_run), torch.device("meta"), form="onnx")
