"""From which probability on a net of two classes says the one that is looked for: kept beside its weights.

`weights/best.threshold.json` names the digest of the weights it was fitted for; beside others it counts as absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hubel.errors import DAMAGED, ArtefactError
from hubel.store import RunStore, parse_json, read_regular, shown


@dataclass(frozen=True, kw_only=True)
class StoredThreshold:
    """The class that is said from `value` on."""

    positive: str
    value: float
    wish: str
    """What it was fitted for, in words."""


def threshold_file(name: str) -> str:
    """Where it lies in a run.

    >>> threshold_file("best")
    'weights/best.threshold.json'
    """
    return f"weights/{name}.threshold.json"


def save_threshold(store: RunStore, name: str, kept: StoredThreshold, weights: str) -> None:
    """Write it beside the weights `name`, whose SHA-256 is `weights`."""
    document = {"format": 1, "weights": weights, "positive": kept.positive, "value": kept.value, "wish": kept.wish}
    store.write_json(threshold_file(name), document)


def read_threshold(path: Path, weights: str, class_names: Sequence[str]) -> StoredThreshold | None:
    """What a file holds for the weights of that digest; None where there is none, or it was made for others.

    Raises ArtefactError for a file that is damaged.
    """
    if not path.exists():
        return None
    name = shown(str(path))
    found = parse_json(read_regular(path, limit=1 << 16), name=name)
    try:
        if found["weights"] != weights:
            return None
        kept = StoredThreshold(
            positive=str(found["positive"]), value=float(found["value"]), wish=str(found.get("wish", ""))
        )
        if not 0 < kept.value <= 1 or kept.positive not in class_names or len(class_names) != 2:
            raise ValueError(f"{kept.positive!r} from {kept.value:g} on")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtefactError(f"{name} is no threshold: {error}", hint=DAMAGED) from None
    return kept
