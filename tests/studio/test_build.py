"""The page Build: blocks that the house's reader judges, what is kept as a file, and the flow in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chromium import Chromium
from hubel.errors import HubelError, UsageError
from hubel.models import create_model
from hubel.models.layerlist import read
from hubel.models.layerwords import HOLDERS, LAYERS
from hubel.studio import build
from hubel.studio.asking import Asked
from hubel.studio.places import Places
from hubel.studio.serving import Serving
from hubel.studio.state import Studio
from studio.test_pages import clean, fits, look, opened, press


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(Places.of((str(tmp_path),), str(tmp_path / "runs")))


def said(studio: Studio, **what: Any) -> Asked:
    return Asked(studio, {}, json.dumps({"shape": [1, 8, 8], "classes": 10, **what}).encode(), "application/json")


def test_every_word_of_the_reader_is_on_the_page_once_and_stands_where_it_is_put(studio: Studio) -> None:
    groups = build.words(Asked(studio))["groups"]
    shown = [word["word"] for words in groups.values() for word in words]
    assert len(shown) == len(set(shown))
    assert {*LAYERS, *HOLDERS, "repeat"} <= set(shown)
    for words in groups.values():
        for word in words:
            assert word["usage"]
            assert word["about"].endswith((".", ")")), word
            before = ["conv 16 3x3 padding=same"] if word["word"] != "dense" else ["flatten"]
            flat = word["word"] in ("dense", "globalpool", "globalmax", "flatten")
            behind = ["dense K"] if flat else ["globalpool", "dense K"]
            found = build.lay(said(studio, layers=[*before, word["first"], *behind]))
            assert found["unfit"] is None, (word, found["unfit"])


def test_nets_to_begin_with_fit_the_digits(studio: Studio) -> None:
    for layers in build.words(Asked(studio))["starts"].values():
        assert build.lay(said(studio, layers=layers, shape=[1, 28, 28]))["unfit"] is None


def test_the_yaml_of_a_list_is_read_as_that_list(studio: Studio, tmp_path: Path) -> None:
    for layers in build.STARTS.values():
        text = build.lay(said(studio, layers=layers, shape=[1, 28, 28]))["yaml"]
        (tmp_path / "net.yaml").write_text(text)
        assert read(tmp_path / "net.yaml") == layers
        assert build.lay(said(studio, text=text, shape=[1, 28, 28]))["list"] == layers


def test_a_net_is_kept_as_a_file_that_trains_and_none_is_written_over(studio: Studio) -> None:
    layers = ["flatten", "dense K"]
    one = build.keep(said(studio, layers=layers, name="my net", data="digits"))
    assert one["command"].startswith("hubel train digits --model ")
    assert create_model(one["path"], num_classes=10, in_chans=1, img_size=8).head == "dense1"
    assert build.keep(said(studio, layers=layers, name="my net.yaml")) == one
    two = build.keep(said(studio, layers=["flatten", "dense 5", "dense K"], name="my net"))
    assert two["path"].endswith("my net-2.yaml")
    assert yaml.safe_load(Path(one["path"]).read_text()) == {"layers": layers}


@pytest.mark.parametrize(
    "what",
    [
        {"layers": []}, {"layers": None}, {"layers": "conv 8"}, {"layers": ["relu"] * 1001}, {"text": "3"}, {},
        {"layers": ["relu"], "shape": [1, 8]}, {"layers": ["relu"], "shape": [1, 8, 0]},
        {"layers": ["relu"], "classes": "ten"}, {"layers": ["relu"], "shape": "1x8x8"}, {"text": "layers: [*a]"},
    ],
)  # fmt: skip
def test_what_is_no_net_at_all_is_said(studio: Studio, what: dict[str, Any]) -> None:
    for route in (build.lay, build.keep):
        with pytest.raises(UsageError):
            route(said(studio, **what))


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "x" * 101])
def test_a_file_is_kept_in_its_folder_only(studio: Studio, name: str) -> None:
    with pytest.raises(HubelError):
        build.keep(said(studio, layers=["flatten", "dense K"], name=name))
    with pytest.raises(UsageError, match="layer 2"):
        build.keep(said(studio, layers=["flatten", "conv 3"]))


def test_the_size_of_the_pictures_is_that_of_the_training(studio: Studio) -> None:
    assert build.sizes(Asked(studio, {"data": "digits"})) == {"shape": [1, 8, 8], "classes": 10}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, picture_folder: Path) -> Iterator[Serving]:
    runs = str(tmp_path_factory.mktemp("studio") / "runs")
    with Serving((str(picture_folder),), runs=runs, port=0) as found:
        yield found


DRAG = """(() => {
  const data = new DataTransfer(), fire = (node, type) => node.dispatchEvent(new DragEvent(type, { bubbles: true,
    cancelable: true, dataTransfer: data }));
  const [from, to] = [FROM, TO];
  fire(from, 'dragstart'); fire(to, 'dragover'); fire(to, 'drop');
})()"""
TEXTS = "[...document.querySelectorAll('.block input')].map((i) => i.value)"


def laid(browser: Chromium, act: str) -> None:
    """Do something, and wait until the reader has answered."""
    browser.evaluate("document.documentElement.dataset.laid = ''")
    browser.evaluate(act)
    browser.until("Number(document.documentElement.dataset.laid) > 0")


@pytest.mark.browser
def test_a_net_is_built_of_blocks_mended_and_taken_to_its_training(browser: Chromium, serving: Serving) -> None:
    browser.call("Emulation.setFocusEmulationEnabled", enabled=True)
    opened(browser, serving, "build", "?data=digits")
    browser.until(
        "document.querySelectorAll('.block .shape').length === 5 && Number(document.documentElement.dataset.laid) > 0"
    )
    assert browser.evaluate("[...document.querySelectorAll('.block .shape')].map((n) => n.textContent)") == [
        "16×8×8", "16×8×8", "16×4×4", "256", "10"]  # fmt: skip
    word = "[...document.querySelectorAll('.words button')].find((b) => b.textContent === '{}')"
    laid(browser, "document.querySelectorAll('.block input')[1].focus(); " + word.format("residual") + ".click()")
    assert browser.evaluate(TEXTS)[2:5] == ["residual", "conv 16 3x3 padding=same", "batchnorm"]
    laid(browser, DRAG.replace("FROM", word.format("dropout")).replace("TO", "document.querySelector('.blocks .gap')"))
    held = browser.evaluate(TEXTS)
    assert "dropout 0.3" in held
    first = "document.querySelectorAll('.block')[0]"
    laid(browser, DRAG.replace("FROM", first).replace("TO", "document.querySelectorAll('.block')[2]"))
    assert browser.evaluate(TEXTS)[:2] == ["relu", "conv 16 3x3 padding=same"]
    key = (
        "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{}', altKey: true, bubbles: true,"
        " cancelable: true }}))"
    )
    laid(browser, "document.querySelectorAll('.block input')[0].focus(); " + key.format("ArrowDown"))
    assert browser.evaluate(TEXTS)[:2] == ["conv 16 3x3 padding=same", "relu"]
    assert browser.evaluate("document.activeElement.value") == "relu"
    at = browser.evaluate(TEXTS).index("dropout 0.3")
    laid(browser, f"document.querySelectorAll('.block input')[{at}].focus(); " + key.format("Delete"))
    assert "dropout 0.3" not in browser.evaluate(TEXTS)
    flat = browser.evaluate(TEXTS).index("flatten")
    laid(browser, f"document.querySelectorAll('.block .remove')[{flat}].click()")
    assert browser.evaluate("document.querySelector('.wrong input').value") == "dense K"
    assert "it takes a vector" in browser.evaluate("document.querySelector('.unfit').textContent")
    assert browser.evaluate("document.querySelector('button.main').disabled")
    fits(browser)
    look(browser, "build")
    laid(browser, "document.querySelector('.unfit button').click()")
    assert browser.evaluate("document.querySelector('.unfit').textContent") == ""
    code = browser.evaluate("document.querySelector('[readonly], textarea[aria-label]').value")
    assert "class Residual" in code
    laid(
        browser,
        "document.querySelector('#yaml').value = 'layers: [conv 4 3x3, relu, globalpool, dense K]';"
        " document.querySelector('#yaml').parentElement.querySelector('button').click()",
    )
    assert len(browser.evaluate(TEXTS)) == 4
    browser.evaluate("document.activeElement.blur()")
    browser.evaluate("document.documentElement.dataset.laid = ''")
    press(browser, "u")
    browser.until("document.querySelectorAll('.block').length > 4")
    clean(browser, serving)
    browser.until("!document.querySelector('button.main').disabled")
    browser.evaluate("document.querySelector('button.main').click()")
    browser.until("document.querySelector('.training .card')?.textContent.includes('parameters')")
    assert "my-net.yaml" in browser.evaluate("document.querySelector('.command code').textContent")
    assert "residual1" in browser.evaluate("document.querySelector('.training .card').textContent")
    clean(browser, serving)
