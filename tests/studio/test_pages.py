"""The studio's pages in a real browser: one flow a page, no complaint, no request but to the studio itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from chromium import Chromium
from hubel.studio.serving import Serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    found = Chromium(tmp_path_factory.mktemp("profile"), *camera)
    yield found
    found.close()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory, picture_folder: Path) -> Iterator[Serving]:
    """A studio over the small folder of digits and no runs."""
    with Serving((str(picture_folder),), runs=str(tmp_path_factory.mktemp("studio") / "runs"), port=0) as found:
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


def fits(browser: Chromium) -> None:
    """A page can be used on a telephone, and everything that is pressed is large enough and has a name."""
    browser.call("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=2, mobile=True)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 360
    browser.call("Emulation.clearDeviceMetricsOverride")
    small = browser.evaluate(
        "[...document.querySelectorAll('button, .button, summary, select, nav a')].filter((n) => n.checkVisibility() &&"
        " Math.min(n.offsetHeight, n.offsetWidth) < 24).map((n) => n.textContent)"
    )
    nameless = browser.evaluate(
        "[...document.querySelectorAll('button, a, input, select, textarea, canvas, img, video')].filter((n) =>"
        " n.checkVisibility() && !(n.getAttribute('aria-label') || n.ariaLabel || n.alt || n.title ||"
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


def test_keys_are_listed(browser: Chromium, studio: Serving) -> None:
    opened(browser, studio)
    browser.evaluate("document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '?', bubbles: true }))")
    assert browser.evaluate("document.querySelector('#keys').open")
    browser.evaluate("document.querySelector('#keys button').click()")
    clean(browser, studio)
