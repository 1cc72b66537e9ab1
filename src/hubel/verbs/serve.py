"""Serve: trained runs behind HTTP, on this machine or, with a token, for others."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from hubel.errors import UsageError, unknown
from hubel.server.serving import Serving
from hubel.server.settings import FORMS, PORT, Limits, ModelSettings, Settings
from hubel.store.kinds import is_detector

__all__ = ["Serving", "serve", "settings_for"]

Run = str | PathLike[str]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def serve(
    run: Run | Mapping[str, Run],
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    token: str = "",
    allow_hosts: Sequence[str] = (),
    allow_origins: Sequence[str] = (),
    block: bool = True,
    ready: Callable[[Serving], None] = lambda serving: None,
    tell: Callable[[str], None] = lambda text: None,
    limits: Limits | None = None,
    **settings: Any,
) -> Serving:
    """Answer pictures sent to POST /predict with what `hubel predict` says, until Ctrl-C or SIGTERM.

    `run` is a run (its folder, its name), a file of `hubel export`, or several of these by name, as in
    `{"cats": "runs/cats-1", "dogs": "runs/dogs-3"}`: the first answers /predict, each answers /predict/NAME. `port` 0
    takes a free one. A `host` that others can reach needs a `token` ("auto" makes one). Pages of other sites are
    refused, but for those of `allow_origins` ("https://cats.example"). `settings` are those of `ModelSettings`: which,
    views, device, workers, threads, batch, form, exact.

    With `block=False` it answers in a thread of its own, and what is returned has `.url` and `.stop()`; it is also a
    context. `ready` is called when every model can answer, `tell` with what happens afterwards.

    Raises UsageError for an address or a setting that cannot be, ArtefactError for a run that cannot be read.
    """
    given = settings_for(
        run,
        host=host,
        port=port,
        token=token,
        allow_hosts=allow_hosts,
        allow_origins=allow_origins,
        limits=limits or Limits(),
        **settings,
    )
    serving = Serving(given, tell=tell)
    if block:
        serving.run(lambda: ready(serving))
    else:
        serving.start()
        ready(serving)
    return serving


def settings_for(
    run: Run | Mapping[str, Run],
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    token: str = "",
    allow_hosts: Sequence[str] = (),
    allow_origins: Sequence[str] = (),
    limits: Limits | None = None,
    **settings: Any,
) -> Settings:
    """The settings of a server; raises UsageError for what cannot be.

    >>> [model.name for model in settings_for({"cats": "runs/cats-1", "dogs": "runs/dogs-3"}).models]
    ['cats', 'dogs']
    """
    runs = dict(run) if isinstance(run, Mapping) else {_name_of(run): run}
    for name in runs:
        if NAME.fullmatch(name) is None:
            raise UsageError(
                f"the name of a model must have letters, digits, dots, - and _ and at most 64 of them, got {name!r}",
                hint="--model cats=runs/cats-1",
            )
    for word in runs.values():
        _check_kind(_path(word))
    for name, least in (("workers", 1), ("batch", 1), ("threads", 1)):
        value = settings.get(name)
        if value is not None and value < least:
            raise UsageError(f"{name} must be at least {least}, got {value}", hint="leave it out")
    if settings.get("form", "ready") not in FORMS:
        raise unknown("form", str(settings["form"]), FORMS)
    if settings.get("form", "ready") != "ready" and settings.get("exact"):
        raise UsageError("--exact is by the net as it was trained, and --form is another", hint="leave one of them out")
    return Settings(
        models=tuple(ModelSettings(name=name, run=_path(word), **settings) for name, word in runs.items()),
        host=host,
        port=port,
        token=secrets.token_urlsafe(32) if token == "auto" else token,  # noqa: S105
        allow_hosts=tuple(allow_hosts),
        allow_origins=tuple(allow_origins),
        limits=limits or Limits(),
    )


def _check_kind(place: str) -> None:
    """Raise UsageError for what is neither a run nor a file of one."""
    if is_detector(place):
        raise UsageError(
            f"{place} is a detector, which tells what is strange, and the server asks runs and their files",
            hint=f"hubel predict {place} PICTURES asks it, and hubel export {place} writes it for ONNX Runtime",
        )


def _path(run: Run) -> str:
    if not isinstance(run, (str, PathLike)):
        raise UsageError(
            f"a run is needed, its folder or its name, got {type(run).__name__}",
            hint="workers read the run themselves: save a net before it is served",
        )
    return fspath(run)


def _name_of(run: Run) -> str:
    """A name for a run, from its folder's."""
    word = Path(_path(run))
    name = re.sub(
        r"[^A-Za-z0-9._-]+", "-", (word.resolve() if word.exists() else word).name.removesuffix(".onnx")
    ).strip("-.")[:64]
    return name or "model"
