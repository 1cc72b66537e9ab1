"""How `hubel serve` and LitServe answer one client and sixteen: the same net, the same picture, the same clients.

    python benchmarks/serving.py [--repeat 5] [--seconds 5] [--clients 1 16] [--threads 1] [--nets resnet20 resnet18]
                                 [--form ready|onnx|auto]
    python benchmarks/serving.py soak [--requests 100000] [--idle 60]

Nets with fresh weights, since weights do not change the time: ResNet-20 on 32 x 32 pixels and ResNet-18 on 128 x 128. A
JPEG of 256 x 256 pixels goes in, the class and its probability come out. Ours: `hubel serve RUN`, raw bytes. Peer, in
the interpreter that HUBEL_PEER_LITSERVE names: LitServe as its manual shows it, one worker, the net in ONNX Runtime,
the picture as a form (it takes no raw bytes), Pillow's decoder told to decode small; once without batching, once with
batches of 8 and its timer of 5 ms. Clients keep their connections and ask again when they are answered (closed loop);
they run in a process of their own, the same for all sides. Sides take turns, each server started fresh; one round that
does not count comes first. Without the peer only our side is measured.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import hubel
from hubel.deploy.onnx import exported
from hubel.nn.fuse import twin_of
from hubel.records.nets import load
from hubel.server.bench import sample_picture
from hubel.server.load import Asked

NETS = {"resnet20": ("resnet20", 32), "resnet18": ("resnet18", 128)}
PEER = """
import sys
import litserve, numpy, onnxruntime
from PIL import Image
path, side, port, batch, threads = sys.argv[1], *map(int, sys.argv[2:])

class Api(litserve.LitAPI):
    def setup(self, device):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.net = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.name = self.net.get_inputs()[0].name

    def decode_request(self, request):
        picture = Image.open(request["picture"].file)
        picture.draft("RGB", (side, side))
        pixels = numpy.asarray(picture.convert("RGB").resize((side, side), Image.Resampling.BILINEAR), numpy.float32)
        return ((pixels / 255 - 0.5) / 0.25).transpose(2, 0, 1)

    def predict(self, images):
        one = images.ndim == 3
        logits = self.net.run(None, {self.name: images[None] if one else images})[0]
        shares = numpy.exp(logits - logits.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        return shares[0] if one else shares

    def batch(self, inputs):
        return numpy.stack(inputs)

    def unbatch(self, output):
        return list(output)

    def encode_response(self, shares):
        return {"label": int(shares.argmax()), "probability": float(shares.max())}

if __name__ == "__main__":
    api = Api(max_batch_size=batch, batch_timeout=0.005 if batch > 1 else 0.0)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="error")
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(command: list[str], port: int, threads: int) -> Iterator[int]:
    """A server that answers /health (its process number), and all that it started gone at the end."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        path = "ready" if command[2] == "hubel" else "health"
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=2).close()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise RuntimeError(f"{command[:4]} does not start") from None
                time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # LitServe leaves its workers
        process.wait()


def as_form(picture: bytes) -> tuple[bytes, str]:
    head = (
        b'--b\r\nContent-Disposition: form-data; name="picture"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    return head + picture + b"\r\n--b--\r\n", "multipart/form-data; boundary=b"


def ask(port: int, path: str, clients: int, seconds: float, body: bytes, kind: str) -> dict[str, float]:
    asked = Asked(host="127.0.0.1", port=port, path=path, clients=clients, seconds=seconds, warm=1.0, kind=kind)
    said = json.dumps(asdict(asked) | {"picture": base64.b64encode(body).decode()})
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hubel.server.load"], input=said, capture_output=True, text=True, check=True
    )
    seen = json.loads(done.stdout)
    return {
        "per_second": round(seen["answers"] / seen["seconds"], 1),
        **{name: round(1e3 * seen[name], 2) for name in ("p50", "p90", "p99")},
        "refused": seen["refused"],
    }


def prepare(name: str, folder: Path, *, onnx: bool = True) -> tuple[Path, Path, int]:
    """A run of the net, and the net alone as ONNX."""
    model, side = NETS[name]
    draw = np.random.default_rng(0)
    data = folder / f"pictures-{side}"
    for label in ("a", "b"):
        (data / label).mkdir(parents=True, exist_ok=True)
        for number in range(20):
            pixels = draw.integers(0, 256, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(data / label / f"{number}.png")
    run = hubel.train(
        str(data), model=model, img_size=side, epochs=1, batch_size=8, out=str(folder / name), device="cpu",
        augment={"views": "none"}, verbose=False,
    )  # fmt: skip
    net = folder / f"{name}.onnx"
    if onnx:
        net.write_bytes(exported(twin_of(load(run.folder).model), torch.randn(2, 3, side, side)))
    return Path(run.folder), net, side


def tree(pid: int) -> list[int]:
    """A process and all below it (Linux)."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            found += [int(word) for word in task.read_text().split()]
    return found


