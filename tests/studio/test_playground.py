"""The playground in a real browser, from a server of files under the studio's policy: no studio is behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chromium import Chromium
from hubel.server.gate import CSP
from studio.static import served
from studio.test_pages import fits, look, saved

pytestmark = pytest.mark.browser


def opened(browser: Chromium, place: str, words: str = "") -> None:
    browser.open(f"{place}/playground.html?{abs(hash(words))}#/playground?{words}")
    browser.until("document.documentElement.dataset.ready && document.documentElement.dataset.frames")


def press(browser: Chromium, key: str, selector: str = "body") -> None:
    browser.evaluate(
        f"document.querySelector({selector!r}).dispatchEvent(new KeyboardEvent('keydown', "
        f"{{ key: {key!r}, bubbles: true, cancelable: true }}))"
    )


def epoch(browser: Chromium) -> int:
    return int(browser.evaluate("document.documentElement.dataset.epoch"))


def press_button(browser: Chromium, name: str) -> None:
    assert browser.evaluate(
        f"(() => {{ const found = [...document.querySelectorAll('button')].find((b) => b.textContent === {name!r});"
        "found?.click(); return !!found; })()"
    ), name


def clean(browser: Chromium, place: str) -> None:
    assert browser.complaints == []
    assert [asked for asked in browser.requests if not asked.startswith(place)] == []


def losses(browser: Chromium) -> str:
    found: str = browser.evaluate("document.querySelector('.numbers').textContent")
    return found


def test_a_net_learns_while_it_is_watched_and_goes_back_to_the_same_start(
    browser: Chromium, place: str, tmp_path: Path
) -> None:
    opened(browser, place, "speed=full")
    begun = losses(browser)
    press(browser, " ")
    browser.until("Number(document.documentElement.dataset.epoch) > 60")
    browser.until("document.querySelector('.numbers').textContent.includes('100.0 % right')")
    press(browser, " ")
    browser.until("!document.documentElement.dataset.playing")
    look(browser, "playground")
    saved(browser, tmp_path)
    press(browser, "r")
    browser.until("document.documentElement.dataset.epoch === '0'")
    assert losses(browser) == begun
    press(browser, ".")
    browser.until("document.documentElement.dataset.epoch === '1'")
    fits(browser)
    clean(browser, place)


def test_the_whole_state_is_in_the_address(browser: Chromium, place: str) -> None:
    words = "data=spiral&classes=3&net=8relu-n,6silu-d0.2&loss=cross-entropy&optimiser=adam&rate=0.01"
    opened(browser, place, words)
    assert browser.evaluate("document.querySelectorAll('.net button.unit').length") == 7 + 8 + 6 + 3
    press(browser, "3")
    browser.until("location.hash.includes('data=gauss')")
    assert browser.evaluate("location.hash") == f"#/playground?{words.replace('spiral', 'gauss')}"
    press(browser, "u")
    browser.until("location.hash.includes('data=spiral')")
    clean(browser, place)


def test_points_of_a_formula_are_learnt_and_what_is_none_is_said(browser: Chromium, place: str) -> None:
    opened(browser, place)
    draw = "document.querySelector('#formula').value = '{}'; document.querySelector('#formula').form.requestSubmit()"
    browser.evaluate(draw.format("r - 3"))
    browser.until("location.hash.includes('data=own')")
    points = browser.evaluate("document.querySelector('.left').textContent")
    assert "400 own points" in points
    browser.evaluate(draw.format("alert(1)"))
    assert "no part of a formula" in browser.evaluate("document.querySelector('.left').textContent")
    clean(browser, place)


def test_own_points_are_set_moved_and_taken_away_by_keys_and_by_the_pointer(browser: Chromium, place: str) -> None:
    opened(browser, place, "data=own&classes=2")
    square = ".field .over"
    for key in ("ArrowRight", "ArrowUp", "Enter", "1", "ArrowLeft", "ArrowLeft", "ArrowLeft", "Enter"):
        press(browser, key, square)
    browser.until("document.querySelector('.left').textContent.includes('2 own points')")
    box: dict[str, Any] = browser.evaluate(
        f"(() => {{ const n = document.querySelector({square!r}); n.scrollIntoView({{ block: 'center' }});"
        "const b = n.getBoundingClientRect(); return { x: b.x + b.width * 0.75, y: b.y + b.height * 0.75 }; })()"
    )
    for kind in ("mousePressed", "mouseReleased"):
        browser.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **box)
    browser.until("document.querySelector('.left').textContent.includes('3 own points')")
    held = browser.evaluate("location.hash")
    assert "points=" in held
    press(browser, "Delete", square)
    browser.until("document.querySelector('.left').textContent.includes('2 own points')")
    press(browser, " ")
    browser.until("Number(document.documentElement.dataset.epoch) > 2")
    press(browser, " ")
    clean(browser, place)


def test_a_table_is_pasted_and_what_is_wrong_in_it_is_said(browser: Chromium, place: str) -> None:
    opened(browser, place)
    browser.evaluate(
        "document.querySelector('#table').value = 'x,y,kind\\n1,2,<img src=x>\\n-1,-2,b\\n3,-3,c\\noops';"
        "document.querySelector('#use-table').click()"
    )
    browser.until("document.querySelector('.left').textContent.includes('3 own points')")
    said = browser.evaluate("document.querySelector('#table').closest('details').textContent")
    assert "class 1 is <img src=x>" in said
    assert "line 5: oops" in said
    clean(browser, place)


def test_slow_motion_writes_one_update_out_phase_by_phase(browser: Chromium, place: str) -> None:
    opened(browser, place, "speed=slow&by=sample")
    for phase in range(4):
        press(browser, ".")
        browser.until(f"[...document.querySelectorAll('.phases > li')][{phase}].classList.contains('now')")
    text = browser.evaluate("document.querySelector('.slow').textContent")
    for word in ("h1.1 = ", "loss = ½", "∂loss/∂(x₁ → h1.1) = ", "weight − 0.03 · gradient", "bias of o: "):
        assert word in text
    clean(browser, place)


def test_weights_are_edited_and_a_runaway_is_stopped_named_and_taken_back(browser: Chromium, place: str) -> None:
    opened(browser, place, "data=plane&net=3relu&rate=10")
    browser.evaluate("document.querySelector('[data-focus=\"u1.0\"]').click()")
    browser.evaluate(
        "(() => { const box = document.querySelectorAll('.weights input')[1]; box.value = '-2,5';"
        "box.dispatchEvent(new Event('change')); })()"
    )
    browser.until("document.querySelectorAll('.weights input')[1].value === '-2.5'")
    browser.until("document.querySelector('.formula').textContent.includes('h1.1 = −2.5·')")
    press(browser, " ")
    browser.until("!document.querySelector('.alarm').hidden")
    assert "NaN" in browser.evaluate("document.querySelector('.alarm').textContent")
    assert browser.evaluate("document.querySelectorAll('button.unit.bad').length") == 1
    press_button(browser, "Back to the last good weights")
    browser.until("document.querySelector('.alarm').hidden")
    clean(browser, place)


def test_what_is_taken_away_is_there_and_a_lesson_hides_what_it_does_not_want(browser: Chromium, place: str) -> None:
    opened(browser, place, "hide=data,settings&net=5relu")
    assert browser.evaluate("[...document.querySelectorAll('[data-part]')].filter((n) => n.hidden).length") == 2
    browser.evaluate("document.querySelectorAll('.away details').forEach((n) => { n.open = true; })")
    browser.until("document.querySelector('.away textarea').value.includes('nn.Linear(2, 5)')")
    browser.until("document.querySelector('.away').textContent.includes('hubel train digits --model my-net.yaml')")
    assert "layers: [flatten, dense 5, relu, dense K]" in browser.evaluate(
        "document.querySelectorAll('.away textarea')[1].value"
    )


def test_where_no_worker_may_be_made_the_page_trains_itself(browser: Chromium) -> None:
    with served(CSP.replace("trusted-types hubel", "trusted-types 'none'")) as place:
        opened(browser, place, "speed=full")
        press(browser, " ")
        browser.until("Number(document.documentElement.dataset.epoch) > 3")
        press(browser, " ")


def test_a_small_net_learns_shapes_and_is_asked_about_a_drawing(browser: Chromium, place: str) -> None:
    browser.open(f"{place}/playground.html?pictures#/pictures?speed=full&classes=2")
    browser.until("document.querySelectorAll('.block').length === 5")
    press(browser, " ")
    browser.until("Number(document.documentElement.dataset.right) > 0.9")
    press(browser, " ")
    browser.until("!document.documentElement.dataset.playing")
    said = "document.querySelector('.bars').textContent"
    press_button(browser, "Clear")
    before = browser.evaluate(said)
    for key in ("ArrowUp", " ", "ArrowUp", " ", "ArrowRight", " "):
        press(browser, key, ".pad")
    browser.until(f"{said} !== {before!r}")
    fits(browser)
    look(browser, "pictures")
    press_button(browser, "Teach it drawings of mine")
    press_button(browser, "Add to class 2")
    browser.until("location.hash.includes('drawn=1')")
    press_button(browser, "+ pooling")
    press_button(browser, "+ convolution")
    browser.until("document.querySelector('.alarm').textContent.includes('layer')")
    clean(browser, place)


def test_play_that_is_pressed_before_the_net_has_answered_begins_when_it_has(browser: Chromium, place: str) -> None:
    kept = browser.call(
        "Page.addScriptToEvaluateOnNewDocument",
        source="new MutationObserver((_, seen) => { const play = [...document.querySelectorAll('button')]"
        ".find((one) => one.textContent === 'Play'); if (play) { seen.disconnect(); play.click(); window.pressed = "
        "!document.querySelector('.block'); } }).observe(document, { childList: true, subtree: true });",
    )
    try:
        browser.open(f"{place}/playground.html?sooner#/pictures?speed=full&classes=2")
        browser.until("Number(document.documentElement.dataset.right) > 0.5")
        assert browser.evaluate("window.pressed")
        clean(browser, place)
    finally:
        browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=kept["identifier"])


def test_digits_without_a_studio_say_where_they_come_from(browser: Chromium, place: str) -> None:
    browser.open(f"{place}/playground.html?digits#/pictures?data=digits")
    browser.until("document.querySelector('.alarm')?.textContent.includes('hubel studio')")
