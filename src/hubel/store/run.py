"""One run folder: files that appear whole or not at all, logs that grow line by line, and a lock."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows: a second trainer in the same folder is not noticed there
    fcntl = None  # type: ignore[assignment]

from hubel.errors import ArtefactError, RunLocked, UsageError
from hubel.store.documents import JSON_LIMIT, dump_json, parse_json, seal, unseal
from hubel.store.ops import CLOEXEC, FileOps, SaveFailed, Writer, explain, free_bytes, write_all
from hubel.store.reading import FILE_LIMIT, read_regular, shown
from hubel.words import amount

_LOCK = ".lock"
_TEMPORARY = re.compile(r"\..*\.tmp")
_held: set[int] = set()


def _let_go() -> None:  # pragma: no cover - runs in forked children, which no coverage measures
    """In a forked child: a worker that outlives its killed trainer must not keep the trainer's lock."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch - absent on Windows, which has no fork
    os.register_at_fork(after_in_child=_let_go)


class RunStore:
    """One run folder. `ops` is the disk; paths inside are relative, with `/` between names."""

    def __init__(self, folder: str | Path, ops: FileOps | None = None) -> None:
        self.folder = Path(folder)
        self.ops = ops or FileOps()
        self._mended: set[str] = set()
        self._doubtful: set[str] = set()

    @classmethod
    def create(cls, parent: str | Path, name: str, ops: FileOps | None = None) -> RunStore:
        """A new folder `parent`/`name`-N, with N one above the highest there; never an existing one.

        Raises SaveFailed where nothing can be written.
        """
        ops = ops or FileOps()
        root = Path(parent)
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:64] or "run"
        try:
            _make_folders(root, ops)
            taken = [re.fullmatch(re.escape(stem) + r"-([0-9]{1,9})", entry) for entry in os.listdir(root)]
            number = 1 + max((int(match[1]) for match in taken if match), default=0)
            while True:
                try:
                    ops.mkdir(root / f"{stem}-{number}")
                    break
                except FileExistsError:  # another trainer was quicker
                    number += 1
            ops.fsync_folder(root)
        except OSError as error:
            explain(error, root)
        return cls(root / f"{stem}-{number}", ops)

    @classmethod
    def open(cls, folder: str | Path, ops: FileOps | None = None) -> RunStore:
        """The store of an existing run folder; raises ArtefactError if there is none."""
        if not os.path.isdir(folder):
            raise ArtefactError(
                f"there is no run folder {os.fspath(folder)!r}",
                hint="give the folder that hubel train made, such as runs/digits-1",
            )
        return cls(folder, ops)

    # writing

    @contextmanager
    def writing(
        self, rel: str, *, read_back: bool = False, over: str | None = None, mode: int | None = None
    ) -> Iterator[Writer]:
        """A `Writer` whose file takes the name `rel` when the block ends well, and leaves no trace when it does not.

        With `read_back` the file must read as it was written before it gets its name. `over` names a file of the same
        folder that is needed no more: its room is written over, which costs a third of finding new room, and cannot
        fail for want of it. `mode` says who may read and write it, if not the usual ones. Raises SaveFailed.
        """
        target = self.path(rel)
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            _make_folders(target.parent, self.ops, root=self.folder)
            descriptor = self._fresh(temporary, over)
            try:
                if mode is not None:
                    self.ops.allow(descriptor, mode)
                try:
                    echo = os.open(temporary, os.O_RDONLY | CLOEXEC) if read_back else None
                    writer = Writer(self.ops, descriptor, echo)
                    try:
                        yield writer
                        if os.fstat(descriptor).st_size > writer.size:  # what was written over was longer
                            self.ops.truncate(descriptor, writer.size)
                        self.ops.fsync(descriptor)
                        if read_back and not writer.faithful:
                            raise SaveFailed(f"{rel} does not read back as it was written", hint="check the disk")
                    finally:
                        writer.close()
                        if echo is not None:
                            os.close(echo)
                finally:
                    self.ops.close(descriptor)
                self.ops.rename(temporary, target)
            except BaseException:
                with suppress(OSError):
                    self.ops.unlink(temporary)
                raise
            self.ops.fsync_folder(target.parent)
        except OSError as error:
            explain(error, target)

    def write_bytes(self, rel: str, data: bytes, *, mode: int | None = None) -> None:
        """Write a whole file; raises SaveFailed and leaves the old one as it was if that is impossible."""
        with self.writing(rel, mode=mode) as file:
            file.write(data)

    def write_text(self, rel: str, text: str) -> None:
        """`write_bytes` of UTF-8 text."""
        self.write_bytes(rel, text.encode("utf-8", errors="surrogateescape"))

    def write_json(self, rel: str, value: Any, *, sealed: bool = False, limit: int = JSON_LIMIT) -> None:
        """Write plain data as JSON; `sealed` adds the document's own sha-256, which `read_json` then checks.

        Raises ValueError for NaN and infinities, which JSON does not know, and for more than `limit` bytes.
        """
        if sealed:
            value = {**value, "digest": seal(value)}
        data = dump_json(value, indent=1)
        if len(data) > limit:
            raise ValueError(f"{rel} would have {amount(len(data))}, more than the {amount(limit)} its readers take")
        self.write_bytes(rel, data)

    def append_line(self, rel: str, line: str) -> None:
        """Add one line to a log. It reaches the kernel at once, and the disk with the next `mark`."""
        if "\n" in line:
            raise ValueError("a log line must not hold a line break")
        path = self.path(rel)
        try:
            _make_folders(path.parent, self.ops, root=self.folder)
            descriptor = self.ops.append(path)
            try:
                size = os.fstat(descriptor).st_size
                if rel not in self._mended:
                    size = self._mend(descriptor, size)
                    self._mended.add(rel)
                try:
                    write_all(self.ops, descriptor, memoryview(line.encode("utf-8", errors="backslashreplace") + b"\n"))
                except OSError:
                    with suppress(OSError):  # half a line must not become the beginning of the next one
                        self.ops.truncate(descriptor, size)
                    raise
            finally:
                self.ops.close(descriptor)
        except OSError as error:
            explain(error, path)

    def mark(self, rel: str) -> int:
        """Bring a log to the disk; its length in bytes, to be kept in a checkpoint for `rewind`.

        After a mark that failed the next one writes the whole log anew: the kernel may have forgotten its pages, and
        would call a second fsync a success.
        """
        path = self.path(rel)
        if not path.exists():
            return 0
        if rel in self._doubtful:
            self.write_bytes(rel, self.read_bytes(rel))
            self._doubtful.remove(rel)
        try:
            descriptor = self.ops.append(path)
            try:
                self._doubtful.add(rel)
                self.ops.fsync(descriptor)
                self._doubtful.remove(rel)
                return os.fstat(descriptor).st_size
            finally:
                self.ops.close(descriptor)
        except OSError as error:
            explain(error, path)

    def rewind(self, rel: str, size: int) -> None:
        """Cut a log back to the length it had at a `mark`, forgetting what was logged after its checkpoint."""
        path = self.path(rel)
        if size == 0:  # there was no log yet
            self.remove(rel)
            return
        try:
            descriptor = self.ops.append(path)
            try:
                found = os.fstat(descriptor).st_size
                if found < size:
                    raise ArtefactError(
                        f"the log {rel} has {found} bytes where the checkpoint was saved after {size}",
                        hint="it was changed by hand; restore it, or start a new run",
                    )
                self.ops.truncate(descriptor, size)
                self.ops.fsync(descriptor)
            finally:
                self.ops.close(descriptor)
        except OSError as error:
            explain(error, path)

    def rename(self, old: str, new: str) -> None:
        """Rename a file inside one folder of the run, durably."""
        source, target = self.path(old), self.path(new)
        try:
            self.ops.rename(source, target)
            self.ops.fsync_folder(target.parent)
        except OSError as error:
            explain(error, target)

    def remove(self, rel: str) -> None:
        """Remove a file; nothing happens if there is none."""
        path = self.path(rel)
        try:
            with suppress(FileNotFoundError):
                self.ops.unlink(path)
        except OSError as error:
            explain(error, path)

    # reading

    def read_bytes(self, rel: str, *, limit: int = FILE_LIMIT) -> bytes:
        """The bytes of a regular file of at most `limit` bytes; raises ArtefactError for anything else."""
        return read_regular(self.path(rel), limit=limit)

    def read_json(self, rel: str, *, sealed: bool = False, limit: int = JSON_LIMIT) -> Any:
        """A JSON document in our strict subset (see `parse_json`); `sealed` checks and strips its own digest."""
        name = os.fspath(self.path(rel))
        value = parse_json(self.read_bytes(rel, limit=limit), name=name, limit=limit)
        return unseal(value, name=name) if sealed else value

    def read_lines(self, rel: str, *, limit: int = 64 << 20) -> list[str]:
        """The whole lines of a log; a torn last one is left out, a log that is not there has none."""
        path = self.path(rel)
        if not path.exists():
            return []
        text = read_regular(path, limit=limit).decode("utf-8", errors="replace")
        return text.split("\n")[:-1]

    def exists(self, rel: str) -> bool:
        """Is there a regular file called `rel`?"""
        try:
            return stat.S_ISREG(os.lstat(self.path(rel)).st_mode)
        except OSError:
            return False

    def names(self, rel: str = ".") -> list[str]:
        """Names of the finished regular files in a folder of the run, sorted; none if there is no such folder."""
        folder = self.folder if rel == "." else self.path(rel)
        try:
            with os.scandir(folder) as entries:
                return sorted(
                    e.name for e in entries if e.is_file(follow_symlinks=False) and not _TEMPORARY.fullmatch(e.name)
                )
        except OSError:
            return []

    # the folder as a whole

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for training. Readers never need this; the kernel lets go when a process dies.

        Raises RunLocked naming the process that holds it.
        """
        path = self.folder / _LOCK
        try:
            descriptor = self.ops.append(path)
        except OSError as error:
            explain(error, path)
        _held.add(descriptor)
        try:
            if fcntl is not None:  # pragma: no branch - see above
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    self._refuse(os.pread(descriptor, 20, 0).decode("ascii", errors="replace").strip())
            with suppress(OSError):  # the number only serves the message; a full disk must not stop a lock
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode("ascii"))
            yield
        finally:
            if descriptor in _held:  # pragma: no branch - a forked child has let go already
                _held.remove(descriptor)
                os.close(descriptor)

    def is_held(self) -> bool:
        """Does a process train in the folder now? Always True where the system cannot say."""
        if fcntl is None:  # pragma: no cover - see above
            return True
        try:
            descriptor = os.open(self.folder / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _refuse(self, holder: str) -> NoReturn:
        raise RunLocked(
            f"process {holder if holder.isdecimal() else '(unknown)'} is training in {os.fspath(self.folder)!r}",
            hint="wait for it, stop it, or train into another folder",
        )

    def sweep(self) -> list[str]:
        """Remove the temporary files that crashed writers left; their names. Only while holding the lock."""
        gone = []
        for folder, _, files in os.walk(self.folder, followlinks=False):
            for name in sorted(files):
                if _TEMPORARY.fullmatch(name):
                    path = Path(folder, name)
                    with suppress(OSError):
                        self.ops.unlink(path)
                        gone.append(path.relative_to(self.folder).as_posix())
        return gone

    def preflight(self, bytes_needed: int) -> None:
        """Raise SaveFailed now, rather than in the night, if `bytes_needed` will not fit."""
        free = free_bytes(self.folder)
        if free < bytes_needed:
            raise SaveFailed(
                f"the run needs {amount(bytes_needed)} for its checkpoints, the disk of {os.fspath(self.folder)!r} has "
                f"{amount(free)} free",
                hint="free some space, or put the runs elsewhere",
            )

    def path(self, rel: str) -> Path:
        """Where `rel` is; raises UsageError for a name that would leave the run folder."""
        parts = rel.split("/")
        if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts) or os.path.isabs(rel):
            raise UsageError(
                f"a file of a run must have a plain relative name, got {shown(rel)}",
                hint="for example notes.txt, or extra/notes.txt",
            )
        return self.folder.joinpath(*parts)

    def _fresh(self, temporary: Path, over: str | None) -> int:
        """A descriptor of the temporary file, new or in the room of `over`."""
        if over is not None and self.exists(over):
            self.ops.rename(self.path(over), temporary)
            # A file with a second name is somebody's copy (cp -l, rsync --link-dest): it is left as it is.
            if os.lstat(temporary).st_nlink == 1:
                with suppress(OSError):  # then a new file will do
                    return self.ops.reuse(temporary)
        try:
            return self.ops.create(temporary)
        except FileExistsError:  # left by a crashed process that had our number
            self.ops.unlink(temporary)
            return self.ops.create(temporary)

    def _mend(self, descriptor: int, size: int) -> int:
        """Drop the torn last line of a log, once per store, before anything is added to it."""
        keep = size
        while keep:
            start = max(0, keep - 4096)
            cut = os.pread(descriptor, keep - start, start).rfind(b"\n")
            if cut >= 0:
                keep = start + cut + 1
                break
            keep = start
        if keep < size:
            self.ops.truncate(descriptor, keep)
        return keep


def _make_folders(path: Path, ops: FileOps, *, root: Path | None = None) -> None:
    """Make `path` and what is missing above it; inside a run (`root`) a link in place of a folder is refused."""
    if path == root or (root is None and path.is_dir()):
        return
    if root is not None:
        with suppress(FileNotFoundError):
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                raise ArtefactError(f"{os.fspath(path)!r} must be a folder of the run", hint="remove the link or file")
            return
    _make_folders(path.parent, ops, root=root)
    with suppress(FileExistsError):
        ops.mkdir(path)
        ops.fsync_folder(path.parent)
