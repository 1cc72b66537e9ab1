"""Fifty names that would run as code anywhere else: of classes, files, folders, runs, columns, and in addresses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

import chromium
import hubel
from chromium import Chromium
from hubel.studio.serving import Serving

pytestmark = pytest.mark.browser
chromium.PATIENCE = 240.0  # the machine may be busy
RUN = "window.pwned=1"
HANDLERS = (
    "img src=x onerror", "svg onload", "body onload", "input autofocus onfocus", "select autofocus onfocus",
    "textarea autofocus onfocus", "video src=x onerror", "audio src=x onerror", "details open ontoggle",
    "marquee onstart", "iframe onload", "object data=x onerror", "embed src=x onload", "style onload",
    "link rel=stylesheet href=x onerror", "svg><animate onbegin", "svg><set onbegin", "math><mtext onclick",
    "div onpointerenter", "button onfocus autofocus", "a href=# onfocus autofocus", "meter onpointermove",
    "form oninput", "img src=x:x onerror", "image src=x onerror",
)  # fmt: skip
PAYLOADS = (
    *(f"<{handler}={RUN}>" for handler in HANDLERS),
    *(f'"><{handler}="{RUN}">' for handler in HANDLERS[:9]),
    f"<script>{RUN}<\\script>", f"';{RUN};'", f'";{RUN};"', f"`;{RUN};`", f"${{{RUN}}}", f"{{{{{RUN}}}}}",
    f"#{{{RUN}}}", f"javascript:{RUN}", f"data:text_html,<script>{RUN}", f"<!--><img src=x onerror={RUN}>",
    f"]]><img src=x onerror={RUN}>", f"\\u003cimg src=x onerror={RUN}\\u003e", f"&lt;img src=x onerror={RUN}&gt;",
    f"&#60;img src=x onerror={RUN}&#62;", f"<img\u2003src=x\u2003onerror={RUN}>", f"<IMG SRC=x ONERROR={RUN}>",
)  # fmt: skip
"""None has a slash, so that each can be the name of a file."""
WATCH = (
    "window.blocked = []; document.addEventListener('securitypolicyviolation',"
    " (event) => blocked.push(event.violatedDirective + ' ' + event.blockedURI));"
)
FOREIGN = (
    "[...document.querySelectorAll('iframe, object, embed, marquee, base, [onclick], [onerror], [onload], [onfocus],"
    ' [onbegin], [ontoggle], script:not([src]), img[src="x"]\')].map((n) => n.outerHTML.slice(0, 80))'
)


def test_there_are_fifty_and_they_would_bite(browser: Chromium) -> None:
    assert len(set(PAYLOADS)) == 50
    assert not any("/" in each or len(each.encode()) > 200 for each in PAYLOADS)
    browser.open("about:blank")
    browser.evaluate(f"document.body.innerHTML = {json.dumps(PAYLOADS[0])}; 0")
    browser.until("window.pwned === 1")


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A studio over a folder whose classes and files, and a table whose labels and columns are called so, and a run."""
    home, draw = tmp_path_factory.mktemp("payloads"), np.random.default_rng(0)
    photos, runs = home / PAYLOADS[1], home / "runs"
    columns = ["file", "label", PAYLOADS[2], PAYLOADS[3]]
    lines: list[list[str]] = []
    for number, name in enumerate(PAYLOADS):
        (photos / name).mkdir(parents=True)
        for copy in range(4):
            place = photos / name / f"{PAYLOADS[-1 - number]}{copy}.png"
            Image.fromarray(draw.integers(0, 255, (8, 8), dtype=np.uint8)).save(place)
            lines.append([f"{name}/{place.name}", name, PAYLOADS[copy], PAYLOADS[number % 2]])
    cells = (",".join('"' + cell.replace('"', '""') + '"' for cell in line) for line in (columns, *lines))
    (photos / "table.csv").write_text("\n".join(cells) + "\n", "utf-8")
    made = hubel.train(
        photos / "table.csv", model="mlp", epochs=1, out=str(runs), threads=1, device="cpu", verbose=False
    )
    made.folder.rename(runs / PAYLOADS[4])
    with Serving((str(home),), runs=str(runs), port=0) as found:
        found.studio.warm.wait()
        yield found


