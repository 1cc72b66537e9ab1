"""Arguments and options that several commands take, each said once: its name, its kind and its line of help.

One name has one meaning in all commands. Names that others are used to, and names from before, stand behind the first
one; they work, and only `--help-all` lists them.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from hubel.errors import DataError, UsageError

SHORT = {
    "--model": "-m", "--epochs": "-e", "--batch-size": "-b", "--workers": "-j", "--config": "-c", "--quiet": "-q",
    "--out": "-o", "--format": "-f", "--neighbours": "-k", "--help": "-h",
}  # fmt: skip
"""The letters, each with one meaning in all commands; a letter elsewhere is an old name that still works."""

BARE = {("clean", "--page"): "clean.html", ("curve", "--page"): "curve.html"}
"""(command, option) -> the value that it has where it stands alone."""


def option(*names: str, **settings: Any) -> Any:
    """An option by its name and, after it, its other spellings; the letter of the name comes by itself."""
    letter = SHORT.get(names[0])
    spelled = [names[0], *([letter] if letter else []), *names[1:]]
    return typer.Option(*dict.fromkeys(spelled), **settings)


def out(help: str, *others: str) -> Any:  # noqa: A002
    """Where the command's file goes."""
    return option("--out", "--picture", "--output", *others, help=help, metavar="FILE")


RUN = Annotated[str, typer.Argument(metavar="RUN", help="a run: its folder, or its name in runs/")]
NET = Annotated[str, typer.Argument(metavar="NET", help="a run, or an architecture with fresh weights (hubel models)")]
PICTURE = Annotated[
    str, typer.Argument(metavar="PICTURE", help='a picture file, or a sample of a data set: "digits:3"')
]
SOME_PICTURE = Annotated[
    str, typer.Argument(metavar="PICTURE", help='a picture file or "digits:3"; none: a whole split is measured')
]
DATA = Annotated[str, typer.Argument(metavar="DATA", help="another data set; the run's own if not given")]
DATA_OPTION = Annotated[
    str, option("--data", "--source", metavar="DATA", help="another data set; the run's own if not given")
]
DATA_AGAIN = Annotated[str, option("--data", "--source", metavar="DATA", hidden=True, help="the same as an option")]
SPLIT = Annotated[str, option("--split", metavar="SPLIT", help="part of the data: train, val or test")]
STAGE = Annotated[
    str, option("--stage", "--layer", metavar="STAGE", help="a stage by number, from 1 on, or a layer by name")
]
LAYER = Annotated[str, option("--layer", "--stage", metavar="LAYER", help="a layer by its name in hubel summary")]
LIMIT = Annotated[
    int | None, option("--limit", "--max-samples", min=1, metavar="N", help="at most so many samples, drawn by chance")
]
SEED = Annotated[int, option("--seed", metavar="N", help="of everything random in it")]
DEVICE = Annotated[str, option("--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps")]
THREADS = Annotated[
    int | None, option("--threads", min=1, metavar="N", help="threads for computing; all cores if not given")
]
WHICH = Annotated[str, option("--which", "--weights", metavar="NAME", help="weights of the run: best or last")]
VIEWS = Annotated[
    str | None,
    option(
        "--views",
        metavar="VIEWS",
        help="views averaged for each picture: none, mirror, shift, mirror-shift; the run's if not given",
    ),
]
COLUMN = Annotated[
    list[str] | None,
    option("--column", metavar="ROLE=NAME", help="a column of a table: file=…, label=…, target=…, split=…, group=…"),
]
IMAGES = Annotated[
    str | None, option("--images", metavar="FOLDER", help="what the files of a table are relative to, else its folder")
]
FOLLOW_LINKS = Annotated[bool, option("--follow-links", help="follow links in folders and tables")]
DATA_ROOT = Annotated[
    str | None, option("--data-root", metavar="FOLDER", help="where the data lie, if they moved: they, or their folder")
]
JSON = Annotated[bool, option("--json", help="print JSON")]
PICTURE_FILE = Annotated[Path | None, out("also draw it into this file")]
SHAPE = Annotated[str, option("--input", "--input-size", metavar="CxHxW", help="what goes in: 3x224x224")]
NUM_CLASSES = Annotated[
    int | None, option("--num-classes", min=1, metavar="N", help="outputs of a net by name, if not as published")
]
ONE_LABEL = Annotated[
    str | None,
    option("--class", "--target", metavar="CLASS", help="of a run that says several labels, the one that is meant"),
]
STEPS = Annotated[int, option("--steps", "--iterations", min=1, metavar="N", help="steps at most")]


def one_source(data: str, again: str) -> str | None:
    """The data set that was named, in its place or with --data; None if none was; UsageError if there are two."""
    if data and again and data != again:
        raise UsageError(f"two data sets are named, {data!r} and {again!r}", hint="leave one of them out")
    return data or again or None


def expanded(words: list[str]) -> list[str]:
    """File names from words in which * ? and [ ] may stand for many: not every shell puts the names in their place.

    Raises DataError for a pattern that no file fits, and for a word without a letter.

    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("a.png", "b.png", "[c].png"):
    ...     (folder / name).touch()
    >>> [pathlib.Path(name).name for name in expanded([f"{folder}/?.png", f"{folder}/[c].png"])]
    ['a.png', 'b.png', '[c].png']
    """
    found: list[str] = []
    for word in words:
        if not word:  # Path("") would be the working folder
            raise DataError("no file is called ''", hint="a picture, a folder, or a pattern: new/*.jpg")
        if not glob.has_magic(word) or os.path.lexists(word):
            found.append(word)
            continue
        names = sorted(glob.glob(word, recursive=True))
        if not names:
            raise DataError(f"no file fits the pattern {word!r}", hint="check the folder; ** also looks into folders")
        found += names
    return found


def one_picture(word: str) -> str:
    """`word`, or the one file that it fits as a pattern; UsageError if there are several."""
    names = expanded([word]) if word else [word]
    if len(names) > 1:
        raise UsageError(f"one picture is needed, and {len(names)} files fit {word!r}", hint=f"for example {names[0]}")
    return names[0]


def numbers(name: str, text: str | None) -> list[float] | None:
    """Numbers with commas between them; UsageError for anything else.

    >>> numbers("--mean", "0.5,0.5")
    [0.5, 0.5]
    """
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{name} must be numbers with commas, got {text!r}", hint=f"{name} 0.5,0.5,0.5") from None
