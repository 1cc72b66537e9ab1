"""The studio for every person: axe-core has nothing to say, everything is reached by keyboard."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

import chromium
import hubel
from axe import findings, needs_axe
from chromium import Chromium
from hubel.studio.serving import Serving
from tasks.conftest import pairs, scans

pytestmark = pytest.mark.browser
chromium.PATIENCE = 240.0  # the machine may be busy
READY = {
    "home": ("", "document.querySelectorAll('.cards li').length >= 4"),
    "data": ("?source={photos}", "document.querySelectorAll('.cell img').length >= 6"),
    "camera": ("?set=cards", "!!document.querySelector('.cards')"),
    "train": ("?data=digits", "document.querySelector('.training .card').textContent.includes('parameters')"),
    "build": ("?data=digits", "document.querySelector('.block .shape')?.textContent.includes('×')"),
    "watch": ("?run=one", "document.querySelector('.status')?.dataset.state === 'finished'"),
    "runs": ("?runs=one|two", "document.querySelectorAll('section table thead th').length === 2"),
    "evaluate": ("?run=one", "document.querySelectorAll('.confusion button').length > 0"),
    "explain": ("?run=one", "document.documentElement.dataset.maps > 0"),
    "inspect": ("?net=one&part=2&channel=0", "!!document.documentElement.dataset.value"),
    "ship": ("?run=one", "!!document.querySelector('#form')"),
    "playground": ("", "!!document.querySelector('main canvas')"),
    "pictures": ("", "!!document.querySelector('main canvas')"),
    "lessons": ("", "!!document.querySelector('main canvas')"),
    "data-labels": ("?source={pairs}", "document.querySelectorAll('[aria-pressed]').length === 3"),
    "evaluate-labels": ("?run=labels", "document.querySelectorAll('caption').length === 1"),
    "ship-labels": ("?run=labels", "!!document.querySelector('#form')"),
    "ship-areas": ("?run=areas", "!!document.querySelector('#form')"),
}
"""Page, and with a dash what is special there -> (what its address says, what holds once it is there)."""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, picture_folder: Path, digits_run: Path) -> Iterator[Serving]:
    """A studio over a small folder and two runs, and one of several labels."""
    home = tmp_path_factory.mktemp("reach")
    shutil.copytree(picture_folder, home / "photos")
    for name in ("one", "two"):
        shutil.copytree(digits_run, home / "runs" / name)
    hubel.train(
        pairs(home / "pairs", 80), out=str(home / "runs"), name="labels", model="mlp", epochs=2, device="cpu", threads=1
    )
    hubel.train(scans(home / "scans"), out=str(home / "runs"), name="areas", epochs=1, device="cpu", threads=1)
    for name in ("labels", "areas"):
        (home / "runs" / f"{name}-1").rename(home / "runs" / name)
    with Serving((str(home / "photos"), str(home / "pairs")), runs=str(home / "runs"), port=0) as found:
        found.studio.warm.wait()
        yield found


_ASKED = (
    "document.querySelector('#by').form.requestSubmit();"
    "document.querySelector('#wrong').dispatchEvent(new Event('input'))"
)
_PASTED = (
    "const c = document.createElement('canvas'); c.toBlob((b) => { const d = new DataTransfer();"
    " d.items.add(new File([b], 'a.png', { type: 'image/png' }));"
    " dispatchEvent(new ClipboardEvent('paste', { clipboardData: d })); })"
)
OPENED = {
    "ship-labels": (_PASTED, "document.querySelectorAll('.answers .ticks input').length === 3"),
    "ship-areas": (_PASTED, "document.querySelectorAll('.answers figure').length === 2"),
    "evaluate-labels": (
        _ASKED,
        "document.querySelectorAll('table').length === 2 && /probability of|no threshold/.test("
        "document.querySelector('main').textContent)",
    ),
    "home": ("document.querySelector('#help').click()", "document.querySelector('#keys').open"),
    "evaluate": (
        f"{_ASKED};"
        "[...document.querySelectorAll('button')].find((each) => each.textContent.includes('strange')).click()",
        "document.querySelectorAll('table').length === 3 && !!document.querySelector('#border')?.checkVisibility() &&"
        " document.querySelector('main').textContent.includes('From a probability of')",
    ),
    "explain": (
        "[...document.querySelectorAll('button')].find((each) => each.textContent.includes('nearest')).click()",
        "document.querySelectorAll('.grid img').length === 16",
    ),
}
"""Page -> (what is pressed there, what holds then): looked at once more."""
FOCUS = "a[href], button, input, select, textarea, summary, [tabindex]:not([tabindex='-1'])"
PRESSED = (
    "window.pressed = new Set(); const add = EventTarget.prototype.addEventListener;"
    "EventTarget.prototype.addEventListener = function (kind, ...rest) {"
    " if (['click', 'mousedown', 'pointerdown'].includes(kind) && this instanceof Element) pressed.add(this);"
    " return add.call(this, kind, ...rest); }"
)
"""Notes what listens to a pointer, before any script of the page runs."""


def shown(browser: Chromium, studio: Serving, page: str) -> None:
    """Open a page and wait until all of it is there."""
    query, ready = READY[page]
    browser.open("about:blank")
    name = "train" if page == "watch" else page.partition("-")[0]
    places = [quote(str(folder)) for folder in studio.studio.places.folders]
    browser.open(f"{studio.url}#/{name}{query.format(photos=places[0], pairs=places[1])}")
    browser.until(f"document.documentElement.dataset.page === '{name}' && {ready}")


@needs_axe
@pytest.mark.parametrize("page", READY)
def test_axe_has_nothing_to_say_of_a_page(browser: Chromium, studio: Serving, page: str) -> None:
    shown(browser, studio, page)
    assert findings(browser) == []
    if page in OPENED:
        opening, ready = OPENED[page]
        browser.evaluate(f"{opening}; 0")
        browser.until(ready)
        assert findings(browser) == []


def tab(browser: Chromium) -> None:
    for kind in ("rawKeyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)


@pytest.mark.parametrize("page", READY)
def test_a_walk_by_tab_reaches_everything_shows_where_it_is_and_comes_round(
    browser: Chromium, studio: Serving, page: str
) -> None:
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source=PRESSED)["identifier"]
    try:
        shown(browser, studio, page)
    finally:
        browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
    count = browser.evaluate(
        f"(() => {{ const seen = (n) => n.checkVisibility({{ visibilityProperty: true }}) && !n.disabled;"
        f" window.wanted = [...document.querySelectorAll(`{FOCUS}`)].filter((n) => seen(n) && n.tabIndex >= 0);"
        " window.walked = new Set(); window.dark = []; document.activeElement.blur(); scrollTo(0, 0);"
        " return wanted.length; })()"
    )
    assert count > 8
    for _ in range(2 * count + 40):  # what came since is walked through, too
        tab(browser)
        over = browser.evaluate(
            "(() => { const n = document.activeElement;"
            " if (n === document.body || walked.has(n)) return true;"
            " walked.add(n); const box = n.matches('input[type=file]') ? n.closest('label') ?? n : n;"
            " const style = getComputedStyle(box);"
            " if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 2)"
            " dark.push(n.outerHTML.slice(0, 90)); return false; })()"
        )
        if over:
            break
    assert browser.evaluate("dark") == [], "where the focus is cannot be seen"
    # Of radio buttons of one name a browser gives Tab one; what went away meanwhile need not be reached.
    missed = browser.evaluate(
        "wanted.filter((n) => !walked.has(n) && n.isConnected && !n.disabled && n.type !== 'radio')"
        ".map((n) => n.outerHTML.slice(0, 120))"
    )
    assert missed == []
    by_hand = browser.evaluate(
        f"[...pressed].filter((n) => n.isConnected && n.checkVisibility() && !n.matches(`{FOCUS}`) &&"
        f" !n.matches('label, form, dialog, main') && !n.closest('[role=listbox][tabindex]') &&"
        f" !n.querySelector(`{FOCUS}`))"  # whose parts are reached one by one
        ".map((n) => n.outerHTML.slice(0, 120))"
    )
    assert by_hand == [], "pressed by hand only"


def test_arrows_go_through_the_confusion_matrix_which_is_one_stop_of_tab(browser: Chromium, studio: Serving) -> None:
    shown(browser, studio, "evaluate")
    label = "document.activeElement.getAttribute('aria-label').split(' ').slice(1).join(' ')"
    browser.evaluate("document.querySelector('.confusion button').focus()")
    assert browser.evaluate(label) == "of 0 called 0"
    ways = (("ArrowDown", 40, 1, 1), ("ArrowRight", 39, 3, 1), ("ArrowLeft", 37, 3, -1), ("ArrowUp", 38, 1, -1))
    for key, code, place, way in ways:
        before = browser.evaluate(label).split()
        for kind in ("rawKeyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)
        assert way * (int(browser.evaluate(label).split()[place]) - int(before[place])) > 0, key
    stops = "[...document.querySelectorAll('.confusion button')].filter((each) => each.tabIndex >= 0).length"
    assert browser.evaluate(stops) == 1


def test_on_a_telephone_a_button_opens_the_list_of_pages(browser: Chromium, studio: Serving) -> None:
    shown(browser, studio, "home")
    browser.call("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1, mobile=True)
    try:
        assert browser.evaluate("document.querySelector('#top').offsetHeight") < 60, "one line"
        assert not browser.evaluate("document.querySelector('#pages').checkVisibility()")
        browser.evaluate("document.querySelector('#menu').focus(); document.querySelector('#menu').click()")
        assert browser.evaluate("document.querySelector('#menu').getAttribute('aria-expanded')") == "true"
        assert browser.evaluate("document.querySelector('#pages').checkVisibility()")
        for kind in ("rawKeyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Escape", code="Escape", windowsVirtualKeyCode=27)
        assert not browser.evaluate("document.querySelector('#pages').checkVisibility()")
        assert browser.evaluate("document.activeElement.id") == "menu"
        browser.evaluate("document.querySelector('#menu').click(); document.querySelector('[data-page=runs]').click()")
        browser.until("document.documentElement.dataset.page === 'runs'")
        assert not browser.evaluate("document.querySelector('#pages').checkVisibility()"), "it closes behind one"
        assert browser.evaluate("document.activeElement.id") == "main"
    finally:
        browser.call("Emulation.clearDeviceMetricsOverride")


def test_what_the_doctor_says_stands_beside_the_curves_with_the_change_that_mends_it(
    browser: Chromium, studio: Serving
) -> None:
    runs = studio.studio.places.runs
    made = hubel.train(
        "digits", epochs=6, lr=1e-6, model_options={"width": 0.2}, out=str(runs), threads=1, device="cpu", verbose=False
    )
    assert "never-learns" in [each["id"] for each in made.findings]
    browser.open(f"{studio.url}#/train?run={made.name}")
    browser.until("document.querySelectorAll('.finding').length > 0")
    said = browser.evaluate("document.querySelector('.finding').textContent")
    assert "as it was" in said
    assert "What to do: --lr" in said
    browser.until("document.querySelector('.told').textContent.includes('as it was')")
    browser.evaluate("document.querySelector('section[aria-label=\"What the doctor says\"] button').click()")
    browser.until("document.querySelector('.command code').textContent.startsWith('hubel doctor ')")
    assert "check" in browser.evaluate(
        "document.querySelector('section[aria-label=\"What the doctor says\"]').textContent"
    )
    browser.evaluate("document.querySelector('.finding a').click()")
    browser.until("document.querySelector('#setting-lr')?.value === '0.0001'")
    assert browser.evaluate("document.querySelector('#setting-model_options').value") == "width=0.2"
    browser.until("document.querySelector('.training .card').textContent.includes('parameters')")
    browser.evaluate("document.querySelector('section[aria-label=\"Check it first\"] button').click()")
    browser.until(
        "document.querySelector('section[aria-label=\"Check it first\"] [role=status]').textContent.includes('check')"
    )
    assert browser.evaluate("document.querySelector('.command code').textContent").startswith("hubel doctor digits --")
    shutil.rmtree(made.folder)


def test_a_card_records_only_as_long_as_its_button_is_held_though_it_moves(browser: Chromium, studio: Serving) -> None:
    browser.open("about:blank")
    browser.open(f"{studio.url}#/camera?set=held")
    browser.until("!!document.querySelector('#name')")
    browser.evaluate("document.querySelector('#name').focus()")
    browser.call("Input.insertText", text="thumb")
    browser.evaluate("document.querySelector('#name').form.requestSubmit()")
    x, y = browser.evaluate(
        "(() => { const hold = document.querySelector('.hold'); hold.scrollIntoView({ block: 'center' });"
        " const box = hold.getBoundingClientRect(); return [box.left + 9, box.top + 9]; })()"
    )
    mouse = {"x": x, "y": y, "button": "left", "clickCount": 1}
    browser.call("Input.dispatchMouseEvent", type="mousePressed", **mouse)
    browser.until("parseInt(document.querySelector('.cards .state').textContent) > 2")
    browser.call("Input.dispatchMouseEvent", type="mouseReleased", **mouse)
    browser.until("document.querySelectorAll('[aria-pressed=true]').length === 0")
