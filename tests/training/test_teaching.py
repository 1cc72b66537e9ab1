"""A teacher's answers: those of the net itself, in the learner's order of classes, asked once and never mistaken."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hubel.checkpoint import Classifier, ModelSpec, Provenance
from hubel.data.decode import Decoded, decode
from hubel.data.preprocessing import Preprocessing
from hubel.data.sources import open_source
from hubel.errors import ArtefactError
from hubel.training import teaching
from hubel.training.teaching import Answers, Handout, Question, ask

EIGHT = Preprocessing(height=8, width=8, channels=1, mean=(0.3,), std=(0.4,))
NAMES = tuple("0123456789")
QUESTION = Question(
    weights="w", architecture="a", data="d", rows="r", preprocessing="p", classes=NAMES, views="none", device="cpu",
    precision="torch.float32",
)  # fmt: skip
ROWS = np.array([5, 3, 20, 11, 40])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUBEL_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def net() -> Classifier:
    torch.manual_seed(0)
    spec = ModelSpec(architecture="quicknet", num_classes=10, in_chans=1, img_size=(8, 8), options={"width": 0.2})
    return Classifier(
        model=spec.build().eval(),
        preprocessing=EIGHT,
        class_names=NAMES,
        spec=spec,
        provenance=Provenance(source="net"),
    )


def pictures() -> Decoded:
    return decode(open_source("digits"), EIGHT)


def asked(net: Classifier, question: Question = QUESTION) -> Answers:
    return ask(net, pictures, ROWS, question=question, device=torch.device("cpu"))


def by_hand(net: Classifier, *, mirrored: bool = False) -> torch.Tensor:
    images = EIGHT.normalise(torch.from_numpy(pictures().images[ROWS]))
    with torch.no_grad():
        return net.model(images.flip(3) if mirrored else images)


def test_the_answers_are_the_nets_own_row_by_row(home: Path, net: Classifier) -> None:
    torch.testing.assert_close(asked(net).logits, by_hand(net), rtol=1e-4, atol=1e-5)


def test_mirrored_pictures_are_averaged_in(home: Path, net: Classifier) -> None:
    both = (by_hand(net) + by_hand(net, mirrored=True)) / 2
    torch.testing.assert_close(asked(net, replace(QUESTION, views="mirror")).logits, both, rtol=1e-4, atol=1e-5)


def test_columns_are_matched_by_the_names_of_the_classes(home: Path, net: Classifier) -> None:
    order = tuple("3719402685")
    found = asked(net, replace(QUESTION, classes=order)).logits
    assert torch.equal(found, asked(net).logits[:, [int(name) for name in order]])


def test_the_second_time_nobody_is_asked(home: Path, net: Classifier) -> None:
    first = asked(net)
    second = ask(net, lambda: pytest.fail("looked again"), ROWS, question=QUESTION, device=torch.device("cpu"))
    assert (first.cached, second.cached) == (False, True)
    assert first.sha256 == second.sha256


@pytest.mark.parametrize("part", list(Question.__dataclass_fields__))
def test_a_change_of_any_part_of_the_question_is_another_question(part: str, home: Path, net: Classifier) -> None:
    asked(net)
    other = {"views": "mirror", "classes": NAMES[::-1]}.get(part, "other")
    assert not asked(net, replace(QUESTION, **{part: other})).cached


def test_damaged_answers_are_asked_for_again(home: Path, net: Classifier) -> None:
    first = asked(net)
    (file,) = teaching.folder().glob("*.safetensors")
    damaged = bytearray(file.read_bytes())
    damaged[-3] ^= 1
    file.write_bytes(damaged)
    again = asked(net)
    assert not again.cached
    assert again.sha256 == first.sha256


def test_a_net_that_answers_nan_is_no_teacher(home: Path, net: Classifier) -> None:
    ill = copy.deepcopy(net.model)
    next(ill.parameters()).data.fill_(torch.nan)
    with pytest.raises(ArtefactError, match="the answers of net are not finite"):
        asked(replace(net, model=ill))
    assert not list(teaching.folder().glob("*"))


def test_every_sample_of_a_batch_is_handed_its_own_answers() -> None:
    answers = torch.rand(len(ROWS), 3)
    found = Handout(answers, ROWS, torch.device("cpu"))(torch.tensor([11, 5, 40]))
    assert torch.equal(found, answers[[3, 0, 4]])


def test_in_bf16_the_answers_are_as_good_and_a_net_that_knows_no_bf16_is_asked_in_full(
    home: Path, net: Classifier
) -> None:
    def half(classifier: Classifier, name: str) -> torch.Tensor:
        question = replace(QUESTION, precision="torch.bfloat16", weights=name)
        return ask(
            classifier, pictures, ROWS, question=question, device=torch.device("cpu"), precision=torch.bfloat16
        ).logits  # fmt: skip

    full = by_hand(net)
    found = half(net, "net")
    assert 0 < float((found - full).abs().max()) < 0.02 * float(full.abs().max())

    class Waves(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 4, 3)
            self.fc = torch.nn.Linear(4, 10)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            maps = self.conv(images)
            maps = torch.complex(maps, maps).abs()  # there are no complex numbers of bf16
            return self.fc(maps.mean((2, 3))[:, :4])

    waves = replace(net, model=Waves().eval())
    torch.testing.assert_close(half(waves, "waves"), by_hand(waves), rtol=1e-5, atol=1e-6)
