"""The pictures of docs/studio.md and docs/playground.md: every page of a running studio, made again.

    python benchmarks/studio_pictures.py [--pages home data …] [--look FOLDER]

Needs Chromium (`apt-get install chromium`). Trains what the pages show (a few minutes on one core), opens each page in
a browser and writes `docs/pictures/studio-PAGE.png`, 1,280 pixels wide and light, and beside it
`studio-PAGE-small.png`: the same page dark, and 360 pixels wide, light and dark. `--look` keeps every screenshot as it
was taken, to be looked at.
"""

from __future__ import annotations

import argparse
import base64
import io
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
from PIL import Image

import chromium
import hubel
from chromium import Chromium
from hubel.studio.serving import Serving
from tasks.conftest import pairs, scans

chromium.PATIENCE = 90.0
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
LARGEST = 150_000
"""Bytes of a picture in docs."""
WIDE, NARROW = 1280, 360
BUTTON = "[...document.querySelectorAll('button')].find((b) => b.textContent === '{}').click()"


@dataclass(frozen=True)
class Page:
    """Where a page stands, when it is there, and what is done on it before it is looked at."""

    address: str
    ready: str
    doing: tuple[str, ...] = ()
    """Expressions, each waited for where it is a promise."""
    then: str = "true"
    """What holds after that."""
    files: tuple[str, ...] = ()
    """What is dropped on it first."""
    tall: int = 1100
    """How much of it is shown at most, in pixels."""


PAGES = {
    "home": Page("home", "document.querySelectorAll('.cards li').length >= 5"),
    "data": Page(
        "data?source=photos&class=1",
        "document.querySelectorAll('.cell img').length >= 6",
        ("document.querySelector('.tiles-window').focus()",),
    ),
    "data-labels": Page(
        "data?source=pairs",
        "document.querySelectorAll('.cell img').length >= 6",
        ("document.querySelector('.tiles-window').focus()",),
        "document.querySelectorAll('[aria-pressed]').length === 3",
    ),
    "camera": Page(
        "camera?set=shapes",
        "document.querySelectorAll('.cards li').length >= 3",
        (BUTTON.format("Start the camera"),),
        "document.querySelector('video').readyState >= 2",
    ),
    "train": Page("train?data=digits", "document.querySelector('.training .card')?.textContent.includes('parameters')"),
    "watch": Page("train?run=watched-1", "document.querySelector('.status')?.dataset.state === 'finished'"),
    "build": Page(
        "build?data=digits",
        "document.querySelector('.block .shape')?.textContent.includes('×')",
    ),
    "runs": Page("runs?runs=digits-1|watched-1", "document.querySelectorAll('section table thead th').length === 2"),
    "evaluate": Page("evaluate?run=digits-1", "document.querySelectorAll('.confusion button').length > 0"),
    "evaluate-labels": Page(
        "evaluate?run=labels-1",
        "document.querySelectorAll('caption').length === 1",
        ("document.querySelector('#by').form.requestSubmit()",),
        "document.querySelectorAll('table').length === 2",
        tall=2400,
    ),
    "explain": Page("explain?run=digits-1", "document.documentElement.dataset.maps > 3"),
    "inspect": Page("inspect?net=resnet-1&part=3&channel=3", "!!document.documentElement.dataset.value", tall=1700),
    "ship": Page(
        "ship?run=digits-1",
        "!!document.querySelector('.drop input')",
        then="document.querySelectorAll('.answers .bars').length === 2",
        files=("strange.png", "photos/two/004.png"),
    ),
    "ship-labels": Page(
        "ship?run=labels-1",
        "!!document.querySelector('.drop input')",
        ("document.querySelector('.answers details').open = true", BUTTON.format("Keep it so")),
        "!!document.querySelector('.answers a')",
        files=("pairs/007.png",),
    ),
    "ship-areas": Page(
        "ship?run=areas-1",
        "!!document.querySelector('.drop input')",
        then="document.querySelectorAll('.answers figure').length === 4",
        files=("scans/images/003.png", "scans/images/008.png"),
    ),
    "ship-near": Page(
        "ship?run=near-1",
        "!!document.querySelector('.drop input')",
        ("document.querySelector('.answers li:last-child button').click()",),
        "document.querySelectorAll('.answers .grid img').length === 8",
        files=("photos/two/004.png", "strange.png"),
        tall=1500,
    ),
    "ship-back": Page(
        "ship?run=back-1",
        "!!document.querySelector('.drop input')",
        then="document.querySelectorAll('.answers figure').length === 6",
        files=("photos/two/004.png", "strange.png"),
    ),
    "playground": Page(
        "playground?data=spiral&classes=3&net=8tanh,8tanh&loss=cross-entropy&optimiser=adam&rate=0.01&speed=full",
        "document.documentElement.dataset.frames > 0",
        (BUTTON.format("Play"), "new Promise((d) => setTimeout(d, 6000))", BUTTON.format("Pause")),
    ),
    "pictures": Page(
        "pictures",
        "document.documentElement.dataset.frames > 0",
        (BUTTON.format("Play"), "new Promise((d) => setTimeout(d, 5000))", BUTTON.format("Pause")),
    ),
    "lessons": Page("lessons", "!!document.querySelector('main canvas')"),
}


SHOWN = """Promise.all([...document.images].filter((image) => !image.complete).map((image) => new Promise((done) => {
  image.onload = image.onerror = done;
  setTimeout(done, 10000);  // one that is asked for when it comes into view may never be
})))"""
"""Until the pictures of a page are there: on a busy machine they come later than the page."""


