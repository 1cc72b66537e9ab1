"""`hubel serve`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.console import note, say
from hubel.cli.options import DEVICE, THREADS, VIEWS, WHICH, option
from hubel.errors import UsageError

if TYPE_CHECKING:
    from hubel.verbs.serve import Serving


def command(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="a run: its folder, or its name in runs/; or a file of hubel export")
    ] = "",
    models: Annotated[
        list[str] | None,
        option("--model", metavar="NAME=RUN", help="another model, at /predict/NAME; can be given again"),
    ] = None,
    host: Annotated[
        str, option("--host", metavar="HOST", help="where to listen; others than this machine need --token")
    ] = "127.0.0.1",
    port: Annotated[int, option("--port", min=0, max=65535, metavar="N", help="0 takes a free one")] = 8000,
    token: Annotated[
        str, option("--token", metavar="TOKEN", help="who asks must show it; auto makes one (or set HUBEL_TOKEN)")
    ] = "",
    allow_hosts: Annotated[
        list[str] | None,
        option("--allow-host", metavar="NAME", help="a name, or NAME:PORT, by which it is reached; can be given again"),
    ] = None,
    allow_origins: Annotated[
        list[str] | None,
        option(
            "--allow-origin", metavar="URL", help="a site whose pages may ask: https://cats.example; can be given again"
        ),
    ] = None,
    workers: Annotated[
        int, option("--workers", min=1, metavar="N", help="processes for each model that decode and compute")
    ] = 1,
    threads: THREADS = None,
    batch: Annotated[
        int, option("--batch-size", "--batch", min=1, max=1024, metavar="N", help="pictures through the net at once")
    ] = 16,
    form: Annotated[
        str,
        option(
            "--form",
            metavar="FORM",
            help="what the net runs in: ready (PyTorch), onnx (ONNX Runtime), auto (the faster)",
        ),
    ] = "ready",
    exact: Annotated[
        bool, option("--exact", help="the very bits of hubel predict RUN PICTURE; slower: one picture at a time")
    ] = False,
    queue: Annotated[
        int,
        option("--queue", min=1, metavar="N", help="pictures that may wait; who comes later is told to come again"),
    ] = 64,
    body: Annotated[float, option("--max-mb", min=0.001, metavar="X", help="megabytes a request may have")] = 20.0,
    megapixels: Annotated[
        float, option("--max-megapixels", min=0.001, metavar="X", help="megapixels a picture may have")
    ] = 25.0,
    check: Annotated[bool, option("--check", help="end as soon as every model is ready: does it start here?")] = False,
    which: WHICH = "best",
    views: VIEWS = None,
    device: DEVICE = "auto",
) -> None:
    """Answer pictures over HTTP: an API at /predict, and a page to try it. Ctrl-C or SIGTERM ends it.

    hubel serve runs/photos-1
    curl -F picture=@cat.jpg http://127.0.0.1:8000/predict
    hubel serve --model cats=runs/cats-1 --model dogs=runs/dogs-3 --port 0
    """
    from hubel.server.settings import Limits
    from hubel.verbs.serve import serve

    runs = _named(run, models or [])
    asked = token or os.environ.get("HUBEL_TOKEN", "")

    def ready(serving: Serving) -> None:
        for name, about in serving.models.items():
            size = "x".join(map(str, about["input"]))
            unfinished = "" if about["finished"] else "; its training has not ended: its best weights so far"
            say(f"{name}: {about['architecture']}, {about['says']}, {size}, weights {about['digest'][:12]}{unfinished}")
        where = f"{serving.url}/#token={serving.settings.token}" if token == "auto" else serving.url  # noqa: S105
        say(f"ready at {where}")
        sys.stdout.flush()
        if check:
            serving.stop()

    serve(
        runs, host=host, port=port, token=asked, allow_hosts=allow_hosts or (), allow_origins=allow_origins or (),
        ready=ready, tell=note, which=which, views=views, device=device, workers=workers,
        threads=threads, batch=batch, exact=exact, form=form,
        limits=Limits(
            body=int(body * 1e6), queue=queue, pictures=min(Limits.pictures, queue), megapixels=megapixels
        ),
    )  # fmt: skip


def _named(run: str, models: list[str]) -> dict[str, str]:
    """Runs by the names under which they answer; raises UsageError for what is no NAME=RUN."""
    from hubel.verbs.serve import settings_for

    found = {model.name: model.run for model in settings_for(run).models} if run else {}
    for word in models:
        name, equals, folder = word.partition("=")
        if not (name and equals and folder):
            raise UsageError(f"--model must be NAME=RUN, got {word!r}", hint="--model cats=runs/cats-1")
        if name in found:
            raise UsageError(f"two models are called {name!r}", hint=f"--model {name}-2={folder}")
        found[name] = folder
    if not found:
        raise UsageError("a run is needed", hint="hubel serve runs/photos-1; hubel runs ls lists them")
    return {name: str(Path(folder)) for name, folder in found.items()}
