"""How a server answers: one client and many, each with a connection of its own, over this machine's loopback."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from hubel.data.workers import default_workers
from hubel.errors import HubelError
from hubel.server.counts import ModelCounts
from hubel.server.load import Asked, Load
from hubel.server.process import child_environment
from hubel.server.serving import Serving, threads_each
from hubel.server.settings import Settings
from hubel.views import Viewed
from hubel.watching import SILENT, Watcher
from hubel.words import plain, plural

SIDE = 256
"""Pixels of the picture that is sent, unless one is given."""


@dataclass(frozen=True, kw_only=True)
class ServedLoad:
    """One load and what the server did meanwhile. Milliseconds are medians of a request."""

    load: Load
    batch: float
    """Pictures that went through the net together, on average."""
    wait: float
    decode: float
    net: float


@dataclass(frozen=True, kw_only=True)
class ServedLoads(Viewed):
    """What was measured."""

    title: str
    about: dict[str, Any]
    workers: int
    threads: int
    picture: str
    loads: tuple[ServedLoad, ...]
    cores: int

    def to_json(self) -> str:
        """Everything, as JSON."""
        facts = asdict(self)
        facts["about"].pop("classes")
        for row, each in zip(facts["loads"], self.loads, strict=True):
            row["load"] = each.load.to_dict()
        return json.dumps(plain(facts), indent=1, ensure_ascii=False)


def sample_picture(side: int = SIDE) -> bytes:
    """A JPEG as a camera might make it: soft shapes with a little noise; the same on every machine.

    >>> Image.open(BytesIO(sample_picture(32))).size
    (32, 32)
    """
    draw = np.random.default_rng(0)
    few = Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    coarse = few.resize((side, side), Image.Resampling.BICUBIC)
    noisy = np.clip(np.asarray(coarse, np.int16) + draw.integers(-6, 7, (side, side, 3)), 0, 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=90)
    return file.getvalue()


def measure(
    settings: Settings,
    *,
    clients: Sequence[int],
    rates: Sequence[float] = (),
    seconds: float = 2.0,
    picture: bytes | None = None,
    watch: Watcher = SILENT,
) -> ServedLoads:
    """Serve the first model of `settings` to each number of `clients`, then at each of `rates` requests in a second.

    Raises what starting a server raises.
    """
    data = sample_picture() if picture is None else picture
    with Image.open(BytesIO(data)) as opened:
        what = f"{opened.format} of {opened.width} x {opened.height} pixels, {len(data):,} bytes"
    watch.stage("starting the server")
    model = settings.models[0]
    with Serving(settings) as serving:
        found = []
        for count, rate in [*((count, 0.0) for count in clients), *((max(clients), rate) for rate in rates)]:
            watch.stage(f"{plural(count, 'client')}{f', {rate:g} requests in a second' if rate else ''}")
            asked = Asked(
                host="127.0.0.1" if settings.host != "::1" else "::1", port=serving.port,
                path=f"/predict/{model.name}?top=1", clients=count, seconds=seconds, rate=rate,
            )  # fmt: skip
            counts = serving.counts.models[model.name]
            counts.forget()
            found.append(_with_counts(_load(asked, data), counts))
        return ServedLoads(
            title=model.name, about=serving.models[model.name], workers=model.workers, threads=threads_each(settings),
            picture=what, loads=tuple(found), cores=default_workers(),
        )  # fmt: skip


def _load(asked: Asked, picture: bytes) -> Load:
    """The clients, in a process of their own."""
    said = json.dumps(asdict(asked) | {"picture": base64.b64encode(picture).decode()})
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hubel.server.load"],
        input=said, capture_output=True, text=True, env=child_environment(), timeout=asked.seconds + 120,
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise HubelError("the clients failed", hint=lines[-1] if lines else f"exit code {done.returncode}")
    return Load(**json.loads(done.stdout))


def _with_counts(load: Load, counts: ModelCounts) -> ServedLoad:
    batches = counts.batches
    return ServedLoad(
        load=load,
        batch=sum(size * n for size, n in batches.items()) / max(1, sum(batches.values())),
        **{stage: 1e3 * counts.median(stage) for stage in ("wait", "decode", "net")},
    )
