"""`hubel search`: settings and nets tried within a budget."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime, perf_counter
from typing import Annotated, Any

import typer

from hubel.cli.console import say
from hubel.cli.options import JSON, SEED, one_source, option
from hubel.cli.output import print_json, watched
from hubel.cli.settings import PRETEXT, assignments, columns_among, with_settings
from hubel.errors import UsageError
from hubel.store.documents import read_yaml
from hubel.watching import SILENT

WAYS = (
    "random", "evolution", "hierarchical", "reinforce", "q-learning", "progressive", "morphism", "enas", "smash",
)  # fmt: skip
"""How nets are searched (`hubel.searching.nets`), known here without loading torch."""


def began() -> float:
    """When this process began, on the clock of `perf_counter`: starting Python and loading torch are part of the time.

    Where the system does not say, that is now.
    """
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = clock_gettime(CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        age = 0.0
    return perf_counter() - max(0.0, age)


@with_settings(without=(*PRETEXT, "target", "compare_start", "probe"))
def command(
    source: Annotated[
        str | None,
        typer.Argument(metavar="DATA", help="digits, mnist, cifar10, … or a folder, a CSV or a JSONL file"),
    ] = None,
    more: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUES", help="more of the space: model=resnet20,mobilenet_v2")
    ] = None,
    *,
    time: Annotated[str | None, option("--time", metavar="TIME", help="all in all: 90s, 20m, 1h30m")] = None,
    trials: Annotated[int | None, option("--trials", min=1, metavar="N", help="settings tried, at most")] = None,
    epochs: Annotated[
        int | None, option("--epochs", min=1, metavar="N", help="epochs of all trainings together, at most")
    ] = None,
    space: Annotated[
        list[str] | None,
        option(
            "--space",
            metavar="NAME=VALUES",
            help="lr=1e-4..1e-1:log model=a,b, or a .yaml; of nets, too",
        ),
    ] = None,
    nets: Annotated[str, option("--nets", metavar="WAY", help=", ".join(WAYS))] = "",
    cells: Annotated[bool, option("--cells", help="of cells that repeat, not of any layers")] = False,
    print_space: Annotated[
        bool, option("--print-space", help="print the space of --nets as YAML, to begin with")
    ] = False,
    max_params: Annotated[
        str | None, option("--max-params", metavar="N", help="parameters of a net, at most: 100k")
    ] = None,
    max_macs: Annotated[
        str | None, option("--max-macs", metavar="N", help="multiply-accumulates a picture, at most: 5M")
    ] = None,
    max_mb: Annotated[float | None, option("--max-mb", metavar="X", help="megabytes of weights, at most")] = None,
    max_ms: Annotated[
        float | None, option("--max-ms", metavar="X", help="milliseconds a picture on this machine, at most")
    ] = None,
    engine: Annotated[str, option("--engine", metavar="NAME", help="random, or tpe, gp (extra: search)")] = "random",
    trial_epochs: Annotated[
        int | None, option("--trial-epochs", min=1, metavar="N", help="epochs of a whole training")
    ] = None,
    on: Annotated[
        str, option("--on", metavar="WHERE", help="train trials here, local or on ray://HOST:PORT (extra: cluster)")
    ] = "here",
    resume: Annotated[str | None, option("--resume", metavar="SEARCH", help="go on with a search")] = None,
    out: Annotated[str, option("--out", metavar="FOLDER", help="folder of searches")] = "search",
    seed: SEED = 0,
    config: Annotated[Path | None, option("--config", metavar="FILE", hidden=True, help="a recipe file")] = None,
    name: Annotated[str | None, option("--name", metavar="TEXT", hidden=True, help="name of the search")] = None,
    assign: Annotated[
        list[str] | None,
        option("--set", metavar="NAME=VALUE", help="a setting that is the same for all trials"),
    ] = None,
    quiet: Annotated[bool, option("--quiet", hidden=True, help="print the result only")] = False,
    as_json: JSON = False,
    settings: dict[str, Any],
) -> None:
    """Try settings and nets within a budget that holds; ends with a trained, measured best run and a page.

    Limits of size are counted before a trial begins. The defaults are tried first; finalists train again with other
    seeds. The test split is touched once, by the winner.

    hubel search photos/ --time 20m
    hubel search photos/ --time 1h --max-params 100k --max-macs 5M
    hubel search photos/ --trials 9 --space lr=1e-4..1e-1:log model=resnet20,vgg11
    hubel search prices.csv --column target=price --trials 9
    hubel search mnist --nets evolution --trials 30 --set limit=10000
    hubel search --resume search/photos-1
    """
    words = [*(space or []), *(more or [])]
    if source is not None and "=" in source and not Path(source).exists():
        words, source = [*(space or []), source, *(more or [])], None
    if "columns" in settings:
        also, words = columns_among(words)
        settings["columns"] |= also
    fixed = settings | assignments(assign or [])
    if "epochs" in fixed:
        raise UsageError(
            f"epochs={fixed['epochs']} could be those of a training or of all together",
            hint="--trial-epochs N says how long a whole training is, --epochs N how long all are together",
        )
    # --set may say what has a flag of its own here
    time, seed = fixed.pop("time", time), fixed.pop("seed", seed)
    out, name = fixed.pop("out", out), fixed.pop("name", name)
    data = one_source(source or "", fixed.pop("data", ""))
    from hubel.verbs.search import search, usual_text

    if print_space:
        _refuse_beside_print(
            data=data, space=words, resume=resume, time=time, trials=trials, epochs=epochs, max_params=max_params,
            max_macs=max_macs, max_mb=max_mb, max_ms=max_ms, trial_epochs=trial_epochs, seed=seed, config=config,
            name=name, engine=engine != "random", on=on != "here", out=out != "search", **fixed,
        )  # fmt: skip
        text = usual_text(nets, cells=cells)
        if as_json:
            print_json(read_yaml(text))
        else:
            sys.stdout.write(text)  # as it is: a file is made of it
        return
    with watched(quiet=quiet or as_json) as watch:
        found = search(
            data, time=time, trials=trials, epochs=epochs, space=words or None, nets=nets, cells=cells,
            max_params=_amount("--max-params", max_params), max_macs=_amount("--max-macs", max_macs), max_mb=max_mb,
            max_ms=max_ms, engine=engine, trial_epochs=trial_epochs, seed=seed, on=on, resume=resume, config=config,
            out=out, name=name, since=began(),
            watch=SILENT if quiet else watch, **fixed,
        )  # fmt: skip
    if as_json:
        print_json(found.to_dict())
    else:
        say(str(found))


def _refuse_beside_print(**given: Any) -> None:
    """Raise UsageError for what has no effect where a space is printed and nothing is searched."""
    new = [name for name, value in given.items() if value]
    if new:
        raise UsageError(
            f"--print-space prints the usual space of --nets and searches nothing, and {new[0]} is given",
            hint="hubel search --nets evolution --print-space, or with --cells",
        )


def _amount(flag: str, text: str | None) -> int | None:
    """A number such as 100k or 5M; UsageError for anything else.

    >>> _amount("--max-params", "100k")
    100000
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kMGT]?)", text.strip().replace("K", "k"))
    if not found:
        raise UsageError(f"{flag} must be a number such as 100k or 5M, got {text!r}", hint=f"{flag} 100k")
    return round(float(found[1]) * 1000 ** " kMGT".index(found[2] or " "))
