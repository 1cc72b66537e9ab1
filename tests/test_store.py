"""The store keeps its word when the process dies, the disk fills, fails or loses power (T02-T05, T10)."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disks import Counting, Full, Recording, failing, in_child, killing, power_losses
from hubel.errors import ArtefactError, RunLocked, UsageError
from hubel.store import (
    RunStore,
    SaveFailed,
    dump_json,
    free_bytes,
    opened,
    parse_json,
    parse_yaml,
    read_regular,
    seal,
    shown,
    unseal,
)
from hubel.words import amount

OLD, NEW = b"old" * 100, b"new" * 200


def run(tmp_path: Path, ops: object = None) -> RunStore:
    (tmp_path / "run").mkdir(exist_ok=True)
    return RunStore(tmp_path / "run", ops)  # type: ignore[arg-type]


def operations(tmp_path: Path, work: object) -> int:
    ops = Counting()
    work(run(tmp_path, ops))  # type: ignore[operator]
    return ops.count


# --- folders


def test_runs_are_numbered_and_never_reused(tmp_path: Path) -> None:
    assert RunStore.create(tmp_path / "a" / "b", "my photos!").folder == tmp_path / "a" / "b" / "my-photos-1"
    (tmp_path / "a" / "b" / "my-photos-7").mkdir()
    (tmp_path / "a" / "b" / "my-photos-x").mkdir()
    assert RunStore.create(tmp_path / "a" / "b", "my photos!").folder.name == "my-photos-8"
    assert RunStore.create(tmp_path, "../..").folder == tmp_path / "run-1"


def test_two_trainers_that_start_together_get_two_folders(tmp_path: Path) -> None:
    def at(n: int, name: str, arguments: tuple[Path, ...]) -> None:
        if name == "mkdir" and arguments[0].name == "x-1":
            os.mkdir(arguments[0])  # the other one is quicker

    assert RunStore.create(tmp_path, "x", Counting(at)).folder.name == "x-2"


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    with pytest.raises(SaveFailed, match=r"Read-only file system\n.*choose a folder you may write to"):
        RunStore.create(tmp_path, "x", failing(1, errno.EROFS))


def test_opening_what_is_no_folder_says_so(tmp_path: Path) -> None:
    assert RunStore.open(tmp_path).folder == tmp_path
    with pytest.raises(ArtefactError, match="there is no run folder"):
        RunStore.open(tmp_path / "nothing")


@pytest.mark.parametrize("rel", ["", ".", "..", "../x", "a/../b", "/etc/passwd", "a//b", "a\\b", "a\0b", "a/"])
def test_no_name_leaves_the_run_folder(tmp_path: Path, rel: str) -> None:
    with pytest.raises(UsageError, match="plain relative name"):
        run(tmp_path).path(rel)


def test_a_link_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    store = run(tmp_path)
    (tmp_path / "outside").mkdir()
    (store.folder / "weights").symlink_to(tmp_path / "outside")
    with pytest.raises(ArtefactError, match="must be a folder of the run"):
        store.write_text("weights/best.json", "{}")
    assert not list((tmp_path / "outside").iterdir())


# --- writing


def test_what_was_written_is_read(tmp_path: Path) -> None:
    store = run(tmp_path)
    store.write_bytes("a/b/c.bin", NEW)
    store.write_text("ä.txt", "größe\udcff")
    store.write_json("d.json", {"x": [1, 2.5, None, "é\ud800"]}, sealed=True)
    assert store.read_bytes("a/b/c.bin") == NEW
    assert (store.folder / "ä.txt").read_bytes() == "größe".encode() + b"\xff"
    store.write_json("open.json", {"a": 1})
    assert store.read_json("open.json") == {"a": 1}
    store.remove("open.json")
    assert store.read_json("d.json", sealed=True) == {"x": [1, 2.5, None, "é\ud800"]}
    assert store.names() == ["d.json", "ä.txt"]
    assert store.names("a/b") == ["c.bin"]
    assert store.names("nowhere") == []
    assert store.exists("d.json")
    assert not store.exists("a")
    assert not store.exists("e")
    store.rename("d.json", "e.json")
    store.remove("ä.txt")
    store.remove("never there")
    assert store.names() == ["e.json"]


def test_links_are_no_files_of_a_run(tmp_path: Path) -> None:
    store = run(tmp_path)
    (tmp_path / "secret").write_text("x")
    (store.folder / "link").symlink_to(tmp_path / "secret")
    assert store.names() == []
    assert not store.exists("link")
    with pytest.raises(ArtefactError, match="links are not followed"):
        store.read_bytes("link")


def test_a_document_larger_than_its_readers_take_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="more than the 100 bytes its readers take"):
        run(tmp_path).write_json("a.json", "x" * 100, limit=100)
    with pytest.raises(ValueError, match="Out of range float"):
        run(tmp_path).write_json("a.json", float("nan"))


def test_an_exception_while_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    store = run(tmp_path)
    store.write_bytes("f", OLD)

    def interrupted() -> None:
        with store.writing("f") as file:
            file.write(NEW)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(store.folder) == ["f"]
    assert store.read_bytes("f") == OLD


@pytest.mark.parametrize("read_back", [True, False])
def test_the_digest_is_that_of_the_file_whatever_the_pieces(tmp_path: Path, read_back: bool) -> None:
    store = run(tmp_path)
    pieces = [os.urandom(size) for size in (10, 1_500_000, 3_200_001, 7, 1 << 20, 900_000)]
    with store.writing("f", read_back=read_back) as file:
        for piece in pieces:
            file.write(piece)
    whole = b"".join(pieces)
    assert store.read_bytes("f") == whole
    assert (file.size, file.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())


@pytest.mark.parametrize("size", [100, 3_000_000])
def test_a_disk_that_keeps_other_bytes_is_found_out(tmp_path: Path, size: int) -> None:
    class Lying(Counting):
        def write(self, descriptor: int, data: memoryview) -> int:
            return os.write(descriptor, bytes(len(data)))

    store = run(tmp_path, Lying())

    def work() -> None:
        with store.writing("f", read_back=True) as file:
            file.write(os.urandom(size))

    with pytest.raises(SaveFailed, match="does not read back"):
        work()
    assert os.listdir(store.folder) == []


@pytest.mark.parametrize("size", [100, 3_000_000])
def test_a_disk_that_does_not_give_back_what_it_took_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    def refuse(*arguments: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "preadv", refuse)

    def work() -> None:
        with run(tmp_path).writing("f", read_back=True) as file:
            file.write(os.urandom(size))

    with pytest.raises(SaveFailed, match="does not read back"):
        work()


def test_t02_killed_at_every_operation_the_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    total = operations(tmp_path, lambda store: store.write_bytes("new/f", OLD))
    seen = set()
    for when in range(1, total + 1):
        root = tmp_path / str(when)
        root.mkdir()
        run(root).write_bytes("f", OLD)
        assert in_child(lambda root=root, when=when: run(root, killing(when)).write_bytes("f", NEW)) in (
            0,
            -signal.SIGKILL,
        )
        store = run(root)
        seen.add(store.read_bytes("f"))
        store.sweep()
        assert os.listdir(store.folder) == ["f"]
    assert seen == {OLD, NEW}


def test_t03_power_loss_leaves_the_old_or_the_new_file(tmp_path: Path) -> None:
    store = run(tmp_path)
    store.ops = ops = Recording(store.folder)
    store.write_bytes("f", OLD)
    first = len(ops.log)
    store.write_bytes("f", NEW)
    found: dict[int, set[bytes]] = {}
    for done, disk in power_losses(ops.log, first, cap=2000):
        found.setdefault(done, set()).add(disk["f"])
    assert set().union(*found.values()) == {OLD, NEW}
    assert found[len(ops.log)] == {NEW}, "a save that returned must survive a power cut"


def test_a_file_in_the_room_of_another_is_whole_or_not_there_whichever_is_longer(tmp_path: Path) -> None:
    for old, new in ((OLD, NEW), (OLD[:10], NEW), (OLD, NEW[:10])):
        store = RunStore.create(tmp_path, "run")
        store.ops = ops = Recording(store.folder)
        store.write_bytes("old", old)
        first = len(ops.log)
        with store.writing("f", over="old") as file:
            file.write(new)
        assert store.names() == ["f"]
        assert store.read_bytes("f") == new
        found = [disk.get("f") for _, disk in power_losses(ops.log, first, cap=2000)]
        assert set(found) == {None, new}
        with store.writing("g", over="no such file") as file:
            file.write(new)
        assert store.read_bytes("g") == new


def test_the_room_of_a_file_with_a_second_name_is_not_written_over(tmp_path: Path) -> None:
    store = run(tmp_path)
    for name, linked in (("alone", False), ("copied", True)):
        store.write_bytes(name, OLD)
        room = store.path(name).stat().st_ino
        if linked:
            os.link(store.path(name), tmp_path / "copy")
        with store.writing("f", over=name) as file:
            file.write(NEW)
        assert (store.path("f").stat().st_ino != room) == linked
    assert (tmp_path / "copy").read_bytes() == OLD


class Careless(Recording):
    """Forgets to bring the bytes to the disk before the name."""

    def fsync(self, descriptor: int) -> None:
        pass


def test_t03_would_notice_a_forgotten_fsync(tmp_path: Path) -> None:
    store = run(tmp_path)
    store.ops = ops = Careless(store.folder)
    store.write_bytes("f", NEW)
    assert any(disk.get("f") not in (None, NEW) for _, disk in power_losses(ops.log, 1, cap=2000))


@pytest.mark.parametrize("number", [errno.EIO, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_t05_an_error_of_the_disk_is_told_once_and_nothing_is_retried(tmp_path: Path, number: int) -> None:
    store = run(tmp_path)
    store.write_bytes("f", OLD)
    total = operations(tmp_path, lambda store: store.write_bytes("g", NEW))
    for when in range(1, total + 1):
        ops = failing(when, number)
        with pytest.raises(SaveFailed, match="cannot write"):
            RunStore(store.folder, ops).write_bytes("f", NEW)
        assert not ops.retried  # type: ignore[attr-defined]
        assert store.read_bytes("f") in (OLD, NEW)
        assert store.sweep() == []
        store.write_bytes("f", OLD)


def test_t04_a_full_disk_keeps_the_old_file_at_every_budget(tmp_path: Path) -> None:
    store = run(tmp_path)
    store.write_bytes("f", OLD)
    for budget in range(0, 2 * len(NEW), len(NEW) // 32):
        disk = RunStore(store.folder, Full(budget))
        if budget < len(NEW):
            with pytest.raises(SaveFailed, match=r"No space left on device \(.* free\)\n  free some space"):
                disk.write_bytes("f", NEW)
            assert store.read_bytes("f") == OLD
        else:
            disk.write_bytes("f", NEW)
        assert os.listdir(store.folder) == ["f"]
        store.write_bytes("f", OLD)


def test_t04_the_size_limit_of_the_system_is_a_full_disk_too(tmp_path: Path) -> None:
    import resource

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with pytest.raises(SaveFailed, match="File too large"):
            run(tmp_path).write_bytes("f", NEW)

    run(tmp_path).write_bytes("f", OLD)
    assert in_child(work) == 0
    assert run(tmp_path).read_bytes("f") == OLD


TMPFS = """
import os, sys
from pathlib import Path
from hubel.store import RunStore, SaveFailed
store = RunStore.create(sys.argv[1], "x")
store.write_bytes("f", b"old")
for number in range(1000):
    try:
        store.write_bytes(f"fill-{number}", os.urandom(4096))
    except SaveFailed as error:
        assert "No space left" in error.what, error
        break
