"""How long a picture takes in an exported page, beside onnxruntime-web in the same browser, and how large the page is.

    python benchmarks/page.py [--rounds 5] [--pictures 20] [--nets resnet20@32 mobilenet_v2@128]

Nets with fresh weights, since weights do not change the time. Needs Chromium. Peer: the folder that
HUBEL_PEER_ORT_WEB names, in which `npm install onnxruntime-web@1.30.0` was run: its wasm build, one thread, which is
all that a page opened from a file can have. Both sides get the same normalised picture in the same tab; in every round,
which is a fresh browser, they take turns picture by picture, after five that do not count, and the round's time is the
median. Without the peer only our side is measured. The files are given out on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch

from hubel.checkpoint.classifier import Classifier, ModelSpec, Provenance
from hubel.data.preprocessing import Preprocessing
from hubel.deploy import onnx
from hubel.deploy.page import shipping
from hubel.deploy.page.build import WORKER, joined
from hubel.deploy.page.lower import lowered
from hubel.deploy.page.program import as_json, packed
from hubel.metrics.calibrators import Calibrator
from hubel.nn.fuse import fused, pairs

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from chromium import Chromium

MOST, SIZES = 4.0, {"resnet20@32": 0.9, "mobilenet_v2@128": 8.0}
"""Times the peer's time, and megabytes of a page, that are the targets."""
RACE = """
(async () => {
  const program = await (await fetch('program.json')).json(), weights = await (await fetch('weights')).text();
  const net = new Net(program, bytesOf(weights));
  const x = new Float32Array(SIZE).map((_, i) => Math.sin(i) / 2 + 0.5);
  let peer = async () => [NaN];
  if (PEER) {
    const ort = await import('/peer/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs');
    ort.env.wasm.numThreads = 1;
    const session = await ort.InferenceSession.create('net.onnx', { executionProviders: ['wasm'] });
    const feeds = { [session.inputNames[0]]: new ort.Tensor('float32', x, SHAPE) };
    peer = async () => (await session.run(feeds))[session.outputNames[0]].data;
  }
  const times = [[], []];
  let ours, theirs;
  for (let i = 0; i < COUNT + 5; i++) {
    const a = performance.now();
    ours = net.run(x);
    const b = performance.now();
    theirs = await peer();
    const c = performance.now();
    if (i >= 5) { times[0].push(b - a); times[1].push(c - b); }
  }
  const middle = (list) => list.sort((p, q) => p - q)[list.length >> 1];
  return { ours: middle(times[0]), peer: PEER ? middle(times[1]) : null, way: net.way,
    apart: PEER ? Math.max(...[...ours].map((v, k) => Math.abs(v - theirs[k]))) : null };
})()
"""


class Files(SimpleHTTPRequestHandler):
    """The folder, and the peer's below /peer/; silent."""

    peer = ""

    def translate_path(self, path: str) -> str:
        if path.startswith("/peer/"):
            return str(Path(self.peer) / path.removeprefix("/peer/").partition("?")[0])
        return super().translate_path(path)

    def log_message(self, *_: object) -> None:
        pass


Files.extensions_map = SimpleHTTPRequestHandler.extensions_map | {
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--nets", nargs="+", default=list(SIZES))
    words = parser.parse_args()
    Files.peer = os.environ.get("HUBEL_PEER_ORT_WEB", "")
    for spec in words.nets:
        name, side = spec.split("@")[0], int(spec.split("@")[1])
        with tempfile.TemporaryDirectory() as folder:
            measure(spec, name, side, Path(folder), words.rounds, words.pictures)


def measure(spec: str, name: str, side: int, folder: Path, rounds: int, pictures: int) -> None:
    """One net: its page's size, and rounds in fresh browsers."""
    torch.manual_seed(0)
    described = ModelSpec(architecture=name, num_classes=10, in_chans=3, img_size=(side, side))
    net = described.build().eval()
    images = torch.rand(2, 3, side, side)
    seen = Preprocessing(height=side, width=side)
    names = tuple(f"class {k}" for k in range(10))
    said = Provenance(source="")
    own = Classifier(model=net, preprocessing=seen, class_names=names, spec=described, provenance=said)
    size = len(shipping.made(own, views="none", calibrator=Calibrator(), title=name, card={}).data) / 1e6
    print(
        json.dumps(
            {
                "section": "Shipping", "name": f"a page of {spec.replace('@', ' at ')}², 10 classes, in MB",
                "target": f"≤ {SIZES[spec]}" if spec in SIZES else "", "measured": f"{size:.2f}",
                "met": size <= SIZES[spec] if spec in SIZES else None,
            },
            ensure_ascii=False,
        ),
        flush=True,
    )  # fmt: skip
    program, weights = packed(lowered(net, images[:1]))
    (folder / "index.html").write_text("<!doctype html><title>race</title>")
    (folder / "program.json").write_text(as_json(program))
    (folder / "weights").write_text(weights)
    if Files.peer:
        (folder / "net.onnx").write_bytes(onnx.exported(fused(net, pairs(net, images[:1])), images))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    race = RACE.replace("SIZE", str(3 * side * side)).replace("SHAPE", f"[1, 3, {side}, {side}]")
    race = race.replace("COUNT", str(pictures)).replace("PEER", "true" if Files.peer else "false")
    found = []
    for number in range(rounds):
        browser = Chromium(folder / f"profile{number}")
        try:
            browser.open(f"http://127.0.0.1:{server.server_port}/index.html")
            browser.evaluate(f"{joined(WORKER)}; globalThis.Net = Net; globalThis.bytesOf = bytesOf; 0")
            found.append(browser.evaluate(race))
        finally:
            browser.close()
        print(json.dumps({"net": spec, "round": number} | found[-1]), flush=True)
    server.shutdown()
    ours = [each["ours"] for each in found]
    measured = f"{statistics.median(ours):.1f} ms ({min(ours):.1f}–{max(ours):.1f})"
    met = None
    if Files.peer:
        ratios = [each["ours"] / each["peer"] for each in found]
        peers = [each["peer"] for each in found]
        met = statistics.median(ratios) <= MOST
        measured = (
            f"{statistics.median(ratios):.2f} times ({min(ratios):.2f}–{max(ratios):.2f}): {measured} against "
            f"{statistics.median(peers):.1f} ms ({min(peers):.1f}–{max(peers):.1f})"
        )
    name = f"a picture in a page of {spec.replace('@', ' at ')}², one thread, against onnxruntime-web in the same tab"
    target = f"≤ {MOST:g} times" if Files.peer else ""
    print(
        json.dumps(
            {"section": "Shipping", "name": name, "target": target, "measured": measured, "met": met},
            ensure_ascii=False,
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
