"""The guard: who may ask what. The whole product of what a request can say, against accepted words written by hand."""

from __future__ import annotations

import asyncio
import dataclasses
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from hubel.errors import UsageError
from hubel.server.counts import Counts
from hubel.server.gate import Door, Gate
from hubel.server.guard import CALL, CHANGE, OPEN, PAGE, POLICIES, READ, Doors, Facts, is_loopback, origin_of, refused
from hubel.server.serving import require_safe
from hubel.verbs.serve import settings_for

DOORS = Doors(port=8000, token="t" * 32, hosts=("cats.example", "proxy.example:443"))
HOSTS = {
    ("127.0.0.1:8000",): True, ("localhost:8000",): True, ("LOCALHOST:8000",): True, ("[::1]:8000",): True,
    ("[0:0:0:0:0:0:0:1]:8000",): True, ("cats.example",): True, ("cats.example:9",): True,
    ("127.0.0.1",): False, ("127.0.0.1:8001",): False, ("127.0.0.1.evil.example:8000",): False,
    ("proxy.example:80",): False, ("localhost:8000", "localhost:8000"): False, (): False,
    ("localhost:8000@evil.example",): False,
}  # fmt: skip
ORIGINS = {
    (): True, ("http://127.0.0.1:8000",): True, ("https://proxy.example",): True, ("null",): False,
    ("http://evil.example",): False, ("http://localhost:8001",): False,
}  # fmt: skip
SITES = {(): True, ("same-origin",): True, ("none",): True, ("cross-site",): False}
TOKENS = {("t" * 32,): True, (): False, ("t" * 31 + "u",): False}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
KINDS = ("", "image/jpeg", "application/json", "multipart/form-data; boundary=x", "text/plain")
ACCEPTED = {
    "open": ({"GET", "HEAD"}, set(KINDS)),
    "page": ({"GET", "HEAD"}, set(KINDS)),
    "read": ({"GET", "HEAD"}, set(KINDS)),
    "call": ({"POST"}, set(KINDS) - {"text/plain"}),
    "change": ({"POST", "PUT", "PATCH", "DELETE"}, {"application/json"}),
    "give": ({"POST", "PUT", "PATCH", "DELETE"}, {"application/json", "image/jpeg"}),
}


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_of_all_requests_those_are_accepted_that_meet_the_policy_whole(policy) -> None:  # type: ignore[no-untyped-def]
    methods, kinds = ACCEPTED[policy.name]
    looks = policy.name in ("read", "call", "change", "give")
    wrong = []
    for (host, host_ok), (origin, origin_ok), (site, site_ok), kind, method, (token, token_ok) in product(
        HOSTS.items(), ORIGINS.items(), SITES.items(), KINDS, METHODS, TOKENS.items()
    ):
        facts = Facts(
            method=method, hosts=host, origins=origin, sites=site, kinds=(kind,) if kind else (), tokens=token,
            marks=("1",),
        )  # fmt: skip
        expected = method in methods and kind in kinds
        if policy.name != "open":
            expected = expected and host_ok
        if looks:
            expected = expected and origin_ok and site_ok and token_ok
        if policy.name in ("change", "give"):
            expected = expected and bool(origin or site)
        if (refused(facts, policy, DOORS) is None) is not expected:
            wrong.append(facts)
    assert not wrong, f"{len(wrong)} requests, first {wrong[0]}"


def asked(policy=CALL, **said) -> int:  # type: ignore[no-untyped-def]
    found = refused(Facts(**{"method": "POST", "hosts": ("localhost:8000",)} | said), policy, Doors(port=8000))
    return found.status if found else 200


def test_what_changes_something_needs_the_header_that_no_form_of_another_page_can_send() -> None:
    ours = {"origins": ("http://localhost:8000",), "kinds": ("application/json",)}
    assert asked(CHANGE, **ours, marks=("1",)) == 200
    assert asked(CHANGE, **ours) == 403
    assert asked(CHANGE, kinds=("application/json",), marks=("1",)) == 403


def test_the_address_at_which_a_request_arrived_is_ours_and_no_other_address() -> None:
    assert asked(hosts=("192.168.1.5:8000",), arrived="192.168.1.5") == 200
    assert asked(hosts=("192.168.1.6:8000",), arrived="192.168.1.5") == 421
    assert asked(hosts=("[fe80::1]:8000",), arrived="fe80:0::1") == 200


def test_a_refusal_names_the_flag_that_would_allow_it_and_repeats_no_markup() -> None:
    found = refused(Facts(method="GET", hosts=("cats.example:80",)), READ, Doors(port=8000))
    assert found is not None
    assert found.hint == "start it with --allow-host cats.example:80"
    odd = refused(Facts(method="GET", hosts=("a b\x1b[2J",)), READ, Doors(port=8000))
    assert odd is not None
    assert odd.hint == "start it with --allow-host NAME"


def test_without_a_token_none_is_asked_for_and_pages_and_probes_never_ask() -> None:
    assert asked(READ, method="GET") == 200
    for policy in (OPEN, PAGE):
        assert refused(Facts(method="GET", hosts=("localhost:8000",)), policy, DOORS) is None


