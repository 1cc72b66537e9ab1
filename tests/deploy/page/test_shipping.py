"""A run as a page, without a browser: what it says, what is refused, and that a page that errs is not written."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import hubel
from hubel.checkpoint import Classifier
from hubel.checkpoint.classifier import ModelSpec, Provenance
from hubel.data.preprocessing import Preprocessing
from hubel.deploy.page import shipping
from hubel.errors import ArtefactError
from hubel.metrics.calibrators import Calibrator

NAMES = ("</script><script>document.title=1</script>", "<!--<script>", '\u2028 & "quotes" \' %WORKER%')


def classifier(names: tuple[str, ...] = NAMES, **settings: Any) -> Classifier:
    torch.manual_seed(0)
    spec = ModelSpec(architecture="mnist_cnn", num_classes=len(names), in_chans=3, img_size=(28, 28))
    seen = Preprocessing(**({"height": 28, "width": 28, "mean": (0.5,) * 3, "std": (0.2,) * 3} | settings))
    said = Provenance(source="somewhere")
    return Classifier(model=spec.build().eval(), preprocessing=seen, class_names=names, spec=spec, provenance=said)


def page_of(own: Classifier, **settings: Any) -> shipping.Page:
    known = {
        "views": "none",
        "calibrator": Calibrator(),
        "title": own.class_names[0],
        "card": {"classes": own.class_names},
    }
    return shipping.made(own, **known | settings)


class Elements(HTMLParser):
    """The elements of a page, and what is in its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scripts: dict[str, str] = {}
        self.within = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.within = str(dict(attrs).get("id") or tag) if tag in ("script", "title", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self.within = ""

    def handle_data(self, data: str) -> None:
        if self.within:
            self.scripts[self.within] = self.scripts.get(self.within, "") + data


def test_no_name_gets_out_of_its_place() -> None:
    plain, biting = (Elements(page_of(classifier(names)).data.decode()) for names in (("a", "b", "c"), NAMES))
    assert biting.tags == plain.tags
    assert json.loads(biting.scripts["about"])["classes"] == list(NAMES)
    assert biting.scripts["title"] == NAMES[0]
    assert biting.scripts["script"] == plain.scripts["script"]


def test_a_page_names_no_address() -> None:
    page = Elements(page_of(classifier()).data.decode())
    assert "link" not in page.tags
    assert "img" not in page.tags
    for part in ("script", "worker", "style"):
        assert not re.search(
            r"https?:|//[a-z]+\.|fetch\(|XMLHttpRequest|importScripts|\beval\(|innerHTML", page.scripts[part]
        )


def test_what_answers_here_is_what_the_page_holds() -> None:
    own = classifier()
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (*random.integers(5, 60, 2), 3), dtype=np.uint8) for _ in range(9)]
    assert own.preprocessing is not None
    fitted = own.preprocessing.normalise(np.stack([own.preprocessing.array(picture) for picture in pictures]))
    with torch.no_grad():
        logits = own.model(torch.from_numpy(fitted)).double()
    for stored, most in (("f32", 1e-6), ("i16", 1e-4), ("i8", 0.1)):
        page = page_of(own, calibrator=Calibrator(temperature=0.5), weights=stored)
        away = np.abs(page.answer(pictures) - (logits / 0.5).softmax(1).numpy()).max()
        assert (0 if stored == "f32" else 1e-7) < away + (stored == "f32") * 1e-9 < most


def test_whole_numbers_halve_a_page() -> None:
    sizes = [len(page_of(classifier(), weights=stored).data) for stored in ("f32", "i16", "i8")]
    frame = 2 * sizes[1] - sizes[0]
    assert (sizes[2] - frame) / (sizes[1] - frame) == pytest.approx(0.5, abs=0.1)


def test_a_net_too_slow_for_a_browser_is_refused_with_what_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "MACS_A_SECOND", 1e5)
    with pytest.raises(
        ArtefactError, match=r"a picture would take about \d+ s in a browser .* more than 3 s"
    ) as refused:
        page_of(classifier())
    for way in ("--to onnx", "mobilenet_v2", "--img-size"):
        assert way in str(refused.value)


def test_a_page_too_large_to_be_opened_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "MOST_BYTES", 50_000)
    with pytest.raises(ArtefactError, match=r"the page would have .* more than 50 kB") as refused:
        page_of(classifier())
    assert "--int8" in str(refused.value)
    assert page_of(classifier(), weights="i8").data


def test_views_take_their_time() -> None:
    once, six = page_of(classifier()), page_of(classifier(), views="mirror-shift")
    assert six.seconds == pytest.approx(6 * once.seconds)


def test_pictures_of_more_than_8_bits_are_refused_since_a_browser_has_none() -> None:
    with pytest.raises(ArtefactError, match="more than 8 bits"):
        page_of(classifier(levels=(0.0, 4095.0)))


def test_a_page_that_does_not_answer_like_its_run_is_not_written(
    digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shipping.packed

    def broken(*arguments: Any) -> tuple[dict[str, Any], str]:
        plain, data = whole(*arguments)
        raw = bytearray(base64.b64decode(data))
        raw[len(raw) // 2 :] = bytes(len(raw) - len(raw) // 2)
        return plain, base64.b64encode(raw).decode()

    monkeypatch.setattr(shipping, "packed", broken)
    with pytest.raises(ArtefactError, match="does not give the net's answers, so it was not written"):
        hubel.export(digits_run, "page", out=tmp_path / "digits.html")
    assert list(tmp_path.iterdir()) == []


def test_a_page_of_a_run_stands_beside_its_card_and_its_parity(digits_run: Path, tmp_path: Path) -> None:
    made = hubel.export(digits_run, "page", out=tmp_path / "digits.html")
    assert made.parity.labels_differ == 0
    assert made.parity.largest_difference < 2e-3
    assert {path.name for path in tmp_path.iterdir()} == {
        "digits.html", "digits.html.card.md", "digits.html.card.json", "digits.html.parity.json",
    }  # fmt: skip
    about = json.loads(Elements(made.path.read_text("utf-8")).scripts["about"])
    said = dict(about["card"])
    assert "95 % interval" in said["Accuracy"]
    assert said["Classes"] == ", ".join(about["classes"])
    assert about["trust"]["known"] == pytest.approx(0.05)


def test_a_page_given_in_place_of_a_run_is_told_to_be_one(digits_run: Path, tmp_path: Path) -> None:
    made = hubel.export(digits_run, "page", out=tmp_path / "digits.html")
    with pytest.raises(ArtefactError, match="an exported page, which answers in a browser"):
        hubel.predict(made.path, digits_run)


def test_a_page_in_whole_numbers_says_what_they_cost(digits_run: Path, tmp_path: Path) -> None:
    whole = hubel.export(digits_run, "page", out=tmp_path / "digits.html")
    small = hubel.export(digits_run, "page", out=tmp_path / "small.html", int8=True, accept_loss=5)
    assert small.bytes < 0.75 * whole.bytes
    assert small.cost is not None
    exact, rough = small.cost.rows
    assert (exact.kind, rough.kind) == ("float32", "int8")
    assert exact.milliseconds == rough.milliseconds, "both are computed in float32 once they are read"
    assert abs(small.cost.loss) < 5


def test_a_run_without_trust_says_nothing_of_what_it_knows() -> None:
    own = replace(classifier(), trust=None)
    about = json.loads(Elements(page_of(own).data.decode()).scripts["about"])
    assert about["trust"] is None
    assert about["limit"] == 0
