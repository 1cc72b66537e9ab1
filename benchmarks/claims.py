"""What the measurements say about each promise: its target, what came out, met or missed by how much.

`claims` reads the lines that `python -m benchmarks` has kept (RESULTS.raw.jsonl) and makes one `Claim` of each
promise that they can speak about; `rewritten` puts those into the tables of RESULTS.md, a row for a row: a row whose
first cell is the claim's name is replaced, a new one is added below its section's table, and everything else stays as
it was written.

A benchmark that runs in one piece is judged by its last run; one that may run in phases (airbench, cifar_peers,
mnist, starts) by the last line of each side and seed. A script without an entry here may print its own verdict as a
JSON object with the keys of `Claim` but `command`.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

RECORDED = 0.911
"""Accuracy of airbench94_muon's recipe in a whole run on these pictures, for when only its speed was measured."""
AIRBENCH_EPOCHS = 8


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One row of a table."""

    section: str
    name: str
    target: str
    measured: str
    met: bool | None = None
    """None where there is no target, or a peer is missing."""
    command: str = ""


@dataclass
class Run:
    """What one call of a script printed."""

    benchmark: str
    when: str
    words: list[str]
    machine: dict[str, Any]
    printed: list[str] = field(default_factory=list)

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The JSON objects among the lines; one object may also be spread over all lines."""
        found = [value for value in map(_parsed, self.printed) if value is not None]
        whole = None if found else _parsed("\n".join(self.printed))
        return [whole] if whole is not None else found

    @property
    def command(self) -> str:
        """How to run it again."""
        words = [word for word in self.words if "/" not in word and word != "--data"]
        return "`" + " ".join(["python -m benchmarks", self.benchmark, *words]) + "`"


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def runs(lines: Iterable[dict[str, Any]]) -> dict[str, list[Run]]:
    """The runs of each benchmark, oldest first."""
    found: dict[tuple[str, str], Run] = {}
    for line in lines:
        if "run" not in line:
            continue
        key = (line["benchmark"], line["run"])
        run = found.setdefault(key, Run(line["benchmark"], line["run"], line["words"], line["machine"]))
        run.printed.append(line["printed"])
    result: dict[str, list[Run]] = {}
    for run in found.values():
        result.setdefault(run.benchmark, []).append(run)
    return result


def claims(lines: Iterable[dict[str, Any]]) -> list[Claim]:
    """Every promise that the lines can speak about."""
    found = []
    every = runs(lines)
    for name, its_runs in every.items():
        made = list(JUDGES[name](its_runs)) if name in JUDGES else []
        for value in its_runs[-1].objects:
            if {"section", "name", "target", "measured"} <= value.keys():
                words = {key: str(value[key]) for key in ("section", "name", "target", "measured")}
                made.append(Claim(**words, met=value.get("met")))
        command = f"`python -m benchmarks {name}`" if name in PHASED else its_runs[-1].command
        found += [Claim(**{**claim.__dict__, "command": claim.command or command}) for claim in made]
    found += against_peers(every.get("airbench", []), every.get("cifar_peers", []))
    return found


# ---------------------------------------------------------------- words


def verdict(value: float, limit: float, text: str, *, most: bool) -> tuple[str, bool]:
    """The cell, and whether the target is met: at `most` the limit, or at least.

    >>> verdict(0.9, 0.8, "0.90", most=True)
    ('**missed** by 12 %: 0.90', False)
    >>> verdict(11.7, 10, "11.7 times", most=False)
    ('11.7 times', True)
    """
    if (value <= limit) if most else (value >= limit):
        return text, True
    if abs(value) == float("inf"):
        return f"**missed**: {text}", False
    return f"**missed** by {100 * abs(value / limit - 1):.0f} %: {text}", False


def number(value: float) -> str:
    """Three digits that matter, thousands with commas.

    >>> number(1345.2), number(7.68), number(0.4112)
    ('1,345', '7.68', '0.411')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(values: Sequence[float], unit: str = "") -> str:
    """Lowest to highest, where there are several.

    >>> spread([7.1, 8.0], " s"), spread([7.1], " s")
    ('7.1–8 s', '7.1 s')
    """
    low, high = number(min(values)), number(max(values))
    return f"{low}–{high}{unit}" if low != high else f"{low}{unit}"


def percent(values: Sequence[float]) -> str:
    """Mean and range in per cent.

    >>> percent([0.911]), percent([0.93, 0.94])
    ('91.10 %', '93.50 % (93.00–94.00 %)')
    """
    mean = f"{100 * statistics.mean(values):.2f} %"
    low, high = f"{100 * min(values):.2f}", f"{100 * max(values):.2f}"
    return mean if low == high else f"{mean} ({low}–{high} %)"


def last(its_runs: Sequence[Run], *keys: str, **wanted: Any) -> list[dict[str, Any]]:
    """The last row for each combination of `keys`, among those with the `wanted` values."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for run in its_runs:
        for row in run.objects:
            if all(row.get(key) == value for key, value in wanted.items()):
                found[tuple(row.get(key) for key in keys)] = row
    return list(found.values())


