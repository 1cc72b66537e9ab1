"""Processes that this one starts, and gives jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hubel.runtime.children import Children

MODULE = """
import os, time
from hubel.runtime.children import serve

def do(job):
    print("what a job prints is no answer")
    if job == "end":
        os._exit(3)
    if job == "sleep":
        time.sleep(600)
    return {"job": job, "by": os.getpid()}

serve(do)
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "a_worker.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "a_worker"


def test_every_job_comes_back_under_its_key_and_no_more_processes_are_begun_than_asked_for(worker: str) -> None:
    with Children(worker, 2) as places:
        assert places.free
        for key in range(6):
            places.give(key, lambda key=key: key * key)  # type: ignore[misc]
        assert (places.busy, places.free) == (6, False)
        done = [places.take() for _ in range(6)]
        assert places.busy == 0
    assert sorted((each.key, each.result["job"]) for each in done) == [(key, key * key) for key in range(6)]
    seen = {each.result["by"] for each in done}
    assert len(seen) in (1, 2)
    for process in seen:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_a_job_that_ends_two_processes_is_given_up_and_the_others_are_done(worker: str) -> None:
    with Children(worker, 1) as places:
        for key, each in enumerate(["first", "end", "last"]):
            places.give(key, lambda each=each: each)  # type: ignore[misc]
        done = {found.key: found for found in (places.take() for _ in range(3))}
    assert list(done) == [0, 1, 2], "what is done again comes before what waits"
    assert (done[0].result["job"], done[2].result["job"]) == ("first", "last")
    assert done[1].given_up
    assert "2 processes ended" in str(done[1].error)
    assert places.lost == 2


def test_a_process_whose_asker_is_gone_ends_in_the_middle_of_its_job(worker: str) -> None:
    with subprocess.Popen([sys.executable, "-m", worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            assert child.stdin is not None
            child.stdin.write(b'"first"\n')
            child.stdin.flush()
            assert child.stdout is not None
            assert b'"job": "first"' in child.stdout.readline()
            child.stdin.write(b'"sleep"\n')
            child.stdin.close()
            assert child.wait(timeout=60) == 0
        finally:
            child.kill()
