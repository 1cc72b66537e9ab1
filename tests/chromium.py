"""A real browser for tests, without any package: Chromium over its own pipe (`--remote-debugging-pipe`).

No test that uses it skips where Chromium is absent: it fails and says what to install.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 60.0
"""Seconds that anything may take at most."""


class Chromium:
    """One headless browser with one page; what the page asks of the network is written down."""

    def __init__(self, profile: Path, *arguments: str) -> None:
        program = next((found for name in NAMES if (found := shutil.which(name))), None)
        assert program, f"these tests need a browser, none of {', '.join(NAMES)} is there: apt-get install chromium"
        take, self._out = os.pipe()
        self._in, give = os.pipe()
        command = [
            program, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
            "--disable-background-networking", "--remote-debugging-pipe", f"--user-data-dir={profile}",
            *arguments, "about:blank",
        ]  # fmt: skip

        def wired() -> None:  # the browser reads from 3 and writes to 4
            spare = [os.dup(take), os.dup(give)]
            os.dup2(spare[0], 3)
            os.dup2(spare[1], 4)

        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=wired, close_fds=False,
        )  # fmt: skip
        os.close(take)
        os.close(give)
        self._rest = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = next(t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._in)
        os.close(self._out)

    def call(self, method: str, **parameters: Any) -> Any:
        """Ask the browser; AssertionError with its words where it refuses."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._send(json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE
        while True:
            answer = self._next(until)
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def _send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._out, data) :]

    def _next(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0.0, until - time.monotonic()))
            assert ready, f"the browser said nothing for {PATIENCE:.0f} s"
            data = os.read(self._in, 1 << 20)
            assert data, "the browser has ended"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(line)
        return found

    def open(self, address: str) -> None:
        """Go to a page and wait until it is loaded; events of earlier pages are forgotten."""
        self.events.clear()
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript in the page, waited for where it is a promise."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def until(self, expression: str, check: Callable[[Any], bool] = bool) -> Any:
        """Wait until an expression holds; its value."""
        end = time.monotonic() + PATIENCE
        while not check(value := self.evaluate(expression)):
            assert time.monotonic() < end, f"{expression} was still {value!r} after {PATIENCE:.0f} s"
            time.sleep(0.02)
        return value

    def choose(self, selector: str, files: Sequence[Path]) -> None:
        """Give files to an input, as a user does who picks them."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    @property
    def requests(self) -> list[str]:
        """Addresses that were asked for since `open`, the page itself and what it made of itself left out."""
        asked = [e["params"]["request"]["url"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [address for address in asked if not address.startswith(("file:", "blob:", "data:"))]

    @property
    def complaints(self) -> list[str]:
        """What the browser wrote into its console since `open`: errors, and what the policy forbade."""
        said = [e["params"]["entry"]["text"] for e in self.events if e.get("method") == "Log.entryAdded"]
        thrown = [str(e["params"]) for e in self.events if e.get("method") == "Runtime.exceptionThrown"]
        return said + thrown
