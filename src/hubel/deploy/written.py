"""An exported file as it is written: where it goes, what stands beside it, and what is known of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hubel.deploy import card
from hubel.deploy.exporting import Form, Made
from hubel.deploy.int8 import Cost
from hubel.deploy.likeness import Likenesses
from hubel.deploy.parity import Parity
from hubel.deploy.wanted import Wanted
from hubel.errors import UsageError
from hubel.store import RunStore
from hubel.views import Viewed
from hubel.words import amount, plain

INT8 = ".int8.json"
"""Beside the file: what whole numbers cost."""


@dataclass(frozen=True, kw_only=True)
class Exported(Viewed):
    """A file that was written, and what is known of it."""

    path: Path
    form: str
    bytes: int
    what: str
    """How it was made."""
    parity: Parity | Likenesses
    cost: Cost | None
    """What whole numbers cost; None without int8."""
    files: tuple[Path, ...]
    """All that was written: the card, its JSON, the parity, and the file itself last."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        found: dict[str, Any] = plain(asdict(self) | {"path": str(self.path), "files": [str(f) for f in self.files]})
        return found

    def __str__(self) -> str:
        beside = ", ".join(path.name for path in self.files[:-1])
        table = "" if self.cost is None else f"{self.cost}\n"
        return f"{self.path}  {amount(self.bytes)}, {self.what}\n{self.parity.sentence}\n{table}beside it: {beside}"


def place_of(name: str, form: Form, out: str | Path | None) -> Path:
    """The file to write; raises UsageError where `out` is none for this form."""
    path = Path(f"{name}{form.suffix}" if out is None else out)
    if path.name in ("", "..") or path.is_dir():
        raise UsageError(f"--out must name a file, got {str(path)!r}", hint=f"e.g. --out {path / (name + form.suffix)}")
    if path.suffix.lower() != form.suffix:
        raise UsageError(
            f"this form is a file {form.suffix}, got {str(path)!r}", hint=f"e.g. --out {path.with_suffix(form.suffix)}"
        )
    return path


def written(path: Path, to: str, made: Made, found: Parity | Likenesses, wanted: Wanted, lost: Cost | None) -> Exported:
    """The card and the parity beside the file, and the file last: where it stands, all of it does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store = RunStore(path.parent)
    lines = {"form": f"{to}, {amount(len(made.data))}, {made.what}", "parity": found.sentence}
    if lost is not None:
        lines["int8"] = f"{lost.loss:.2f} points of accuracy lost on {lost.samples:,} {lost.split} samples"
    beside = {
        ".card.md": card.markdown(wanted.card, files=lines).encode(),
        ".card.json": (json.dumps(wanted.card, indent=1, ensure_ascii=False) + "\n").encode(),
        ".parity.json": found.to_json().encode(),
        **made.more,
    }
    if lost is not None:
        beside[INT8] = (json.dumps(plain(asdict(lost)), indent=1) + "\n").encode()
    else:  # what an earlier file of this name lost is not said of this one
        path.with_name(path.name + INT8).unlink(missing_ok=True)
    for suffix, data in beside.items():
        store.write_bytes(path.name + suffix, data)
    store.write_bytes(path.name, made.data)
    files = (*(path.with_name(path.name + suffix) for suffix in beside), path)
    return Exported(
        path=path, form=to, bytes=len(made.data), what=made.what, parity=found, cost=lost, files=files
    )  # fmt: skip
