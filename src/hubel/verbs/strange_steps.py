"""Strange steps: what is normal is learnt from a table or from signals, and kept as a detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hubel.anomalies.settings import Settings
from hubel.anomalies.step_artefact import save_steps
from hubel.anomalies.step_looking import search_steps
from hubel.anomalies.step_results import StepAnomalies
from hubel.errors import UsageError
from hubel.report.pages.strange_steps import render_steps
from hubel.store import RunStore
from hubel.store.kinds import is_detector
from hubel.watching import Watcher


def find_strange_steps(
    good: str, test: str | None, methods: Sequence[str], settings: Settings, *, columns: Mapping[str, str],
    window: int | None, normal: Sequence[str], rate: float, out: str | Path | None, refused: Sequence[str],
    keep_odd: bool, watch: Watcher,
) -> StepAnomalies:  # fmt: skip
    """Learn from the normal steps in `good`, judge those in `test`, write detector, scores.csv and anomaly.html."""
    if refused:
        flag = "--" + refused[0].replace("_", "-")
        raise UsageError(f"{flag} is for pictures, and {good} holds none", hint=f"leave {flag} out")
    place = None if out is None else Path(out)
    if place and place.exists() and not is_detector(place) and (not place.is_dir() or any(place.iterdir())):
        raise UsageError(
            f"--out must name a new folder, an empty one or that of a detector, got {str(out)!r}",
            hint="--out detectors/NAME",
        )
    found = search_steps(
        good, test, methods, settings, columns=columns, window=window, normal=normal, rate=rate, keep_odd=keep_odd,
        watch=watch,
    )  # fmt: skip
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
    store = RunStore.create("detectors", found.name) if place is None else RunStore.open(place)
    save_steps(store, found.detector)
    found = replace(found, folder=str(store.folder), detector=replace(found.detector, folder=str(store.folder)))
    store.write_text("scores.csv", found.judged.to_csv())
    store.write_text("anomaly.html", render_steps(found))
    return found
