"""Runs of tasks that name no class behind HTTP: a client is told what `hubel predict` says, and the page shows it."""

from __future__ import annotations

import json
import shutil
import urllib.request
from base64 import b64decode
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import hubel
from chromium import Chromium
from hubel.cli import main
from hubel.errors import ArtefactError
from hubel.server.answering import answer_batch
from hubel.server.schema import SCHEMAS
from hubel.server.served import opened
from hubel.tasks.answers import Answer
from hubel.verbs.serve import Serving

USUAL: dict[str, Any] = {
    "which": "best", "views": None, "device": "cpu", "threads": 1, "batch": 2, "exact": False, "form": "ready",
}  # fmt: skip
NAMES = ("segment", "embed", "reconstruct")
SCHEMA = dict(zip(NAMES, ("Areas", "Nearest", "GivenBack"), strict=True))


@pytest.fixture
def run(name: str, request: pytest.FixtureRequest) -> hubel.Run:
    found: hubel.Run = request.getfixturevalue(f"{name}_run")
    return found


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Grey pictures of several sizes; the last lies on its side, as its notes say."""
    folder, draw, found = tmp_path_factory.mktemp("photos"), np.random.default_rng(1), []
    for number, (height, width) in enumerate([(16, 16), (40, 25), (9, 30), (20, 50)]):
        pixels = draw.integers(60, 120, (height, width), dtype=np.uint8)
        pixels[height // 4 : height // 2, width // 4 : width // 2] = 250
        notes = Image.Exif()
        if number == 3:
            notes[0x0112] = 6
        found.append(folder / f"{number}.png")
        Image.fromarray(pixels).save(found[-1], exif=notes)
    return found


def asked(served: Any, photos: list[Path]) -> list[dict[str, Any]]:
    items = [{"name": path.name, "top": None} for path in photos]
    _, blobs = answer_batch(served, items, [path.read_bytes() for path in photos])
    return [json.loads(blob) for blob in blobs]


def picture_of(text: str) -> np.ndarray:
    with Image.open(BytesIO(b64decode(text))) as picture:
        return np.asarray(picture)


def check(said: dict[str, Any], expected: Answer, size: tuple[int, int], *, within: float) -> None:
    """Is this what `hubel predict` says, with what lies over the picture as large as the picture?"""
    for key, value in expected.to_dict().items():
        if isinstance(value, dict):
            assert said[key] == pytest.approx(value, abs=within, rel=0), key
        else:
            assert said[key] == (pytest.approx(value, abs=within, rel=0) if isinstance(value, float) else value), key
    if "mask" in said:
        mask = picture_of(said["mask"])
        assert mask.shape == size
        assert expected.picture is not None
        rows, columns = (
            np.floor((np.arange(out) + 0.5 - (out - min(size)) / 2) * 16 / min(size)).astype(int) for out in size
        )  # the net sees the square in the middle, in 16 x 16 pixels
        inside = ((rows >= 0) & (rows < 16))[:, None] & ((columns >= 0) & (columns < 16))[None]
        nearest = expected.picture[rows.clip(0, 15)[:, None], columns.clip(0, 15)[None]]
        assert (mask == np.where(inside, nearest, 255)).all(), "and what it does not see belongs to no class"
    if "picture" in said:
        back = np.asarray(expected.image).astype(int)
        assert np.abs(picture_of(said["picture"]) - back).max() <= (1 if within else 0)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_client_is_told_what_predict_says(name: str, exact: bool, run: hubel.Run, photos: list[Path]) -> None:
    served = opened(str(run.folder), **USUAL | {"exact": exact})
    sizes = [(16, 16), (40, 25), (9, 30), (50, 20)]
    for said, path, size in zip(asked(served, photos), photos, sizes, strict=True):
        (expected,) = run.predict(path, device="cpu")
        assert set(said) == set(SCHEMAS[SCHEMA[name]]["required"]), "the OpenAPI document says all of it"
        check(said, expected, size, within=0 if exact else 1e-5)
    assert served.about()["task"] == name


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_served_as_its_run_is(name: str, run: hubel.Run, photos: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    file = tmp_path / "net.onnx"
    hubel.export(run.folder, out=file, pictures=4)
    by_file, by_run = opened(str(file), **USUAL), opened(str(run.folder), **USUAL)
    for said, other in zip(asked(by_file, photos), asked(by_run, photos), strict=True):
        assert said.keys() == other.keys()
        for key in ("shares", "distances"):
            assert said.get(key, {}) == pytest.approx(other.get(key, {}), abs=1e-4)
        assert said.get("point", []) == pytest.approx(other.get("point", []), abs=1e-4)
        for key in said.keys() & {"mask", "picture"}:
            assert np.abs(picture_of(said[key]).astype(int) - picture_of(other[key])).max() <= (key == "picture")
    facts = ("task", "title", "says", "classes", "colours", "input")
    assert {fact: by_file.about()[fact] for fact in facts} == {fact: by_run.about()[fact] for fact in facts}


def test_another_middle_of_a_class_is_another_digest(embed_run: hubel.Run, tmp_path: Path) -> None:
    first = opened(str(embed_run.folder), **USUAL).about()["digest"]
    copy = Path(shutil.copytree(embed_run.folder, tmp_path / "copy-1"))
    (copy / "weights" / "best.learnt.safetensors").unlink()
    with pytest.raises(ArtefactError, match="knows no class to be near to"):
        opened(str(copy), **USUAL)
    assert first != embed_run.load().provenance.sha256, "it is of the weights and of the middles"


@pytest.mark.parametrize("name", ["field"])
def test_a_picture_held_by_heart_is_not_served(name: str, run: hubel.Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["serve", str(run.folder), "--port", "0", "--check"])
    assert left.value.code == 4
    assert "its net holds one picture, and takes none" in capsys.readouterr().err


def test_rows_of_a_picture_read_one_by_one_are_served_by_their_last_answer(photos: list[Path], tmp_path: Path) -> None:
    run = hubel.train(
        "digits", task="sequence", model="lstm_rows", out=str(tmp_path), epochs=1, limit=100, threads=1, device="cpu"
    )
    served = opened(str(run.folder), **USUAL)
    (expected,) = run.predict(photos[0], device="cpu")
    check(asked(served, photos[:1])[0], expected, (16, 16), within=1e-5)


@pytest.fixture(scope="module")
def server(segment_run: hubel.Run, embed_run: hubel.Run, reconstruct_run: hubel.Run) -> Iterator[Serving]:
    runs = dict(zip(NAMES, (str(run.folder) for run in (segment_run, embed_run, reconstruct_run)), strict=True))
    with hubel.serve(runs, port=0, block=False, device="cpu", threads=1) as serving:
        yield serving


def test_over_http_models_say_what_they_answer_and_top_leaves_the_rest_out(server: Serving, photos: list[Path]) -> None:
    with urllib.request.urlopen(f"{server.url}/models") as answer:
        models = {model["name"]: model for model in json.loads(answer.read())["models"]}
    listed = SCHEMAS["Models"]["properties"]["models"]["items"]
    assert all(set(model) == set(listed["required"]) == set(listed["properties"]) for model in models.values())
    assert [models[name]["says"] for name in NAMES] == [
        "segmentation, 3 classes", "metric learning, 10 classes", "reconstruction",
    ]  # fmt: skip
    assert models["segment"]["colours"][0] == "#000000"
    for name, key in zip(NAMES, ("shares", "distances", ""), strict=True):
        asking = urllib.request.Request(f"{server.url}/predict/{name}?top=1", data=photos[0].read_bytes())
        asking.add_header("Content-Type", "image/png")
        with urllib.request.urlopen(asking) as answer:
            (said,) = json.loads(answer.read())["predictions"]
        assert not key or len(said[key]) == 1
        assert not said.get("distances") or said["distances"] == {said["nearest"]: said["distance"]}


@pytest.mark.browser
def test_the_page_shows_areas_over_the_picture_what_is_near_and_the_picture_given_back(
    server: Serving, photos: list[Path], tmp_path: Path
) -> None:
    browser = Chromium(tmp_path / "profile")
    try:
        browser.call("Emulation.setDeviceMetricsOverride", width=360, height=900, deviceScaleFactor=1, mobile=True)
        browser.open(server.url)
        browser.until("document.getElementById('model').options.length === 3")
        for name, there in zip(NAMES, (".seen canvas", ".bars .share", ".seen .pixels"), strict=True):
            browser.evaluate(f"at('model').value = '/predict/{name}'; at('model').onchange()")
            browser.choose("#files", photos[:1])
            browser.until(f"document.querySelector('#answers > li:first-child {there}') !== null")
        assert browser.evaluate("document.documentElement.scrollWidth") == 360
        assert not browser.complaints
    finally:
        browser.close()
