"""axe-core over a page: what somebody who sees, hears or points differently could not use.

axe-core is no part of hubel: `npm ci --prefix .ci` fetches it, pinned, into a folder that git ignores; AXE_CORE names
another `axe.min.js`. Tests that need it skip, and say so, where neither is there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from chromium import Chromium

FILE = Path(
    os.environ.get("AXE_CORE") or Path(__file__).parents[1] / ".ci" / "node_modules" / "axe-core" / "axe.min.js"
)
needs_axe = pytest.mark.skipif(
    not FILE.is_file(), reason="axe-core is not there (npm ci --prefix .ci): access to the pages was not checked"
)


def paint(browser: Chromium, scheme: str) -> None:
    """Show pages as somebody sees them who likes them light or dark."""
    browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


def findings(browser: Chromium) -> list[str]:
    """What axe-core finds on the page that is shown, light, dark and on a telephone: rule, element, why."""
    if not browser.evaluate("'axe' in globalThis"):
        browser.evaluate(f"{FILE.read_text('utf-8')}; 0")
    browser.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    found: list[str] = []
    for scheme, narrow in (("light", False), ("dark", False), ("light", True)):
        paint(browser, scheme)
        if narrow:
            browser.call("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1, mobile=True)
        browser.evaluate("new Promise((done) => setTimeout(() => requestAnimationFrame(done), 400))")
        violations: list[dict[str, Any]] = browser.evaluate(
            "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)"
        )
        for each in violations:
            for node in each["nodes"]:
                why = (node["any"] + node["all"] + node["none"] or [{"message": each["help"]}])[0]["message"]
                how = f"{scheme}{', narrow' if narrow else ''}"
                found.append(f"{how}: {each['impact']}: {each['id']}: {node['html'][:160]}: {why}")
    browser.call("Emulation.clearDeviceMetricsOverride")
    paint(browser, "")
    return found