# ---------------------------------------------------------------- speed


@dataclass(frozen=True)
class Race:
    """The two sides of airbench on one device."""

    ours: list[dict[str, Any]]
    peer_seconds: list[float]
    peer_accuracy: list[float]
    words: str
    """How the peer's time came about."""


def race(its_runs: Sequence[Run], device: str) -> Race | None:
    """The last rows of both sides; None where one is missing."""
    ours = last(its_runs, "seed", side="ours", device=device, settings=[])
    whole = [row for run in its_runs for row in run.objects if row.get("side") == "peer" and row["device"] == device]
    whole = [row for row in whole if row["images"] == 50_000]
    if not ours or not whole:
        return None
    ended = [row for row in whole if row["epochs"] == row["of"]]
    accuracy = list({row["seed"]: row["accuracy_six_views"] for row in ended}.values()) or [RECORDED]
    if whole[-1]["epochs"] == whole[-1]["of"]:
        seconds = list({row["seed"]: row["seconds"] for row in ended}.values())
        return Race(ours, seconds, accuracy, f"{AIRBENCH_EPOCHS} epochs")
    row = whole[-1]
    each = statistics.median(row["epoch_seconds"])
    words = f"{AIRBENCH_EPOCHS} times the median of {row['epochs']} epochs; accuracy of another, whole run"
    return Race(ours, [AIRBENCH_EPOCHS * each + row["seconds_views"]], accuracy, words)


def raced(its_runs: Sequence[Run], device: str, limit: float, name: str, target: str) -> Iterator[Claim]:
    found = race(its_runs, device)
    if found is None:
        return
    times = [row["seconds"] for row in found.ours]
    reached = [row["accuracy"] for row in found.ours]
    peer = statistics.mean(found.peer_seconds)
    goal = statistics.mean(found.peer_accuracy)
    ratio = statistics.mean(times) / peer
    text = (
        f"{ratio:.2f}: {number(statistics.mean(times))} s (mean of {len(times)} seeds, {spread(times, ' s')}; "
        f"training alone {number(statistics.mean(row['training'] for row in found.ours))} s) to {percent(reached)}, "
        f"with one view {percent([row['one_view'] for row in found.ours])}, against {number(peer)} s "
        f"({found.words}) to {percent(found.peer_accuracy)}"
    )
    if statistics.mean(reached) < goal:
        cell, met = f"**missed**: {100 * (goal - statistics.mean(reached)):.2f} points short: {text}", False
    else:
        cell, met = verdict(ratio, limit, text, most=True)
    yield Claim(section="Speed", name=name, target=target, measured=cell, met=met)


def judge_airbench(its_runs: Sequence[Run]) -> Iterator[Claim]:
    yield from raced(
        its_runs, "cpu", 0.8,
        "CIFAR-10 as JPEG files, wall time of plain `hubel train` (whole process) to the accuracy of airbench94_muon's "
        "recipe with six views, against that recipe in float32",
        "≤ 0.8",
    )  # fmt: skip
    yield from raced(its_runs, "cuda", 1.2, "the same on a GPU, against that recipe in float16", "≤ 1.2")
    ours = last(its_runs, "seed", side="ours", device="cuda", settings=[])
    package = [row for row in last(its_runs, "seed", side="package", device="cuda") if "seconds" in row]
    if ours and package:
        times, theirs = ([row["seconds"] for row in rows] for rows in (ours, package))
        ratio = statistics.mean(times) / statistics.mean(theirs)
        short = statistics.mean(row["accuracy"] for row in ours) < statistics.mean(row["accuracy"] for row in package)
        text = (
            f"{ratio:.2f}: {spread(times, ' s')} to {percent([row['accuracy'] for row in ours])} against "
            f"{spread(theirs, ' s')} to {percent([row['accuracy'] for row in package])}"
        )
        cell, met = verdict(float("inf") if short else ratio, 1.2, text, most=True)
        name = "the same on a GPU, against train94 of the package airbench"
        yield Claim(section="Speed", name=name, target="≤ 1.2", measured=cell, met=met)


