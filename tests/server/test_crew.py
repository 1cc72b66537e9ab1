"""The crew of a model without any process: how pictures share batches, and what one bad picture costs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

import pytest

from hubel.errors import ArtefactError, HubelError
from hubel.server import crew as crew_module
from hubel.server import wire
from hubel.server.counts import Counts, ModelCounts, quantile
from hubel.server.crew import Busy, Crew, Down, Said, Unanswered
from hubel.server.models import Models
from hubel.server.process import Ended
from hubel.server.settings import Limits, ModelSettings, Settings


class Fake:
    """A worker that answers each picture with its own bytes, in capitals; b"kill" ends it, b"slow" takes long."""

    digest = "first"
    fails: HubelError | None = None
    started = 0
    batches: ClassVar[list[int]] = []
    """Sizes."""

    def __init__(self, *_: object) -> None:
        self.pid, self.last_words, self.ended = 1, "", False
        Fake.started += 1

    async def open(self) -> dict[str, Any]:
        if Fake.fails is not None:
            raise Fake.fails
        self.digest = Fake.digest
        return {"digest": Fake.digest}

    async def ask(self, items: Sequence[dict[str, Any]], pictures: Sequence[bytes]) -> wire.Frame:
        Fake.batches.append(len(pictures))
        await asyncio.sleep(0.005)
        if b"kill" in pictures:
            raise Ended("exit code -11")
        if b"slow" in pictures:
            await asyncio.sleep(60)
        told = {"decode": [1.0] * len(items), "net": 2.0, "bad": [False] * len(items)}
        return told, [self.digest.encode() + b" " + data.upper() for data in pictures]

    async def end(self) -> None:
        self.ended = True

    def kill(self) -> None:
        self.ended = True


@pytest.fixture(autouse=True)
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew_module, "Process", Fake)
    monkeypatch.setattr(crew_module, "PATIENCE", (0.01,))
    Fake.digest, Fake.fails, Fake.started, Fake.batches = "first", None, 0, []


def with_crew(work: Callable[[Crew], Awaitable[Any]], *, workers: int = 1, **limits: Any) -> Any:
    async def run() -> Any:
        model = ModelSettings(name="m", run="r", workers=workers, batch=4)
        crew = Crew(model, Limits(**{"queue": 16, "picture_seconds": 0.05} | limits), ModelCounts(), threads=1)
        await crew.start()
        try:
            return await asyncio.wait_for(work(crew), 10)
        finally:
            await crew.close(1)

    return asyncio.run(run())


async def answers(crew: Crew, *pictures: bytes) -> list[Any]:
    waiting = crew.submit([{"name": "", "top": None} for _ in pictures], pictures)
    found = await asyncio.gather(*waiting, return_exceptions=True)
    return [each.text if isinstance(each, Said) else each for each in found]


def test_what_waits_goes_together_and_what_comes_alone_goes_at_once() -> None:
    async def work(crew: Crew) -> list[Any]:
        await answers(crew, b"a")
        first = asyncio.create_task(answers(crew, b"b"))
        await asyncio.sleep(0.001)
        rest = asyncio.create_task(answers(crew, b"c", b"d", b"e", b"f", b"g"))
        return [*await first, *await rest]

    assert with_crew(work) == [b"first " + letter for letter in (b"B", b"C", b"D", b"E", b"F", b"G")]
    assert Fake.batches == [1, 1, 4, 1]


def test_free_workers_share_what_comes() -> None:
    with_crew(lambda crew: answers(crew, *[b"a"] * 6), workers=3)
    assert Fake.batches == [2, 2, 2]


def test_a_picture_that_ends_a_worker_is_refused_and_the_others_are_answered() -> None:
    async def work(crew: Crew) -> list[Any]:
        found = await answers(crew, b"a", b"kill", b"c")
        return [*found, *await answers(crew, b"d"), crew.counts.restarts]

    first, bad, third, later, restarts = with_crew(work)
    assert (first, third, later) == (b"first A", b"first C", b"first D")
    assert isinstance(bad, Unanswered)
    assert str(bad) == "crashed the decoder"
    assert restarts == 2


def test_a_picture_that_takes_too_long_is_refused_with_the_time() -> None:
    found = with_crew(lambda crew: answers(crew, b"slow", b"b"))
    assert str(found[0]) == "took longer than 0.05 seconds"
    assert found[1] == b"first B"


def test_who_comes_when_the_queue_is_full_is_told_when_to_come_again() -> None:
    async def work(crew: Crew) -> int:
        first = asyncio.create_task(answers(crew, b"a"))
        await asyncio.sleep(0.001)
        rest = asyncio.create_task(answers(crew, *[b"b"] * 16))
        await asyncio.sleep(0)
        with pytest.raises(Busy) as busy:
            crew.submit([{}], [b"c"])
        assert len(await first + await rest) == 17
        return busy.value.seconds

    assert with_crew(work) >= 1


def test_a_worker_that_finds_other_weights_on_the_disk_answers_nothing_with_them() -> None:
    async def work(crew: Crew) -> tuple[list[Any], list[bool]]:
        swapped: list[bool] = []
        crew.changed = lambda: swapped.append(True)
        Fake.digest = "second"
        found = await answers(crew, b"a", b"kill")
        return found, swapped

    found, swapped = with_crew(work)
    assert swapped
    assert all(isinstance(each, Down) for each in found)


def test_weights_that_cannot_be_read_any_more_are_tried_until_they_can() -> None:
    async def work(crew: Crew) -> Any:
        Fake.fails = ArtefactError("truncated")
        assert isinstance((await answers(crew, b"kill"))[0], (Down, Unanswered))
        with pytest.raises(Down, match="truncated"):
            crew.submit([{}], [b"a"])
        Fake.fails = None
        await asyncio.sleep(0.1)
        return await answers(crew, b"b")

    assert with_crew(work) == [b"first B"]


def test_during_swaps_every_answer_is_wholly_old_or_wholly_new() -> None:
    async def run() -> tuple[int, set[bytes]]:
        told: list[str] = []
        settings = Settings(models=(ModelSettings(name="m", run="r", batch=4, workers=2),))
        models = Models(settings, Counts(), threads=1, tell=told.append)
        await models.start()
        seen: set[bytes] = set()
        mixed = 0
        over = False

        async def client() -> None:
            nonlocal mixed
            while not over:
                crew = models.crew("m")
                assert crew is not None
                found = await answers(crew, b"a", b"b", b"c")
                kinds = {each.split()[0] for each in found}
                mixed += len(kinds) > 1
                seen.update(kinds)

        clients = [asyncio.create_task(client()) for _ in range(4)]
        for turn in range(50):
            Fake.digest = f"weights-{turn}"
            Fake.fails = ArtefactError("damaged") if turn % 5 == 0 else None
            models.swap()
            await asyncio.sleep(0.01)
        over = True
        await asyncio.gather(*clients)
        await models.close(1)
        assert sum("old weights stay" in each for each in told) == 10
        return mixed, seen

    mixed, seen = asyncio.run(run())
    assert not mixed
    assert len(seen) > 20
    assert b"weights-0" not in seen


def test_frames_that_are_none_are_noticed() -> None:
    frame = wire.packed({"a": "é"}, [b"12", b"345"])
    assert wire.unpacked(*wire.split(frame)) == ({"a": "é"}, [b"12", b"345"])
    for wrong in (b"nope" + frame[4:], wire.HEAD.pack(wire.MARK, 1 << 31, 0)):
        with pytest.raises(wire.Garbled):
            wire.split(wrong)
    text, blobs = wire.split(frame)
    for said in (b"[]", b"{}", text[:-1], b'{"sizes": [9]}', b'{"sizes": [-1, 6]}', b'{"sizes": "x"}'):
        with pytest.raises(wire.Garbled):
            wire.unpacked(said, blobs)


def test_a_quantile_is_the_nearest_rank() -> None:
    values = list(range(1, 101))
    assert [quantile(values, share) for share in (0.5, 0.9, 0.99, 1.0)] == [50, 90, 99, 100]
    assert quantile([7.0], 0.01) == 7.0