assert store.read_bytes("f") == b"old" and not store.sweep()
try:
    store.append_line("log", "x" * 200_000)
except SaveFailed:
    pass
assert store.read_lines("log") == []
print("full after", number)
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to mount a small file system")
@pytest.mark.parametrize("option", ["size=100k", "nr_inodes=12"])
def test_t04_a_real_full_file_system(tmp_path: Path, option: str) -> None:
    script = f'mount -t tmpfs -o {option} none "$1" && exec {sys.executable} -c "$2" "$1"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path), TMPFS], capture_output=True, text=True, timeout=60
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no mount namespace here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("full after")


def test_preflight_names_both_sizes(tmp_path: Path) -> None:
    store = run(tmp_path)
    store.preflight(1)
    with pytest.raises(SaveFailed, match=r"needs 1\.15 EB for its checkpoints"):
        store.preflight(1 << 60)
    assert free_bytes(tmp_path / "not" / "yet") > 0


def test_the_disk_of_a_folder_that_is_not_yet_there_is_that_of_the_folder_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: (asked.append(path), real(path))[1])
    for path in (tmp_path, tmp_path / "not" / "yet"):
        free_bytes(path)
    assert asked == [tmp_path, tmp_path]


def test_amounts_read_well() -> None:
    assert [amount(n) for n in (0, 999, 1000, 45_300_000, 2_000_000_000, 5_000_000_000_000)] == [
        "0 bytes", "999 bytes", "1 kB", "45.3 MB", "2 GB", "5 TB",
    ]  # fmt: skip


