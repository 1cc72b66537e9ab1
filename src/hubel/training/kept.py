"""What is computed once and kept on disk for every later run: tensors under a digest of everything they depend on.

    FOLDER/KEY.safetensors     the tensors
    FOLDER/KEY.json            the facts the key stands for, and the digest of the tensors

A file whose facts are not exactly those that are asked for, or whose bytes are not those that were written, is not
used. Both files are written whole or not at all, and the least recently used go first when HUBEL_CACHE_GB is reached.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hubel.checkpoint.tensors import read_header, read_tensors, sha256_of, write_tensors
from hubel.data import cache
from hubel.errors import ArtefactError
from hubel.store import RunStore, SaveFailed, opened


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that some tensors depend on; its digest is their key. What they are of adds fields of its own."""

    data: str
    """Digest of the pictures, their labels and their geometry."""
    rows: str
    """Digest of the rows that were looked at, in order (`digest_of`)."""
    device: str
    """The kind of device it was computed on: another one rounds otherwise."""

    @property
    def key(self) -> str:
        """32 hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]

    @property
    def text(self) -> str:
        """The facts as JSON, which stands beside the tensors too."""
        return json.dumps(asdict(self), sort_keys=True)


def digest_of(*rows: np.ndarray) -> str:
    """SHA-256 of row numbers, in their order.

    >>> digest_of(np.array([1, 2]), np.array([3])) == digest_of(np.array([1]), np.array([2, 3]))
    False
    """
    return hashlib.sha256(b"|".join(part.astype("<i8").tobytes() for part in rows)).hexdigest()


def read(folder: Path, facts: Facts, counts: Mapping[str, int]) -> dict[str, torch.Tensor] | None:
    """The tensors of these facts, if the disk has exactly them: by name, with so many rows."""
    store = RunStore(folder)
    name = f"{facts.key}.safetensors"
    if not store.exists(f"{facts.key}.json") or not store.exists(name):
        return None
    try:
        said = store.read_json(f"{facts.key}.json", sealed=True)
        with opened(store.path(name)) as (descriptor, size):
            if said["facts"] != facts.text or said["sha256"] != sha256_of(descriptor):
                return None
            found = read_tensors(descriptor, read_header(descriptor, size), name=name)
        os.utime(store.path(name))  # used just now: the last to be thrown out
    except (ArtefactError, OSError, KeyError, TypeError):
        return None
    return found if {key: len(value) for key, value in found.items()} == dict(counts) else None


def write(folder: Path, facts: Facts, tensors: dict[str, torch.Tensor]) -> None:
    """Keep the tensors of these facts. A disk that takes nothing costs the next run its time, and nothing else."""
    need = sum(value.numel() * value.element_size() for value in tensors.values())
    store = RunStore(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        cache.make_room(folder, need, ".safetensors", beside=".json")
        with store.writing(f"{facts.key}.safetensors") as writer:
            write_tensors(writer, tensors)
        said: dict[str, Any] = {"facts": facts.text, "sha256": writer.sha256}
        # Last: without it the tensors are not looked at.
        store.write_json(f"{facts.key}.json", said, sealed=True)
    except (SaveFailed, OSError):
        return
