"""Latency of a net, and what a probe found before a training, drawn."""

from __future__ import annotations

from math import nan

from hubel.deploy.latency import Latency
from hubel.figures import timing
from hubel.figures.theme import Figure
from hubel.training.probes import Probes


def draw_latency(found: Latency) -> Figure:
    """Latency and throughput by batch size, a line a form."""
    times: dict[str, tuple[list[float], list[float], list[float]]] = {}
    batches: dict[str, list[int]] = {}
    for each in found.timings:
        low, middle, high = times.setdefault(each.form, ([], [], []))
        low.append(each.p10)
        middle.append(each.median)
        high.append(each.p90)
        batches.setdefault(each.form, []).append(each.batch)
    return timing.by_batch(times, batches, title=f"{found.title}, {'x'.join(map(str, found.shape))}")


def draw_probes(found: Probes) -> dict[str, Figure]:
    """`rate` and `batch`, as far as there is something to draw."""
    figures = {}
    if found.rate is not None and len(found.rate.rates):
        marks = {"valley": found.rate.valley, "steepest": found.rate.steepest, "edge": found.rate.edge}
        there = {name: rate for name, rate in marks.items() if rate is not None}
        figures["rate"] = timing.rate_sweep(
            found.rate.rates.tolist(), found.rate.losses.tolist(), found.rate.smoothed.tolist(), there, chosen="valley"
        )
    if found.batch is not None and found.batch.points:
        points = found.batch.points
        figures["batch"] = timing.batch_sweep(
            [point.size for point in points],
            [point.images_per_second for point in points],
            [nan if point.memory is None else point.memory / 1e6 for point in points],
            chosen=found.batch.suggestion,
        )
    return figures
