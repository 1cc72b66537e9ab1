"""What a server is asked for, and the limits within which it works for anybody who sends it anything."""

from __future__ import annotations

from dataclasses import dataclass, field

PORT = 8000
FORMS = ("ready", "onnx", "auto")
"""What a run's net can run in; an exported file is in ONNX as it is."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one client, and all of them together, may ask for."""

    body: int = 20 << 20
    """Bytes of a request."""
    pictures: int = 64
    """In one request."""
    queue: int = 64
    """Pictures that wait for one model; who comes later is told to come again."""
    megapixels: float = 25.0
    """Of a picture, as it must be held in memory."""
    header_bytes: int = 64 << 10
    header_seconds: float = 5.0
    """In which a request line and its headers must have come."""
    body_seconds: float = 10.0
    """In which the body must have come."""
    answer_seconds: float = 30.0
    """From the last byte of a request to its answer."""
    picture_seconds: float = 10.0
    """For decoding and computing, for each picture of a batch."""
    connections: int = 256
    """Open at a time; of more, the ones that have asked for nothing for longest are closed."""
    drain_seconds: float = 3.0
    """For requests under way when the server is told to stop."""


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """One model: the run it is read from, and how it computes."""

    name: str
    run: str
    """A run folder, a weights folder, or the name of a run in runs/."""
    which: str = "best"
    views: str | None = None
    device: str = "auto"
    workers: int = 1
    """Processes that decode and compute."""
    threads: int | None = None
    """Of each worker; None shares the processors out."""
    batch: int = 16
    """Pictures that go through the net together at most."""
    form: str = "ready"
    """What the net runs in: "ready", PyTorch at its fastest here; "onnx", ONNX Runtime; "auto", the faster of both."""
    exact: bool = False
    """One picture after the other through the net as it was trained, as `hubel predict` does with one picture."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A server."""

    models: tuple[ModelSettings, ...]
    """The first answers /predict; each answers /predict/NAME."""
    host: str = "127.0.0.1"
    port: int = PORT
    """0 is any free one."""
    token: str = ""
    """Without it nobody is answered, but on paths that say nothing of the models; "" asks for none."""
    allow_hosts: tuple[str, ...] = ()
    """Names, or NAME:PORT, under which others reach this server."""
    allow_origins: tuple[str, ...] = ()
    """Sites whose pages may ask: "https://cats.example"."""
    limits: Limits = field(default_factory=Limits)
