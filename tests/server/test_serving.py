"""A server as its users meet it: real workers, real sockets. It is started once for all of these."""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import re
import shlex
import shutil
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

import hubel
from hubel.server.guard import Doors, Facts, refused
from hubel.server.settings import Limits, ModelSettings, Settings
from hubel.verbs.serve import Serving
from mutation import bytes_changed

LIMITS = Limits(
    body=200_000, pictures=4, queue=8, megapixels=1.0, header_seconds=0.6, body_seconds=0.6, connections=40
)  # fmt: skip


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)


@pytest.fixture(scope="module")
def run(digits_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, since its weights are damaged here."""
    return Path(shutil.copytree(digits_run, tmp_path_factory.mktemp("served") / "digits-1"))


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def server(run: Path, told: list[str]) -> Iterator[Serving]:
    models = (
        ModelSettings(name="digits", run=str(run), device="cpu", threads=1, batch=4),
        ModelSettings(name="exact", run=str(run), device="cpu", threads=1, exact=True),
    )
    with Serving(Settings(models=models, port=0, limits=LIMITS), tell=told.append) as serving:
        yield serving


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pictures of all sorts: sizes, modes, formats, turned by EXIF."""
    folder = tmp_path_factory.mktemp("odd")
    draw = np.random.default_rng(3)
    found = []
    for number, (size, mode, kind) in enumerate(
        [
            ((8, 8), "L", "png"), ((1, 1), "RGB", "png"), ((1, 400), "L", "png"), ((31, 17), "RGBA", "png"),
            ((20, 20), "P", "gif"), ((16, 9), "RGB", "jpg"), ((40, 30), "CMYK", "jpg"), ((12, 12), "1", "png"),
            ((10, 10), "RGB", "webp"), ((9, 9), "RGB", "bmp"), ((64, 64), "L", "tiff"), ((8, 8), "RGB", "ppm"),
        ]
    ):  # fmt: skip
        pixels = draw.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        picture = Image.fromarray(pixels).convert(mode)
        exif = picture.getexif()
        exif[0x0112] = 1 + number % 8
        path = folder / f"{number:02}.{kind}"
        picture.save(path, **({"exif": exif} if kind in ("jpg", "webp") else {}))
        found.append(path)
    return found


def ask(server: Serving, path: str = "/predict", body: bytes | None = None, method: str = "", **headers: str) -> Answer:
    """One request as any client sends it."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method or ("GET" if body is None else "POST"), path, body, sent)
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def form(*pictures: tuple[str, bytes]) -> tuple[bytes, str]:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="picture"; filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
        for name, data in pictures
    ]
    return b"".join(parts) + b"--b--\r\n", "multipart/form-data; boundary=b"


def metric(server: Serving, line: str) -> float:
    found = re.search(rf"^{re.escape(line)} (\S+)$", ask(server, "/metrics").body.decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


# ------------------------------------------------------------------ right answers


def test_the_answers_are_those_of_hubel_predict_bit_for_bit(server: Serving, run: Path, files: list[Path]) -> None:
    for path in files:
        expected = hubel.predict(run, path, device="cpu")[0]
        exact = ask(server, "/predict/exact", path.read_bytes()).said["predictions"][0]
        assert exact["probabilities"] == expected.probabilities, path.name
        assert (exact["label"], exact["probability"]) == (expected.label, expected.probability)
        assert (exact["known"], exact["plausible"]) == (expected.known, list(expected.plausible))
        quick = ask(server, "/predict", path.read_bytes()).said["predictions"][0]
        assert list(quick["probabilities"].values()) == pytest.approx(list(expected.probabilities.values()), abs=1e-5)
        assert quick["label"] == expected.label


def test_raw_multipart_and_json_say_the_same(server: Serving, files: list[Path]) -> None:
    data = files[0].read_bytes()
    text = base64.b64encode(data).decode()
    body, kind = form(("seven.png", data), ("seven.png", data))
    several = ask(server, "/predict/exact", body, Content_Type=kind).said["predictions"]
    raw = ask(server, "/predict/exact", data, Content_Type="image/png").said["predictions"][0]
    coded = ask(
        server, "/predict/exact", json.dumps({"picture": text}).encode(), Content_Type="application/json"
    ).said["predictions"][0]  # fmt: skip
    assert several[0] == several[1] == {**raw, "name": "seven.png"}
    assert coded == raw
    assert raw["name"] == "picture 1"


def test_an_answer_says_who_gave_it_and_where_the_time_went(server: Serving, files: list[Path]) -> None:
    answer = ask(server, "/predict?top=2", files[0].read_bytes())
    assert answer.status == 200
    assert answer.said["model"] == "digits"
    assert answer.said["digest"] == server.models["digits"]["digest"]
    assert set(answer.said["milliseconds"]) == {"read", "wait", "decode", "net", "total"}
    shares = list(answer.said["predictions"][0]["probabilities"].values())
    assert len(shares) == 2
    assert shares[0] >= shares[1]


def test_what_is_no_picture_is_named_in_its_place(server: Serving, files: list[Path]) -> None:
    whole = files[0].read_bytes()
    body, kind = form(("a.png", whole), ("b.png", whole[:40]), ("c.png", b"<html>"))
    answer = ask(server, "/predict", body, Content_Type=kind)
    assert answer.status == 200
    assert [each.get("label") is not None for each in answer.said["predictions"]] == [True, False, False]
    assert [each["name"] for each in answer.said["predictions"]] == ["a.png", "b.png", "c.png"]
    alone = ask(server, "/predict", whole[:40])
    assert alone.status == 422
    assert alone.said["predictions"][0]["problem"]["kind"] == "corrupt"
    bomb = BytesIO()
    Image.new("L", (1200, 1200)).save(bomb, "PNG")
    large = ask(server, "/predict", bomb.getvalue())
    assert large.status == 422
    assert "1,000,000" in large.said["predictions"][0]["problem"]["reason"]


def test_many_clients_at_once_are_each_told_of_their_own_picture(server: Serving, run: Path) -> None:
    draw = np.random.default_rng(9)
    pictures = []
    for pixels in draw.integers(0, 256, (60, 8, 8), dtype=np.uint8):
        file = BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        pictures.append(file.getvalue())
    expected = hubel.predict(run, pictures, device="cpu")

    def client(number: int) -> list[tuple[int, dict[str, float]]]:
        said = []
        for at in range(number, len(pictures), 6):
            while (answer := ask(server, "/predict", pictures[at])).status == 429:
                time.sleep(0.05)
            said.append((at, answer.said["predictions"][0]["probabilities"]))
        return said

    with ThreadPoolExecutor(6) as pool:
        found = dict(pair for pairs in pool.map(client, range(6)) for pair in pairs)
    assert len(found) == 60
    for at, shares in found.items():
        assert shares == pytest.approx(expected[at].probabilities, abs=1e-5)


# ------------------------------------------------------------------ the other paths


def test_health_and_readiness_say_nothing_else_and_ask_nothing(server: Serving) -> None:
    assert ask(server, "/health", Host="10.0.0.7:8000").said == {"status": "ok"}
    assert ask(server, "/ready", Host="10.0.0.7:8000").said == {"ready": True}


def test_metrics_are_prometheus_text_and_count_what_was_asked(server: Serving, files: list[Path]) -> None:
    before = metric(server, 'hubel_pictures_total{model="digits"}')
    ask(server, "/predict", files[0].read_bytes())
    ask(server, "/predict", b"no picture")
    assert metric(server, 'hubel_pictures_total{model="digits"}') == before + 1
    answer = ask(server, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    line = re.compile(r'# (HELP|TYPE) hubel_\w+ .+|hubel_\w+(\{\w+="[^"\n]*"(,\w+="[^"\n]*")*\})? [-+0-9.eNa]+')
    wrong = [each for each in answer.body.decode().splitlines() if not line.fullmatch(each)]
    assert not wrong
    for name in ("hubel_queue_pictures", "hubel_batch_pictures_bucket", "hubel_refusals_total", "hubel_stage_seconds"):
        assert f"\n# TYPE {name.removesuffix('_bucket')} " in answer.body.decode()


def test_the_schema_has_every_route_and_every_route_has_a_policy(server: Serving, files: list[Path]) -> None:
    schema = ask(server, "/openapi.json").said
    assert server.app is not None
    doors = server.app.doors()
    assert set(schema["paths"]) == {door.path for door in doors}
    for door in doors:
        said = {method.upper() for method in schema["paths"][door.path]}
        assert said == door.policy.methods - {"HEAD"}
    answer = ask(server, "/predict", files[0].read_bytes()).said
    required = schema["components"]["schemas"]
    assert answer.keys() == set(required["Answer"]["required"])
    assert answer["predictions"][0].keys() == set(required["Prediction"]["required"])
    models = ask(server, "/models").said
    assert models["models"][0].keys() == set(required["Models"]["properties"]["models"]["items"]["required"])


def test_the_page_asks_for_nothing_from_elsewhere(server: Serving) -> None:
    page = ask(server, "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in page.headers["content-security-policy"]
    for path in ("/", "/page.js", "/page.css"):
        text = ask(server, path).body.decode()
        assert not re.search(r"https?://(?!\")|innerHTML|style=|\bon\w+=\"", text.replace("at https:// or", ""))


# ------------------------------------------------------------------ who may not


def test_pages_of_other_sites_and_other_names_are_refused(server: Serving, files: list[Path]) -> None:
    data = files[0].read_bytes()
    assert ask(server, "/predict", data, Origin="http://evil.example").status == 403
    assert ask(server, "/predict", data, Sec_Fetch_Site="cross-site").status == 403
    assert ask(server, "/predict", data, Origin="null").status == 403
    assert ask(server, "/predict", data, Host="evil.example").status == 421
    assert ask(server, "/metrics", Host="evil.example").status == 421
    assert ask(server, "/predict", data, Origin=f"http://localhost:{server.port}").status == 200
    assert ask(server, "/predict", data, Content_Type="text/plain").status == 415
    assert ask(server, "/predict", data, Content_Encoding="gzip").status == 415
    refused = ask(server, "/predict", method="DELETE")
    assert (refused.status, refused.headers["allow"]) == (405, "POST")
    assert ask(server, "/predict", data, method="OPTIONS").status == 405
    assert not any(name.startswith("access-control") for name in refused.headers)


def test_every_answer_has_the_headers_that_keep_browsers_in(server: Serving, files: list[Path]) -> None:
    for answer in (ask(server, "/"), ask(server, "/none"), ask(server, "/predict", files[0].read_bytes())):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/predict/none", 404), ("/predict/..%2f..%2fetc%2fpasswd", 404), ("/predict/%00", 404), ("/predict/", 404),
        ("/predict/a/b", 404), ("/page.js%2f..", 404), ("//etc/passwd", 404), ("/predict?top=0", 400),
        ("/predict?top=x", 400), ("/predict?top=99999999999", 400), ("/predict?tpo=3", 400),
    ],
)  # fmt: skip
def test_paths_and_queries_that_are_none_say_so(server: Serving, files: list[Path], path: str, status: int) -> None:
    answer = ask(server, path, files[0].read_bytes())
    assert answer.status == status
    assert answer.said["error"]["reason"]


@pytest.mark.parametrize("host", ["ours", "evil.example", "127.0.0.1:1"])
@pytest.mark.parametrize("origin", ["", "ours", "null", "http://evil.example"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "TRACE"])
def test_every_route_of_the_real_server_decides_as_its_policy_does(
    server: Serving, files: list[Path], host: str, origin: str, method: str
) -> None:
    """The guard is tested whole by itself; this is that every route goes through it, with its own policy."""
    assert server.app is not None
    place = f"127.0.0.1:{server.port}"
    headers = {"Host": place if host == "ours" else host}
    if origin:
        headers["Origin"] = f"http://{place}" if origin == "ours" else origin
    for door in server.app.doors():
        body = files[0].read_bytes() if method == "POST" else None
        answer = ask(server, door.path.replace("{name}", "exact"), body, method, **headers)
        facts = Facts(
            method=method, hosts=(headers["Host"],), origins=(headers["Origin"],) if origin else (), arrived="127.0.0.1"
        )
        wrong = refused(facts, door.policy, Doors(port=server.port))
        assert answer.status == (wrong.status if wrong else 200), (door.path, answer)


def test_the_examples_of_the_manual_are_answered(server: Serving, files: list[Path], tmp_path: Path) -> None:
    for name, path in (("cat.jpg", files[5]), ("dog.png", files[0])):
        shutil.copy(path, tmp_path / name)
    manual = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
    commands = [line for line in manual.splitlines() if line.startswith("curl ")]
    assert len(commands) >= 4
    for command in commands:
        words = shlex.split(command)[1:]
        url = urlsplit(words.pop())
        assert url.netloc == "127.0.0.1:8000"
        body, headers, parts = None, {}, []
        while words:
            flag, value = words.pop(0), words.pop(0)
            if flag == "-H":
                name, _, text = value.partition(": ")
                headers[name] = text
            elif flag == "-F":
                parts.append((value.partition("=@")[2], (tmp_path / value.partition("=@")[2]).read_bytes()))
            elif flag == "--data-binary":
                body = (tmp_path / value.removeprefix("@")).read_bytes()
                headers.setdefault("Content-Type", "application/x-www-form-urlencoded")  # as curl says
            else:
                assert flag == "-d", command
                body = value.encode()
        if parts:
            body, headers["Content-Type"] = form(*parts)
        answer = ask(server, url.path + (f"?{url.query}" if url.query else ""), body, **headers)
        assert answer.status in (200, 422), command
        assert ("problem" in answer.body.decode()) is ('"base64"' in command), command


# ------------------------------------------------------------------ limits


def test_a_body_over_the_limit_is_told_so_whether_it_names_its_length_or_not(server: Serving) -> None:
    assert ask(server, "/predict", bytes(LIMITS.body + 1)).status == 413
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(
            f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        raw.sendall((b"fff\r\n" + bytes(0xFFF) + b"\r\n") * (LIMITS.body // 0xFFF + 2))
        raw.sendall(b"0\r\n\r\n")
        assert raw.recv(12) == b"HTTP/1.1 413"


def raw_answer(server: Serving, request: bytes) -> bytes:
    """All that comes back until the server closes; b"" where it only closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        found = b""
        try:
            raw.sendall(request)
            raw.shutdown(socket.SHUT_WR)
            while part := raw.recv(65536):
                found += part
        except OSError:  # it was closed before all was sent
            pass
        return found


def test_a_head_goes_with_its_body_in_one_packet_and_continue_does_not_wait(server: Serving) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        place = f"Host: 127.0.0.1:{server.port}\r\n"
        for method, status in (("GET", b"200"), ("HEAD", b"200"), ("GET", b"200")):
            raw.sendall(f"{method} /health HTTP/1.1\r\n{place}\r\n".encode())
            head, _, body = raw.recv(65536).partition(b"\r\n\r\n")
            assert head[9:12] == status
            assert body == (b"" if method == "HEAD" else b'{"status": "ok"}\n')
        raw.sendall(f"POST /predict HTTP/1.1\r\n{place}Expect: 100-continue\r\nContent-Length: 1\r\n\r\n".encode())
        assert raw.recv(65536).startswith(b"HTTP/1.1 100")
        raw.sendall(b"x")
        assert raw.recv(12) == b"HTTP/1.1 422"


def test_a_megabyte_of_headers_is_refused(server: Serving) -> None:
    assert raw_answer(server, b"GET /health HTTP/1.1\r\nX: " + b"a" * (1 << 20)).startswith((b"HTTP/1.1 400", b""))
    assert ask(server, "/health").status == 200


def test_slow_clients_are_dropped_and_hold_up_nobody(server: Serving, files: list[Path]) -> None:
    slow = [socket.create_connection(("127.0.0.1", server.port), timeout=10) for _ in range(80)]
    try:
        for number, each in enumerate(slow):
            each.sendall(b"POST /predict HTTP/1.1\r\nHost: x" if number % 2 else b"G")
        seconds = []
        for _ in range(10):
            started = time.perf_counter()
            assert ask(server, "/predict", files[0].read_bytes()).status == 200
            seconds.append(time.perf_counter() - started)
        assert max(seconds) < 5
        assert metric(server, "hubel_open_connections") <= LIMITS.connections + 1
        with suppress(ConnectionResetError):
            assert slow[-1].recv(10) == b""
    finally:
        for each in slow:
            each.close()


def test_a_body_that_does_not_come_is_waited_for_no_longer_than_the_limit(server: Serving) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: 9\r\n\r\nabc".encode())
        assert raw.recv(12) == b"HTTP/1.1 408"


def test_who_comes_when_all_places_are_taken_is_told_when_to_come_again(server: Serving, files: list[Path]) -> None:
    data = files[0].read_bytes()
    [worker] = server.pids_of("digits")
    os.kill(worker, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(LIMITS.queue + 4) as pool:
            first = pool.submit(ask, server, "/predict", data)
            while metric(server, "hubel_open_connections") < 2:
                time.sleep(0.01)
            time.sleep(0.1)
            others = [pool.submit(ask, server, "/predict", data) for _ in range(LIMITS.queue)]
            while metric(server, 'hubel_queue_pictures{model="digits"}') < LIMITS.queue:
                time.sleep(0.01)
            late = ask(server, "/predict", data)
            os.kill(worker, signal.SIGCONT)
            answers = [each.result().status for each in (first, *others)]
    finally:
        os.kill(worker, signal.SIGCONT)
    assert late.status == 429
    assert int(late.headers["retry-after"]) >= 1
    assert answers == [200] * (LIMITS.queue + 1)


# ------------------------------------------------------------------ anything at all


def mutated(server: Serving, files: Sequence[Path], count: int, seed: int) -> list[bytes]:
    """Answers to so many requests of which every byte may be another."""
    draw = random.Random(seed)
    host = f"Host: 127.0.0.1:{server.port}\r\nConnection: close\r\n"
    body, kind = form(("a.png", files[0].read_bytes()), ("b.jpg", files[5].read_bytes()))
    coded = json.dumps({"pictures": [{"name": "a", "base64": base64.b64encode(files[0].read_bytes()).decode()}]})
    wholes = [
        f"POST /predict?top=3 HTTP/1.1\r\n{host}Content-Type: image/png\r\nContent-Length: ".encode(),
        f"POST /predict HTTP/1.1\r\n{host}Content-Type: {kind}\r\nContent-Length: ".encode(),
        f"POST /predict/exact HTTP/1.1\r\n{host}Content-Type: application/json\r\nContent-Length: ".encode(),
    ]
    found = []
    for _ in range(count):
        which = draw.randrange(4)
        if which == 3:
            path = draw.choice(["/", "/models", "/metrics", "/openapi.json", "/ready", "/predict/exact"])
            found.append(raw_answer(server, bytes_changed(f"GET {path} HTTP/1.1\r\n{host}\r\n".encode(), draw)))
            continue
        sent = [draw.choice(files).read_bytes(), body, coded.encode()][which]
        if draw.random() < 0.7:  # the body alone, so that the request reaches what reads it
            sent = bytes_changed(sent, draw)
            found.append(raw_answer(server, wholes[which] + f"{len(sent)}\r\n\r\n".encode() + sent))
        else:
            found.append(
                raw_answer(server, bytes_changed(wholes[which] + f"{len(sent)}\r\n\r\n".encode() + sent, draw))
            )
    return found


def check_mutated(server: Serving, files: list[Path], run: Path, count: int, capture: Any) -> None:
    found = mutated(server, files, count, seed=11)
    statuses = [int(each[9:12]) for each in found if each.startswith(b"HTTP/1.1 ")]
    assert not [status for status in statuses if status >= 500]
    assert {200, 400, 422} <= set(statuses)
    assert len(statuses) > 0.75 * count  # the others end before they are whole
    for each in found:
        assert b"Traceback" not in each
        assert str(run.parent).encode() not in each
        assert b"hubel/server" not in each
    written = capture.readouterr()
    assert "Traceback" not in written.err + written.out
    assert ask(server, "/predict", files[0].read_bytes()).status == 200


def test_two_thousand_mutated_requests_meet_no_fault(
    server: Serving, files: list[Path], run: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    restarts = metric(server, 'hubel_restarts_total{model="digits"}')
    check_mutated(server, files, run, 2000, capfd)
    assert metric(server, 'hubel_restarts_total{model="digits"}') == restarts


@pytest.mark.slow
def test_ten_thousand_mutated_requests_meet_no_fault(
    server: Serving, files: list[Path], run: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    check_mutated(server, files, run, 10_000, capfd)


# ------------------------------------------------------------------ weights that change (last: they are damaged here)


def test_weights_are_read_again_and_damaged_ones_change_nothing(
    server: Serving, files: list[Path], run: Path, told: list[str]
) -> None:
    weights = run / "weights" / "best.safetensors"
    whole, data = weights.read_bytes(), files[0].read_bytes()
    before = ask(server, "/predict/exact", data).said
    weights.write_bytes(whole[:-100])
    try:
        server.swap()
        deadline = time.monotonic() + 60
        while sum("old weights stay" in each for each in told) < 2 and time.monotonic() < deadline:
            assert ask(server, "/predict/exact", data).said["predictions"] == before["predictions"]
    finally:
        weights.write_bytes(whole)
    assert sum("old weights stay" in each for each in told) == 2
    old = server.pids
    server.swap()
    while not all(metric(server, f'hubel_swaps_total{{model="{name}"}}') for name in ("digits", "exact")):
        assert ask(server, "/predict/exact", data).said["predictions"] == before["predictions"]
        assert time.monotonic() < deadline + 60
    assert not set(old) & set(server.pids)