def prepared(home: Path) -> None:
    """Two folders of three classes of digits, one of two digits a picture, and the runs that the pages show."""
    from sklearn.datasets import load_digits

    photos, runs = home / "photos", home / "runs"
    digits = load_digits()
    for label, name in enumerate(("zero", "one", "two")):
        (photos / name).mkdir(parents=True)
        for row, image in enumerate(digits.images[digits.target == label][:30]):
            Image.fromarray((image * 255 / 16).astype("uint8")).save(photos / name / f"{row:03}.png")
        (home / "shots" / "shapes" / name).mkdir(parents=True)
        for row in range(12):
            file = home / "shots" / "shapes" / name / f"burst00000{label}-{row:012x}.png"
            Image.open(photos / name / f"{row:03}.png").resize((64, 64)).save(file)
    usual = {"out": str(runs), "device": "cpu", "verbose": False}
    hubel.train("digits", name="digits", **usual)  # type: ignore[arg-type]
    hubel.train("digits", name="watched", lr=0.02, **usual)  # type: ignore[arg-type]
    hubel.train(pairs(Path("pairs"), 1000), name="labels", model="mlp", epochs=3, augment="none", **usual)  # type: ignore[arg-type]
    hubel.train(scans(Path("scans"), 300), name="areas", model_options={"maps": 8, "levels": 2}, **usual)  # type: ignore[arg-type]
    hubel.train("digits", name="near", task="embed", **usual)  # type: ignore[arg-type]
    hubel.train("digits", name="back", task="reconstruct", **usual)  # type: ignore[arg-type]
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8), dtype=np.uint8)).save(home / "strange.png")
    hubel.train("digits", name="resnet", model="resnet20", epochs=3, keep_every=1, **usual)  # type: ignore[arg-type]


def taken(browser: Chromium, width: int, scheme: str, most: int) -> Image.Image:
    """What is seen at a width in a scheme, from the top of the page on."""
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.call(
        "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width == NARROW
    )
    browser.evaluate("new Promise((done) => setTimeout(() => requestAnimationFrame(done), 600))")
    browser.evaluate(SHOWN)
    tall = browser.evaluate("document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": min(most, tall), "scale": 1}
    shot = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)["data"]
    return Image.open(io.BytesIO(base64.b64decode(shot))).convert("RGB")


def beside(pictures: list[Image.Image]) -> Image.Image:
    """Pictures side by side, the wide one at half its size, on grey; small, since docs keep them."""
    shown = [
        p.resize((p.width // 2, p.height // 2), Image.Resampling.LANCZOS) if p.width > 500 else p for p in pictures
    ]
    whole = Image.new(
        "RGB", (sum(p.width for p in shown) + 12 * (len(shown) - 1), max(p.height for p in shown)), (128,) * 3
    )
    left = 0
    for picture in shown:
        whole.paste(picture, (left, 0))
        left += picture.width + 12
    return whole.resize((whole.width * 3 // 5, whole.height * 3 // 5), Image.Resampling.LANCZOS)


def kept(picture: Image.Image, file: Path, most: int = 256) -> None:
    """Write a picture with as many colours as fit into the bytes that docs allow."""
    for colours in (each for each in (256, 128, 64, 32, 16) if each <= most):
        few = picture.quantize(colours, dither=Image.Dither.NONE)
        few.save(file, optimize=True)
        if file.stat().st_size <= LARGEST:
            break
    print(f"{file.name:<32} {picture.width} x {picture.height}, {colours} colours, {file.stat().st_size:,} bytes")


def shown(browser: Chromium, serving: Serving, home: Path, page: Page) -> None:
    """Open a page and do what is done on it."""
    browser.call("Emulation.clearDeviceMetricsOverride")
    browser.open("about:blank")
    browser.open(f"{serving.url}#/{page.address}")
    browser.until(page.ready)
    browser.evaluate("document.querySelector('.tour button.quiet')?.click()")
    if page.files:
        browser.choose(".drop input", [home / each for each in page.files])
        count = f"document.querySelectorAll('.answers > li p strong').length >= {len(page.files)}"
        browser.until(count)
    for each in page.doing:
        browser.evaluate(each)
    browser.until(page.then)
    time.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", nargs="+", default=list(PAGES), choices=list(PAGES))
    parser.add_argument("--look", type=Path, help="a folder for every screenshot as it was taken")
    parser.add_argument("--home", type=Path, help="a folder that holds (or gets) what the pages show")
    asked = parser.parse_args()
    look, home = (each and each.resolve() for each in (asked.look, asked.home))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        home = home or Path(place) / "home"
        home.mkdir(parents=True, exist_ok=True)
        os.chdir(home)
        if not (home / "runs").exists():
            prepared(home)
        browser = Chromium(Path(place) / "profile", *CAMERA)
        try:
            with Serving(("shots", "photos", "pairs", "scans"), runs="runs", port=0) as serving:
                serving.studio.warm.wait()
                for name in asked.pages:
                    page = PAGES[name]
                    shown(browser, serving, home, page)
                    shots = {
                        (width, scheme): taken(browser, width, scheme, page.tall)
                        for width in (WIDE, NARROW)
                        for scheme in ("light", "dark")
                    }
                    if look:
                        look.mkdir(parents=True, exist_ok=True)
                        for (width, scheme), shot in shots.items():
                            shot.save(look / f"{name}-{width}-{scheme}.png")
                    kept(shots[WIDE, "light"], PICTURES / f"studio-{name}.png")
                    small = [
                        shots[each].crop((0, 0, each[0], min(1100, shots[each].height))) for each in list(shots)[1:]
                    ]
                    kept(beside(small), PICTURES / f"studio-{name}-small.png", most=64)
                    for said in browser.complaints:
                        print(f"  {name}: {said[:200]}")
        finally:
            browser.close()


if __name__ == "__main__":
    main()
