"""Weights that others made: a .safetensors file, or a .pth file opened in a child process, as named tensors.

A .pth file is a pickle in a zip. Pickles can run programs, so nothing here unpickles in our own process, and nothing at
all is believed before it has been checked:

    1. a regular file below the size limit
    2. the zip's list of contents: stored, not compressed, no larger together than the file, only names that a state
       dict has (a TorchScript archive carries code and is refused); a file from before PyTorch 1.6 has no zip
    3. a child process reads it with weights_only=True, bounded in memory and time, and writes safetensors; whatever is
       no tensor becomes a stand-in that does nothing
    4. that file is read here with the same checks as any of our own, and every value must be finite

>>> import tempfile, torch
>>> path = f"{tempfile.mkdtemp()}/net.pth"
>>> torch.save({"state_dict": {"fc.weight": torch.ones(2, 3)}, "epoch": 7}, path)
>>> read_foreign(path).tensors["fc.weight"].shape
torch.Size([2, 3])
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import torch

from hubel.checkpoint.tensors import first_not_finite, read_about, read_header, read_tensors, sha256_of
from hubel.errors import ArtefactError
from hubel.store import FILE_LIMIT, opened, shown
from hubel.words import amount

SECONDS = 60
"""How long the child may take."""
CHILD = Path(__file__).with_name("foreign_child.py")
_MEMBER = re.compile(
    r"[^/]{1,200}/(data\.pkl|byteorder|version|\.format_version|\.storage_alignment|\.data/serialization_id|data/\d{1,9})"
)
AGAIN = "download it again, from the address of the file itself"
CONVERT = "ask its author for .safetensors, or save it anew where you trust it: torch.save(net.state_dict(), FILE)"


@dataclass(frozen=True)
class Foreign:
    """Tensors of a file that somebody else made."""

    tensors: dict[str, torch.Tensor]
    left_out: tuple[str, ...]
    """Entries that were no dense tensors: the epoch, the optimiser, ..."""
    sha256: str
    """Digest of the file."""
    own: bool = False
    """Does the file say itself which net of ours it is, and with which preprocessing?"""
    ordered: bool = False
    """Are the tensors in the order in which their author's net names them? safetensors files are sorted instead."""


def read_foreign(path: str | Path, *, limit: int = FILE_LIMIT, seconds: float = SECONDS) -> Foreign:
    """The named tensors of a .safetensors or .pth file; raises ArtefactError with the reason for every other."""
    path = Path(path)
    name = shown(str(path))
    with opened(path, limit=limit) as (descriptor, size):
        digest = sha256_of(descriptor)
        with open(descriptor, "rb", closefd=False) as file:
            file.seek(0)
            start = file.read(16)
    zipped = start[:2] == b"PK"
    pickled = zipped or start[:1] == b"\x80"  # without a zip: the format before PyTorch 1.6
    own = False
    if not pickled and start[8:9] != b"{":  # eight bytes of length, then the header of a .safetensors file
        what = f"it begins with {shown(start.decode('latin-1'))}" if start else "it is empty"
        raise ArtefactError(f"{name} is neither a .pth nor a .safetensors file: {what}", hint=AGAIN)
    if pickled:
        tensors, left_out = _from_pickle(path, name, size, seconds, zipped=zipped)
    else:
        tensors, left_out = _from_safetensors(path, name, limit), ()
        with opened(path, limit=limit) as (descriptor, size):
            own = bool(read_about(descriptor, size, name=name)[0])
    if not tensors:
        raise ArtefactError(
            f"{name} holds no tensors", hint="a state dict is needed: torch.save(net.state_dict(), FILE)"
        )
    return Foreign(tensors, left_out, digest, own=own, ordered=pickled)


def _from_safetensors(path: Path, name: str, limit: int) -> dict[str, torch.Tensor]:
    with opened(path, limit=limit) as (descriptor, size):
        tensors = read_tensors(descriptor, read_header(descriptor, size, name=name), name=name)
    broken = first_not_finite(tensors)
    if broken is not None:
        raise ArtefactError(
            f"{name}: tensor {broken!r} holds NaN or infinity",
            hint="take weights that were saved before the training failed",
        )
    return tensors


def _from_pickle(
    path: Path, name: str, size: int, seconds: float, *, zipped: bool
) -> tuple[dict[str, torch.Tensor], tuple[str, ...]]:
    with tempfile.TemporaryDirectory(prefix="hubel-import-") as folder:
        # A copy of our own: what is checked and what the child reads cannot be exchanged in between.
        copy = Path(folder) / "in.pth"
        with opened(path, limit=size) as (descriptor, _), open(descriptor, "rb", closefd=False) as file:
            file.seek(0)
            with open(copy, "xb") as out:
                shutil.copyfileobj(file, out)
        if zipped:
            check_zip(copy, name)
        target = Path(folder) / "out.safetensors"
        names, left_out = _run_child(copy, target, folder, name, seconds)
        tensors = _from_safetensors(target, name, 2 * size + (1 << 20))
    if set(tensors) != {f"t{number}" for number in range(len(names))} or len(set(names)) < len(names):
        raise ArtefactError(f"{name} could not be read: the child process named other tensors than came", hint=CONVERT)
    return {said: tensors[f"t{number}"] for number, said in enumerate(names)}, left_out


def check_zip(path: Path, name: str) -> None:
    """Raise ArtefactError unless the archive has exactly the members of a saved state dict, none of them compressed."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise ArtefactError(f"{name} is a damaged zip archive: {error}", hint=AGAIN) from None
    if any("/code/" in f"/{member.filename}" or member.filename.endswith("constants.pkl") for member in members):
        raise ArtefactError(f"{name} is a TorchScript archive: it carries code and is not opened", hint=CONVERT)
    strange = next((member.filename for member in members if not _MEMBER.fullmatch(member.filename)), None)
    if strange is not None:
        raise ArtefactError(f"{name} holds {shown(strange)}, which a state dict does not have", hint=CONVERT)
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ArtefactError(f"{name} has compressed members, which a state dict does not have", hint=CONVERT)
    total = sum(member.file_size for member in members)
    if total > path.stat().st_size:
        raise ArtefactError(f"{name} claims {amount(total)} of contents in {amount(path.stat().st_size)}", hint=CONVERT)


Heard = tuple[tuple[str, ...], tuple[str, ...]]
"""Names of the tensors in the order of the file, and what was left out."""


def _run_child(source: Path, target: Path, folder: str, name: str, seconds: float) -> Heard:
    try:
        done = subprocess.run(  # noqa: S603 (our own program, no shell, nothing of the file in its arguments)
            [sys.executable, "-I", str(CHILD), str(source), str(target)],
            cwd=folder, env={"OMP_NUM_THREADS": "1"}, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ArtefactError(
            f"reading {name} took more than {seconds:g} seconds; it was stopped", hint=CONVERT
        ) from None
    return heard(done, name)


def heard(done: subprocess.CompletedProcess[bytes], name: str) -> Heard:
    """What the child says it read, and what it left out. Raises ArtefactError with its last words if it failed."""
    if done.returncode != 0:
        last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ArtefactError(f"{name} is not a plain state dict: {shown(last, 300)}", hint=CONVERT)
    try:
        said = json.loads(done.stdout)
        return tuple(str(entry) for entry in said["names"]), tuple(str(entry) for entry in said["left_out"])
    except (ValueError, KeyError, TypeError):
        raise ArtefactError(f"{name} could not be read: the child process gave no answer", hint=CONVERT) from None
