"""`hubel anomaly`: what is strange, learnt from normal pictures, steps or rows alone."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.console import note, say
from hubel.cli.options import DEVICE, FOLLOW_LINKS, JSON, SEED, option
from hubel.cli.output import print_json, watched
from hubel.cli.settings import columns as columns_said
from hubel.errors import UsageError


def command(
    good: Annotated[
        str, typer.Argument(metavar="GOOD", help="normal pictures, a table, signals; or a labelled set")
    ] = "",
    test: Annotated[
        str | None, option("--test", metavar="DATA", help="what to look at: in good/, scratch/, … or unsorted; a table")
    ] = None,
    method: Annotated[
        list[str] | None, option("--method", metavar="NAME", help="a method, several, or all (--list has them)")
    ] = None,
    features: Annotated[
        str | None, option("--features", metavar="RUN|NAME", help="what sees: pixels, a run, a net by name")
    ] = None,
    normal: Annotated[
        str,
        option("--normal", metavar="NAMES", help="the normal classes of a set, or folders of --test; else good, ok"),
    ] = "",
    columns: Annotated[
        list[str] | None, option("--column", metavar="ROLE=NAME", help="of a table: series, time, label or ignore")
    ] = None,
    window: Annotated[
        int | None, option("--window", min=1, metavar="N", help="of tables and signals: steps looked at together; 8")
    ] = None,
    false_alarms: Annotated[
        float, option("--false-alarms", metavar="RATE", help="normal pictures that may pass the threshold")
    ] = 0.01,
    img_size: Annotated[str | None, option("--img-size", metavar="N|HxW", help="pixels of the pictures")] = None,
    time: Annotated[str, option("--time", metavar="TIME", help="time that a net may learn")] = "60s",
    keep_suspicious: Annotated[
        bool, option("--keep-suspicious", help="learn also from what in GOOD looks like no other")
    ] = False,
    folder: Annotated[
        str | None, option("--out", metavar="FOLDER", help="folder of the detector, if not detectors/NAME-N")
    ] = None,
    most: Annotated[
        int, option("--limit", min=1, metavar="N", help="pictures that are printed, the strangest first")
    ] = 10,
    seed: SEED = 0,
    device: DEVICE = "auto",
    follow_links: FOLLOW_LINKS = False,
    listed: Annotated[bool, option("--list", help="list the methods, and learn nothing")] = False,
    as_json: JSON = False,
) -> None:
    """Learn from normal pictures what is strange; score others, say where, and keep the detector for hubel predict.

    PCA and nearest neighbours always stand beside the method that is asked for. The threshold comes from normal
    pictures that were held out. Layouts of MVTec AD are read as they are. Of a table of rows in time, or of signals,
    strange steps are told; of a table without time, strange rows.

    hubel anomaly good/ --test mixed/
    hubel anomaly bottle/ --method patchcore --features runs/parts-1
    hubel anomaly mnist --normal 3 --method all
    hubel anomaly normal.csv --test mixed.csv --false-alarms 0.01
    hubel predict detectors/bottle-1 new/
    """
    if listed:
        if good or test:
            raise UsageError("--list learns nothing: it goes with no GOOD", hint="hubel anomaly --list")
        _show_list(as_json=as_json)
        return
    if not good:
        raise UsageError("a folder of normal pictures is needed", hint="hubel anomaly good/ --test mixed/")
    from hubel.verbs.anomaly import anomaly

    names = [word.strip() for each in method or [] for word in each.split(",") if word.strip()]
    with watched() as watch:
        found = anomaly(
            good, test, method=names, features=features, columns=columns_said(columns), window=window,
            false_alarms=false_alarms, img_size=_size(img_size),
            normal=[word.strip() for word in normal.split(",") if word.strip()], keep_suspicious=keep_suspicious,
            out=folder, time=_seconds(time), seed=seed, device=device, follow_links=follow_links, watch=watch,
        )  # fmt: skip
    if as_json:
        print_json(found.to_dict())
    else:
        say("\n".join(found.lines(most)))
    from hubel.verbs.anomaly import Anomalies

    new = "NEW/" if isinstance(found, Anomalies) else "NEW.csv" if found.detector.kind != "signals" else "NEW.npy"
    note(f"wrote {found.folder}/anomaly.html; others: hubel predict {found.folder} {new}")


def _seconds(text: str) -> float:
    from hubel.recipes.schema import seconds

    try:
        found = seconds(text)
    except ValueError as error:
        raise UsageError(f"--time {error}, got {text!r}", hint="--time 60s") from None
    assert isinstance(found, float)
    return found


def _size(text: str | None) -> int | tuple[int, int] | None:
    """Pixels from "128" or "96x128".

    >>> _size("128"), _size("96x128"), _size(None)
    (128, (96, 128), None)
    """
    if text is None:
        return None
    try:
        sides = [int(side) for side in text.casefold().split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or min(sides) < 1:
        raise UsageError(f"--img-size must be pixels such as 128 or 96x128, got {text!r}", hint="--img-size 128")
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


def _show_list(*, as_json: bool) -> None:
    from hubel.verbs.anomaly_maps import list_methods, list_step_methods

    found, steps_listed = list_methods(), list_step_methods()
    if as_json:
        print_json(
            [
                {"name": name, "title": m.title, "formula": m.formula, "maps": m.maps, "net": m.net, "source": m.source}
                for name, m in found.items()
            ]
            + [{"name": name, "title": title, "steps": True} for name, title in steps_listed.items()]
        )
    else:
        lines = [f"{name:<13}{m.title:<28}{'says where' if m.maps else '':<12}{'a net' if m.net else ''}".rstrip()
                 for name, m in found.items()]  # fmt: skip
        steps = [f"{name:<13}{steps_listed[name]}" for name in steps_listed]
        say("\n".join([*lines, "Of tables and signals, step by step:", *steps]))