# --- logs


def test_lines_are_whole_and_a_torn_last_one_is_dropped(tmp_path: Path) -> None:
    store = run(tmp_path)
    assert store.read_lines("events.jsonl") == []
    store.append_line("events.jsonl", "one")
    store.append_line("events.jsonl", "two")
    with open(store.folder / "events.jsonl", "ab") as log:
        log.write(b"thr")
    assert store.read_lines("events.jsonl") == ["one", "two"]
    again = run(tmp_path)
    again.append_line("events.jsonl", "three")
    assert again.read_lines("events.jsonl") == ["one", "two", "three"]
    with pytest.raises(ValueError, match="line break"):
        store.append_line("events.jsonl", "a\nb")


@pytest.mark.parametrize("torn", [b"x" * 10_000, b"a\n" + b"x" * 5000, b"a\n" * 3000 + b"x"])
def test_a_long_torn_line_is_dropped_too(tmp_path: Path, torn: bytes) -> None:
    store = run(tmp_path)
    (store.folder / "log").write_bytes(torn)
    store.append_line("log", "end")
    assert store.read_lines("log") == ["a"] * torn.count(b"\n") + ["end"]


def test_a_log_is_read_up_to_64_megabytes(tmp_path: Path) -> None:
    store = run(tmp_path)
    store.append_line("log", "one")
    os.truncate(store.folder / "log", 64 << 20)
    assert store.read_lines("log") == ["one"]
    os.truncate(store.folder / "log", (64 << 20) + 1)
    with pytest.raises(ArtefactError, match=r"more than the limit of 67\.1 MB"):
        store.read_lines("log")


