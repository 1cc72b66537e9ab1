"""`hubel explain RUN PICTURE`: why the net says what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubel.cli.console import hanging, note, say
from hubel.cli.options import DEVICE, LAYER, one_picture, option, out
from hubel.cli.output import keep_off, watched, write_file
from hubel.errors import UsageError


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="a run: its folder, or its name in runs/")] = "",
    picture: Annotated[
        str, typer.Argument(metavar="PICTURE", help='a picture file, or a sample of a data set: "digits:3"')
    ] = "",
    method: Annotated[
        str, option("--method", "-m", metavar="NAMES", help="methods, with commas between them (--methods lists them)")
    ] = "",
    target: Annotated[
        str,
        option(
            "--target",
            "--class",
            metavar="CLASS",
            help="the class to explain, by name or number; else the predicted one, or each label",
        ),
    ] = "",
    layer: LAYER = "",
    file: Annotated[Path, out("the page to write; PNGs go beside it", "--report")] = Path("explain.html"),
    trust: Annotated[
        bool,
        option("--trust/--no-trust", help="leave out how far each map can be trusted, which takes most of the time"),
    ] = True,
    thorough: Annotated[
        bool, option("--thorough", help="check the maps of a large net in as many steps as those of a small one")
    ] = False,
    methods: Annotated[bool, option("--methods", help="list the methods and end")] = False,
    device: DEVICE = "auto",
) -> None:
    """One page with the prediction, several maps side by side, and how far each of them can be trusted.

    hubel explain runs/photos-1 cat.jpg
    hubel explain runs/photos-1 cat.jpg --method grad-cam,occlusion --target dog
    """
    from hubel.report.pages.explanation import drawings, render, verdicts
    from hubel.verbs.explain import explain_page, listing

    if methods:
        for name, question in listing().items():
            say(hanging(f"{name:<22}", question))
        return
    if not run or not picture:
        raise UsageError("a run and a picture are needed", hint="hubel explain runs/photos-1 cat.jpg")
    picture = one_picture(picture)
    keep_off(file, [picture])
    with watched() as watch:
        report = explain_page(
            run, picture, methods=[part.strip() for part in method.split(",") if part.strip()],
            target=target or None, layer=layer or None, trusted=trust, thorough=thorough, device=device, watch=watch,
        )  # fmt: skip
    write_file(file, render(report).encode(errors="backslashreplace"), beside=[picture], told=False)
    for name, figure in drawings(report).items():
        write_file(file.with_name(f"{file.stem}-{name}.png"), figure.data, beside=[picture], told=False)
    say(report.sentence)
    for part in (report, *report.others):
        if report.others:
            say(f"{part.target}:")
        for index, found in enumerate(part.maps):
            verdict = part.trusts[index] if part.trusts else None
            say(hanging(f"  {found.method:<21}{found.seconds:6.2f} s  ", " ".join(verdicts(found, verdict))))
    for name, why in report.refusals:
        note(hanging(f"{name}: ", why, indent=2))
    note(f"wrote {file}")
