"""`hubel predict`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubel.cli.console import note, say
from hubel.cli.detect import detect
from hubel.cli.follow import follow
from hubel.cli.options import DEVICE, FOLLOW_LINKS, JSON, RUN, VIEWS, WHICH, expanded, option
from hubel.cli.output import print_data, print_json, watched, write_figure
from hubel.cli.predict_parts import answer_in_parts
from hubel.errors import UsageError
from hubel.store.kinds import is_detector
from hubel.words import plural

if TYPE_CHECKING:
    from hubel.verbs.predict import Answers, Prediction


TOP = 3
"""Classes that a table names of each picture, where nobody says otherwise."""


class Format(StrEnum):
    """How predictions are printed."""

    table = "table"
    json = "json"
    csv = "csv"


def command(
    run: RUN,
    pictures: Annotated[
        list[str] | None,
        typer.Argument(metavar="PICTURE", help="files, folders, patterns 'new/*.jpg'; numbers, for points"),
    ] = None,
    again: Annotated[
        list[str] | None, option("--data", "--source", metavar="DATA", hidden=True, help="the same as an option")
    ] = None,
    form: Annotated[Format, option("--format", metavar="FORMAT", help="table, json or csv")] = Format.table,
    as_json: JSON = False,
    top: Annotated[
        int | None,
        option("--top", "--topk", min=1, metavar="N", help="classes for each picture; 3, and all with --json"),
    ] = None,
    which: WHICH = "best",
    views: VIEWS = None,
    device: DEVICE = "auto",
    fast: Annotated[
        bool | None, option("--fast/--no-fast", help="make the net ready first; by itself from 100 pictures")
    ] = None,
    follow_links: FOLLOW_LINKS = False,
    folder: Annotated[
        Path | None, option("--out", metavar="FOLDER", help="write what it answers as pictures here; with --on, parts")
    ] = None,
    on: Annotated[
        str | None, option("--on", metavar="WHERE", help="answer in CSV parts: here, local, ray://HOST:PORT (cluster)")
    ] = None,
    part_size: Annotated[
        int | None, option("--part-size", min=1, metavar="N", help="of --on: pictures of a part; 4096 if not given")
    ] = None,
    threads: Annotated[
        int | None, option("--threads", min=1, metavar="N", help="of --on: cores for each place")
    ] = None,
    stream: Annotated[
        str | None, option("--stream", metavar="PLACE", help="files as they arrive in a folder, lines as a table grows")
    ] = None,
    window: Annotated[
        int | None,
        option("--window", min=1, metavar="N", help="of --stream: scores of a detector that are averaged; 10"),
    ] = None,
    idle: Annotated[
        str | None, option("--idle", metavar="TIME", help="of --stream: end after so long without anything new")
    ] = None,
    classes: Annotated[
        str | None, option("--classes", metavar="DATA", help="labelled pictures: classes to be near to besides its own")
    ] = None,
    sets: Annotated[
        str, option("--sets", metavar="KIND", help="rule of the plausible classes: lac, aps, per-class")
    ] = "lac",
    dropout_samples: Annotated[
        int | None,
        option("--dropout-samples", min=2, metavar="N", help="ask N thinned forms of a net with drop-out; the mean"),
    ] = None,
    autoencoder: Annotated[
        str | None,
        option("--autoencoder", metavar="RUN", help="a run of the task reconstruct, or a detector: is it known, too?"),
    ] = None,
    boundary: Annotated[
        Path | None, option("--boundary", metavar="FILE", help="of a run on two numbers: draw what it answers where")
    ] = None,
) -> None:
    """Ask a trained run about pictures. Unreadable files are named on standard error; exit code 3 if there are any.

    hubel predict runs/photos-1 new/*.jpg
    hubel predict runs/photos-1 new/ --format csv > answers.csv
    hubel predict runs/photos-1 runs/photos-2 new/     (the mean of both)
    hubel predict detectors/parts-1 new/               (of hubel anomaly)
    hubel predict detectors/parts-1 --stream camera/   (as they arrive)
    hubel predict runs/pumps-1 --stream new.csv        (line by line, as it grows)
    hubel predict runs/moons-1 0.5,-1.2 points.csv --boundary boundary.svg
    hubel predict runs/photos-1 new/ --on local --out a/   (millions, in parts)
    """
    from hubel.records.ledger import is_run
    from hubel.verbs.predict import JudgedSteps, Predictions, Sightings, predict

    names = [*(pictures or []), *(again or [])]
    if stream is None and (idle is not None or window is not None):
        raise UsageError("--idle and --window are for --stream", hint=f"hubel predict {run} --stream new/")
    if stream is not None:
        if names and is_run(names[0]):
            raise UsageError(
                "one run answers what arrives, and several are given",
                hint="hubel ensemble joins runs to one that does, or name one of them",
            )
        chosen = {
            "PICTURE": bool(names), "--boundary": boundary is not None, "--classes": classes is not None,
            "--top": top is not None, "--fast": fast is not None, "--sets": sets != "lac",
            "--dropout-samples": dropout_samples is not None, "--autoencoder": bool(autoencoder),
            "--format csv": form is Format.csv, "--out": folder is not None, "--on": on is not None,
            "--part-size": part_size is not None, "--threads": threads is not None,
        }  # fmt: skip
        follow(run, stream, as_json=as_json or form is Format.json, window=window, idle=idle, which=which, views=views,
               device=device, follow_links=follow_links,
               refused=[name for name, given in chosen.items() if given])  # fmt: skip
        return
    if on is None and (part_size or threads):
        raise UsageError("--part-size and --threads are for --on", hint=f"hubel predict {run} new/ --on local --out a/")
    if on is not None:
        nets = [run]
        while names and is_run(names[0]):
            nets.append(names.pop(0))
        chosen = {
            "--boundary": boundary is not None, "--classes": classes is not None, "--top": top is not None,
            "--format json": form is Format.json, "--autoencoder": bool(autoencoder), "--sets": sets != "lac",
            "--dropout-samples": dropout_samples is not None,
        }  # fmt: skip
        answer_in_parts(
            nets, names, folder, on=on, part_size=part_size or 4096, threads=threads, which=which, views=views,
            device=device, fast=bool(fast), follow_links=follow_links, as_json=as_json,
            refused=[name for name, given in chosen.items() if given],
        )  # fmt: skip
        return
    if is_detector(run):
        chosen = {"--which": which != "best", "--views": views is not None, "--fast": fast is not None,
                  "--boundary": boundary is not None, "--classes": classes is not None, "--top": top is not None,
                  "--sets": sets != "lac", "--dropout-samples": dropout_samples is not None,
                  "--autoencoder": bool(autoencoder)}  # fmt: skip
        detect(run, names, form="json" if as_json else form.value, device=device, follow_links=follow_links,
               folder=folder, refused=[name for name, given in chosen.items() if given])  # fmt: skip
        return
    nets = [run]
    while names and is_run(names[0]):
        nets.append(names.pop(0))
    if boundary is not None:
        from hubel.verbs.boundary import boundary as draw_boundary

        if len(nets) > 1 or which != "best":
            what = f"{len(nets)} runs are given" if len(nets) > 1 else f"--which {which} is asked for"
            raise UsageError(
                f"--boundary draws what the best weights of one run answer, and {what}", hint="leave --boundary out"
            )

        with watched() as watch:
            figure = draw_boundary(run, watch=watch)
        write_figure(figure, boundary)
        if not names:
            return
    if not names:
        raise UsageError("a picture is needed", hint=f"hubel predict {run} cat.jpg, or a folder of pictures")
    if top is not None and form is Format.csv and not as_json:
        raise UsageError("--top is for the table and --json: CSV has a column for every class", hint="leave it out")
    with watched() as watch:
        watch.stage("classifying")
        found = predict(
            nets, expanded(names), which=which, views=views, device=device, fast=fast, follow_links=follow_links,
            classes=classes, sets=sets, dropout_samples=dropout_samples, autoencoder=autoencoder, watch=watch,
        )  # fmt: skip
    assert not isinstance(found, (Sightings, JudgedSteps))
    for problem in found.problems:
        note(f"{problem.path}: {problem.reason}")
    if top is not None and (not isinstance(found, Predictions) or not found[0].probabilities):
        raise UsageError("--top is for nets that name one class, and this one answers otherwise", hint="leave it out")
    if not isinstance(found, Predictions):
        _print_answers(found, form if not as_json else Format.json, folder)
    elif folder is not None:
        raise UsageError("--out is for nets that answer with pictures, and this one names labels", hint="--format csv")
    elif as_json or form is Format.json:
        print_json([{"file": p.name} | p.to_dict(top) for p in found])
    elif form is Format.csv:
        print_data(found.to_csv())
    else:
        say(_table(found, TOP if top is None else top, sets))
    if found.problems:
        raise typer.Exit(3)


def _print_answers(found: Answers, form: Format, folder: Path | None) -> None:
    """Of a net whose task is no label: its words, its numbers, and its pictures in a folder."""
    if folder is not None and found[0].picture is None:
        raise UsageError("--out is for nets that answer with pictures, and this one names labels", hint="--format csv")
    if folder is not None:
        from hubel.verbs.predict import save_answers

        written = save_answers(found, folder)
        kinds = sorted({path.parent.name for path in written if path.parent != folder})
        more = f", {' and '.join(f'{kind}/' for kind in kinds)} among them" if kinds else ""
        note(f"wrote {plural(len(written), 'picture')} into {folder}{more}")
    if form is Format.json:
        print_json([{"file": each.name} | each.to_dict() for each in found])
    elif form is Format.csv:
        print_data(found.to_csv())
    else:
        names = shortened([each.name for each in found])
        wide = min(max((len(name) for name in names), default=0), 40)
        say("\n".join(f"{name[-40:]:<{wide}}  {each.line}" for name, each in zip(names, found, strict=True)))


def shortened(names: list[str]) -> list[str]:
    """Names without their folders, where those tell nothing.

    >>> shortened(["a/1.png", "b/2.png"]), shortened(["a/1.png", "b/1.png"])
    (['1.png', '2.png'], ['a/1.png', 'b/1.png'])
    """
    short = [Path(name).name for name in names]
    return short if len(set(short)) == len(short) else names


def _table(found: list[Prediction], top: int, sets: str = "lac") -> str:
    names = shortened([p.name for p in found])
    wide = min(max((len(name) for name in names), default=0), 40)
    shown = (name if len(name) <= wide else f"…{name[-wide + 1 :]}" for name in names)
    return "\n".join(f"{name:<{wide}}  {one.told(top, sets=sets)}" for name, one in zip(shown, found, strict=True))
