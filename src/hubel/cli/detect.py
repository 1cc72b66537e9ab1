"""`hubel predict` with a detector of `hubel anomaly`: score, verdict and where, for each picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hubel.cli.console import note, say
from hubel.cli.options import expanded
from hubel.cli.output import print_data, print_json, watched
from hubel.errors import UsageError
from hubel.store.kinds import judges_steps
from hubel.words import in_columns, percent

if TYPE_CHECKING:
    from hubel.verbs.predict import JudgedSteps, Sightings


def detect(
    detector: str, pictures: Sequence[str], *, form: str, device: str, follow_links: bool,
    folder: Path | None, refused: Sequence[str],
) -> None:  # fmt: skip
    """Print what a detector says of pictures, and draw where into `folder`; exit code 3 where some cannot be read."""
    if refused:
        raise UsageError(f"{refused[0]} has no meaning for a detector", hint=f"leave {refused[0]} out")
    if not pictures:
        raise UsageError("a picture is needed", hint=f"hubel predict {detector} new/")
    if judges_steps(detector):
        _say_steps(detector, pictures, form=form, device=device, folder=folder)
        return
    from hubel.verbs.predict import Sightings, predict

    with watched() as watch:
        found = predict(detector, expanded(list(pictures)), device=device, follow_links=follow_links, watch=watch)
    assert isinstance(found, Sightings)
    if folder is not None:
        from hubel.verbs.anomaly_maps import save_maps

        note(f"wrote {len(save_maps(found, folder)):,} pictures into {folder}")
    _show(found, form, lambda: _table(found))


def _say_steps(detector: str, given: Sequence[str], *, form: str, device: str, folder: Path | None) -> None:
    from hubel.verbs.predict import JudgedSteps, predict

    if folder is not None:
        raise UsageError("--out is for detectors of pictures, which draw where", hint="--format csv has every step")
    with watched() as watch:
        watch.stage("looking")
        found = predict(detector, expanded(list(given)), device=device)
    assert isinstance(found, JudgedSteps)
    _show(found, form, lambda: "\n".join([*found.lines(most=100), "  (1 is the threshold)"]))


def _show(found: Sightings | JudgedSteps, form: str, table: Callable[[], str]) -> None:
    """Print what was found, after the names of what could not be read; exit code 3 where there is any."""
    for problem in found.problems:
        note(f"{problem.path}: {problem.reason}")
    if form == "json":
        print_json([one.to_dict() for one in found])
    elif form == "csv":
        print_data(found.to_csv())
    else:
        say(table())
    if found.problems:
        raise typer.Exit(3)


def _table(found: Sightings) -> str:
    others = list(found[0].beside)[:3]
    wide = max(12, 80 - 30 - sum(max(len(name), 5) + 2 for name in others))
    head = f"{'picture':<{wide}}{'score':>8}  {'verdict':<8}{'rarity':>8}" + "".join(
        f"  {name:>{max(len(name), 5)}}" for name in others
    )
    lines = [head]
    for one in found:
        verdict = "strange" if one.strange else "normal"
        beside = "".join(f"  {one.beside[name]:>{max(len(name), 5)}.2f}" for name in others)
        lines.append(f"{in_columns(one.name, wide)}{one.score:>8.2f}  {verdict:<8}{percent(one.rarity, 1):>8}{beside}")
    return "\n".join([*lines, "(0 is the usual of normal pictures, 1 the threshold; rarity: normal ones as strange)"])


def write_detector(detector: str, file: Path | None, *, as_json: bool, refused: Sequence[str]) -> None:
    """`hubel export` of a detector."""
    if refused:
        raise UsageError(f"{refused[0]} has no meaning for a detector", hint=f"leave {refused[0]} out")
    from hubel.verbs.export_detector import export_detector

    with watched() as watch:
        found = export_detector(detector, file, watch=watch)
    if as_json:
        print_json(found.to_dict())
    else:
        say(str(found))