def against_peers(airbench: Sequence[Run], peers: Sequence[Run]) -> Iterator[Claim]:
    """How much sooner than the best of other tools, from the seconds of `airbench` and their measured steps."""
    found = race(airbench, "cpu")
    rows = [row for row in last(peers, "side") if "seconds" in row]
    if found is None or not rows:
        return
    ours = statistics.mean(row["seconds"] for row in found.ours)
    best = min(rows, key=lambda row: row["seconds"])
    ratio = best["seconds"] / ours
    sides = "; ".join(
        f"{row['side']} {row['version']}: {row['epochs']} epochs of {number(row['seconds_an_epoch'])} s, "
        f"{row['seconds'] / 3600:.1f} h, {row['seconds'] / ours:.0f} times"
        for row in sorted(rows, key=lambda row: row["seconds"])
    )
    text = f"{ratio:.0f} times (extrapolated from {best['steps']} measured steps and published epochs: {sides})"
    reached, goal = (statistics.mean(v) for v in ([row["accuracy"] for row in found.ours], found.peer_accuracy))
    cell, met = verdict(ratio if reached >= goal else 0.0, 8, text, most=False)
    name = "CIFAR-10 to the same accuracy, against the best of Keras and fastai with their documented recipes"
    command = "`python -m benchmarks cifar_peers`"
    yield Claim(section="Speed", name=name, target="≥ 8 times sooner", measured=cell, met=met, command=command)


def judge_mnist(its_runs: Sequence[Run]) -> Iterator[Claim]:
    def reached(goal: float) -> list[dict[str, Any]]:
        return last(its_runs, "seed", side="ours", goal=goal)

    for goal, limit in ((0.99, 10.0), (0.995, 60.0)):
        rows = reached(goal)
        if not rows:
            continue
        times = [row["seconds"] if row["test"] >= goal else float("inf") for row in rows]
        median = statistics.median_high(times)
        text = (
            f"{number(median)} s (median of {len(rows)} seeds, {spread([row['seconds'] for row in rows], ' s')}, "
            f"{row_range([row['test'] for row in rows])}; {sum(row['test'] >= goal for row in rows)} of {len(rows)} "
            "get there)"
        )
        cell, met = verdict(median, limit, text, most=True)
        name = f"MNIST to {100 * goal:.1f} % test accuracy, seconds of training"
        yield Claim(section="Speed", name=name, target=f"≤ {limit:.0f} s", measured=cell, met=met)
    rows = [row for goal in (0.995, 0.996) for row in reached(goal)]
    if reached(0.996):
        top = max(rows, key=lambda row: row["test"])
        text = (
            f"{100 * top['test']:.2f} % in {number(top['seconds'])} s; all {len(reached(0.996))} seeds "
            f"{row_range([row['test'] for row in reached(0.996)])}"
        )
        cell, met = verdict(100 * top["test"], 99.6, text, most=False)
        yield Claim(section="Speed", name="MNIST, best single net", target="≥ 99.6 %", measured=cell, met=met)
    keras = [row for row in last(its_runs, "seed", side="keras") if "seconds" in row]
    if keras and reached(0.99):
        mine = statistics.median_high(
            [row["seconds"] if row["test"] >= 0.99 else float("inf") for row in reached(0.99)]
        )
        theirs = statistics.median(row["seconds"] for row in keras)
        accuracies = row_range([row["test"] for row in reached(0.99)])
        text = (
            f"{theirs / mine:.1f} times: {number(mine)} s (median of {len(reached(0.99))} seeds, {accuracies}) against "
            f"{number(theirs)} s ({keras[-1]['epochs']} epochs, {len(keras)} seed{'s' if len(keras) > 1 else ''})"
        )
        cell, met = verdict(theirs / mine, 10, text, most=False)
        name = "MNIST with the S27 net to 99.0 % test accuracy, against Keras 3.15.1 (torch backend)"
        yield Claim(section="The main job", name=name, target="≥ 10 times sooner", measured=cell, met=met)


def row_range(values: Sequence[float]) -> str:
    """Accuracies from the lowest to the highest.

    >>> row_range([0.9917, 0.9928])
    '99.17–99.28 %'
    """
    low, high = f"{100 * min(values):.2f}", f"{100 * max(values):.2f}"
    return f"{low} %" if low == high else f"{low}–{high} %"


