"""Downloads, from a server on this machine: checked, resumed, and never without permission."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from hubel.data import cache
from hubel.data.cache import Remote, fetch
from hubel.errors import DataError

CONTENTS = os.urandom(300_000)


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENTS, with ranges; breaks off where the test says."""

    break_after = 0
    ranges = True
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        type(self).asked.append(wanted)
        if self.path.endswith("missing.bin"):
            self.send_error(404)
            return
        start = int(wanted[6:].rstrip("-")) if wanted and type(self).ranges else 0
        if start >= len(CONTENTS):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENTS) - start))
        self.end_headers()
        end = type(self).break_after or len(CONTENTS)
        self.wfile.write(CONTENTS[start:end])

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("HUBEL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HUBEL_OFFLINE", raising=False)
    monkeypatch.setattr(Handler, "break_after", 0)
    monkeypatch.setattr(Handler, "ranges", True)
    monkeypatch.setattr(Handler, "asked", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def remote(base: str, md5: str = hashlib.md5(CONTENTS).hexdigest(), name: str = "set.bin") -> Remote:
    return Remote(name, base, md5, len(CONTENTS))


def test_a_file_is_fetched_once(base: str) -> None:
    path = fetch(remote(base), "small")
    assert path == cache.home() / "sets" / "small" / "set.bin"
    assert path.read_bytes() == CONTENTS
    assert fetch(remote(base), "small") == path
    assert Handler.asked == [""]


def test_nothing_draws_a_bar_but_who_wants_to_hears_of_every_block(
    base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[tuple[int, int]] = []
    with cache.watched(lambda done, total: heard.append((done, total))):
        fetch(remote(base), "small")
    assert heard[-1] == (len(CONTENTS), len(CONTENTS))
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    before = len(heard)
    fetch(remote(base, name="other.bin"), "small")
    assert len(heard) == before, "outside nobody is told"
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_download_goes_on_where_it_broke_off(base: str, ranges: bool) -> None:
    Handler.break_after, Handler.ranges = 100_000, ranges
    with pytest.raises(DataError, match="cannot download"):
        fetch(remote(base), "small")
    part = cache.home() / "sets" / "small" / "set.bin.part"
    assert part.stat().st_size == 100_000
    assert not part.with_suffix("").exists()
    Handler.break_after = 0
    assert fetch(remote(base), "small").read_bytes() == CONTENTS
    assert Handler.asked == ["", "bytes=100000-"]
    assert not part.exists()


def test_a_part_that_was_complete_already_is_used(base: str) -> None:
    folder = cache.home() / "sets" / "small"
    folder.mkdir(parents=True)
    (folder / "set.bin.part").write_bytes(CONTENTS)
    assert fetch(remote(base), "small").read_bytes() == CONTENTS


def test_a_wrong_checksum_keeps_nothing(base: str) -> None:
    with pytest.raises(DataError, match="wrong checksum") as error:
        fetch(remote(base, md5="0" * 32), "small")
    assert "HUBEL_DATA" in error.value.hint
    assert [p.name for p in (cache.home() / "sets" / "small").iterdir()] == []


def test_what_the_server_does_not_have_is_said(base: str) -> None:
    with pytest.raises(DataError, match=r"cannot download .*missing.bin"):
        fetch(remote(base, name="missing.bin"), "small")


def test_offline_means_offline(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBEL_OFFLINE", "1")
    with pytest.raises(DataError, match="HUBEL_OFFLINE"):
        fetch(remote(base), "small")
    assert Handler.asked == []
    monkeypatch.setenv("HUBEL_OFFLINE", "0")
    fetch(remote(base), "small")
    monkeypatch.setenv("HUBEL_OFFLINE", "1")
    assert fetch(remote(base), "small").read_bytes() == CONTENTS


def test_the_cache_is_where_the_platform_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HUBEL_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.home() == tmp_path / "hubel"
