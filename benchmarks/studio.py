"""How soon the studio shows what happens: its first page, a step in the chart, the camera, seventy thousand pictures,
a picture in all maps of a net, one number of it.

    python benchmarks/studio.py [--repeat 3] [--data mnist]
    python benchmarks/studio.py --pairs 6      what a page that shows a training costs it, in processor time

Needs Chromium (`apt-get install chromium`); `mnist` needs HUBEL_DATA or a network. The server, the page and what is
measured share the machine. Targets: first page within 2 s, a step in the chart within 100 ms (p95), 15 pictures of the
camera a second, a net within 60 s of its first card, first tiles within 300 ms of a set that is known, 30 frames a
second while scrolling and memory that does not grow, 150 ms from a dropped picture of 128 x 128 to the overview of
ResNet-18, 50 ms from a pointer that moves to the sum behind a number.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
from PIL import Image

import chromium
import hubel
from chromium import Chromium
from hubel.store import RunStore
from hubel.studio.serving import Serving

chromium.PATIENCE = 120.0
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
STEPS = 100
SCROLL = (
    "new Promise((done) => { const w = document.querySelector('.tiles-window'), t = performance.now(); let n = 0;"
    "const f = () => { w.scrollTop += 400; n++; const s = (performance.now() - t) / 1000;"
    "if (s > 4) done(n / s); else requestAnimationFrame(f); }; f(); })"
)
THROUGH = (
    "new Promise((done) => { const w = document.querySelector('.tiles-window'); let n = 0, most = 0;"
    "const f = () => { w.scrollTop = (n / 200) * w.scrollHeight;"
    "most = Math.max(most, document.querySelectorAll('.cell').length);"
    "if (n++ > 200) done(most); else setTimeout(f, 20); }; f(); })"
)
"""Through all of a set in 200 jumps: the most cells that were in the page at once."""
DROPPED = (
    "new Promise((done) => { const d = document.documentElement.dataset, began = performance.now();"
    "const f = () => (d.scene === waits ? requestAnimationFrame(f) : done(performance.now() - began)); f(); })"
)
HOVER = (
    "new Promise((done) => { const c = document.querySelector('.big canvas'), b = c.getBoundingClientRect();"
    "const n = document.querySelector('section[aria-label=\"One number\"]'), began = performance.now();"
    "const seen = new MutationObserver(() => { seen.disconnect();"
    " requestAnimationFrame(() => done(performance.now() - began)); });"
    "seen.observe(n, { childList: true });"
    "c.dispatchEvent(new PointerEvent('pointermove', { clientX: b.left + b.width * PLACE, clientY: b.top + 9 })); })"
)
SEEN = (
    "(() => { window.seen = {}; const c = document.querySelector('.chart canvas'); const look = () => {"
    "const m = /last ([0-9]+)/.exec(c.getAttribute('aria-label') || '');"
    "if (m && !(m[1] in seen)) seen[m[1]] = performance.timeOrigin + performance.now();"
    "requestAnimationFrame(look); }; look(); })()"
)


def first_page(folder: Path) -> float:
    """Seconds from the command to the page."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "hubel", "studio", "--no-browser", "--port", "0"]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    urllib.request.urlopen(server.stdout.readline().split()[-1]).read()
    took = time.perf_counter() - began
    server.terminate()
    server.wait()
    server.stdout.close()
    return took


def step_to_chart(browser: Chromium, serving: Serving, run: Path) -> list[float]:
    """Milliseconds from a line in the log to its place in the curve."""
    store, sent = RunStore(run), {}
    store.write_text("events.jsonl", "")
    browser.open(f"{serving.url}#/train?run={run.name}")
    browser.until("!!document.querySelector('.chart canvas')")
    time.sleep(1)
    browser.evaluate(SEEN)
    with store.lock():
        for step in range(STEPS):
            loss = 1000 + step
            event = {"event": "pace", "epoch": 1, "step": step + 1, "of": STEPS, "loss": float(loss), "lr": 0.1}
            sent[str(loss)] = 1e3 * time.time()
            store.append_line("events.jsonl", json.dumps(event))
            time.sleep(0.12)
    time.sleep(1)
    seen = browser.evaluate("seen")
    return sorted(seen[name] - at for name, at in sent.items() if name in seen)


def heap(browser: Chromium) -> float:
    """Megabytes of JavaScript after everything that is not held was let go."""
    browser.call("HeapProfiler.collectGarbage")
    return float(browser.evaluate("performance.memory.usedJSHeapSize")) / 2**20


def cards_to_a_net(browser: Chromium, serving: Serving) -> float:
    """Seconds from the first card to a net that is trained on two, each recorded for two seconds."""
    browser.open(f"{serving.url}#/camera?set=cards")
    browser.until("!!document.querySelector('#name')")
    began = time.perf_counter()
    for name in ("here", "there"):
        browser.evaluate(f"document.querySelector('#name').value = '{name}'; 0")
        browser.evaluate("document.querySelector('#name').form.requestSubmit()")
        card = f"[...document.querySelectorAll('.cards li')].find((n) => n.textContent.includes('{name}'))"
        browser.until(f"!!{card}")
        for kind in ("pointerdown", "pointerup"):
            browser.evaluate(f"{card}.querySelector('button').dispatchEvent(new PointerEvent('{kind}'))")
            time.sleep(2)
    train = "[...document.querySelectorAll('button')].find((b) => b.textContent === 'Train')"
    browser.until(f"!{train}.disabled")
    browser.evaluate(f"{train}.click()")
    browser.until("document.querySelector('.status')?.dataset.state === 'finished'")
    return time.perf_counter() - began


