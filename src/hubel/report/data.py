"""What is in a data set, and what is wrong with it: for a terminal and for a notebook."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hubel.data.choose import tell_levels
from hubel.data.manifest import Manifest, Problem, leaks
from hubel.data.preprocessing import Preprocessing
from hubel.data.scan import GREY
from hubel.data.sources import lies_among
from hubel.data.summary import Summary
from hubel.errors import UsageError
from hubel.models.imagenet import known_as
from hubel.views import html_facts, html_table
from hubel.words import plural, visible

SHOWN = 10
"""Problems of one kind that are listed where not everything is."""


MOST = 50
"""Classes and problems that a notebook shows."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class DataFacts:
    """The answer: counts, problems file by file, and what a net would see."""

    summary: Summary
    problems: tuple[Problem, ...]
    """What is left out first, then what is only odd."""
    preprocessing: Preprocessing | None
    """Chosen as training would choose it; None for points."""
    given_splits: tuple[str, ...]
    """Splits that the source itself makes; the others are drawn from the training part."""
    _manifest: Manifest = field(repr=False)

    @property
    def levels(self) -> str:
        """Which samples become black and white, in words; "" where none has more than 8 bits."""
        return "" if self.preprocessing is None else tell_levels(self.preprocessing.levels, self.summary.modes)

    def __str__(self) -> str:
        return visible("\n".join(lines(self)))

    def __repr__(self) -> str:
        facts = f"{plural(self.summary.samples, 'sample')}, {plural(len(self.problems), 'problem')}"
        return f"<DataReport {self.summary.source}: {facts}>"

    def _repr_html_(self) -> str:
        about = self.summary
        counts = zip(*about.split_counts.values(), strict=True) if about.class_names else ()
        table = [(known_as(name), *row) for name, row in zip(about.class_names, counts, strict=True)]
        classes = html_table([about.word, *about.split_counts], table[:MOST]) if table else ""
        more = f"<p>… and {plural(len(table) - MOST, f'more {about.word}')}</p>" if len(table) > MOST else ""
        odd = [(p.path, p.kind, p.reason, "left out" if p.left_out else "kept") for p in self.problems[:MOST]]
        problems = html_table(["file", "kind", "reason", ""], odd) if odd else "<p>nothing is wrong with it</p>"
        return html_facts(about.facts()) + classes + more + problems

    def pictures(self) -> Preprocessing:
        """How the net gets its pictures. Raises UsageError for points, of which there is no sheet."""
        if self.preprocessing is None:
            raise UsageError(
                f"{self.summary.source} holds points, not pictures: there is no contact sheet of it",
                hint="leave --out out",
            )
        return self.preprocessing

    def check_place(self, place: str | Path) -> None:
        """Raise UsageError for a file that lies among the data, which are never written to."""
        if lies_among(self._manifest, place):
            raise UsageError(f"{str(place)!r} lies among the data: nothing is written there", hint="give another --out")


def lines(report: DataFacts, *, everything: bool = False) -> Iterator[str]:
    """A report as text of 80 columns; only names of files may be longer."""
    about = report.summary
    what = plural(about.samples, about.unit)
    number = "" if about.asked else ", each with a number to predict"
    joined = "with" if about.several else "in"
    classes = f" {joined} {plural(len(about.class_names), about.word)}" if about.class_names else number
    bad = sum(about.left_out.values())
    # `hubel edit DATA log` counts what is listed.
    if about.unit == "picture" and bad:
        what = f"{about.samples:,} usable {'picture' if about.samples == 1 else 'pictures'}"
    yield f"{about.source}: {what}{classes}" + (f", {plural(bad, 'file')} left out" if bad else "")
    yield ""
    if about.kind == "points":
        yield from _numbers(about)
    elif about.unit == "sound":
        yield from _lengths(about)
    else:
        yield f"  size       {_sizes(about)}"
        yield f"  format     {_counted(about.formats)}; {_counted({_mode(m): n for m, n in about.modes.items()})}"
    if about.edits:
        yield f"  edits      {about.edits:,} in force; hubel edit {shlex.quote(about.source)} log lists them"
    if report.preprocessing is not None:
        p = report.preprocessing
        fitted = "" if {size[:2] for size in about.sizes} == {(p.width, p.height)} else f", fit by {p.fit}"
        grey = " of files in colour" if p.channels == 1 and not set(about.modes) <= GREY else ""
        yield f"  net sees   {p.width}x{p.height}, {plural(p.channels, 'channel')}{grey}{fitted}"
        if report.levels:
            yield f"  levels     {report.levels}"
    if about.target_range is not None and not about.asked:
        low, mean, high = about.target_range
        yield f"  target     {low:g} to {high:g}, mean {mean:g}"
    parts = [
        f"{name} {count:,}{' (given)' if name in report.given_splits else ''}"
        for name, count in about.split_samples.items()
    ]
    yield f"  split      {' · '.join(parts)}"
    if about.class_names:
        yield from _classes(about, everything)
    yield from _problems(report, everything)