def judge_peak(its_runs: Sequence[Run]) -> Iterator[Claim]:
    rows = [row for run in its_runs for row in run.objects if "fraction" in row and not row["settings"]]
    if rows:
        row = rows[-1]
        low, high = row["quartiles"]
        text = (
            f"{row['fraction']:.2f} (quartiles {low:.2f}–{high:.2f}, {row['steps']} steps): "
            f"{row['gflops_of_the_step']:,.0f} of {row['gflops_of_products']:,.0f} GFLOP/s, "
            f"{row['dtype']}, batches of {row['batch']}"
        )
        cell, met = verdict(row["fraction"], 0.70, text, most=False)
        name = "share of the peak of a matrix product that a training step of the default CIFAR-10 net reaches"
        yield Claim(section="Speed", name=name, target="≥ 0.70", measured=cell, met=met)


def judge_latency(its_runs: Sequence[Run]) -> Iterator[Claim]:
    times = r"(?P<ms>[\d.]+) ms .*?(?P<ratio>[\d.]+) x \(quartiles (?P<low>[\d.]+) to (?P<high>[\d.]+)\)"
    found = {line[:34].strip(): row for line, row in _table(its_runs[-1], times).items()}
    if "plain eager" in found and "hubel predict, pixels to answer" in found:
        ours, plain = found["hubel predict, pixels to answer"], found["plain eager"]
        text = f"{ours['ratio']} (quartiles {ours['low']}–{ours['high']}): {ours['ms']} ms against {plain['ms']} ms"
        if "plain eager, again" in found:
            text += f"; the plain net against itself: {found['plain eager, again']['ratio']}"
        cell, met = verdict(float(ours["ratio"]), 0.8, text, most=True)
        name = (
            "latency of `hubel predict` for one decoded picture, ResNet-18 at 224², against the plain eager net alone"
        )
        yield Claim(section="Speed", name=name, target="≤ 0.8", measured=cell, met=met)


def judge_transfer(its_runs: Sequence[Run]) -> Iterator[Claim]:
    name = "new head on {pictures:,} images over a frozen ResNet-18 at {size}², against fastai with a frozen body"
    timed = [run for run in its_runs if any("ratio" in row for row in run.objects)]
    if not timed:
        return
    # A run that only times some of the peer's batches says nothing of its accuracy: that comes from another, whole run.
    known = [row for run in timed for row in run.objects if row.get("points") is not None]
    quick = [run for run in timed if any("ratio" in row and row["points"] is None for row in run.objects)] or timed
    both = next(row for row in quick[-1].objects if "ratio" in row)
    sides = {row["side"]: row for row in quick[-1].objects if "side" in row}
    mine, theirs = sides["hubel"], sides["fastai"]
    text = (
        f"{both['ratio']:.1f} times: {number(mine['seconds'])} s against {number(theirs['seconds'])} s for "
        f"{both['epochs']} epochs"
    )
    points = known[-1]["points"] if known else None
    if points is None:
        text += "; accuracies not compared"
    else:
        text += f"; accuracy, on {known[-1]['pictures']:,} of {known[-1]['size']}²: {points:+.1f} points"
    cell, met = verdict(both["ratio"], 10, text, most=False)
    if points is not None and points < -0.5:
        cell, met = f"**missed**: {-points:.1f} points below: {text}", False
    settled = None if met and points is None else met
    target = "≥ 10 times, ± 0.5 points"
    yield Claim(section="Speed", name=name.format(**both), target=target, measured=cell, met=settled)


def judge_starts(its_runs: Sequence[Run]) -> Iterator[Claim]:
    """What `hubel train` chooses by itself against both starts, what a start is worth, and how far to thaw it.

    Only rows with the sizes, words and seed of the newest one are compared: folders may be measured hours apart.
    """
    rows = [row for run in its_runs for row in run.objects if {"folder", "start"} <= row.keys()]
    if not rows:
        return
    alike = {key: rows[-1].get(key) for key in ("seed", "train_most", "test_most", "words", "time")}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in last(its_runs, "folder", "start", **alike):
        if "folder" in row and "failed" not in row:
            found.setdefault(row["folder"], {})[row["start"]] = row
    yield from _choices(found)
    yield from _worth(found)
    yield from _thaws(found)
    yield from _beside_timm(found)


