"""The studio's pages in a real browser: one flow a page, no complaint, no request but to the studio itself."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import chromium
import hubel
from chromium import Chromium
from hubel.studio.serving import Serving
from studio.test_house_of_it import until
from tasks.conftest import pairs, scans

pytestmark = pytest.mark.browser
chromium.PATIENCE = 240.0  # trainings are started here, on machines that may be busy
ODD = ('<img src=x onerror="document.title=1">', "`${document.title=2}`'\"&☃", "<svg onload=alert(1)>")
"""Two classes and the names of their pictures, that would be markup anywhere else."""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, picture_folder: Path) -> Iterator[Serving]:
    """A studio over a copy of the small folder of digits, and no runs."""
    home = tmp_path_factory.mktemp("studio")
    shutil.copytree(picture_folder, home / "photos")
    with Serving((str(home / "photos"),), runs=str(home / "runs"), port=0) as found:
        found.studio.warm.wait()
        yield found


def opened(browser: Chromium, studio: Serving, page: str = "home", query: str = "") -> None:
    """Show a page, by the address that the command prints."""
    browser.open(f"{studio.url}#/{page}{query}")
    browser.until(f"document.documentElement.dataset.page === '{page}'")


def clean(browser: Chromium, studio: Serving) -> None:
    """Nothing was complained of, nothing asked of anybody else."""
    assert browser.complaints == []
    assert [asked for asked in browser.requests if not asked.startswith(studio.place)] == []


def look(browser: Chromium, name: str) -> None:
    """Keep pictures of the page where HUBEL_SHOTS names a folder: to be looked at."""
    folder = os.environ.get("HUBEL_SHOTS")
    if not folder:
        return
    import base64

    for width in (1280, 360):
        for scheme in ("light", "dark"):
            browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            browser.call(
                "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500
            )
            shot = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=False)["data"]
            Path(folder, f"{name}-{width}-{scheme}.png").write_bytes(base64.b64decode(shot))
    browser.call("Emulation.clearDeviceMetricsOverride")


def saved(browser: Chromium, folder: Path) -> Image.Image:
    """What "Save this view" gives: the whole page at twice its size, with its address under it."""
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    browser.evaluate("document.documentElement.dataset.saved = ''")
    size = browser.evaluate(
        "(({ width, height }) => [width, height])(document.querySelector('.page').getBoundingClientRect())"
    )
    browser.evaluate("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Save this view').click()")
    browser.until("document.documentElement.dataset.saved !== ''")
    until(lambda: list(folder.glob("*.png")))
    (file,) = folder.glob("*.png")
    picture = Image.open(file).convert("RGB")
    assert abs(picture.width - 2 * (size[0] + 32)) <= 2
    assert picture.height > 2 * size[1]
    shown = np.asarray(picture)
    assert len(np.unique(shown[: shown.shape[0] // 2].reshape(-1, 3), axis=0)) > 8, "something is painted"
    foot = shown[-60:-10]
    assert (foot != foot[-1, -1]).any(), "the address stands under it"
    if os.environ.get("HUBEL_SHOTS"):
        picture.save(Path(os.environ["HUBEL_SHOTS"], file.name))
    return picture


def fits(browser: Chromium) -> None:
    """A page can be used on a telephone, and everything that is pressed is large enough and has a name."""
    browser.call("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
    wide = browser.evaluate(
        "document.documentElement.scrollWidth <= 360 ? [] : [...document.querySelectorAll('main *, header *')]"
        ".filter((n) => n.getBoundingClientRect().right > 361 && !n.closest('.wide, pre'))"
        ".map((n) => n.outerHTML.slice(0, 90)).slice(0, 4)"
    )
    assert wide == []
    browser.call("Emulation.clearDeviceMetricsOverride")
    small = browser.evaluate(
        "[...document.querySelectorAll('button, .button, summary, select, nav a')].filter((n) => n.checkVisibility() &&"
        " Math.min(n.offsetHeight, n.offsetWidth) < 24).map((n) => n.textContent)"
    )
    nameless = browser.evaluate(
        "[...document.querySelectorAll('button, a, input, select, textarea, canvas, img, video')].filter((n) =>"
        " n.checkVisibility() && !n.closest('[aria-hidden=true]') &&"
        " !(n.getAttribute('aria-label') || n.ariaLabel || n.alt || n.title ||"
        " n.labels?.length || n.textContent.trim() || n.getAttribute('aria-labelledby') ||"
        " (n.tagName === 'IMG' && n.hasAttribute('alt')))).map((n) => n.outerHTML.slice(0, 80))"
    )
    assert (small, nameless) == ([], [])


def test_home_offers_data_and_the_token_leaves_the_address(browser: Chromium, studio: Serving) -> None:
    opened(browser, studio)
    browser.until("document.querySelectorAll('.cards li').length >= 3")
    assert "token" not in browser.evaluate("location.href")
    assert "3 classes" in browser.evaluate("document.querySelector('main').textContent")
    browser.evaluate("document.querySelector('#path').value = '/etc'; document.querySelector('form button').click()")
    browser.until("!!document.querySelector('main .problem strong')")
    assert "hubel studio /etc" in browser.evaluate("document.querySelector('main .problem').textContent")
    fits(browser)
    look(browser, "home")
    assert [line for line in browser.complaints if "400" not in line] == []


def test_the_tour_has_five_steps_and_is_closed_for_ever(browser: Chromium, studio: Serving) -> None:
    opened(browser, studio)
    browser.until("!!document.querySelector('.tour')")
    assert browser.evaluate("document.querySelector('.tour').textContent").startswith("1 of 5")
    button = "[...document.querySelectorAll('.tour button')].find((b) => b.textContent === '{}').click()"
    for number in range(2, 6):
        browser.evaluate(button.format("Next"))
        browser.until(f"document.querySelector('.tour').textContent.startsWith('{number} of 5')")
    fits(browser)
    look(browser, "tour")
    browser.evaluate(button.format("Done"))
    browser.open("about:blank")
    opened(browser, studio)
    assert not browser.evaluate("!!document.querySelector('.tour')")
    clean(browser, studio)


def test_keys_are_listed(browser: Chromium, studio: Serving) -> None:
    opened(browser, studio)
    browser.evaluate("document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '?', bubbles: true }))")
    assert browser.evaluate("document.querySelector('#keys').open")
    browser.evaluate("document.querySelector('#keys button').click()")
    clean(browser, studio)


def test_a_net_is_trained_watched_paused_stepped_altered_and_stopped(browser: Chromium, studio: Serving) -> None:
    opened(browser, studio, "train", "?data=digits&epochs=400&threads=1")
    browser.until("document.querySelector('.training .card').textContent.includes('parameters')")
    said = browser.evaluate("document.querySelector('.command code').textContent")
    assert said.startswith("hubel train digits --epochs 400 --threads 1 --out ")
    assert "a tenth" in browser.evaluate("document.querySelector('main').textContent"), "the reason of a choice"
    fits(browser)
    look(browser, "form")
    browser.evaluate("document.querySelector('button.main').click()")
    browser.until("location.hash.includes('run=')")
    browser.until(
        "document.querySelector('tbody')?.children.length > 1 &&"
        " document.querySelector('.status')?.dataset.state === 'running'"
    )
    browser.evaluate("document.body.dispatchEvent(new KeyboardEvent('keydown', { key: ' ', bubbles: true }))")
    browser.until("document.querySelector('.status')?.dataset.state === 'paused'")
    fits(browser)
    before = browser.evaluate("document.querySelector('.reins + form + div').textContent")
    browser.evaluate(
        "document.querySelector('#rate').value = '0.01'; document.querySelector('#rate').form.requestSubmit()"
    )
    browser.until("document.querySelector('.told').textContent.includes('lr')")
    assert before != browser.evaluate("document.querySelector('.reins + form + div').textContent")
    stop = "[...document.querySelectorAll('.reins button')].find((b) => b.textContent === 'Stop')"
    # For a moment nobody holds the run, while its training is put together anew: the reins rest.
    browser.until(f"document.querySelectorAll('.told li').length > 2 && !{stop}.disabled")
    browser.evaluate(f"{stop}.click()")
    browser.until("document.querySelector('.status')?.dataset.state === 'stopped'")
    look(browser, "watching")
    browser.until("document.querySelector('.chart canvas').getAttribute('aria-label').includes('taken up')")  # a mark
    clean(browser, studio)


def test_a_training_that_is_killed_is_said_to_be_within_two_seconds_and_goes_on(
    browser: Chromium, studio: Serving
) -> None:
    browser.open("about:blank")
    opened(browser, studio, "train", "?run=digits-1")
    browser.until("document.querySelector('.status')?.dataset.state === 'stopped'")
    rows = browser.evaluate("document.querySelector('tbody').children.length")
    browser.evaluate(
        "[...document.querySelectorAll('.reins button')].find((b) => b.textContent === 'Go on with it').click()"
    )
    browser.until("document.querySelector('.status')?.dataset.state === 'running'")
    browser.until(f"document.querySelector('tbody').children.length > {rows}")
    held = (studio.studio.places.runs / "digits-1" / ".lock").read_text()
    os.kill(int(held), signal.SIGKILL)
    killed = time.monotonic()
    browser.until("document.querySelector('.status')?.dataset.state === 'stopped'")
    assert time.monotonic() - killed < 2
    clean(browser, studio)


def test_a_net_that_does_not_fit_is_said_to_before_the_start(browser: Chromium, studio: Serving) -> None:
    opened(browser, studio, "train", "?data=digits&model=vgg16&img_size=8")
    browser.until("!!document.querySelector('.training .card .problem')")
    assert "features.23" in browser.evaluate("document.querySelector('.training .card .problem').textContent")


@pytest.fixture(scope="module")
def trained(studio: Serving, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two finished runs on the digits, and one on a folder with names that bite."""
    runs = str(studio.studio.places.runs)
    found = [
        hubel.train("digits", out=runs, epochs=3, lr=rate, model_options={"width": 0.2}, threads=1, device="cpu").name
        for rate in (0.1, 0.02)
    ]
    folder = tmp_path_factory.mktemp("odd") / "odd"
    draw = np.random.default_rng(0)
    for level, name in ((60, ODD[0]), (180, ODD[1])):
        (folder / name).mkdir(parents=True)
        for number in range(30):
            pixels = draw.integers(level - 40, level + 40, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{ODD[2]}{number}.png")
    studio.studio.places = replace(studio.studio.places, folders=(*studio.studio.places.folders, folder))
    odd = hubel.train(folder, out=runs, epochs=2, model_options={"width": 0.2}, threads=1, device="cpu", name="odd")
    return [*found, odd.name]


def test_runs_are_compared_by_curves_recipes_and_luck(browser: Chromium, studio: Serving, trained: list[str]) -> None:
    one, two, _ = trained
    opened(browser, studio, "runs")
    browser.until(f"document.querySelectorAll('tbody tr').length >= {len(trained)}")
    for name in (one, two):
        browser.evaluate(f"document.querySelector('[aria-label=\"{name} beside the others\"]').click()")
    browser.until("document.querySelectorAll('section table thead th').length === 2")
    said = browser.evaluate("document.querySelector('main').textContent")
    assert "optimizer.lr0.10.02" in said
    assert "better than" in said or "cannot be told apart" in said
    browser.until(  # drawn with the next frame
        f"document.querySelector('canvas').getAttribute('aria-label').includes('{one}: 3 points')"
    )
    browser.evaluate(
        "(() => { const s = document.querySelectorAll('section select')[1]; s.value = 'seconds';"
        " s.dispatchEvent(new Event('change')); })()"
    )
    browser.until("location.hash.includes('across=seconds')")
    assert one in browser.evaluate("location.hash")
    fits(browser)
    look(browser, "runs")
    clean(browser, studio)


def test_a_cell_of_the_confusion_matrix_shows_its_pictures(
    browser: Chromium, studio: Serving, trained: list[str], tmp_path: Path
) -> None:
    opened(browser, studio, "evaluate", f"?run={trained[1]}")
    browser.until("document.querySelectorAll('.confusion .other').length > 0")
    cell = "[...document.querySelectorAll('.confusion .other')][0]"
    count = browser.evaluate(f"Number({cell}.textContent)")
    said = browser.evaluate(f"{cell}.getAttribute('aria-label')").split()
    browser.evaluate(f"{cell}.click()")
    browser.until(f"document.querySelectorAll('.grid .tile').length === {count}")
    texts = browser.evaluate("[...document.querySelectorAll('.grid .tile')].map((n) => n.textContent)")
    assert all(f"✗ {said[2]} called {said[4]}" in text for text in texts)
    browser.until("[...document.querySelectorAll('.grid img')].every((i) => i.complete && i.naturalWidth === 8)")
    assert "predicted=" in browser.evaluate("location.hash")
    browser.evaluate(
        "(() => { const n = document.querySelector('#from'); n.value = 0.9; n.dispatchEvent(new Event('input')); })()"
    )
    assert "at least 90.0 % sure" in browser.evaluate("document.querySelector('main').textContent")
    browser.evaluate("[...document.querySelectorAll('button')].find((b) => b.textContent.includes('strange')).click()")
    browser.until("document.querySelector('#pictures-title').textContent.includes('Less familiar')")
    fits(browser)
    browser.evaluate("scrollTo(0, 0)")
    look(browser, "evaluate")
    saved(browser, tmp_path)
    clean(browser, studio)


def test_names_that_would_be_markup_stay_text(browser: Chromium, studio: Serving, trained: list[str]) -> None:
    opened(browser, studio, "evaluate", f"?run={trained[2]}&split=train&label=0&predicted=0")
    browser.until("document.querySelectorAll('.grid .tile').length > 0")
    assert ODD[0] in browser.evaluate("document.querySelector('.confusion').textContent")
    assert ODD[2] in browser.evaluate("document.querySelector('.grid .tile').title")
    assert browser.evaluate("document.querySelectorAll('main img:not(.pixels), main svg, main script').length") == 0
    assert browser.evaluate("document.title") == "Evaluate: hubel studio"
    clean(browser, studio)


def test_pictures_and_the_camera_are_answered_and_kept(
    browser: Chromium, studio: Serving, trained: list[str], tmp_path: Path
) -> None:
    opened(browser, studio, "ship", f"?run={trained[2]}")
    browser.until("!!document.querySelector('.drop input')")
    (tmp_path / "notes.png").write_text("none")
    Image.fromarray(np.full((200, 150, 3), 61, np.uint8)).save(tmp_path / f"{ODD[2].replace('/', '')}.png")
    browser.choose(".drop input", sorted(tmp_path.iterdir()))
    browser.until(
        "document.querySelectorAll('.answers > li').length === 2 && !!document.querySelector('.answers .bars')"
    )
    browser.until("!!document.querySelector('.answers .problem')")
    assert ODD[0] in browser.evaluate("document.querySelector('.answers .bars').textContent")
    browser.evaluate("[...document.querySelectorAll('button')].find((b) => b.textContent === '✓ Right').click()")
    browser.until("!!document.querySelector('.answers a')")
    kept = list(studio.studio.places.folders[-1].rglob("studio-*.jpg"))
    assert [path.parent.name for path in kept] == [ODD[0]]
    with Image.open(kept[0]) as found:
        assert found.size == (150, 200)
    kept[0].unlink()
    fits(browser)
    look(browser, "ship")
    browser.evaluate("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Camera').click()")
    browser.until("document.documentElement.dataset.pace > 0")
    print(f"camera: {browser.evaluate('document.documentElement.dataset.pace')} pictures a second")
    browser.evaluate("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Keep this one').click()")
    browser.until("document.querySelectorAll('.answers > li').length === 3")
    browser.evaluate("location.hash = '#/home'")
    browser.until("document.documentElement.dataset.page === 'home'")
    assert [line for line in browser.complaints if "422" not in line] == []


def test_a_run_is_written_as_a_file_with_its_proof(browser: Chromium, studio: Serving, trained: list[str]) -> None:
    opened(browser, studio, "ship", f"?run={trained[0]}")
    browser.until("!!document.querySelector('#form')")
    browser.evaluate(
        "(() => { const f = document.querySelector('#form'); f.value = 'page'; f.form.requestSubmit(); })()"
    )
    browser.until("document.querySelector('section pre').textContent.includes('beside it')")
    assert (studio.studio.places.runs / f"{trained[0]}.html").is_file()
    clean(browser, studio)


def press(browser: Chromium, key: str) -> None:
    """A key as a person presses it, whatever has the focus."""
    for kind in ("rawKeyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)


def test_labels_are_mended_by_keyboard_and_no_file_is_touched(browser: Chromium, studio: Serving) -> None:
    folder = studio.studio.places.folders[0]
    before = {path: path.read_bytes() for path in folder.rglob("*.png")}
    opened(browser, studio, "data", f"?source={folder}&class=1")
    browser.until("document.querySelectorAll('.cell img').length >= 6")
    assert "90 pictures in 3 classes" in browser.evaluate("document.querySelector('.lead').textContent")
    browser.evaluate("document.querySelector('.tiles-window').focus()")
    for key in ("ArrowRight", "ArrowRight", "3"):
        press(browser, key)
    browser.until("document.querySelectorAll('.cell .edited').length === 1")
    assert browser.evaluate("document.querySelector('.cell .edited').textContent") == "→ zero"
    press(browser, "x")
    browser.until("document.querySelectorAll('.cell .edited').length === 2")
    press(browser, "u")
    browser.until("document.querySelectorAll('.cell .edited').length === 1")
    assert browser.evaluate("document.querySelector('.command code').textContent") == f"hubel edit {folder} undo"
    log = hubel.edit(folder).to_dict()["edits"]
    assert [(each["do"], each["file"], each["state"]) for each in log] == [
        ("relabel", "two/002.png", "used"), ("exclude", "two/003.png", "taken back"), ("undo", "", ""),
    ]  # fmt: skip
    assert {path: path.read_bytes() for path in folder.rglob("*.png")} == before
    fits(browser)
    look(browser, "data")
    clean(browser, studio)
    hubel.edit(folder, "undo")


def test_of_many_pictures_only_those_that_are_seen_are_in_the_page(browser: Chromium, studio: Serving) -> None:
    opened(browser, studio, "data", "?source=digits")
    browser.until("[...document.querySelectorAll('.cell img')].filter((i) => i.complete && i.naturalWidth).length >= 6")
    assert "1,797" in browser.evaluate("document.querySelector('.browse').previousElementSibling.textContent")
    browser.evaluate("document.querySelector('.tiles-window').scrollTop = 1e9")
    browser.until("[...document.querySelectorAll('.cell')].some((c) => c.id === 'cell-1796' && c.querySelector('img'))")
    assert browser.evaluate("document.querySelectorAll('.cell').length") < 120
    clean(browser, studio)


def test_a_picture_is_explained_by_several_methods_side_by_side(
    browser: Chromium, studio: Serving, trained: list[str], tmp_path: Path
) -> None:
    browser.open("about:blank")
    opened(browser, studio, "explain", f"?run={trained[0]}&methods=saliency|grad-cam&target=7")
    browser.until("document.documentElement.dataset.maps === '2'")
    said = browser.evaluate("document.querySelector('.maps').textContent")
    assert said.count("why 7") == 2
    labels = browser.evaluate("[...document.querySelectorAll('.maps canvas')].map((c) => c.getAttribute('aria-label'))")
    assert len(labels) == 2
    assert all("of 8 x 8" in label for label in labels)
    painted = "document.querySelector('.maps canvas').toDataURL()"
    before = browser.evaluate(painted)
    browser.evaluate("(() => { const s = document.querySelector('#strength'); s.value = 0.2;"
                     " s.dispatchEvent(new Event('input')); })()")  # fmt: skip
    assert browser.evaluate(painted) != before, "the map moves while the slider does"
    first = browser.evaluate("document.querySelector('.card').textContent")
    browser.evaluate("document.documentElement.dataset.maps = ''")
    browser.evaluate("document.activeElement.blur()")
    press(browser, "ArrowRight")
    browser.until("document.documentElement.dataset.maps === '2'")
    assert browser.evaluate("document.querySelector('.card').textContent") != first
    browser.evaluate("document.documentElement.dataset.maps = ''")
    browser.evaluate("document.querySelector('#least').closest('div').querySelector('[type=checkbox]').click()")
    browser.until("document.documentElement.dataset.maps === '2'")
    assert browser.evaluate("document.querySelectorAll('.maps .good, .maps .bad').length") == 2
    browser.evaluate("[...document.querySelectorAll('button')].find((b) => b.textContent.includes('nearest')).click()")
    browser.until("document.querySelectorAll('.grid img').length === 16")
    change = "[...document.querySelectorAll('button')].find((b) => b.textContent === 'Change it').click()"
    for method, figures in (("pgd", 3), ("flip", 3), ("keep", 2)):
        browser.evaluate(
            f"(() => {{ const s = document.querySelector('[aria-label=\"Change the picture\"] select');"
            f" s.value = '{method}';"
            " s.dispatchEvent(new Event('change')); })()"
        )
        browser.evaluate("document.querySelector('.changed').replaceChildren()")
        browser.evaluate(change)
        browser.until(f"document.querySelectorAll('.changed figure').length === {figures}")
        said = browser.evaluate("document.querySelector('.command code').textContent")
        assert said.startswith("hubel attack" if method == "pgd" else "hubel counterfactual")
        assert ("--eps 4/255" in said, "--keep" in said) == (method == "pgd", method == "keep")
    fits(browser)
    look(browser, "explain")
    saved(browser, tmp_path)
    clean(browser, studio)


def test_a_set_is_made_with_the_camera_and_bursts_stay_together(browser: Chromium, studio: Serving) -> None:
    folder = studio.studio.places.folders[0].parent / "shots"
    folder.mkdir()
    places = studio.studio.places
    studio.studio.places = replace(places, folders=(folder, *places.folders))
    opened(browser, studio, "camera", "?set=cards")
    for name in ("here", "there"):
        browser.evaluate(f"document.querySelector('#name').value = '{name}'")
        browser.evaluate("document.querySelector('#name').form.requestSubmit()")
    hold = (
        "[...document.querySelectorAll('.cards li')].find((n) => n.textContent.includes('{}')).querySelector('button')"
    )
    for name in ("here", "there", "here"):
        browser.evaluate(f"{hold.format(name)}.dispatchEvent(new PointerEvent('pointerdown'))")
        count = len(list((folder / "cards").rglob("*.jpg"))) + 8
        until(lambda count=count: len(list((folder / "cards").rglob("*.jpg"))) >= count)  # type: ignore[misc]
        browser.evaluate(f"{hold.format(name)}.dispatchEvent(new PointerEvent('pointerup'))")
        browser.until("document.querySelectorAll('[aria-pressed=true]').length === 0")
    fits(browser)
    look(browser, "camera")
    train = "[...document.querySelectorAll('button')].find((b) => b.textContent === 'Train')"
    browser.until(f"!{train}.disabled")
    browser.evaluate(f"{train}.click()")
    browser.until("location.hash.includes('run=')")
    groups: dict[str, set[str]] = {}
    for each in hubel.edit(folder / "cards").to_dict()["edits"]:
        groups.setdefault(each["new"], set()).add(each["file"].split("-")[0])
    assert len(groups) == 3
    assert all(len(files) == 1 for files in groups.values()), "a group is a burst"
    job = studio.studio.jobs.all()[0]
    assert job.command.startswith("hubel train")
    studio.studio.jobs.stop(job.id)
    until(lambda: studio.studio.jobs.job(job.id).state != "running")
    studio.studio.places = places
    clean(browser, studio)


def served(runs: Path, port: int) -> subprocess.Popen[str]:
    """The command itself, as a process that can be killed; it listens when this returns."""
    command = [sys.executable, "-m", "hubel", "studio", "--no-browser", "--port", str(port), "--runs", str(runs)]
    found = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=runs.parent, env={**os.environ, "HUBEL_TOKEN": "k" * 20}
    )
    assert found.stdout is not None
    assert "the studio is at http://127.0.0.1:" in found.stdout.readline()
    return found


def test_a_run_of_several_labels_is_trained_read_asked_and_explained(
    browser: Chromium, studio: Serving, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = Path(studio.studio.places.folders[0])
    data = pairs(home / "pairs", 120)
    run = hubel.train(
        data, out=str(studio.studio.places.runs), model="mlp", epochs=6, augment="none", device="cpu", threads=1
    )
    opened(browser, studio, "data", f"?source={data}")
    browser.until("document.querySelectorAll('.cell img').length > 4")
    assert browser.evaluate("document.querySelector('#class').options.length") == 5  # all, three labels, none
    browser.evaluate("document.querySelector('.tiles-window').focus()")
    pressed = "[...document.querySelectorAll('[aria-pressed=true]')].map((b) => b.textContent)"
    before = browser.evaluate(pressed)
    press(browser, "1")
    browser.until("document.querySelectorAll('.cell .edited').length === 1")
    assert set(browser.evaluate(pressed)) ^ set(before) == {"1 digit 0"}, "the digit of a label turns it on or off"
    press(browser, "2")
    browser.until("document.querySelectorAll('.told li').length === 2")
    fits(browser)
    look(browser, "data-labels")
    press(browser, "u")
    browser.until("document.querySelectorAll('.told li').length === 3")
    press(browser, "u")
    browser.until("document.querySelectorAll('.told li').length === 4")
    browser.until("document.querySelectorAll('.cell .edited').length === 0")
    assert browser.evaluate(pressed) == before
    assert not hubel.edit(data).used
    opened(browser, studio, "evaluate", f"?run={run.name}&split=train")
    browser.until("document.querySelectorAll('tbody tr').length === 3")
    browser.evaluate("document.querySelector('tbody button').click()")
    browser.until("document.querySelector('.tile span')?.textContent.startsWith('✓')")
    browser.evaluate("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Compare').click()")
    browser.until("document.querySelector('main').textContent.includes('highest (')")
    browser.evaluate(
        "const one = document.querySelector('#wrong'); one.value = 100; one.dispatchEvent(new Event('input'))"
    )
    browser.until("document.querySelector('main').textContent.includes('that all labels are right it answers')")
    fits(browser)
    browser.evaluate("document.querySelector('#by').scrollIntoView()")
    look(browser, "evaluate-labels")
    opened(browser, studio, "ship", f"?run={run.name}")
    browser.until("!!document.querySelector('.drop input')")
    browser.choose(".drop input", [data / "000.png"])
    browser.until("document.querySelectorAll('.answers .bars .limit').length === 3")
    browser.evaluate(
        "for (const box of document.querySelectorAll('.ticks input')) box.checked = box.value !== 'digit 1'"
    )
    browser.evaluate("document.querySelector('.answers details').open = true")
    browser.evaluate("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Keep it so').click()")
    browser.until("!!document.querySelector('.answers a')")
    last = (data / "labels.csv").read_text().splitlines()[-1]
    assert last.endswith(".png,digit 0|digit 2")
    assert last in browser.evaluate("document.querySelector('.answers').textContent")
    fits(browser)
    look(browser, "ship-labels")
    opened(browser, studio, "explain", f"?run={run.name}&methods=saliency&target=digit 1")
    browser.until("document.documentElement.dataset.maps === '1'")
    assert "why digit 1" in browser.evaluate("document.querySelector('.maps').textContent")
    browser.evaluate("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Change it').click()")
    browser.until("document.querySelector('.changed strong')?.textContent.includes('digit 1')")
    fits(browser)
    look(browser, "explain-labels")
    clean(browser, studio)


def test_areas_places_and_pictures_given_back_are_tried_and_shipped(browser: Chromium, studio: Serving) -> None:
    places, quick = studio.studio.places, {"device": "cpu", "threads": 1, "out": str(studio.studio.places.runs)}
    data = scans(places.folders[0].parent / "scans")
    runs = (
        hubel.train(data, epochs=8, batch_size=6, model_options={"maps": 4, "levels": 2}, **quick),  # type: ignore[arg-type]
        hubel.train(
            "digits", task="embed", epochs=1, limit=300, model_options={"backbone": "mlp", "width": 8}, **quick
        ),  # type: ignore[arg-type]
        hubel.train("digits", task="reconstruct", epochs=1, limit=300, **quick),  # type: ignore[arg-type]
        hubel.train("digits", task="sequence", epochs=1, limit=300, **quick),  # type: ignore[arg-type]
    )
    for run, figures, words in zip(runs, (2, 0, 3), ("of what the net sees", "at distance", "off by"), strict=False):
        browser.open("about:blank")
        opened(browser, studio, "ship", f"?run={run.name}")
        browser.until("!!document.querySelector('.drop input')")
        browser.choose(".drop input", [data / "images" / "003.png"])
        browser.until(f"document.querySelector('.answers')?.textContent.includes('{words}')")
        assert browser.evaluate("document.querySelectorAll('.answers figure').length") == figures
        forms = browser.evaluate("[...document.querySelectorAll('#form option')].map((o) => [o.value, o.disabled])")
        assert forms == [["onnx", False], ["page", True], ["program", False]]
        assert "--to page shows classes" in browser.evaluate("document.querySelector('section').textContent")
        if not figures:
            browser.evaluate(
                "[...document.querySelectorAll('button')].find((b) => b.textContent === 'Nearest pictures').click()"
            )
            browser.until("document.querySelectorAll('.answers .grid img').length === 8")
        fits(browser)
        look(browser, f"ship-{run.name}")
    browser.evaluate("document.querySelector('#form').form.requestSubmit()")
    browser.until("document.querySelector('section pre').textContent.includes('beside it')")
    assert (places.runs / f"{runs[2].name}.onnx").is_file()
    browser.open("about:blank")
    opened(browser, studio, "ship", f"?run={runs[3].name}")
    browser.until("document.querySelector('section')?.textContent.includes('files take whole pictures')")
    browser.choose(".drop input", [data / "images" / "003.png"])
    browser.until("document.querySelectorAll('.answers .bars li').length === 8")
    assert not browser.evaluate("!!document.querySelector('#form, .limit')"), "no form, and no thresholds of labels"
    clean(browser, studio)


def test_a_studio_that_is_killed_is_missed_within_two_seconds_and_found_again(
    browser: Chromium, studio: Serving, trained: list[str]
) -> None:
    runs = studio.studio.places.runs
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = served(runs, port)
    browser.open(f"http://127.0.0.1:{port}/?token={'k' * 20}#/train?run={trained[0]}")
    browser.until("document.querySelector('.status')?.dataset.state === 'finished'")
    rows = browser.evaluate("document.querySelector('tbody').children.length")
    server.kill()
    server.wait()
    killed = time.monotonic()
    browser.until(
        "document.querySelector('.status')?.dataset.state === 'lost' && !document.querySelector('#down').hidden"
    )
    assert time.monotonic() - killed < 2.0
    server.stdout.close()  # type: ignore[union-attr]
    server = served(runs, port)
    browser.until(
        "document.querySelector('.status')?.dataset.state === 'finished' && document.querySelector('#down').hidden"
    )
    assert browser.evaluate("document.querySelector('tbody').children.length") == rows, "nothing twice, nothing lost"
    asked_to_end = time.monotonic()
    server.send_signal(signal.SIGINT)  # a page still listens
    assert server.wait(10) == 0
    assert time.monotonic() - asked_to_end < 10
    server.stdout.close()  # type: ignore[union-attr]
