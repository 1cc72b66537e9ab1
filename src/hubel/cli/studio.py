"""`hubel studio`."""

from __future__ import annotations

import os
import sys
import webbrowser
from typing import Annotated

import typer

from hubel.cli.console import note, say
from hubel.cli.options import option


def command(
    folders: Annotated[
        list[str] | None,
        typer.Argument(metavar="FOLDER", help="where pictures lie; this folder if none is given. Nothing else is read"),
    ] = None,
    runs: Annotated[str, option("--runs", metavar="FOLDER", help="where runs are read and written")] = "runs",
    host: Annotated[
        str, option("--host", metavar="HOST", help="where to listen; others than this machine need the address shown")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, option("--port", min=0, max=65535, metavar="N", help="8321 if not given, or a free one")
    ] = None,
    allow_hosts: Annotated[
        list[str] | None,
        option("--allow-host", metavar="NAME", help="a name, or NAME:PORT, by which it is reached; can be given again"),
    ] = None,
    no_browser: Annotated[bool, option("--no-browser", help="print the address, open nothing")] = False,
    check: Annotated[bool, option("--check", help="end as soon as every page is loaded: does it start here?")] = False,
) -> None:
    """All of hubel on a page in your browser: data, training, runs, measuring, explaining, shipping. Ctrl-C ends it.

    Nothing leaves this machine. Trainings that were started there go on when the page or the studio is closed.

    hubel studio
    hubel studio photos/ more/ --runs runs
    """
    from hubel.studio.serving import Serving

    serving = Serving(
        tuple(folders or ()), runs=runs, host=host, port=port, token=os.environ.get("HUBEL_TOKEN", ""),
        allow_hosts=tuple(allow_hosts or ()),
    )  # fmt: skip

    def ready() -> None:
        say(f"the studio is at {serving.url}")
        if serving.open_to_others:
            note(f"others can reach {host}: whoever has this address can train, edit and read what it shows")
        sys.stdout.flush()
        if not no_browser and not check and sys.stdout.isatty() and not os.environ.get("CI"):
            webbrowser.open(serving.url)

    if check:
        with serving:
            ready()
            serving.studio.warm.wait()
        return
    serving.run(ready)