def _points(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """By how many points of test accuracy one is above the other."""
    return round(100 * (one["test_accuracy"] - other["test_accuracy"]), 6)


def _choices(found: Mapping[str, Mapping[str, dict[str, Any]]]) -> Iterator[Claim]:
    short = {
        name: min(_points(here["plain"], here[start]) for start in ("none", "lite0"))
        for name, here in found.items()
        if {"plain", "none", "lite0"} <= here.keys()
    }
    if not short:
        return
    worst = min(short, key=lambda name: short[name])
    within = sum(points >= -1 for points in short.values())
    test = [found[name]["plain"]["test"] for name in short]
    text = (
        f"{within} of {len(short)} within a point; {short[worst]:+.1f} points at worst ({worst}); "
        f"test splits of {spread(test)} pictures"
    )
    met = None if within == len(short) < 12 else within == len(short)
    cell = f"**missed**: {text}" if met is False else text
    name = "what `hubel train` chooses by itself, against the better of `--from none` and `--from efficientnet_lite0`"
    target = "on 12 folders and sets, never more than 1 point below"
    yield Claim(section="Transfer", name=name, target=target, measured=cell, met=met)


def _worth(found: Mapping[str, Mapping[str, dict[str, Any]]]) -> Iterator[Claim]:
    gains = {
        name: _points(here["lite0"], here["none"]) for name, here in found.items() if {"none", "lite0"} <= here.keys()
    }
    if gains:
        text = (
            f"{statistics.mean(gains.values()):+.1f} points in the mean of {len(gains)}, better on "
            f"{sum(gain > 0 for gain in gains.values())}: "
            + ", ".join(f"{name} {gain:+.1f}" for name, gain in sorted(gains.items(), key=lambda item: -item[1]))
        )
        yield Claim(section="Transfer", name="Lite0's weights against training from nothing", target="–", measured=text)


THAWS = ("head", "stages", "last", "half", "gradual", "all")


def _thaws(found: Mapping[str, Mapping[str, dict[str, Any]]]) -> Iterator[Claim]:
    """Means over the folders on which all the thaws were tried that any folder saw; the validation split decides."""
    tried = [thaw for thaw in THAWS if any(thaw in here for here in found.values())]
    whole = [here for here in found.values() if set(tried) <= here.keys()]
    if len(tried) < 2 or not whole:
        return
    parts = []
    for thaw in tried:
        val, test = (statistics.mean(here[thaw][f"{split}_accuracy"] for here in whole) for split in ("val", "test"))
        parts.append(f"{thaw} {100 * val:.1f} ({100 * test:.1f})")
    name = "how far Lite0 is thawed: mean validation accuracy (test accuracy) in per cent"
    yield Claim(section="Transfer", name=name, target="–", measured=f"mean of {len(whole)}: " + ", ".join(parts))


def _beside_timm(found: Mapping[str, Mapping[str, dict[str, Any]]]) -> Iterator[Claim]:
    both = {name: here for name, here in found.items() if {"plain", "timm"} <= here.keys()}
    if not both:
        return
    gains = {name: _points(here["plain"], here["timm"]) for name, here in both.items()}
    won = sum(gain > 0 for gain in gains.values())
    mean = statistics.mean(gains.values())
    times = statistics.median(here["timm"]["seconds"] / here["plain"]["seconds"] for here in both.values())
    text = (
        f"{mean:+.1f} points in the mean, better on {won} of {len(both)}, {number(times)} times sooner (median): "
        + ", ".join(f"{name} {gain:+.1f}" for name, gain in sorted(gains.items(), key=lambda item: -item[1]))
    )
    met = mean > 0 and won >= 0.75 * len(both)
    name = "plain `hubel train` on small public folders, against timm's Lite0 with the same weights, fine-tuned"
    yield Claim(
        section="Transfer",
        name=name,
        target="better in the mean and on ≥ 6 of 8",
        measured=text if met else f"**missed**: {text}",
        met=None if met and len(both) < 8 else met,
    )


def judge_safety(its_runs: Sequence[Run]) -> Iterator[Claim]:
    row = its_runs[-1].objects[-1]
    cost = row["median_cost_percent"]
    low, high = min(row["cost_percent"]), max(row["cost_percent"])
    text = (
        f"{cost:.2f} % ({low:.2f} to {high:.2f}, {len(row['cost_percent'])} pairs); the saves themselves took "
        f"{row['saves_percent']:.2f} %, {row['seconds_a_save']:.3g} s each"
    )
    cell, met = verdict(cost, 1, text, most=True)
    name = "a checkpoint after every epoch of a training on CIFAR-10, in wall time"
    yield Claim(section="Safety", name=name, target="≤ 1 %", measured=cell, met=met)


def judge_pipeline(its_runs: Sequence[Run]) -> Iterator[Claim]:
    row = its_runs[-1].objects[-1]
    for key, name, limit in (
        ("first", "first pass from 500×375 JPEG files to batches of 224², against torchvision with 2 workers", 2.5),
        ("later", "later passes of the same", 20.0),
    ):
        if row[key] is not None:
            rates, ranges = row["images_per_second"], row["spread"]
            mine, theirs = f"ours {key}", f"peer {key}"
            text = (
                f"{row[key]:.1f} times: {rates[mine]:,} images/s ({spread(ranges[mine])}) against {rates[theirs]:,} "
                f"({spread(ranges[theirs])})"
            )
            cell, met = verdict(row[key], limit, text, most=False)
            yield Claim(section="Speed", name=name, target=f"≥ {limit:g} times", measured=cell, met=met)


def judge_eyes(its_runs: Sequence[Run]) -> Iterator[Claim]:
    row = its_runs[-1].objects[-1]
    if row["ratio"] is not None:
        rates, ranges = row["photographs_per_second"], row["spread"]
        text = (
            f"{row['ratio']:.1f} times: {rates['ours']:g} photographs/s ({spread(ranges['ours'])}) against "
            f"{rates['peer']:g} ({spread(ranges['peer'])})"
        )
        cell, met = verdict(row["ratio"], 1.5, text, most=False)
        name = f"features of a frozen EfficientNet-Lite0 at 224², {row['threads']} threads, against timm's eager net"
        yield Claim(section="Speed", name=name, target="≥ 1.5 times", measured=cell, met=met)
    for model, said in row.get("answers", {}).items():
        if "apart" in said:
            text = f"{said['apart']:.1e} apart at most; {said['right']} of {said['of']} photographs named right"
            cell, met = verdict(said["apart"], 1e-4, text, most=True)
            yield Claim(
                section="Transfer", name=f"logits of {model} against timm's net with the same weights",
                target="≤ 1e-4", measured=cell, met=met,
            )  # fmt: skip


def judge_scaling(its_runs: Sequence[Run]) -> Iterator[Claim]:
    row = its_runs[-1].objects[-1]
    text = (
        f"{row['efficiency_of_two_processes']:.2f} (two threads in one process: "
        f"{row['efficiency_of_two_threads']:.2f}), {row['recipe']['model']} "
        f"at {row['recipe']['img_size']}², batch {row['recipe']['batch_size']}"
    )
    name = "strong scaling: efficiency of two processes on two cores"
    yield Claim(section="Speed", name=name, target="–", measured=text)


# ---------------------------------------------------------------- the main job and the rest


def judge_startup(its_runs: Sequence[Run]) -> Iterator[Claim]:
    for row in its_runs[-1].objects:
        if row["command"] in ("hubel --help", "hubel models"):
            low, high = row["range"][0], row["range"][-1]
            cell, met = verdict(row["median"], 0.3, f"{row['median']:.2f} s ({low:.3f}–{high:.3f})", most=True)
            yield Claim(section="The main job", name=f"`{row['command']}`", target="≤ 0.3 s", measured=cell, met=met)


def judge_digits(its_runs: Sequence[Run]) -> Iterator[Claim]:
    row, count = its_runs[-1].objects[-1], len(its_runs[-1].objects) - 1
    took = row["seconds"]
    cell, met = verdict(
        took["most"], 15, f"{took['median']:.1f} s median, {took['most']:.1f} s at most ({count} seeds)", most=True
    )
    name = "`hubel train digits`, cold process to finished report"
    yield Claim(section="The main job", name=name, target="≤ 15 s", measured=cell, met=met)
    mean, deviation = 100 * row["mean_accuracy"], 100 * row["deviation"]
    cell, met = verdict(mean, 98.5, f"{mean:.1f} ± {deviation:.1f} % (mean ± deviation, {count} seeds)", most=False)
    name = "its accuracy on the test split (180 samples)"
    yield Claim(section="The main job", name=name, target="≥ 98.5 %", measured=cell, met=met)


def judge_throughput(its_runs: Sequence[Run]) -> Iterator[Claim]:
    names = {
        "mnist_cnn": ("images/s of the loop against a bare loop, MNIST convnet, batch 128", 0.97),
        "resnet18": ("the same, ResNet-18 at 32×32, batch 128", 0.99),
    }
    for row in its_runs[-1].objects:
        name, limit = names[row["net"]]
        low, high = row["quartiles"]
        text = f"{row['ratio']:.3f} (quartiles {low:.2f}–{high:.2f}, {row['blocks']} pairs)"
        cell, met = verdict(row["ratio"], limit, text, most=False)
        yield Claim(section="The main job", name=name, target=f"≥ {limit}", measured=cell, met=met)


def judge_memory(its_runs: Sequence[Run]) -> Iterator[Claim]:
    row = its_runs[-1].objects[-1]
    peaks = row["peak_MiB"]
    text = f"{row['ratio']:.3f}: {peaks['ours']:,.0f} against {peaks['bare']:,.0f} MiB (medians)"
    cell, met = verdict(row["ratio"], 1.15, text, most=True)
    name = "peak memory, ResNet-18 on 50,000 pictures, batch 128, against a bare loop"
    yield Claim(section="The main job", name=name, target="≤ 1.15", measured=cell, met=met)


def judge_decode(its_runs: Sequence[Run]) -> Iterator[Claim]:
    row = its_runs[-1].objects[-1]
    medians = row["medians"]
    if row["ratio"] is not None:
        text = (
            f"{row['ratio']:.3f}: {medians['first']:.2f} s against {medians['peer']:.2f} s "
            "(medians; imports left out on both sides)"
        )
        cell, met = verdict(row["ratio"], 0.6, text, most=True)
        name = "scan + decode of 60,000 JPEG files, against one pass of torchvision's loader with 2 workers"
        yield Claim(section="The main job", name=name, target="≤ 0.6", measured=cell, met=met)
    cell, met = verdict(medians["later"], 1, f"{medians['later']:.2f} s", most=True)
    yield Claim(section="The main job", name="later starts", target="≤ 1 s", measured=cell, met=met)


def judge_anatomy(its_runs: Sequence[Run]) -> Iterator[Claim]:
    rows = {row["case"]: row for row in its_runs[-1].objects if "case" in row}
    vgg = rows["vgg19, batch 64"]
    if "ratio" in vgg:
        text = (
            f"1/{vgg['ratio']:,}: {1000 * vgg['hubel_s']:.0f} ms against {vgg['torchinfo_s']:.1f} s; "
            f"{vgg['hubel_mb']:.0f} MB more memory against {vgg['torchinfo_mb']:,} MB"
        )
        cell, met = verdict(vgg["ratio"], 50, text, most=False)
        name = "summary of VGG-19 at batch 64, first call, against torchinfo"
        yield Claim(section="Anatomy", name=name, target="≤ 1/50", measured=cell, met=met)
    seconds = rows["resnet152 with receptive fields"]["hubel_s"]
    cell, met = verdict(seconds, 0.5, f"{seconds:.2f} s", most=True)
    yield Claim(section="Anatomy", name="ResNet-152 with receptive fields", target="≤ 0.5 s", measured=cell, met=met)
    row = rows["transformer, 96 layers, 100 billion parameters"]
    worst = max(row["hubel_s"] / 10, row["hubel_mb"] / 300)
    cell, met = verdict(worst, 1, f"{row['hubel_s']:.2f} s, {row['hubel_mb']:.0f} MB", most=True)
    name = "a transformer of 96 layers and 100 billion parameters"
    yield Claim(section="Anatomy", name=name, target="≤ 10 s, ≤ 300 MB", measured=cell, met=met)


def judge_checkpoint(its_runs: Sequence[Run]) -> Iterator[Claim]:
    row = its_runs[-1].objects[-1]
    took = row["median_seconds"]
    text = f"{row['ratio']:.1f} ({took['save_state']:.2f} s against {took['torch.save']:.2f} s)"
    cell, met = verdict(row["ratio"], 1.5, text, most=True)
    name = "save of a ResNet-50 state against a plain `torch.save`"
    yield Claim(section="Safety", name=name, target="≤ 1.5", measured=cell, met=met)


def judge_cams(its_runs: Sequence[Run]) -> Iterator[Claim]:
    found = _table(its_runs[-1], r"(?P<ours>[\d.]+)\s+(?P<theirs>[\d.]+)\s+(?P<times>[\d.]+)x")
    for start, name, limit, most in (
        ("Grad-CAM", "Grad-CAM against Captum's `LayerGradCam`", 1.1, True),
        ("Score-CAM, pytorch", "Score-CAM, last stage of ResNet-18, against pytorch-grad-cam", 2.0, False),
    ):
        for line, row in found.items():
            if line.startswith(start):
                ours, theirs = float(row["ours"]), float(row["theirs"])
                ratio = ours / theirs if most else theirs / ours
                text = f"{ratio:.2f}{'' if most else ' times'}: {ours:.3g} s against {theirs:.3g} s"
                cell, met = verdict(ratio, limit, text, most=most)
                target = f"≤ {limit:g}" if most else f"≥ {limit:g} times"
                yield Claim(section="Explanations", name=name, target=target, measured=cell, met=met)


def judge_occlusion(its_runs: Sequence[Run]) -> Iterator[Claim]:
    found = _table(its_runs[-1], r"(?P<seconds>[\d.]+)\s+(?P<times>[\d.]+)x\s+(?P<difference>\S+)")
    peers = [float(row["seconds"]) for line, row in found.items() if line.startswith("captum")]
    for start, name, limit in (
        (
            "occlusion ",
            "exact occlusion, ResNet-18 at 224², patch 16, stride 8, against Captum at its best batch size",
            5,
        ),
        ("occlusion-fast", "coarse to fine", 20),
    ):
        for line, row in found.items():
            if line.startswith(start) and peers:
                times = min(peers) / float(row["seconds"])
                text = (
                    f"{times:.1f} times ({row['seconds']} s against {min(peers):.2f} s), "
                    f"difference {row['difference']} of the range"
                )
                cell, met = verdict(times, limit, text, most=False)
                yield Claim(section="Explanations", name=name, target=f"≥ {limit} times", measured=cell, met=met)


def _table(run: Run, pattern: str) -> dict[str, dict[str, str]]:
    """The lines of a printed table that fit, by their text."""
    found = {line: re.search(pattern, line) for line in run.printed}
    return {line: match.groupdict() for line, match in found.items() if match}


JUDGES: dict[str, Callable[[Sequence[Run]], Iterator[Claim]]] = {
    "startup": judge_startup,
    "digits": judge_digits,
    "throughput": judge_throughput,
    "memory": judge_memory,
    "decode": judge_decode,
    "airbench": judge_airbench,
    "mnist": judge_mnist,
    "peak": judge_peak,
    "latency": judge_latency,
    "pipeline": judge_pipeline,
    "eyes": judge_eyes,
    "transfer": judge_transfer,
    "starts": judge_starts,
    "safety": judge_safety,
    "scaling": judge_scaling,
    "anatomy": judge_anatomy,
    "checkpoint": judge_checkpoint,
    "cams": judge_cams,
    "occlusion": judge_occlusion,
}
PHASED = ("airbench", "mnist", "starts")

# ---------------------------------------------------------------- the page

HEAD = ("| claim | target | measured | command |", "| --- | --- | --- | --- |")
WHERE = "Where and when"
WHERE_HEAD = ("| benchmark | last run | processor | cores | Python | torch | NumPy |", "| --- " * 7 + "|")


def machines(lines: Iterable[dict[str, Any]]) -> dict[str, str]:
    """The row of each benchmark in the table of when, and on what, it last ran; by the row's first cell."""
    found = {}
    for name, its_runs in runs(lines).items():
        facts = its_runs[-1].machine
        cells = [
            its_runs[-1].when.replace("T", " "),
            *(str(facts.get(k, "?")) for k in ("processor", "cores", "python")),
        ]
        cells += [str(facts.get("torch", "?")), str(facts.get("numpy", "?"))]
        found[name] = f"| {name} | {' | '.join(cells)} |"
    return found


def rewritten(page: str, found: Sequence[Claim], where: Mapping[str, str] = MappingProxyType({})) -> str:
    """The page with the rows of `found` and `where` renewed or added; all other lines as they are.

    >>> one = Claim(section="Speed", name="a", target="≤ 1", measured="0.5", met=True, command="`b`")
    >>> print(rewritten("# Results", [one]))
    # Results
    <BLANKLINE>
    ## Speed
    <BLANKLINE>
    | claim | target | measured | command |
    | --- | --- | --- | --- |
    | a | ≤ 1 | 0.5 | `b` |
    <BLANKLINE>
    """
    lines = page.rstrip("\n").split("\n")
    rows = [
        (claim.section, HEAD, claim.name, f"| {claim.name} | {claim.target} | {claim.measured} | {claim.command} |")
        for claim in found
    ]
    rows += [(WHERE, WHERE_HEAD, name, row) for name, row in where.items()]
    for section, head, name, row in rows:
        title = f"## {section}"
        if title not in lines:
            lines += ["", title, "", *head]
        start = lines.index(title)
        end = next((i for i in range(start + 1, len(lines)) if lines[i].startswith("## ")), len(lines))
        same = [i for i in range(start, end) if lines[i].startswith(f"| {name} |")]
        table = [i for i in range(start, end) if lines[i].startswith("|")]
        if same:
            lines[same[0]] = row
        elif table:
            lines.insert(table[-1] + 1, row)
        else:
            lines[start + 1 : start + 1] = ["", *head, row]
    return "\n".join(lines) + "\n"
