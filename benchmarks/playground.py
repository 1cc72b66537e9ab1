"""Epochs and frames a second of the studio's playground, beside TensorFlow Playground's in the same browser.

    python benchmarks/playground.py [--rounds 3] [--seconds 3] [--nets 4,2 8,8 8,8,8,8,8,8]

Needs Chromium. Peer: the folder that HUBEL_PEER_TF_PLAYGROUND names, a checkout of tensorflow/playground in which
`npm install && npm run build` was run (its page stands in `dist/`). Both train on the circle, 250 points, batch 10,
tanh, rate 0.03, and draw as they do; in every round they take turns, each in a page of its own that is looked at.
Without the peer only our side is measured. The files are given out on 127.0.0.1, and nothing else is asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import hubel
from chromium import Chromium

TIMES = {"4,2": 100, "8,8": 10, "8,8,8,8,8,8": 10}
"""How many times the peer's epochs a second we mean to train."""
FRAMES = 25
PLAYING = "document.documentElement.dataset.playing"


class Quiet(SimpleHTTPRequestHandler):
    extensions_map = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}  # noqa: RUF012

    def log_message(self, *words: object) -> None:
        pass


def served(folder: Path) -> str:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"


def ours(browser: Chromium, place: str, net: str, seconds: float) -> tuple[float, float]:
    """Epochs and frames a second."""
    browser.open(f"{place}/playground.html?{time.monotonic_ns()}#/playground?speed=full&net={net}")
    browser.until("document.documentElement.dataset.frames")
    browser.evaluate("document.querySelector('button.main').click()")
    counts = "[performance.now(), document.documentElement.dataset.epoch, document.documentElement.dataset.frames]"
    time.sleep(0.5)
    begun = browser.evaluate(counts)
    time.sleep(seconds)
    ended = browser.evaluate(counts)
    took = (ended[0] - begun[0]) / 1000
    return (int(ended[1]) - int(begun[1])) / took, (int(ended[2]) - int(begun[2])) / took


def theirs(browser: Chromium, place: str, net: str, seconds: float) -> float:
    """Epochs a second of TensorFlow Playground."""
    layers = f"networkShape={net}&activation=tanh&batchSize=10&dataset=circle&learningRate=0.03&percTrainData=50"
    browser.open(f"{place}/index.html?{time.monotonic_ns()}#{layers}&problem=classification&x=true&y=true")
    browser.until("!!document.querySelector('#iter-number')?.textContent")
    browser.evaluate("document.querySelector('#play-pause-button').click()")
    counts = "[performance.now(), document.querySelector('#iter-number').textContent.replaceAll(',', '')]"
    time.sleep(0.5)
    begun = browser.evaluate(counts)
    time.sleep(seconds)
    ended = browser.evaluate(counts)
    return (int(ended[1]) - int(begun[1])) / ((ended[0] - begun[0]) / 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--nets", nargs="+", default=list(TIMES))
    given = parser.parse_args()
    web = served(Path(hubel.__file__).parent / "studio" / "web")
    checkout = os.environ.get("HUBEL_PEER_TF_PLAYGROUND")
    peer = served(Path(checkout) / "dist") if checkout else None
    found: dict[str, dict[str, list[float]]] = {net: {"epochs": [], "frames": [], "peer": []} for net in given.nets}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Chromium(Path(profile))
        try:
            for _ in range(given.rounds):
                for net in given.nets:
                    epochs, frames = ours(browser, web, net, given.seconds)
                    found[net]["epochs"].append(epochs)
                    found[net]["frames"].append(frames)
                    if peer:
                        found[net]["peer"].append(theirs(browser, peer, net, given.seconds))
        finally:
            browser.close()
    for net, numbers in found.items():
        tell(net, numbers["epochs"], numbers["frames"], numbers["peer"])


def spread(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})"


def tell(net: str, epochs: list[float], frames: list[float], peer: list[float]) -> None:
    """Two claims a net: epochs a second, against the peer where it is there, and frames a second."""
    measured, met, target = f"{spread(epochs)} epochs a second", None, ""
    if peer:
        ratios = [a / b for a, b in zip(epochs, peer, strict=True)]
        met, target = statistics.median(ratios) >= TIMES.get(net, 10), f"≥ {TIMES.get(net, 10)} times"
        measured = f"{spread(ratios)} times: {measured} against {spread(peer)}"
    beside = "against TensorFlow Playground in the same Chromium" if peer else "in Chromium"
    claims = (
        (f"playground, net {net}, {beside}", target, measured, met),
        (f"playground, net {net}, frames a second", f"≥ {FRAMES}", spread(frames), statistics.median(frames) >= FRAMES),
    )
    for name, wanted, said, fine in claims:
        print(
            json.dumps(
                {"section": "Studio", "name": name, "target": wanted, "measured": said, "met": fine}, ensure_ascii=False
            )
        )


if __name__ == "__main__":
    main()
