"""A run's events as they are written, to any number of pages: `events.jsonl` from a byte on, as server-sent events.

The id of each event is the offset in the file after it. A page that comes again says the last it has seen, so a
reload, a second tab and a killed server lose nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from hubel.errors import HubelError
from hubel.server.gate import Endpoint
from hubel.store import RunStore
from hubel.studio.asking import refusal
from hubel.studio.state import Studio

FILE = "events.jsonl"
LOOK = 0.03
"""Seconds between two looks at the file."""
ALIVE = 0.5
"""Seconds between two looks at whether anybody trains."""
MOST = 1 << 20
"""Bytes of one event of ours: a long log comes in several."""


def after(request: Request) -> int:
    """The offset that a page has seen: what the browser says when it comes again, else what the address says."""
    for text in (request.headers.get("last-event-id", ""), request.query_params.get("after", "")):
        if text.isascii() and text.isdigit() and len(text) < 16:
            return int(text)
    return 0


def new_lines(path: str | os.PathLike[str], seen: int) -> tuple[int, list[bytes], bool]:
    """(offset after them, the whole lines after `seen`, was the log cut back?); one that was is read anew."""
    try:
        size = os.stat(path).st_size
    except OSError:
        return (0, [], seen > 0)
    cut = size < seen
    start = 0 if cut else seen
    if size == start:
        return start, [], cut
    with open(path, "rb") as file:
        file.seek(start)
        text = file.read(MOST)
    whole = text[: text.rfind(b"\n") + 1]
    return start + len(whole), whole.splitlines(), cut


def endpoint(studio: Studio) -> Endpoint:
    """Answers GET /api/events?run=NAME."""

    async def answer(request: Request) -> Response:
        try:
            folder = studio.places.run(request.query_params.get("run", ""))
        except HubelError as error:
            return refusal(error)
        return StreamingResponse(
            _stream(studio, RunStore(folder), after(request), request), media_type="text/event-stream"
        )

    return answer


async def _stream(studio: Studio, store: RunStore, seen: int, request: Request) -> AsyncIterator[bytes]:
    path = store.folder / FILE
    alive: bool | None = None
    looked = -ALIVE
    loop = asyncio.get_running_loop()
    yield b"retry: 1000\n\n"
    while not studio.over.is_set() and not await request.is_disconnected():
        seen, lines, cut = new_lines(path, seen)
        if cut:
            yield b"event: anew\ndata: {}\n\n"
        if lines:
            good = [line.decode("utf-8", "replace") for line in lines if line.strip()]
            yield f"id: {seen}\nevent: lines\ndata: [{','.join(good)}]\n\n".encode()
            continue
        if loop.time() - looked >= ALIVE:
            looked = loop.time()
            now = store.is_held()
            if now is not alive:
                alive = now
                yield f"event: alive\ndata: {json.dumps(now)}\n\n".encode()
            else:
                yield b": \n\n"
        await asyncio.sleep(LOOK)
