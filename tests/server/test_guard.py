"""The guard: who may ask what. The whole product of what a request can say, against accepted words written by hand."""

from __future__ import annotations

from itertools import product

import pytest

from hubel.server.guard import CALL, CHANGE, OPEN, PAGE, POLICIES, READ, Doors, Facts, is_loopback, refused

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