def test_after_a_mark_that_failed_the_next_one_writes_the_log_anew(tmp_path: Path) -> None:
    """The kernel may have forgotten the pages, and would call a second fsync a success."""
    store = run(tmp_path)
    log = store.folder / "log"
    store.append_line("log", "one")
    store.mark("log")
    first = log.stat().st_ino
    store.mark("log")
    assert log.stat().st_ino == first
    store.ops = failing(2, errno.EIO)
    with pytest.raises(SaveFailed, match="Input/output error"):
        store.mark("log")
    store.ops = Counting()
    assert store.mark("log") == 4
    second = log.stat().st_ino
    assert second != first
    assert store.mark("log") == 4
    assert log.stat().st_ino == second
    assert store.read_lines("log") == ["one"]


def test_a_file_is_written_brought_to_the_disk_and_only_then_named(tmp_path: Path) -> None:
    seen: list[str] = []
    run(tmp_path, Counting(lambda n, name, arguments: seen.append(name))).write_bytes("f", NEW)
    assert seen == ["create", "write", "fsync", "close", "rename", "fsync_folder"]


def test_a_mark_brings_the_log_to_the_disk(tmp_path: Path) -> None:
    seen: list[str] = []
    store = run(tmp_path, Counting(lambda n, name, arguments: seen.append(name)))
    store.append_line("log", "one")
    assert "fsync" not in seen, "a line an event must stay cheap"
    store.mark("log")
    assert "fsync" in seen
    seen.clear()
    store.append_line("log", "two")
    store.rewind("log", 4)
    assert "fsync" in seen