def test_who_can_be_reached_by_this_machine_only_is_known() -> None:
    assert [is_loopback(name) for name in ("127.0.0.1", "127.9.9.9", "LocalHost", "::1", "[::1]")] == [True] * 5
    assert [is_loopback(name) for name in ("0.0.0.0", "::", "192.168.1.5", "example.org")] == [False] * 4


INVITING = Doors(port=8000, token="a" * 20, origins=("https://cats.example",))


@pytest.mark.parametrize("site", [(), ("cross-site",), ("same-site",)])
@pytest.mark.parametrize(
    ("origin", "may"),
    [("https://cats.example", True), ("http://cats.example", False), ("https://cats.example:8443", False),
     ("https://cats.example.evil", False), ("https://evil.example", False), ("null", False)],
)  # fmt: skip
def test_pages_of_a_named_site_may_ask_and_no_others(origin: str, may: bool, site: tuple[str, ...]) -> None:
    for policy in POLICIES:
        facts = Facts(
            method=min(policy.methods), hosts=("localhost:8000",), origins=(origin,), sites=site, marks=("1",),
            kinds=("application/json",), tokens=("a" * 20,),
        )  # fmt: skip
        allowed = refused(facts, policy, INVITING) is None
        assert allowed == ((may and policy.cross) or not policy.ours), policy.name
        assert not policy.cross or not policy.mark, "who changes something is never a page of another site"
        if policy.cross:
            assert refused(dataclasses.replace(facts, tokens=()), policy, INVITING) is not None, (
                "the token is asked for"
            )
            twice = dataclasses.replace(facts, origins=(origin, origin))
            assert refused(twice, policy, INVITING) is not None


@pytest.mark.parametrize(
    ("text", "origin"),
    [("https://cats.example", "https://cats.example"), ("https://CATS.example:443/", "https://cats.example"),
     ("http://[::1]:3000", "http://[::1]:3000"), ("*", None), ("null", None), ("cats.example", None),
     ("https://cats.example/page", None), ("https://user@cats.example", None), ("file://x", None),
     ("https://*.example", None)],
)  # fmt: skip
def test_a_site_is_one_whole_address(text: str, origin: str | None) -> None:
    assert origin_of(text) == origin


def through_the_gate(method: str, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    """What a gate with two doors answers: status and headers."""

    async def answer(request: Request) -> Response:
        return Response(b"{}")

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    gate = Gate([Door("/predict", CALL, answer), Door("/change", CHANGE, answer)], INVITING, Counts(), seconds=5)
    said = {"host": "localhost:8000", "content-type": "image/png", "authorization": f"Bearer {'a' * 20}"} | headers
    scope = {
        "type": "http", "method": method, "path": path, "query_string": b"", "server": ("127.0.0.1", 8000),
        "headers": [(name.replace("_", "-").encode(), text.encode()) for name, text in said.items() if text],
    }  # fmt: skip
    asyncio.run(gate(scope, receive, send))
    return sent[0]["status"], {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}


def test_a_browser_is_told_before_and_after_that_a_named_site_may_read_answers() -> None:
    before = {"origin": "https://cats.example", "access_control_request_method": "POST", "authorization": ""}
    status, headers = through_the_gate("OPTIONS", "/predict", **before)
    assert status == 204
    assert headers["access-control-allow-origin"] == "https://cats.example"
    assert headers["access-control-allow-methods"] == "POST"
    assert set(headers["access-control-allow-headers"].split(", ")) == {"authorization", "content-type"}
    assert headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in headers
    status, headers = through_the_gate("POST", "/predict", origin="https://cats.example")
    assert (status, headers["access-control-allow-origin"]) == (200, "https://cats.example")
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    status, headers = through_the_gate("POST", "/predict", origin="https://cats.example", authorization="")
    assert (status, headers["access-control-allow-origin"]) == (401, "https://cats.example"), "its page may say why"


@pytest.mark.parametrize(
    ("path", "said", "status"),
    [
        ("/predict", {"origin": "https://evil.example"}, 405),
        ("/predict", {"origin": "https://cats.example", "access_control_request_method": "DELETE"}, 405),
        ("/predict", {"origin": "https://cats.example", "host": "evil.example:8000"}, 405),
        ("/change", {"origin": "https://cats.example"}, 405),
    ],
)
def test_nobody_else_is_told_so(path: str, said: dict[str, str], status: int) -> None:
    found, headers = through_the_gate("OPTIONS", path, **{"access_control_request_method": "POST"} | said)
    assert found == status
    assert "access-control-allow-methods" not in headers
    found, headers = through_the_gate("POST", "/predict", origin="https://evil.example")
    assert found == 403
    assert "access-control-allow-origin" not in headers
    assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("site", ["*", "null", "cats.example", "https://cats.example/page"])
def test_a_site_that_is_none_is_refused_when_the_server_starts(site: str) -> None:
    given = settings_for("runs/photos-1", allow_origins=(site,))
    with pytest.raises(UsageError, match="must be the address of one site"):
        require_safe(given)
    require_safe(settings_for("runs/photos-1", allow_origins=("https://cats.example", "http://localhost:5173")))


def test_a_detector_is_refused_with_what_asks_it(tmp_path: Path) -> None:
    (tmp_path / "detector.json").write_text("{}")
    with pytest.raises(UsageError, match="tells what is strange") as error:
        settings_for(tmp_path)
    assert f"hubel predict {tmp_path}" in str(error.value.hint)
