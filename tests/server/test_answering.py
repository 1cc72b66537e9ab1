"""What a worker does, without a process: runs, exported files, numbers; and clients that measure."""

from __future__ import annotations

import asyncio
import json
import math
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

import hubel
from hubel.deploy.prediction import Prediction
from hubel.errors import ArtefactError, UsageError
from hubel.server.answering import answer, answer_batch, said
from hubel.server.load import Asked, Load, ask_all
from hubel.server.served import opened
from hubel.server.wire import Frame

USUAL: dict[str, Any] = {
    "which": "best",
    "views": None,
    "device": "cpu",
    "threads": 1,
    "batch": 2,
    "exact": False,
    "form": "ready",
}
MANUAL = Path(__file__).parents[2] / "docs" / "serving.md"


def picture(level: int = 90) -> bytes:
    file = BytesIO()
    Image.linear_gradient("L").resize((12, 9)).point(lambda value: min(255, value + level)).save(file, "PNG")
    return file.getvalue()


def test_an_exported_file_is_served_as_hubel_predict_answers_with_it(digits_run: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    file = tmp_path / "digits.onnx"
    hubel.export(digits_run, out=file, pictures=16)
    served = opened(str(file), **USUAL)
    items = [{"name": "a", "top": None}, {"name": "b", "top": 1}, {"name": "c", "top": None}]
    told, blobs = answer_batch(served, items, [picture(), picture(30), b"none"])
    expected = hubel.predict(file, [picture(), picture(30)])
    assert told["bad"] == [False, False, True]
    assert json.loads(blobs[0])["probabilities"] == expected[0].probabilities
    assert json.loads(blobs[1])["probabilities"] == {expected[1].label: expected[1].probability}
    assert served.about()["classes"] == list(expected[0].probabilities)
    assert len(served.about()["digest"]) == 64
    with pytest.raises(UsageError, match="--exact is for a run"):
        opened(str(file), **USUAL | {"exact": True})


def frames(*asked: dict[str, Any]) -> tuple[Any, list[dict[str, Any]]]:
    """Frames to read, then the end, and what is sent."""
    waiting = iter(asked)
    sent: list[dict[str, Any]] = []

    def receive() -> Frame:
        return next(waiting), []

    with pytest.raises(StopIteration) if len(asked) > 1 else pytest.raises((StopIteration, AssertionError)):
        answer(receive, lambda told, *blobs: sent.append(told))
        raise AssertionError("it ended by itself")
    return receive, sent


def test_a_run_that_cannot_be_served_is_told_with_its_reason(tmp_path: Path) -> None:
    _, sent = frames({"run": str(tmp_path / "none"), **USUAL})
    assert sent[0]["failed"]["kind"] == "ArtefactError"
    assert "there is no run" in sent[0]["failed"]["what"]
    points = hubel.train("moons", out=str(tmp_path), epochs=1, threads=1, device="cpu")
    with pytest.raises(ArtefactError, match="learnt from points"):
        opened(str(points.folder), **USUAL)


def test_a_fault_costs_a_batch_and_not_the_worker(digits_run: Path) -> None:
    broken = {"items": [{"top": None}]}  # without a picture
    _, sent = frames({"run": str(digits_run), **USUAL}, broken, {"items": []}, broken)
    assert [next(iter(each)) for each in sent] == ["about", "fault", "decode", "fault"]


def test_a_number_is_told_as_a_number() -> None:
    number = Prediction("a", "3.5", math.nan, {}, 3.5)
    assert json.loads(json.dumps(said(number, None), allow_nan=False)) == {"name": "a", "value": 3.5}


def test_the_container_of_the_manual_writes_nothing_and_is_nobody() -> None:
    blocks = MANUAL.read_text().split("```")
    [container] = [block for block in blocks if block.startswith("dockerfile")]
    assert "USER 10001" in container
    assert "HEALTHCHECK" in container
    assert "/ready" in container
    compose, cluster = (list(yaml.safe_load_all(b.removeprefix("yaml"))) for b in blocks if b.startswith("yaml"))
    assert compose[0]["services"]["photos"]["read_only"] is True
    [pod] = cluster[0]["spec"]["template"]["spec"]["containers"]
    assert pod["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["securityContext"]["runAsNonRoot"] is True
    probes = {pod[f"{name}Probe"]["httpGet"]["path"] for name in ("readiness", "liveness")}
    assert probes == {"/ready", "/health"}
    assert cluster[1]["spec"]["ports"][0]["targetPort"] == pod["ports"][0]["containerPort"]


def against(seconds_each: float, **asked: Any) -> tuple[Load, int]:
    """A load on a server that takes so long for each answer, one at a time, and how many it answered."""
    answered = 0

    async def run() -> Load:
        turn = asyncio.Lock()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal answered
            try:
                while head := await reader.readuntil(b"\r\n\r\n"):
                    await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
                    async with turn:
                        await asyncio.sleep(seconds_each)
                    answered += 1
                    status = b"429 Too Many" if answered % 5 == 0 else b"200 OK"
                    writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nok")
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            return await ask_all(
                Asked(host="127.0.0.1", port=port, path="/predict", warm=0.0, **asked), b"picture"
            )  # fmt: skip
        finally:
            server.close()

    return asyncio.run(run()), answered


def test_clients_in_a_closed_loop_count_every_answer_once() -> None:
    seen, answered = against(0.002, clients=3, seconds=0.3)
    assert seen.answers + seen.refused == answered
    assert seen.refused == answered // 5
    assert 0.002 <= seen.p50 <= seen.p90 <= seen.p99


def test_in_an_open_loop_who_waits_in_line_is_not_forgotten() -> None:
    """Asked twice as fast as it answers, a server's line grows: the last wait about half the time that was asked."""
    seen, answered = against(0.01, clients=64, seconds=0.6, rate=200)
    assert seen.answers + seen.refused == answered
    assert seen.p99 > 0.15
    calm, _ = against(0.001, clients=8, seconds=0.4, rate=40)
    assert calm.p50 < 1
