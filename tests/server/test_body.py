"""Bodies of requests: raw, multipart, JSON; counted before they are read."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import AsyncIterator

import pytest

from hubel.server.body import OVER, Refused, pictures_in, read_body
from hubel.server.settings import Limits
from mutation import bytes_changed

LIMITS = Limits(body=1000, pictures=3)
FORM = "multipart/form-data; boundary=xyz"


def form(*parts: tuple[str, bytes]) -> bytes:
    made = [
        b'--xyz\r\nContent-Disposition: form-data; name="picture"; filename="%b"\r\n\r\n%b\r\n' % (name.encode(), data)
        for name, data in parts
    ]
    return b"".join(made) + b"--xyz--\r\n"


def refusal(body: bytes, kind: str) -> str:
    with pytest.raises(Refused) as error:
        pictures_in(body, kind, LIMITS)
    return f"{error.value.refusal.status} {error.value.refusal.reason}"


def test_the_same_picture_comes_out_of_every_kind_of_body() -> None:
    data = bytes(range(256)) + b"\r\n--xy\r\n--"
    text = base64.b64encode(data).decode()
    bodies = [
        (data, "image/png"), (data, "application/octet-stream"), (data, ""),
        (form(("cat.png", data)), FORM),
        (json.dumps({"picture": text}).encode(), "application/json"),
        (json.dumps({"pictures": [{"name": "cat.png", "base64": text}]}).encode(), "application/json; charset=utf-8"),
        (json.dumps({"pictures": [f"data:image/png;base64,{text}"]}).encode(), "application/json"),
    ]  # fmt: skip
    assert [[each.data for each in pictures_in(body, kind, LIMITS)] for body, kind in bodies] == [[data]] * 7


def test_names_are_kept_and_made_harmless() -> None:
    found = pictures_in(form(("a.png", b"1"), ("\x1b[2J.png", b"2"), ("", b"3")), FORM, LIMITS)
    assert [each.name for each in found] == ["a.png", "\\x1b[2J.png", "picture 3"]


def test_what_is_no_body_of_its_kind_is_refused_with_the_reason() -> None:
    assert refusal(b"{", "application/json") == "400 the body is no JSON"
    assert refusal(b"[" * 100_000, "application/json") == "400 the body is no JSON"
    assert refusal(b'{"pictures": 3}', "application/json") == '400 "pictures" must be a list'
    assert refusal(b'{"pictures": ["!"]}', "application/json") == "400 picture 1 is no base64"
    assert refusal(b'{"pictures": [{"name": 3, "base64": "AAAA"}]}', "application/json").endswith("must be text")
    assert refusal(b'{"pictures": [{"name": "a"}]}', "application/json").endswith("must be base64 text")
    assert refusal(b'{"pictures": []}', "application/json") == "400 no picture was sent"
    assert "nothing else" in refusal(b'{"picture": "", "x": 1}', "application/json")
    assert refusal(form(("a", b"1"))[:-4], FORM) == "400 the body ends before its last boundary"
    assert refusal(b"x", "multipart/form-data") == "400 multipart/form-data must name its boundary"
    assert refusal(b"x", FORM) == "400 the body is no multipart/form-data of that boundary"
    assert refusal(form(("a", b"1")).replace(b'; filename="a"', b""), FORM) == "400 the part 'picture' is no file"


def test_more_pictures_than_may_be_are_refused_before_they_are_kept() -> None:
    assert refusal(form(*[("a", b"1")] * 4), FORM).startswith("413 a request may have 3 pictures")
    assert refusal(form(*[("a", b"1")] * 100_000), FORM).startswith("413")
    assert refusal(json.dumps({"pictures": ["AAAA"] * 4}).encode(), "application/json").startswith("413")


def test_a_body_over_the_limit_is_read_little_further_than_the_limit() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 500
            yield bytes(500)

    for length in (None, "5", "1001", "99999999999"):
        read = 0
        with pytest.raises(Refused) as error:
            asyncio.run(read_body(endless(), length, LIMITS))
        assert error.value.refusal.status == 413
        assert read <= LIMITS.body + OVER + 500

    async def short() -> AsyncIterator[bytes]:
        yield b"ab"
        yield b"cd"

    assert asyncio.run(read_body(short(), "4", LIMITS)) == b"abcd"
    for length in ("-1", "4x", "9" * 30):
        with pytest.raises(Refused, match="must be a number"):
            asyncio.run(read_body(short(), length, LIMITS))


def test_whatever_comes_is_pictures_or_a_refusal() -> None:
    draw = random.Random(5)
    bodies = [
        (form(("a.png", b"1" * 40), ("b.png", b"2")), FORM),
        (b'{"pictures": [{"name": "a", "base64": "AAAA"}]}', "application/json"),
    ]
    answered, refused = 0, set()
    for turn in range(3000):
        body, kind = bodies[turn % 2]
        kind = kind if draw.random() < 0.8 else bytes_changed(kind.encode(), draw).decode("latin-1")
        try:
            answered += bool(pictures_in(bytes_changed(body, draw), kind, LIMITS))
        except Refused as error:
            refused.add(error.refusal.status)
    assert refused == {400}
    assert answered > 300