def _numbers(about: Summary) -> Iterator[str]:
    """Of points how many numbers each has; of series, signals and volumes how long and large they are."""
    if len(about.shape) == 3:
        yield f"  size       {' x '.join(map(str, about.shape))} places, all of them"
        return
    what = {"signal": "channels", "series": "seen"}.get(about.unit, "features")
    names = f": {', '.join(about.columns)}" if about.columns and about.unit != "signal" else ""
    yield from textwrap.wrap(f"{what:<11}{about.features}{names}", 78, initial_indent="  ", subsequent_indent=" " * 13)
    if about.lengths is not None:
        low, middle, high = about.lengths
        same = f"{plural(low, 'step')}, all of them"
        yield f"  length     {same if low == high else f'{low:,} to {high:,} steps, half of them up to {middle:,}'}"
    if about.asked:
        yield f"  asked      {about.asked}"


def _lengths(about: Summary) -> Iterator[str]:
    """Of sounds how long they are, and what is made of them."""
    widths = [width for width, _, _ in about.sizes]
    seconds = [0.01 * width + 0.015 for width in (min(widths), max(widths))]
    yield f"  length     {seconds[0]:.2f} to {seconds[1]:.2f} s"
    yield f"  format     {_counted(about.formats)}; as spectrograms of {about.sizes[0][1]} bands, a pixel each 10 ms"


def _sizes(about: Summary) -> str:
    width, height, count = about.sizes[0]
    if len(about.sizes) == 1:
        return f"{width}x{height}, all of them"
    small, large = min(about.sizes, key=lambda s: s[0] * s[1]), max(about.sizes, key=lambda s: s[0] * s[1])
    return (
        f"{small[0]}x{small[1]} to {large[0]}x{large[1]}, {len(about.sizes):,} different, "
        f"most often {width}x{height} ({count:,})"
    )


def _mode(mode: str) -> str:
    return {
        "L": "grey",
        "RGB": "colour",
        "RGBA": "colour with alpha",
        "P": "palette",
        "I;16": "16-bit grey",
        "RGB;16": "16-bit colour",
        "I": "32-bit grey",
        "F": "grey in floating point",
    }.get(mode, mode)


def _counted(counts: dict[str, int]) -> str:
    return next(iter(counts)) if len(counts) == 1 else ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _classes(about: Summary, everything: bool) -> Iterator[str]:
    names = list(about.split_counts)
    yield ""
    yield "  " + f"{about.word:<28}" + "".join(f"{name:>9}" for name in names) + "  "
    widest = max(about.class_counts)
    rows = range(len(about.class_names))
    shown = rows if everything or len(rows) <= 30 else [*rows[:15], *rows[-10:]]
    last = -1
    for row in shown:
        if row != last + 1:
            yield f"  … {plural(row - last - 1, f'more {about.word}')}: --all lists them"
        last = row
        name = known_as(about.class_names[row])
        there = about.class_counts[row]
        bar = "█" * max(there > 0, round(20 * there / widest)) if widest else ""
        counts = "".join(f"{about.split_counts[split][row]:>9,}" for split in names)
        yield f"  {name if len(name) <= 27 else name[:26] + '…':<28}{counts}  {bar}".rstrip()


def _problems(report: DataFacts, everything: bool) -> Iterator[str]:
    if not report.problems:
        yield ""
        yield "  nothing is wrong with it"
        return
    if said := leaks(report.problems):
        yield ""
        yield from textwrap.wrap(f"leak: {said}", 80, initial_indent="  ", subsequent_indent="  ")
    for left_out, title in ((True, "left out"), (False, "worth knowing")):
        chosen = [problem for problem in report.problems if problem.left_out == left_out]
        if not chosen:
            continue
        yield ""
        yield f"  {title}: {len(chosen):,}"
        for kind in dict.fromkeys(problem.kind for problem in chosen):
            same = [problem for problem in chosen if problem.kind == kind]
            yield f"    {kind} ({len(same):,})"
            for problem in same if everything else same[:SHOWN]:
                yield f"      {problem.path}: {problem.reason}"
            if len(same) > SHOWN and not everything:
                yield f"      … {len(same) - SHOWN:,} more: --all lists them"
