"""`hubel predict`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from hubel.verbs.predict import Prediction


class Format(StrEnum):
    """How predictions are printed."""

    table = "table"
    json = "json"
    csv = "csv"


def command(
    run: Annotated[str, typer.Argument(help="a run folder, such as runs/photos-1")],
    pictures: Annotated[list[str], typer.Argument(help="picture files or folders")],
    form: Annotated[Format, typer.Option("--format", "-f", help="how to print")] = Format.table,
    top: Annotated[int, typer.Option(min=1, help="classes per picture")] = 3,
    which: Annotated[str, typer.Option(help="which weights: best or last")] = "best",
    views: Annotated[
        str | None,
        typer.Option(
            help="views averaged per picture: none, mirror, shift, mirror-shift; the run's if not given",
            show_default=False,
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N, mps")] = "auto",
    fast: Annotated[
        bool | None,
        typer.Option(
            "--fast/--no-fast", help="make the net ready first; by itself from 100 pictures", show_default=False
        ),
    ] = None,
) -> None:
    """Classify pictures with a trained run. Unreadable files are named on standard error; exit code 3 if there are any.

    hubel predict runs/photos-1 new/*.jpg
    hubel predict runs/photos-1 new/ --format csv > answers.csv
    """
    from hubel.cli.console import note, say
    from hubel.cli.progress import Showing
    from hubel.verbs.predict import predict

    watch = Showing()
    watch.stage("classifying")
    try:
        found = predict(run, pictures, which=which, views=views, device=device, fast=fast, watch=watch)
    finally:
        watch.done()
    for problem in found.problems:
        note(f"{problem.path}: {problem.reason}")
    if form is Format.json:
        import json

        rows = [{"file": p.name, "label": p.label, **_numbers(p)} for p in found]
        say(json.dumps(rows, indent=1, ensure_ascii=False))
    elif form is Format.csv:
        print(found.to_csv(), end="")
    else:
        say(_table(found, top))
    if found.problems:
        raise typer.Exit(3)


def _numbers(prediction: Prediction) -> dict[str, object]:
    if not prediction.probabilities:
        return {"value": prediction.value}
    return {"probability": prediction.probability, "probabilities": prediction.probabilities}


def _table(found: list[Prediction], top: int) -> str:
    from pathlib import Path

    names = [Path(p.name).name for p in found]
    if len(set(names)) < len(names):
        names = [p.name for p in found]
    wide = min(max(len(name) for name in names), 40)
    lines = []
    for name, prediction in zip(names, found, strict=True):
        shown = name if len(name) <= wide else f"…{name[-wide + 1 :]}"
        if not prediction.probabilities:
            lines.append(f"{shown:<{wide}}  {prediction.label}")
            continue
        first, *rest = prediction.top(top)
        others = ", ".join(f"{label} {share:.1%}" for label, share in rest)
        lines.append(f"{shown:<{wide}}  {first[0]} {first[1]:.1%}" + (f"   ({others})" if others else ""))
    return "\n".join(lines)