def pages(studio: Serving) -> dict[str, str]:
    """Page -> its address once everything in it is called so, and what shows that it is there."""
    run, table = PAYLOADS[4], str(next(studio.studio.places.folders[0].glob("*/table.csv")))
    folder = str(Path(table).parent)
    said = {
        "home": ({}, "document.querySelectorAll('#runs, .cards li').length > 2"),
        "data": ({"source": table}, "document.querySelectorAll('.cell img').length > 3"),
        "train": ({"data": folder}, "document.querySelector('.training .card').textContent.includes('classes')"),
        "runs": ({"runs": run}, "document.querySelectorAll('section table thead th').length === 1"),
        "evaluate": ({"run": run, "split": "train"}, "document.querySelectorAll('.grid .tile').length > 3"),
        "explain": ({"run": run}, "document.documentElement.dataset.maps > 0"),
        "inspect": ({"net": run, "data": f"{folder}:0"}, "!!document.querySelector('main canvas, main .problem')"),
        "ship": ({"run": run}, "!!document.querySelector('#form')"),
        "camera": ({"set": PAYLOADS[5]}, "!!document.querySelector('.cards, .problem')"),
    }
    odd = " ".join(PAYLOADS)
    for name in ("home", "data", "train", "runs", "evaluate", "explain", "inspect", "ship", "camera", "playground",
                 "pictures", "lessons", "build"):  # fmt: skip
        words = dict.fromkeys(("source", "data", "run", "runs", "net", "set", "find", "methods", "name", "points"), odd)
        words["layers"] = json.dumps([*PAYLOADS[:9], "flatten", "dense K"])
        said[f"{name}?"] = (words, "document.querySelector('main').textContent.length > 20")
    return {name: (f"#/{name.rstrip('?')}?" + "&".join(f"{k}={quote(v)}" for k, v in words.items()), ready)
            for name, (words, ready) in said.items()}  # type: ignore[misc]  # fmt: skip


def test_no_page_runs_or_draws_any_of_them(browser: Chromium, studio: Serving, tmp_path: Path) -> None:
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)["identifier"]
    shown: set[str] = set()
    try:
        for name, (address, ready) in pages(studio).items():
            browser.open("about:blank")
            browser.open(studio.url + address)
            browser.until(f"document.documentElement.dataset.page === '{name.rstrip('?')}' && ({ready})")
            if name == "ship":
                picture = tmp_path / f"{PAYLOADS[6]}.png"
                Image.fromarray(np.full((8, 8), 9, np.uint8)).save(picture)
                browser.choose(".drop input", [picture])
                browser.until("!!document.querySelector('.answers .bars')")
            if name == "evaluate":
                browser.evaluate(
                    f"document.querySelector('#by').value = {json.dumps(PAYLOADS[3])};"
                    " document.querySelector('#by').form.requestSubmit()"
                )
                browser.until("!!document.querySelector('#by').form.parentNode.querySelector('table')")
            browser.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
            found: dict[str, Any] = browser.evaluate(
                f"({{ pwned: window.pwned ?? 0, blocked, foreign: {FOREIGN}, title: document.title }})"
            )
            assert found == {"pwned": 0, "blocked": [], "foreign": [], "title": found["title"]}, name
            assert "pwned" not in found["title"]
            text = browser.evaluate(
                "document.body.innerText + [...document.querySelectorAll('option')].map((o) => o.label).join()"
            )
            shown |= {each for each in PAYLOADS if each in text}
    finally:
        browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)
    assert len(shown) == 50, "each was shown somewhere, as text"
