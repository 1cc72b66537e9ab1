"""The state of a training in progress: numbered generations, of which at least two good ones are kept.

    state/000012.safetensors    every tensor: model, optimiser, EMA
    state/000012.json           the rest as plain data, size and sha-256 of the tensors, its own digest; written last

A number is never used twice. An older generation goes only after the newer one was read back and was what had been
written; the room of its tensors is kept (`.spare.tmp`) and the next generation is written over it, since finding new
room on a disk costs more than writing. Loading takes the newest whole generation and names those it passed over; the
digest is that of the very bytes that became the tensors: a file that changes under its reader is never believed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hubel.checkpoint.tensors import read_header, read_tensors, write_tensors
from hubel.errors import DAMAGED, ArtefactError
from hubel.store import RunStore, opened

KEPT = 2
"""Generations that stay on the disk."""
STATE_LIMIT = 1 << 40
"""Bytes of the largest state that is read."""
META_LIMIT = 64 << 20
"""Bytes of its plain data: the history of a long run grows."""
_SPARE = "state/.spare.tmp"
_GENERATION = re.compile(r"([0-9]{6})\.json")


@dataclass(frozen=True)
class SavedState:
    """A training state as it was read."""

    tensors: dict[str, torch.Tensor]
    meta: dict[str, Any]
    """Plain data: step, epoch, history, lengths of the logs, ..."""
    generation: int
    skipped: tuple[str, ...]
    """Why newer generations were passed over, newest first; empty when all is well."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: Literal["hubel-state"]
    version: Literal[1]
    meta: dict[str, Any]
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def save_state(store: RunStore, tensors: Mapping[str, torch.Tensor], meta: Mapping[str, Any]) -> int:
    """Write a new generation, read it back, then let the oldest go; its number.

    Raises SaveFailed when the disk does not take it; the generations before are then untouched.
    """
    known = generations(store)
    number = 1 + max((*known, *_numbers(store)), default=0)
    with store.writing(f"state/{number:06d}.safetensors", read_back=True, over=_SPARE) as writer:
        write_tensors(writer, tensors)
    document = _Document(format="hubel-state", version=1, meta=dict(meta), size=writer.size, sha256=writer.sha256)
    store.write_json(f"state/{number:06d}.json", document.model_dump(), sealed=True, limit=META_LIMIT)
    _document(store, number)
    spare = None
    for old in sorted({*_numbers(store)} - {*known[1 - KEPT :], number}):  # and what crashes left half removed
        store.remove(f"state/{old:06d}.json")
        if spare is not None:
            store.remove(spare)
        spare = f"state/{old:06d}.safetensors"
    if spare is not None and store.exists(spare):
        store.rename(spare, _SPARE)
    return number


AGAIN = "begin anew with its recipe: hubel train --config RUN/config.yaml"
"""The way out where nothing is left to go on from."""


def load_state(store: RunStore) -> SavedState:
    """The newest whole generation; raises ArtefactError, naming what is wrong with each, if there is none."""
    skipped: list[str] = []
    for number in reversed(generations(store)):
        try:
            document = _document(store, number)
            return SavedState(_tensors(store, number, document), document.meta, number, tuple(skipped))
        except ArtefactError as error:
            skipped.append(error.what)
    name = repr(str(store.folder))
    if not skipped:
        raise ArtefactError(f"{name} has no saved state to resume from", hint=AGAIN)
    raise ArtefactError(f"no saved state in {name} is whole: {'; '.join(skipped)}", hint=AGAIN)


def generations(store: RunStore) -> list[int]:
    """Numbers of the generations that were finished, oldest first."""
    return sorted(int(match[1]) for name in store.names("state") if (match := _GENERATION.fullmatch(name)))


def discard_state(store: RunStore, number: int) -> None:
    """Remove one generation, its document first, so that it is never half there."""
    store.remove(f"state/{number:06d}.json")
    store.remove(f"state/{number:06d}.safetensors")


def _numbers(store: RunStore) -> list[int]:
    return [int(name[:6]) for name in store.names("state") if name[:6].isdecimal()]


def _document(store: RunStore, number: int) -> _Document:
    name = f"state/{number:06d}.json"
    content = store.read_json(name, sealed=True, limit=META_LIMIT)
    try:
        return _Document(**content)
    except ValidationError:
        raise ArtefactError(f"{name} is no training state of this version of hubel", hint=DAMAGED) from None


def _tensors(store: RunStore, number: int, document: _Document) -> dict[str, torch.Tensor]:
    """The tensors of a generation; raises ArtefactError unless the bytes that were read are those of its document."""
    name = f"state/{number:06d}.safetensors"
    damaged = ArtefactError(f"{name} is damaged: it does not have the size and digest it was saved with")
    digest = hashlib.sha256()
    with opened(store.path(name), limit=STATE_LIMIT) as (descriptor, size):
        if size != document.size:
            raise damaged
        try:
            tensors = read_tensors(descriptor, read_header(descriptor, size, name=name, seen=digest), seen=digest)
        except ArtefactError:
            raise damaged from None
    if digest.hexdigest() != document.sha256:
        raise damaged
    return tensors
