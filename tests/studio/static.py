"""Any server of files, with the studio's policy in every answer and nothing behind it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from hubel.server.gate import CSP
from studio.node import WEB


@contextmanager
def served(policy: str = CSP) -> Iterator[str]:
    """The address of the studio's files; `policy` is sent with each."""

    class Files(SimpleHTTPRequestHandler):
        extensions_map = {".js": "text/javascript", ".html": "text/html", ".css": "text/css"}  # noqa: RUF012

        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(WEB))  # type: ignore[arg-type]

        def end_headers(self) -> None:
            self.send_header("Content-Security-Policy", policy)
            super().end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
