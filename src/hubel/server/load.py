"""Clients that ask a server as fast as it answers (closed loop), or at random moments of a given rate (open loop).

`python -m hubel.server.load` reads one JSON object on standard input (`Asked` as plain data, the picture in base64) and
prints the seconds of every answer: a process of its own, so that clients and server share no interpreter. In the open
loop an answer is timed from the moment at which it should have been asked for, however late the client is: who waits
in line is not forgotten.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from hubel.server.counts import quantile


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What clients do."""

    host: str
    port: int
    path: str
    clients: int
    """Connections; in the open loop as many as there must be, up to these."""
    seconds: float
    rate: float = 0.0
    """Requests in a second, at random; 0 for the closed loop."""
    warm: float = 0.2
    """Seconds before those that count."""
    kind: str = "image/jpeg"
    """Content-Type of what is sent."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What clients saw. Seconds; those of refused requests do not count."""

    clients: int
    rate: float
    """That was asked; 0 for as fast as it answers."""
    answers: int
    refused: int
    seconds: float
    p50: float
    p90: float
    p99: float

    @property
    def per_second(self) -> float:
        """Answers in a second."""
        return self.answers / self.seconds

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "per_second": self.per_second}


class _Client:
    """One connection that is kept."""

    def __init__(self, asked: Asked, picture: bytes) -> None:
        head = (
            f"POST {asked.path} HTTP/1.1\r\nHost: {asked.host}:{asked.port}\r\nContent-Type: {asked.kind}\r\n"
            f"Content-Length: {len(picture)}\r\n\r\n"
        )
        self.request, self.asked = head.encode() + picture, asked
        self.stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self) -> int:
        """The status of an answer, read to its end."""
        if self.stream is None:
            self.stream = await asyncio.open_connection(self.asked.host, self.asked.port)
        reader, writer = self.stream
        writer.write(self.request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        await reader.readexactly(length)
        return int(head[9:12])

    def close(self) -> None:
        if self.stream is not None:
            self.stream[1].close()


async def ask_all(asked: Asked, picture: bytes) -> Load:
    """Ask for so many seconds."""
    taken: list[float] = []
    refused = 0
    begins = time.perf_counter() + asked.warm
    ends = begins + asked.seconds

    async def one(client: _Client, since: float) -> None:
        nonlocal refused
        status = await client.ask()
        done = time.perf_counter()
        if since >= begins:
            refused += status != 200
            if status == 200:
                taken.append(done - since)

    clients = [_Client(asked, picture) for _ in range(asked.clients)]
    try:
        if asked.rate:
            await _open_loop(asked.rate, clients, one, ends)
        else:
            await asyncio.gather(*(_closed_loop(client, one, ends) for client in clients))
    finally:
        for client in clients:
            client.close()
    return Load(
        clients=asked.clients, rate=asked.rate, answers=len(taken), refused=refused,
        seconds=max(time.perf_counter(), ends) - begins, p50=quantile(taken, 0.5), p90=quantile(taken, 0.9),
        p99=quantile(taken, 0.99),
    )  # fmt: skip


async def _closed_loop(client: _Client, one: Any, ends: float) -> None:
    while (now := time.perf_counter()) < ends:
        await one(client, now)


async def _open_loop(rate: float, clients: list[_Client], one: Any, ends: float) -> None:
    draw = random.Random(0)
    free: asyncio.Queue[_Client] = asyncio.Queue()
    for client in clients:
        free.put_nowait(client)

    async def send(due: float) -> None:
        client = await free.get()
        try:
            await one(client, due)
        finally:
            free.put_nowait(client)

    due = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        while (due := due + draw.expovariate(rate)) < ends:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(send(due))


def main() -> None:
    """Read what to do, do it, print what was seen."""
    said = json.load(sys.stdin)
    picture = base64.b64decode(said.pop("picture"))
    print(json.dumps(asdict(asyncio.run(ask_all(Asked(**said), picture)))))


if __name__ == "__main__":
    main()
