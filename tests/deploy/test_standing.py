"""A classifier that stands ready: the answers of `answers`, whatever it runs in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hubel.deploy import standing
from hubel.deploy.prediction import answers
from hubel.deploy.standing import answering
from hubel.errors import ArtefactError, UnknownName, UsageError
from hubel.records.nets import load

CPU = torch.device("cpu")


@pytest.mark.parametrize("form", ["ready", "onnx", "auto"])
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


@pytest.mark.parametrize(("seconds", "taken"), [(0.5, ["onnx", "onnx"]), (0.95, ["torch", "torch"])])
def test_the_faster_of_two_runtimes_is_taken(seconds: float, taken: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def in_onnx(model: torch.nn.Module, probe: torch.Tensor) -> str:
        return "onnx"

    monkeypatch.setattr(standing, "_in_onnx", in_onnx)
    monkeypatch.setattr(standing, "seconds_of", lambda net, images: seconds if net == "onnx" else 1.0)
    assert list(standing._faster("torch", "torch", torch.nn.Identity(), torch.zeros(2, 1))) == taken  # type: ignore[arg-type]


def test_a_net_that_onnx_cannot_hold_is_served_by_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_onnx(model: torch.nn.Module, probe: torch.Tensor) -> str:
        raise ArtefactError("this net cannot be written as ONNX: no", hint="--form ready needs no ONNX")

    monkeypatch.setattr(standing, "_in_onnx", in_onnx)
    assert standing._faster("a", "b", torch.nn.Identity(), torch.zeros(2, 1)) == ("a", "b")  # type: ignore[arg-type]
