"""Exported pages in a real browser: the same numbers, the same pixels, the same labels, and no request."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import hubel
from chromium import Chromium
from deploy.page.layers import LAYERS, shaped
from deploy.page.test_lower import catalogue
from deploy.test_honest import HONEST
from hubel.checkpoint.trust import Trust
from hubel.data.preprocessing import INTERPOLATIONS, Preprocessing
from hubel.deploy.odd import odd_pictures
from hubel.deploy.onnx_graph import down_first
from hubel.deploy.page.build import WORKER, joined
from hubel.deploy.page.lower import lowered
from hubel.deploy.page.program import as_json, packed, unpacked
from hubel.deploy.page.reference import answer
from hubel.deploy.page.shipping import _trusted
from hubel.inference import with_views
from hubel.metrics.calibrators import Calibrator
from hubel.metrics.probability import log_softmax
from hubel.metrics.strangeness import NAMES as NAMES_OF_SCORES
from hubel.metrics.strangeness import familiar

pytestmark = pytest.mark.browser
WAYS = ("fused", "vectors", "plain")


@pytest.fixture(scope="module")
def loops(browser: Chromium) -> Chromium:
    """The browser with the modules of the worker at hand, outside any page of ours."""
    browser.open("about:blank")
    browser.evaluate(
        f"{joined(WORKER)};"
        "globalThis.ours = { Net, bytesOf, familiarity, placed, inChannels, looks, normalised, shares };"
        "globalThis.floats = (text) => new Float32Array(bytesOf(text).buffer); 0"
    )
    return browser


def text(array: np.ndarray | torch.Tensor) -> str:
    return json.dumps(base64.b64encode(np.ascontiguousarray(array).tobytes()).decode())


def run(browser: Chromium, net: torch.nn.Module, image: torch.Tensor, way: str) -> float:
    """The largest difference of the page's answer from the net's, as a share of the largest number."""
    program, weights = packed(lowered(net, image), "f32")
    found = browser.evaluate(
        f"(() => {{ const net = new ours.Net({as_json(program)}, ours.bytesOf({json.dumps(weights)}), '{way}');"
        f"if (net.way !== '{way}') throw new Error(net.way);"
        f"net.run(floats({text(torch.rand_like(image))})); return [...net.run(floats({text(image)}))]; }})()"
    )
    with torch.no_grad():
        own = net(image)[0].reshape(-1)
    return float((torch.tensor(found, dtype=torch.float32) - own).abs().max() / own.abs().max().clamp(min=1e-3))


@pytest.mark.parametrize("way", WAYS)
def test_every_layer_and_activation_gives_the_numbers_of_pytorch(loops: Chromium, way: str) -> None:
    away = {name: run(loops, *shaped(name), way) for name in LAYERS}
    assert {name: far for name, far in away.items() if not far < 2e-5} == {}


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2", "shufflenet_v2_x0_5"])
def test_nets_of_the_catalogue_give_the_numbers_of_pytorch(loops: Chromium, name: str) -> None:
    assert run(loops, *catalogue(name), "fused") < 1e-4


@pytest.mark.parametrize("kind", ["i16", "i8"])
def test_weights_in_whole_numbers_are_read_as_python_reads_them(loops: Chromium, kind: str) -> None:
    net, image = catalogue("resnet20")
    plain, weights = packed(lowered(net, image), kind)
    found = loops.evaluate(
        f"[...new ours.Net({as_json(plain)}, ours.bytesOf({json.dumps(weights)})).run(floats({text(image)}))]"
    )
    own = answer(unpacked(plain, weights), image)[0]
    assert (torch.tensor(found) - own).abs().max() < 1e-4 * own.abs().max()


def fitted(browser: Chromium, pixels: np.ndarray, p: Preprocessing) -> np.ndarray:
    height, width, channels = pixels.shape
    about = json.dumps(p.to_dict() | {"down_first": down_first()})
    found = browser.evaluate(
        f"(() => {{ let text = ''; for (const v of ours.placed(ours.bytesOf({text(pixels)}), {width}, {height}, "
        f"{about})) text += String.fromCharCode(v); return btoa(text); }})()"
    )
    return np.frombuffer(base64.b64decode(found), np.uint8).reshape(p.height, p.width, channels)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_picture_is_fitted_as_pillow_does_it_bit_for_bit(loops: Chromium, interpolation: str) -> None:
    random = np.random.default_rng(0)
    sizes = [
        (1, 1),
        (1, 300),
        (300, 1),
        (2, 3),
        (17, 64),
        (33, 40),
        (97, 131),
        (32, 24),
        (24, 32),
        (25, 33),
        (640, 481),
    ]
    for number, (height, width) in enumerate(sizes):
        pixels = random.integers(0, 256, (height, width, 3 if number % 3 else 1), dtype=np.uint8)
        for fit, share in (("pad", 1.0), ("crop", 1.0), ("crop", 0.875), ("squash", 1.0)):
            p = Preprocessing(
                height=24, width=32, channels=pixels.shape[2], fit=fit, interpolation=interpolation, crop_share=share
            )
            own = p.array(pixels).transpose(1, 2, 0)
            away = np.abs(fitted(loops, pixels, p).astype(int) - own).max()
            assert away == 0, f"{height} x {width}, {fit} {share}: {away} levels"


@pytest.mark.parametrize("views", ["none", "mirror", "shift", "mirror-shift"])
@pytest.mark.parametrize("side", [1, 5, 48])
def test_views_are_those_of_inference(loops: Chromium, views: str, side: int) -> None:
    p = Preprocessing(height=side, width=side, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    pixels = np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)
    image = p.normalise(torch.from_numpy(pixels.transpose(2, 0, 1).copy()[None]))
    own = with_views(lambda images: images**3, views)(image)  # not linear, so that every view must be right
    found = loops.evaluate(
        f"(() => {{ const p = {json.dumps(p.to_dict())}; const sum = new Float64Array({3 * side * side});"
        f"const image = ours.normalised(ours.bytesOf({text(pixels)}), p);"
        f"for (const {{ picture, weight }} of ours.looks(image, p, '{views}'))"
        " picture.forEach((v, i) => { sum[i] += weight * v ** 3; }); return [...sum]; })()"
    )
    assert np.abs(np.array(found) - own.numpy().reshape(-1)).max() < 1e-4


def test_strangeness_is_that_of_python(loops: Chromium) -> None:
    random = np.random.default_rng(0)
    features, logits = random.normal(size=(80, 12)), random.normal(size=(80, 4)) * 3
    seen = familiar(features[:60], np.arange(60) % 4, logits[:60])
    usual = np.sort(random.normal(0.3, 1, 50))
    trust = Trust(scores=dict.fromkeys(NAMES_OF_SCORES, (0.5, 0.8)), usual=usual, familiar=seen)
    own = trust.familiarity(logits[60:] / 3, features[60:] * 1.5)
    arrays = {part: getattr(seen, part).reshape(-1).tolist() for part in ("origin", "basis", "means", "white", "bank")}
    found = loops.evaluate(
        f"(() => {{ const trust = {as_json(_trusted(trust))}, seen = {as_json(arrays | {'outside': seen.outside})};"
        f"const logits = {(logits[60:] / 3).tolist()}, features = {(features[60:] * 1.5).tolist()};"
        "return logits.map((row, i) => ours.familiarity(row, features[i], trust, seen)); })()"
    )
    assert len(set(own)) > 5, "all alike"
    assert np.abs(np.array(found) - own).max() < 1e-9


@pytest.mark.parametrize("how", HONEST, ids=lambda how: how.kind)
def test_probabilities_are_made_honest_as_in_python(loops: Chromium, how: Calibrator) -> None:
    logits = np.random.default_rng(3).normal(size=(40, 4)) * 5
    own = np.exp(log_softmax(how(logits)))
    said = {"temperature": how.temperature} | {
        name: getattr(how, name).tolist() for name in ("scales", "shifts", "knots")
    }
    found = loops.evaluate(f"{logits.tolist()}.map((row) => ours.shares(row, {json.dumps(said)}))")
    assert np.abs(np.array(found) - own).max() < 1e-12


NAMES = ('<img src=x onerror="document.title=1">', "b`${document.title=2}`", "näme & ☃ %WEIGHTS%")
Made = tuple[Path, Any, Path]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """(a page, the run behind it, its pictures): three classes that are easily told, with names that bite."""
    folder = tmp_path_factory.mktemp("shapes")
    random = np.random.default_rng(0)
    for kind, name in enumerate(NAMES):
        (folder / name).mkdir()
        for number in range(40):
            height, width = (int(side) for side in random.integers(30, 90, 2))
            pixels = random.integers(0, 90, (height, width, 3), dtype=np.uint8)
            pixels[height // 4 : -height // 4, width // 4 : -width // 4, kind] += 150
            Image.fromarray(pixels).save(folder / name / f"{number:02}.png")
    run = hubel.train(
        folder, model="resnet20", img_size=32, epochs=2, out=str(tmp_path_factory.mktemp("runs")), threads=1,
        device="cpu",
    )  # fmt: skip
    made = run.export("page", out=tmp_path_factory.mktemp("out") / "shapes.html", views="mirror")
    return made.path, run, folder


@pytest.fixture
def opened(browser: Chromium, page: Made) -> Chromium:
    """The page, opened from the disk and ready."""
    browser.call("Emulation.clearDeviceMetricsOverride")
    browser.open(page[0].as_uri())
    browser.until("document.documentElement.dataset.way")
    return browser


def chosen(browser: Chromium, files: list[Path]) -> list[list[str]]:
    """The rows of the table after these files were chosen: name, class, probability, known."""
    browser.evaluate("document.documentElement.dataset.done = ''")
    browser.choose("#file", files)
    browser.until("document.documentElement.dataset.done", lambda done: done == str(len(files)))
    rows = browser.evaluate(
        "[...document.querySelectorAll('#lines tr')].map((r) => [...r.cells].map((c) => c.textContent))"
    )
    assert isinstance(rows, list)
    return rows


def test_a_page_names_pictures_as_the_run_does_and_asks_the_network_for_nothing(
    opened: Chromium, page: Made, tmp_path: Path
) -> None:
    files = sorted(page[2].rglob("*.png"))[::4]
    for number, (what, data) in enumerate(odd_pictures(40)):
        if "1-bit" not in what:
            files.append(tmp_path / f"{number:02} {what.replace('/', ' ')}")
            files[-1].write_bytes(data)
    own = page[1].predict([str(file) for file in files], views="mirror")
    rows = chosen(opened, files)
    assert [row[0] for row in rows] == [file.name for file in files]
    near = [(row, p) for row, p in zip(rows, own, strict=True) if row[1] != p.label and p.probability > 0.55]
    assert not near, "called something else"
    assert max(abs(float(row[2][:-2]) / 100 - p.probability) for row, p in zip(rows, own, strict=True)) < 0.05
    exact = [(row, p) for row, p in zip(rows, own, strict=True) if row[0].endswith(".png") and "x" not in row[0]]
    assert exact
    assert max(abs(float(row[2][:-2]) / 100 - p.probability) for row, p in exact) < 2e-3
    assert opened.requests == []
    assert opened.complaints == []
    assert opened.evaluate("document.title") == page[1].folder.name


def test_a_page_knows_what_the_run_knows(
    browser: Chromium, digits_run: Path, picture_folder: Path, tmp_path: Path
) -> None:
    made = hubel.export(digits_run, "page", out=tmp_path / "digits.html")
    files = sorted(picture_folder.rglob("*.png"))
    for number, (what, data) in enumerate(odd_pictures(100)):
        if what.split(" ", 1)[1].startswith("png"):
            files.append(tmp_path / f"{number:02}.png")
            files[-1].write_bytes(data)
    own = hubel.load(digits_run).predict([str(file) for file in files])
    assert {p.known for p in own} == {True, False}, "the run tells both from each other"
    browser.open(made.path.as_uri())
    browser.until("document.documentElement.dataset.way")
    rows = chosen(browser, files)
    sure = [(row, p) for row, p in zip(rows, own, strict=True) if abs(p.familiarity - 0.05) > 0.03]
    assert len(sure) > len(rows) / 2
    assert [row for row, p in sure if row[3] != ("yes" if p.known else "no")] == []
    chosen(browser, [file for file, p in zip(files, own, strict=True) if p.familiarity == 0][:1])
    assert "does not know this one" in browser.evaluate("document.querySelector('#note').textContent")


def test_nothing_that_is_named_becomes_markup(opened: Chromium, page: Made) -> None:
    rows = chosen(opened, sorted(page[2].rglob("00.png")))
    assert {row[1] for row in rows} == set(NAMES)
    assert opened.evaluate("document.querySelectorAll('img, #rows script').length") == 0
    assert set(opened.evaluate("[...document.querySelectorAll('#rows .name')].map((n) => n.textContent)")) == set(NAMES)


def test_a_file_that_is_no_picture_is_said_to_be_none_and_the_next_is_read(
    opened: Chromium, page: Made, tmp_path: Path
) -> None:
    (tmp_path / "notes.png").write_text("no picture")
    rows = chosen(opened, [tmp_path / "notes.png", next(page[2].rglob("03.png"))])
    assert rows[0][:2] == ["notes.png", "not read: no picture that this browser can read"]
    assert rows[1][1] in NAMES


def test_a_picture_larger_than_phones_draw_is_named_too(opened: Chromium, page: Made, tmp_path: Path) -> None:
    small = Image.open(next(page[2].rglob("07.png")))
    large = small.resize((small.width * 100, small.height * 100), Image.Resampling.NEAREST)
    assert 16e6 < large.width * large.height < 64e6, "beyond what hubel itself reads"
    large.save(tmp_path / "large.png", compress_level=1)
    (row,) = chosen(opened, [tmp_path / "large.png"])
    own = page[1].predict(str(tmp_path / "large.png"), views="mirror")[0]
    assert row[1] == own.label
    assert abs(float(row[2][:-2]) / 100 - own.probability) < 0.02


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_can_be_dropped_and_pasted(opened: Chromium, page: Made, way: str) -> None:
    buffer = BytesIO()
    Image.open(next(page[2].rglob("05.png"))).save(buffer, "PNG")
    event = {
        "drop": "new DragEvent('drop', { dataTransfer: held })",
        "paste": "new ClipboardEvent('paste', { clipboardData: held })",
    }
    opened.evaluate(
        "{ const held = new DataTransfer(); held.items.add(new File([Uint8Array.from(atob("
        f"{text(np.frombuffer(buffer.getvalue(), np.uint8))}), (c) => c.charCodeAt(0))], 'it.png',"
        " { type: 'image/png' }));"
        f"dispatchEvent({event[way]}); }}"
    )
    opened.until("document.documentElement.dataset.done === '1'")
    own = page[1].predict(str(next(page[2].rglob("05.png"))), views="mirror")[0]
    said = opened.evaluate("document.querySelector('#status').textContent")
    assert said.startswith(f"it.png: {own.label}, ")


def test_the_camera_runs_until_it_is_stopped(opened: Chromium) -> None:
    opened.evaluate("document.querySelector('#camera').click()")
    opened.until("document.documentElement.dataset.frames >= 3")
    assert opened.evaluate("document.querySelectorAll('#rows li').length") == len(NAMES)
    opened.evaluate("document.querySelector('#camera').click()")
    opened.until("document.querySelector('#video').srcObject === null")
    assert opened.evaluate("document.querySelector('#camera').textContent") == "Use the camera"
    assert opened.requests == []
    assert opened.complaints == []


def test_all_of_a_page_can_be_reached_by_keyboard(opened: Chromium) -> None:
    met = []
    for _ in range(4):
        for kind in ("rawKeyDown", "keyUp"):
            opened.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        met.append(opened.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert met[:3] == ["file", "camera", "SUMMARY"]


@pytest.mark.parametrize("width", [360, 1280])
def test_a_page_fits_its_window(opened: Chromium, page: Made, width: int) -> None:
    opened.call("Emulation.setDeviceMetricsOverride", width=width, height=740, deviceScaleFactor=2, mobile=width < 500)
    chosen(opened, sorted(page[2].rglob("0*.png")))
    opened.evaluate("document.querySelector('details').open = true")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    sizes = opened.evaluate(
        "[...document.querySelectorAll('button, .button, summary')].map((n) => n.getBoundingClientRect().height)"
    )
    assert min(sizes) >= 24


def test_a_page_says_what_it_is(opened: Chromium) -> None:
    said = opened.evaluate("document.querySelector('#card').textContent")
    for part in ("resnet20", "95 % interval", "32 x 32 pixels", NAMES[0]):
        assert part in said


def test_the_policy_of_a_page_forbids_every_request(opened: Chromium) -> None:
    for ask in ("fetch('https://127.0.0.1:9/')", "import('data:text/javascript,1')"):
        assert opened.evaluate(f"{ask}.then(() => 'went', () => 'refused')") == "refused"
    opened.evaluate("document.body.append(Object.assign(new Image(), { src: 'https://127.0.0.1:9/x.png' })); 0")
    opened.until("true")
    assert any("Content Security Policy" in line for line in opened.complaints)
    markup = "(() => { try { document.body.innerHTML = '<b>x</b>'; return 'went'; } catch { return 'refused'; } })()"
    assert opened.evaluate(markup) == "refused"
