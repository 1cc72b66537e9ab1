"""What the server answers at each path."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from hubel.errors import UnknownName
from hubel.server.body import Given, Refused, pictures_in, read_body
from hubel.server.counts import Counts
from hubel.server.crew import Busy, Crew, Down, Said, Unanswered
from hubel.server.gate import Door, Endpoint, Gate, json_response
from hubel.server.guard import CALL, OPEN, PAGE, READ, Doors
from hubel.server.models import Models
from hubel.server.schema import openapi
from hubel.server.settings import Settings

FILES = {"/": ("index.html", "text/html"), "/page.js": ("page.js", "text/javascript"),
         "/page.css": ("page.css", "text/css")}  # fmt: skip
FACTS = (
    "architecture", "task", "title", "says", "digest", "classes", "colours", "input", "views", "thresholds",
)  # fmt: skip
"""Of what a worker says of its model: what clients are told."""
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class App:
    """The answers."""

    def __init__(
        self, settings: Settings, models: Models, counts: Counts, connections: Callable[[], int] = lambda: 0
    ) -> None:
        self.settings, self.models, self.counts, self.connections = settings, models, counts, connections

    def doors(self) -> list[Door]:
        """Every route, with who may ask."""
        return [
            *(Door(path, PAGE, _page(*file)) for path, file in FILES.items()),
            Door("/health", OPEN, self.health),
            Door("/ready", OPEN, self.ready),
            Door("/predict", CALL, self.predict),
            Door("/predict/{name}", CALL, self.predict),
            Door("/models", READ, self.list_models),
            Door("/metrics", READ, self.metrics),
            Door("/openapi.json", READ, self.schema),
        ]

    def gate(self, ours: Doors) -> Gate:
        """The application as a server runs it."""
        limits = self.settings.limits
        return Gate(self.doors(), ours, self.counts, seconds=limits.body_seconds + limits.answer_seconds + 5)

    async def health(self, request: Request) -> Response:
        """The server is there."""
        return json_response({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """Can every model answer? 503 until then."""
        ready = self.models.ready
        return json_response({"ready": ready}, 200 if ready else 503, None if ready else {"retry-after": "2"})

    async def list_models(self, request: Request) -> Response:
        """What answers, with which weights."""
        facts = [
            {
                "name": name, "path": f"/predict/{name}", **{fact: crew.about[fact] for fact in FACTS},
                "workers": crew.up, "queue": len(crew.waiting),
            }
            for name, crew in self.models
        ]  # fmt: skip
        limits = self.settings.limits
        return json_response(
            {
                "models": facts,
                "limits": {
                    "bytes": limits.body, "pictures": limits.pictures, "megapixels": limits.megapixels,
                    "queue": limits.queue,
                },
            }
        )  # fmt: skip

    async def metrics(self, request: Request) -> Response:
        """Counts for Prometheus."""
        queued = {name: len(crew.waiting) for name, crew in self.models}
        info = {
            name: {"digest": crew.about["digest"], "architecture": crew.about["architecture"]}
            for name, crew in self.models
        }
        return Response(self.counts.text(queued, info, self.connections()), media_type=PROMETHEUS)

    async def schema(self, request: Request) -> Response:
        """What may be asked, as OpenAPI says it."""
        return json_response(openapi(self.settings))

    async def predict(self, request: Request) -> Response:
        """What is said of one or more pictures."""
        began = time.perf_counter()
        name = request.path_params.get("name", self.models.first)
        crew, top = self._crew(name), _top(request)
        limits = self.settings.limits
        try:
            crew.require_room()
            pictures = await self._pictures(request)
            read = time.perf_counter()
            items = [{"name": given.name, "top": top} for given in pictures]
            async with asyncio.timeout(limits.answer_seconds):
                waiting = crew.submit(items, [given.data for given in pictures])
                said = await asyncio.gather(*waiting, return_exceptions=True)
        except Busy as error:
            raise Refused(
                429, "busy", f"{limits.queue} pictures wait already", f"come again in {error.seconds} s",
                retry_after=str(error.seconds),
            ) from None  # fmt: skip
        except Down as error:
            raise _down() from error
        except TimeoutError:
            for future in waiting:
                future.cancel()
            raise Refused(
                503, "late", f"no answer within {limits.answer_seconds:g} seconds", retry_after="5"
            ) from None  # fmt: skip
        return self._answer(name, crew, pictures, said, began, read)

    def _crew(self, name: str) -> Crew:
        try:
            crew = self.models.crew(name)
        except UnknownName as error:
            raise Refused(404, "model", error.what, error.hint) from None
        if crew is None:
            raise Refused(503, "starting", "the model is being loaded", "ask /ready", retry_after="2")
        return crew

    async def _pictures(self, request: Request) -> list[Given]:
        limits = self.settings.limits
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Refused(415, "type", "a body with a Content-Encoding is not taken", "send it as it is")
        try:
            async with asyncio.timeout(limits.body_seconds):
                body = await read_body(request.stream(), request.headers.get("content-length"), limits)
        except TimeoutError:
            raise Refused(
                408, "time", f"the body did not come within {limits.body_seconds:g} seconds", connection="close"
            ) from None  # fmt: skip
        return pictures_in(body, request.headers.get("content-type", ""), limits)

    def _answer(
        self,
        name: str,
        crew: Crew,
        pictures: list[Given],
        said: list[Said | BaseException],
        began: float,
        read: float,
    ) -> Response:
        texts, bad = [], 0
        for given, each in zip(pictures, said, strict=True):
            if isinstance(each, Unanswered):
                problem = {"name": given.name, "problem": {"kind": "corrupt", "reason": str(each)}}
                texts.append(json.dumps(problem, ensure_ascii=False).encode("utf-8", "replace"))
                bad += 1
            elif isinstance(each, BaseException):
                raise _down()
            else:
                texts.append(each.text)
                bad += each.bad
        good = [each for each in said if isinstance(each, Said)]
        took = {
            "read": read - began,
            "wait": max((each.wait for each in good), default=0.0),
            "decode": sum(each.decode for each in good),
            "net": max((each.net for each in good), default=0.0),
            "total": time.perf_counter() - began,
        }
        counts = self.counts.models[name]
        for stage in ("wait", "decode", "net", "total"):
            counts.took(stage, took[stage])
        head = json.dumps(
            {
                "model": name,
                "digest": crew.about["digest"],
                "milliseconds": {stage: round(1e3 * seconds, 3) for stage, seconds in took.items()},
            },
            ensure_ascii=False,
        )
        body = head[:-1].encode() + b', "predictions": [' + b", ".join(texts) + b"]}\n"
        return Response(body, 422 if bad == len(texts) else 200, media_type="application/json")


def _down() -> Refused:
    return Refused(503, "down", "the model cannot answer now", "ask /ready", retry_after="5")


def _top(request: Request) -> int | None:
    """How many classes are asked for; None for all."""
    strange = [name for name in request.query_params if name != "top"]
    if strange:
        raise Refused(400, "query", f"{strange[0][:40]!r} is no parameter of this path", "?top=5 is one")
    text = request.query_params.get("top")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0 and len(text) <= 9):
        raise Refused(400, "query", f"top must be a whole number from 1 on, got {text[:40]!r}", "?top=5")
    return int(text)


def _page(name: str, kind: str) -> Endpoint:
    """A file of the page, read once."""
    data = files("hubel.server").joinpath("page", name).read_bytes()

    async def answer(request: Request) -> Response:
        return Response(data, media_type=f"{kind}; charset=utf-8")

    return answer
