"""What the studio answers at each path: its files, the events of a run, and what the modules of its pages answer."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from functools import partial
from hmac import compare_digest
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response

from hubel.errors import HubelError
from hubel.server.body import Refused, read_body
from hubel.server.counts import Counts
from hubel.server.gate import Door, Endpoint, Gate
from hubel.server.guard import GIVE, PAGE, READ, Doors, Policy
from hubel.server.settings import Limits
from hubel.studio import tail
from hubel.studio.asking import Asked, Route, answered, refusal
from hubel.studio.state import Studio

PAGES = {
    "home": "hubel.studio.home",
    "train": "hubel.studio.train",
    "doctor": "hubel.studio.doctor",
    "build": "hubel.studio.build",
    "runs": "hubel.studio.runs",
    "evaluate": "hubel.studio.evaluate",
    "ship": "hubel.studio.ship",
    "data": "hubel.studio.data",
    "camera": "hubel.studio.camera",
    "explain": "hubel.studio.explain",
    "inspect": "hubel.studio.inspect",
}
"""Page -> the module with its ROUTES, loaded when it is asked for first, or in the background."""
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
"""What a file of ours is; the system's registry is not asked."""
LIMITS = Limits(body=64 << 20)
SECONDS = 900.0
"""That an answer may take."""
_LOADING = threading.Lock()
_LOADED: dict[str, dict[tuple[str, str], Route]] = {}


def cookie_of(port: int) -> str:
    """The cookie that holds the token: one for each port, since browsers do not tell ports apart."""
    return f"hubel-studio-{port}"


def doors(studio: Studio, port: int, token: str) -> list[Door]:
    """Every path, with who may ask."""
    found = [Door(f"/{path}", PAGE, _file(item, path)) for path, item in _web(files("hubel.studio").joinpath("web"))]
    found.append(Door("/", PAGE, _first(port, token)))
    found.append(Door("/api/events", READ, tail.endpoint(studio), lasting=True))
    for page, module in PAGES.items():
        for method, policy in (("GET", READ), ("POST", GIVE)):
            narrow = Policy(**{**vars(policy), "methods": frozenset({method})})
            found.append(Door(f"/api/{page}/{{name}}", narrow, _asked(studio, module, method)))
    return found


def gate(studio: Studio, ours: Doors) -> Gate:
    """The application as the server runs it."""
    return Gate(
        doors(studio, ours.port, ours.token), ours, Counts(), seconds=SECONDS, cookie=cookie_of(ours.port)
    )  # fmt: skip


def load(module: str) -> dict[tuple[str, str], Route]:
    """The routes of a page by method and name; its module is imported the first time, torch perhaps with it."""
    if module not in _LOADED:  # who asks for what is there already never waits for torch
        with _LOADING:
            routes: list[Route] = importlib.import_module(module).ROUTES
            _LOADED[module] = {(route.method, route.name): route for route in routes}
    return _LOADED[module]


def warm(studio: Studio) -> None:
    """Load everything, in a thread of its own while the first page is looked at, which needs no torch."""
    load(PAGES["home"])

    def loading() -> None:
        for module in PAGES.values():
            if not studio.over.is_set():
                load(module)
        studio.warm.set()

    threading.Thread(target=loading, name="hubel studio: loading", daemon=True).start()


def _web(folder: Traversable, above: str = "") -> Iterator[tuple[str, Traversable]]:
    """Our own files by their path in an address; nothing else can be asked for."""
    for item in folder.iterdir():
        if item.is_dir() and not item.name.startswith(("_", ".")):
            yield from _web(item, f"{above}{item.name}/")
        elif "." in item.name and f".{item.name.rpartition('.')[2]}" in TYPES:
            yield above + item.name, item


def _file(item: Traversable, path: str) -> Endpoint:
    data, kind = item.read_bytes(), TYPES[f".{path.rpartition('.')[2]}"]

    async def answer(request: Request) -> Response:
        return Response(data, media_type=f"{kind}; charset=utf-8")

    return answer


def _first(port: int, token: str) -> Endpoint:
    """The page itself. Whoever shows the token in the address gets it as a cookie, which no script can read."""
    data = files("hubel.studio").joinpath("web", "index.html").read_bytes()

    async def answer(request: Request) -> Response:
        response = Response(data, media_type="text/html; charset=utf-8")
        if token and compare_digest(request.query_params.get("token", "").encode(), token.encode()):
            response.set_cookie(cookie_of(port), token, httponly=True, samesite="strict", path="/")
        return response

    return answer


def _asked(studio: Studio, module: str, method: str) -> Endpoint:
    async def answer(request: Request) -> Response:
        body = b""
        if method == "POST":
            body = await read_body(request.stream(), request.headers.get("content-length"), LIMITS)
        asked = Asked(studio, dict(request.query_params), body, request.headers.get("content-type", ""))
        return await studio.hands.do(partial(_answer, module, method, request.path_params["name"], asked))

    return answer


def _answer(module: str, method: str, name: str, asked: Asked) -> Response:
    try:
        route = load(module).get((method, name))
    except HubelError as error:
        return refusal(error)
    if route is None:
        raise Refused(404, "path", "there is nothing at this path")
    return answered(route, asked)