def resident(pid: int) -> int:
    """Bytes of memory of a server with its workers."""
    pages = sum(int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in tree(pid))
    return pages * os.sysconf("SC_PAGE_SIZE")


def busy(pid: int) -> float:
    """Seconds of processor that a server with its workers has taken."""
    ticks = 0
    for each in tree(pid):
        words = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(words[11]) + int(words[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def soak(words: list[str]) -> None:
    """Many requests to one server: what it takes when nobody asks, and whether its memory grows."""
    arguments = argparse.ArgumentParser(prog="serving.py soak")
    arguments.add_argument("--requests", type=int, default=100_000)
    arguments.add_argument("--idle", type=float, default=60.0, help="seconds")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--form", default="ready", choices=["ready", "onnx", "auto"])
    given = arguments.parse_args(words)
    picture, done, marks = sample_picture(), 0, []
    with tempfile.TemporaryDirectory() as place:
        run, _, _ = prepare("resnet20", Path(place), onnx=False)
        port = free_port()
        command = [sys.executable, "-m", "hubel", "serve", str(run), "--port", str(port), "--device", "cpu"]
        with served([*command, "--threads", str(given.threads), "--form", given.form], port, given.threads) as pid:
            ask(port, "/predict?top=1", 4, 1.0, picture, "image/jpeg")
            before = busy(pid)
            time.sleep(given.idle)
            idle = (busy(pid) - before) / given.idle
            while done < given.requests:
                found = ask(port, "/predict?top=1", 4, 10.0, picture, "image/jpeg")
                done += round(found["per_second"] * 10.0)
                marks.append((done, resident(pid)))
                print(json.dumps({"requests": done, "MB": round(marks[-1][1] / 1e6, 1), **found}), flush=True)
    first = next(bytes_ for count, bytes_ in marks if count >= given.requests / 10)
    print(json.dumps({
        "requests": done, "idle share of a processor, %": round(100 * idle, 3), "MB": round(marks[-1][1] / 1e6, 1),
        "growth since a tenth, %": round(100 * (marks[-1][1] / first - 1), 2), "processes": "all of the server",
    }))  # fmt: skip


def main() -> None:
    if sys.argv[1:2] == ["soak"]:
        soak(sys.argv[2:])
        return
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--repeat", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=5.0)
    arguments.add_argument("--clients", type=int, nargs="+", default=[1, 16])
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--form", default="ready", choices=["ready", "onnx", "auto"], help="of ours")
    arguments.add_argument("--nets", nargs="+", choices=list(NETS), default=list(NETS))
    given = arguments.parse_args()
    peer, picture = os.environ.get("HUBEL_PEER_LITSERVE"), sample_picture()
    sides = ["ours", *(["litserve", "litserve, batch 8"] if peer else [])]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        script = folder / "peer.py"
        script.write_text(PEER)
        for name in given.nets:
            run, net, side = prepare(name, folder)
            seen: dict[tuple[str, int], list[dict[str, float]]] = {}
            for number in range(-1, given.repeat):
                for which in sides:
                    port = free_port()
                    if which == "ours":
                        command = [sys.executable, "-m", "hubel", "serve", str(run), "--port", str(port)]
                        command += ["--device", "cpu", "--threads", str(given.threads), "--form", given.form]
                        path, body, kind = "/predict?top=1", picture, "image/jpeg"
                    else:
                        batch = 8 if "batch" in which else 1
                        command = [
                            str(peer),
                            str(script),
                            str(net),
                            str(side),
                            str(port),
                            str(batch),
                            str(given.threads),
                        ]
                        path, (body, kind) = "/predict", as_form(picture)
                    with served(command, port, given.threads):
                        for clients in given.clients:
                            found = ask(port, path, clients, given.seconds, body, kind)
                            if number >= 0:
                                seen.setdefault((which, clients), []).append(found)
                                row = {"net": name, "round": number, "side": which, "clients": clients, **found}
                                print(json.dumps(row | {"load": os.getloadavg()[0]}), flush=True)
            for (which, clients), rows in seen.items():
                summary = {
                    key: [statistics.median(values), min(values), max(values)]
                    for key in ("per_second", "p50", "p99")
                    for values in [[row[key] for row in rows]]
                }
                print(json.dumps({"net": name, "side": which, "clients": clients, "median, least, most": summary}))
    facts = {"machine": platform.platform(), "cores": os.cpu_count(), "python": platform.python_version()}
    print(json.dumps(facts | {"torch": torch.__version__, "threads": given.threads, "date": time.strftime("%Y-%m-%d")}))


if __name__ == "__main__":
    main()