def cost_for_a_training(pairs: int) -> None:
    """Processor time of a training of the digits whose curves a page draws, over that of one that nobody watches."""
    browser, ratios = Chromium(Path("profile").absolute()), []
    with Serving((".",), runs="runs", port=0) as serving:
        serving.studio.warm.wait()
        for _ in range(pairs):
            alone, watched = one_training(browser), one_training(browser, f"{serving.url}#/train?run=")
            ratios.append(watched / alone)
            print(f"a training       {alone:.2f} s of processor time, watched {watched:.2f} s", flush=True)
    browser.close()
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    print(f"watched, alone   {statistics.median(ratios):.3f} times (median of {pairs} pairs, {spread})")


def one_training(browser: Chromium, page: str = "") -> float:
    """Seconds of processor time of a training of the digits, which a page shows if one is named."""
    browser.open("about:blank")
    known = set(Path("runs").glob("digits-*"))
    child = subprocess.Popen(
        [sys.executable, "-m", "hubel", "train", "digits", "--epochs", "30", "--threads", "1", "--device", "cpu",
         "--out", "runs", "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    if page:
        while not (begun := set(Path("runs").glob("digits-*")) - known):
            time.sleep(0.05)
        browser.open(page + begun.pop().name)
    _, _, used = os.wait4(child.pid, 0)
    return used.ru_utime + used.ru_stime


def into_a_net(browser: Chromium, serving: Serving, folder: Path, times: int) -> tuple[list[float], list[float]]:
    """Milliseconds from a picture of 128 x 128 to ResNet-18's overview, and from a move of the pointer to a sum."""
    draw = np.random.default_rng(0)
    few = {"model": "resnet18", "img_size": 128, "limit": 60, "epochs": 1, "out": "runs", "device": "cpu"}
    run = hubel.train("digits", verbose=False, **few).folder  # type: ignore[arg-type]
    browser.open(f"{serving.url}#/inspect?net={run.name}")
    browser.until("!!document.documentElement.dataset.scene")
    dropped, hover = [], []
    for number in range(times + 1):
        path = folder / f"{number}.png"
        Image.fromarray(draw.integers(0, 255, (128, 128, 3), dtype=np.uint8)).save(path)
        browser.evaluate("window.waits = document.documentElement.dataset.scene")
        browser.choose("#file", [path])
        dropped.append(float(browser.evaluate(DROPPED)))
    browser.evaluate("document.documentElement.dataset.value = ''; location.hash += '&part=6&channel=0'")
    browser.until("!!document.documentElement.dataset.value")
    for number in range(times + 1):
        hover.append(float(browser.evaluate(HOVER.replace("PLACE", str(0.1 + 0.8 * number / (times + 1))))))
    size = browser.evaluate("document.querySelector('.node span').textContent")
    print(f"inspect          ResNet-18, first stage {size}")
    return dropped[1:], hover[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--pairs", type=int, default=0, help="only the cost for a training, of so many pairs")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        folder = Path(place)
        os.chdir(folder)
        if asked.pairs:
            cost_for_a_training(asked.pairs)
            return
        took = [first_page(folder) for _ in range(asked.repeat)]
        print(
            f"first page       {statistics.median(took):.2f} s (of {asked.repeat}: {min(took):.2f} to {max(took):.2f})"
        )
        run = hubel.train("digits", epochs=3, out="runs", device="cpu", verbose=False).folder
        browser = Chromium(folder / "profile", *CAMERA)
        with Serving((".",), runs="runs", port=0) as serving:
            serving.studio.warm.wait()
            browser.open(f"{serving.url}#/ship?run={run.name}")
            browser.until("!!document.querySelector('.drop')")
            browser.evaluate("[...document.querySelectorAll('button')].find((b) => b.textContent === 'Camera').click()")
            time.sleep(5)
            pace = float(browser.evaluate("document.documentElement.dataset.pace"))
            print(f"camera           {pace:.0f} pictures a second")
            browser.open(f"{serving.url}#/data?source={asked.data}")
            browser.until("!!document.querySelector('.cell img')")
            browser.evaluate("location.hash = '#/home'")
            browser.until("document.documentElement.dataset.page === 'home'")
            began = time.perf_counter()
            browser.evaluate(f"location.hash = '#/data?source={asked.data}'")
            browser.until("[...document.querySelectorAll('.cell img')].some((i) => i.complete && i.naturalWidth)")
            first = 1e3 * (time.perf_counter() - began)
            print(f"first tiles      {first:.0f} ms, scrolling {browser.evaluate(SCROLL):.0f} frames a second")
            before = heap(browser)
            cells, after = [], []
            for _ in range(asked.repeat):
                cells.append(browser.evaluate(THROUGH))
                after.append(f"{heap(browser):.1f}")
            print(
                f"through all      {before:.1f} MB held before, then {', '.join(after)} MB; "
                f"{max(cells)} cells in the page at most"
            )
            print(f"cards to a net   {cards_to_a_net(browser, serving):.0f} s, two cards recorded for 2 s each")
            for name, took in zip(
                ("dropped picture", "hover to a sum"), into_a_net(browser, serving, folder, 8), strict=True
            ):
                print(
                    f"{name:<16} {statistics.median(took):.0f} ms (of {len(took)}: {min(took):.0f} to {max(took):.0f})"
                )
            late = step_to_chart(browser, serving, run)
            print(f"step to chart    p50 {late[len(late) // 2]:.0f} ms, p95 {late[int(0.95 * len(late))]:.0f} ms")
        browser.close()


if __name__ == "__main__":
    main()
