"""A worker process: reads frames from standard input, answers on standard output, and ends when the server does.

`python -m hubel.server.worker`. Torch takes seconds to load; who listens is there before, so that a worker whose
server is gone ends at once, whatever it is doing.
"""

from __future__ import annotations

import importlib
import os
import signal
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from hubel.server.wire import Frame, packed, read_frame


def main() -> None:
    """Answer until standard input ends."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # sent to a whole group, they are meant for the server
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    came, goes = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    frames: SimpleQueue[Frame] = SimpleQueue()

    def listen() -> None:
        with suppress(Exception):
            while (frame := read_frame(came)) is not None:
                frames.put(frame)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()

    def send(said: dict[str, Any], *blobs: bytes) -> None:
        goes.write(packed(said, blobs))
        goes.flush()

    try:
        importlib.import_module("hubel.server.answering").answer(frames.get, send)
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