def test_the_operations_reach_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disks of these tests replace `FileOps`; here its own fsyncs are seen to happen, of file and folder."""
    synced: list[bool] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(stat.S_ISDIR(os.fstat(fd).st_mode)), real(fd)))
    run(tmp_path).write_bytes("f", NEW)
    assert synced == [False, True]
    RunStore.create(tmp_path / "runs", "x")
    assert synced == [False, True, True, True]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to count open files")
def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    def everything(store: RunStore) -> None:
        with suppress(ArtefactError):
            store.write_bytes("f", NEW)
        with suppress(ArtefactError), store.writing("g", read_back=True) as file:
            file.write(NEW)
        for work in (
            lambda: store.append_line("log", "x"), lambda: store.mark("log"), lambda: store.rewind("log", 2),
            lambda: store.read_bytes("f"), lambda: store.read_bytes("f", limit=1), lambda: store.names(),
        ):  # fmt: skip
            with suppress(ArtefactError):
                work()
        with suppress(ArtefactError), store.lock(), run(tmp_path).lock():
            pass

    everything(run(tmp_path))
    before = os.listdir("/proc/self/fd")
    everything(run(tmp_path))
    for when in range(1, 40):
        everything(run(tmp_path, failing(when, errno.EIO)))
    assert os.listdir("/proc/self/fd") == before


def test_a_line_that_does_not_fit_leaves_no_half(tmp_path: Path) -> None:
    store = run(tmp_path)
    store.append_line("log", "one")
    with pytest.raises(SaveFailed):
        RunStore(store.folder, Full(2)).append_line("log", "two")
    assert (store.folder / "log").read_bytes() == b"one\n"


def test_t05_logs_explain_the_disk_s_errors(tmp_path: Path) -> None:
    store = run(tmp_path)
    store.append_line("log", "one")
    for work in (
        lambda s: s.append_line("log", "two"),
        lambda s: s.mark("log"),
        lambda s: s.rewind("log", 4),
        lambda s: s.remove("log"),
        lambda s: s.rename("log", "log2"),
        lambda s: s.lock().__enter__(),
    ):
        with pytest.raises(SaveFailed, match=r"cannot write.*Input/output error\n.*saved before are untouched"):
            work(RunStore(store.folder, failing(1, errno.EIO)))
    assert store.read_lines("log") == ["one"]


def test_a_log_goes_back_to_its_mark(tmp_path: Path) -> None:
    store = run(tmp_path)
    assert store.mark("log") == 0
    store.rewind("log", 0)
    store.append_line("log", "one")
    mark = store.mark("log")
    assert mark == 4
    store.append_line("log", "two")
    store.rewind("log", mark)
    store.rewind("log", mark)
    assert store.read_lines("log") == ["one"]
    store.rewind("log", 0)
    assert not store.exists("log")
    with pytest.raises(ArtefactError, match="has 0 bytes where the checkpoint was saved after 4"):
        store.rewind("log", 4)


# --- the lock


def test_t10_a_second_trainer_is_refused_and_told_who_holds_the_folder(tmp_path: Path) -> None:
    store = run(tmp_path)
    with store.lock():
        with pytest.raises(RunLocked, match=rf"process {os.getpid()} is training in"), run(tmp_path).lock():
            pass
        assert in_child(lambda: run(tmp_path).lock().__enter__()) == 70
        assert store.names() == [".lock"]  # readers never ask
    with store.lock(), pytest.raises(ZeroDivisionError), RunStore.create(tmp_path, "other").lock():
        raise ZeroDivisionError
    (store.folder / ".lock").write_text("not a number")
    with store.lock():
        assert (store.folder / ".lock").read_text() == f"{os.getpid()}\n"
        (store.folder / ".lock").write_text("garbage\x1b[31m")
        with pytest.raises(RunLocked, match=r"process \(unknown\)"), run(tmp_path).lock():
            pass


def test_t10_the_lock_of_a_killed_trainer_is_taken_over_20_times_of_20(tmp_path: Path) -> None:
    store = run(tmp_path)

    def die() -> None:
        with run(tmp_path).lock():
            os.kill(os.getpid(), signal.SIGKILL)

    for _ in range(20):
        assert in_child(die) == -signal.SIGKILL
        with store.lock():
            pass


def test_t10_a_worker_that_outlives_its_trainer_does_not_keep_the_lock(tmp_path: Path) -> None:
    store = run(tmp_path)

    def trainer() -> None:
        held = store.lock()
        held.__enter__()
        worker = os.fork()
        if worker == 0:
            time.sleep(30)
            os._exit(0)
        (tmp_path / "worker").write_text(str(worker))
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(trainer) == -signal.SIGKILL
    worker = int((tmp_path / "worker").read_text())
    try:
        with store.lock():
            pass
    finally:
        os.kill(worker, signal.SIGKILL)


def test_a_forked_child_may_leave_the_block_of_its_parent(tmp_path: Path) -> None:
    def leave() -> None:
        with run(tmp_path).lock():
            assert in_child(lambda: None) == 0
            child = os.fork()
            if child == 0:
                return
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            with pytest.raises(RunLocked), run(tmp_path).lock():
                pass

    assert in_child(leave) == 0


def test_start_up_sweeps_what_crashed_writers_left(tmp_path: Path) -> None:
    store = run(tmp_path)
    store.write_text("weights/best.json", "{}")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / ".keep.1.tmp").write_text("")
    (store.folder / "link").symlink_to(tmp_path / "outside")
    (store.folder / "weights" / ".best.json.123.tmp").write_text("")
    assert store.names("weights") == ["best.json"]
    assert store.sweep() == ["weights/.best.json.123.tmp"]
    assert (tmp_path / "outside" / ".keep.1.tmp").exists()


def test_a_temporary_file_of_a_dead_process_with_our_number_is_no_obstacle(tmp_path: Path) -> None:
    store = run(tmp_path)
    (store.folder / f".f.{os.getpid()}.tmp").write_text("left")
    store.write_text("f", "new")
    assert store.names() == ["f"]


# --- reading


def test_only_regular_files_within_the_limit_are_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket"))
    server.close()
    assert read_regular(tmp_path / "file", limit=5) == b"12345"
    for name, reason in {
        "file": "more than the limit of 4 bytes",
        "link": "is a link, and links are not followed",
        "pipe": "is not a regular file",
        ".": "is not a regular file",
        "none": "there is no file",
        "socket": "cannot be opened",
        "nul\0": "cannot be opened",
    }.items():
        with pytest.raises(ArtefactError, match=reason):
            read_regular(tmp_path / name, limit=4)


def test_t05_an_error_while_reading_is_an_artefact_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(OLD)
    with pytest.raises(ArtefactError, match=r"cannot be read: Input/output error"), opened(tmp_path / "f"):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_file_that_shrinks_while_it_is_read_gives_what_is_there(tmp_path: Path) -> None:
    assert read_regular("/proc/self/status") == b""  # its size is said to be 0


# --- documents


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"a": 1, "a": 2}', "the key 'a' comes twice"),
        (b"[NaN]", "NaN is not a number"),
        (b"[-Infinity]", "-Infinity is not a number"),
        (b"[1e999]", "too large"),
        (b"9007199254740993", "beyond 2\\^53"),
        (b"1" * 5000, "beyond 2\\^53"),
        (b"[" * 40 + b"]" * 40, "more than 32 levels"),
        (b"[" * 500_000 + b"]" * 500_000, "nests too deeply"),
        (b"\xff\xfe", "not UTF-8"),
        (b"{", "Expecting property name"),
        (b" " * (1 << 21), "more than the limit of 1.05 MB"),
        (b'{"\x1b[31m": 1, "\x1b[31m": 1}', "Invalid control character"),
        (b'{"\\u001b[31m": 1, "\\u001b[31m": 1}', r"the key '\\x1b\[31m' comes twice"),
    ],
)
def test_json_outside_the_subset_is_refused_with_the_reason(text: bytes, reason: str) -> None:
    with pytest.raises(ArtefactError, match=reason):
        parse_json(text)


def test_the_edges_of_the_subset_are_inside() -> None:
    assert parse_json(b"9007199254740992") == 2**53
    assert parse_json(b"-9007199254740992") == -(2**53)
    assert parse_json(b"[" * 32 + b"]" * 32)
    assert parse_json(b"1".rjust(1 << 20)) == 1
    assert parse_yaml(b"1".rjust(1 << 20)) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"a: &a [1]\nb: *a", "is not valid YAML at line 2: aliases .* are not read\n  restore it"),
        (b"a: 1\nb: 2\na: 3", "is not valid YAML at line 3: .a. comes twice\n  restore it"),
        (b"!!python/object/apply:os.system [id]", "is not valid YAML at line 1\n  restore it"),
        (b"\x07", "is not valid YAML\n  restore it"),
        (b"[" * 5000, "is not valid YAML\n  restore it"),
        (b"2026-99-99", "is not valid YAML\n  restore it"),
        (b"\xff", "is not valid: it is not UTF-8 text\n  restore it"),
        (b" " * ((1 << 20) + 1), "more than the limit of 1.05 MB"),
    ],
)
def test_yaml_that_is_more_than_plain_data_is_refused_with_the_reason(text: bytes, reason: str) -> None:
    assert parse_yaml(b"epochs: 5\nlayers: [conv, relu]") == {"epochs": 5, "layers": ["conv", "relu"]}
    with pytest.raises(ArtefactError, match=reason):
        parse_yaml(text)


def test_a_value_from_outside_is_shown_in_at_most_80_characters() -> None:
    assert shown("x" * 78) == repr("x" * 78)
    assert shown("x" * 79) == "'" + "x" * 78 + "…"


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text().filter(lambda key: key != "digest"), plain, max_size=4))
def test_documents_come_back_equal_and_keep_their_seal(document: dict[str, object]) -> None:
    sealed = {**document, "digest": seal(document)}
    assert unseal(parse_json(dump_json(sealed))) == document


def test_a_seal_minds_neither_spacing_nor_order_and_no_number_that_is_none() -> None:
    assert seal({"a": 1, "b": [2]}) == seal({"b": [2], "a": 1})
    with pytest.raises(ValueError, match="Out of range float"):
        seal({"a": float("inf")})


@pytest.mark.parametrize("value", [[], {}, {"digest": 1}])
def test_a_document_without_a_seal_is_refused(value: object) -> None:
    with pytest.raises(ArtefactError, match="carries no digest"):
        unseal(value)


def test_a_changed_document_is_noticed() -> None:
    with pytest.raises(ArtefactError, match="does not match its own digest"):
        unseal({"epochs": 6, "digest": seal({"epochs": 5})})
