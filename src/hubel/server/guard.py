"""Who may ask what: one pure function over the facts of a request, for every page and answer served from this machine.

A server on a desk is reached by more than its owner: by any web page that the owner's browser opens (cross-site
requests), by a name that somebody else points at 127.0.0.1 (DNS rebinding), by everybody in the network where it
listens to it. So each route has a `Policy`, and a request must meet it whole. Nothing is ever compared with what the
request says of itself: the names of this server are those it was started with (`Doors`).
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from ipaddress import ip_address

READING = frozenset({"GET", "HEAD"})
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
OURSELVES = ("127.0.0.1", "localhost", "::1")
MARK = "x-hubel"
"""Header that scripts of our own pages send, and that no form of another page can: "X-Hubel: 1"."""
_NAME = r"\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?"
PLACE = re.compile(rf"(?P<host>{_NAME})(?::(?P<port>[0-9]{{1,5}}))?")
SOURCE = re.compile(r"(?P<scheme>https?)://(?P<place>[^/?#@\s]+)")


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a route asks of a request."""

    name: str
    methods: frozenset[str]
    host: bool = True
    """Must it be addressed to a name of this server?"""
    ours: bool = True
    """If it says from which page it comes, must that be one of ours?"""
    token: bool = True
    """Where the server has a token, must it be shown?"""
    cross: bool = False
    """May pages of the sites that this server was told of (`Doors.origins`) ask, too?"""
    mark: bool = False
    """Must it say that it comes from a page of ours, and carry the header MARK?"""
    kinds: frozenset[str] | None = None
    """Types that the body may have, "image/*" for all of a family, "" for none said; None asks nothing."""


OPEN = Policy(name="open", methods=READING, host=False, ours=False, token=False)
"""Says nothing but that the server is there: probes of balancers."""
PAGE = Policy(name="page", methods=READING, ours=False, token=False)
"""A page and its files, the same for everybody; it has no data in it."""
READ = Policy(name="read", methods=READING, cross=True)
"""Data; changes nothing."""
CALL = Policy(
    name="call",
    methods=frozenset({"POST"}),
    cross=True,
    kinds=frozenset(
        {
            "image/*", "application/octet-stream", "application/json", "multipart/form-data", "",
            "application/x-www-form-urlencoded",  # what curl says of --data-binary
        }
    ),
)  # fmt: skip
"""Asks with a body and changes nothing: programs and our page."""
CHANGE = Policy(name="change", methods=UNSAFE, mark=True, kinds=frozenset({"application/json"}))
"""Changes something: pages of ours only."""
GIVE = Policy(
    name="give", methods=UNSAFE, mark=True,
    kinds=frozenset({"application/json", "application/octet-stream", "image/*"}),
)  # fmt: skip
"""As CHANGE; a picture may come with it."""
POLICIES = (OPEN, PAGE, READ, CALL, CHANGE, GIVE)


@dataclass(frozen=True, kw_only=True)
class Doors:
    """How this server may be reached, settled when it starts."""

    port: int
    """Where it listens."""
    token: str = ""
    """"" where none is asked for."""
    hosts: tuple[str, ...] = ()
    """Further names, NAME at any port or NAME:PORT, as given with --allow-host."""
    origins: tuple[str, ...] = ()
    """Other sites whose pages may ask, as `origin_of` writes them and as given with --allow-origin."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a request says, each header as often as it was sent."""

    method: str
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    """Sec-Fetch-Site."""
    kinds: tuple[str, ...] = ()
    """Content-Type."""
    marks: tuple[str, ...] = ()
    """The header MARK."""
    tokens: tuple[str, ...] = ()
    """Tokens shown, wherever the route takes them from."""
    arrived: str = ""
    """The address of this machine at which the connection arrived."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered."""

    status: int
    kind: str
    """A word, counted in /metrics."""
    reason: str
    hint: str = ""


def refused(facts: Facts, policy: Policy, doors: Doors) -> Refusal | None:
    """Why this request does not meet the policy of its route; None where it does.

    >>> doors = Doors(port=8000)
    >>> refused(Facts(method="POST", hosts=("localhost:8000",)), CALL, doors)
    >>> refused(Facts(method="POST", hosts=("evil.example:8000",)), CALL, doors).status
    421
    >>> page = Facts(method="POST", hosts=("127.0.0.1:8000",), origins=("https://evil.example",))
    >>> print(refused(page, CALL, doors).reason)
    requests from pages of other sites are refused, got Origin 'https://evil.example'
    """
    if facts.method not in policy.methods:
        return Refusal(405, "method", f"this path takes {', '.join(sorted(policy.methods))}")
    if policy.host and not is_ours(facts.hosts, facts.arrived, doors):
        return _wrong_host(facts.hosts)
    if policy.ours and not (policy.cross and is_invited(facts.origins, doors)) and (wrong := _foreign(facts, doors)):
        return wrong
    if policy.token and doors.token and not _shown(facts.tokens, doors.token):
        return Refusal(401, "token", "a token is needed", "send the header Authorization: Bearer TOKEN")
    if policy.mark:
        if facts.marks != ("1",):
            return Refusal(403, "mark", "the header X-Hubel: 1 is needed", "it tells pages of ours from others")
        if not facts.origins and not facts.sites:
            return Refusal(403, "origin", "a request that changes something must say from which page it comes")
    if policy.kinds is not None and (len(facts.kinds) > 1 or not _is_kind(_essence(facts.kinds), policy.kinds)):
        return Refusal(
            415, "type", f"a body of type {_essence(facts.kinds)[:60]!r} is not taken",
            f"send {', '.join(sorted(kind for kind in policy.kinds if kind))}",
        )  # fmt: skip
    return None


def is_loopback(host: str) -> bool:
    """Is this a name or address that only this machine can reach?

    >>> is_loopback("localhost"), is_loopback("127.0.0.5"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.casefold() == "localhost"


def _wrong_host(hosts: tuple[str, ...]) -> Refusal:
    if len(hosts) != 1:
        return Refusal(421, "host", f"a request must have one Host header, got {len(hosts)}")
    name = hosts[0][:80]
    plain = re.fullmatch(r"[A-Za-z0-9._:\[\]-]+", name)
    return Refusal(
        421,
        "host",
        f"this server is not known as {name!r}",
        f"start it with --allow-host {name}" if plain else "start it with --allow-host NAME",
    )


def is_ours(hosts: tuple[str, ...], arrived: str, doors: Doors) -> bool:
    """Is a request addressed to a name of this server?"""
    if len(hosts) != 1 or (place := PLACE.fullmatch(hosts[0])) is None:
        return False
    return _known(place["host"], place["port"], arrived, doors, "80")


def _known(host: str, port: str | None, arrived: str, doors: Doors, usual: str) -> bool:
    """Is this a place where we are reached? `usual` is the port of a scheme, which is left out."""
    number = int(port or usual)
    if number == doors.port and any(_same(host, ours) for ours in (*OURSELVES, *([arrived] if arrived else []))):
        return True
    for allowed in doors.hosts:
        place = PLACE.fullmatch(allowed)
        if place and _same(host, place["host"]) and (place["port"] is None or int(place["port"]) == number):
            return True
    return False


def _same(one: str, other: str) -> bool:
    """The same name, or the same address however it is written."""
    try:
        return ip_address(one.strip("[]")) == ip_address(other.strip("[]"))
    except ValueError:
        return one.casefold() == other.casefold()


def origin_of(text: str) -> str | None:
    """A site as browsers write it, without the port that is usual; None for what is none.

    >>> origin_of("https://Cats.example:443/"), origin_of("http://127.0.0.1:5173"), origin_of("*")
    ('https://cats.example', 'http://127.0.0.1:5173', None)
    """
    found = SOURCE.fullmatch(text.removesuffix("/"))
    place = PLACE.fullmatch(found["place"]) if found else None
    if found is None or place is None:
        return None
    usual = "443" if found["scheme"] == "https" else "80"
    port = "" if place["port"] in (None, usual) else f":{place['port']}"
    return f"{found['scheme']}://{place['host'].casefold()}{port}"


def is_invited(origins: tuple[str, ...], doors: Doors) -> bool:
    """Does a request come from a page of a site that this server was told of? Only its whole name counts.

    >>> doors = Doors(port=8000, origins=("https://cats.example",))
    >>> is_invited(("https://cats.example",), doors), is_invited(("https://cats.example.evil",), doors)
    (True, False)
    """
    return len(origins) == 1 and origins[0] in doors.origins


def _foreign(facts: Facts, doors: Doors) -> Refusal | None:
    for origin in facts.origins:
        found = SOURCE.fullmatch(origin)
        place = PLACE.fullmatch(found["place"]) if found else None
        usual = "443" if found and found["scheme"] == "https" else "80"
        if len(facts.origins) > 1 or not place or not _known(
            place["host"], place["port"], facts.arrived, doors, usual
        ):  # fmt: skip
            return Refusal(
                403, "origin", f"requests from pages of other sites are refused, got Origin {origin[:80]!r}",
                "--allow-host NAME says under which names this server is reached, --allow-origin URL who else may ask",
            )  # fmt: skip
    if any(site not in ("same-origin", "none") for site in facts.sites) or len(facts.sites) > 1:
        return Refusal(403, "origin", "requests from pages of other sites are refused (Sec-Fetch-Site)")
    return None


def _shown(tokens: tuple[str, ...], token: str) -> bool:
    return len(tokens) == 1 and hmac.compare_digest(tokens[0].encode(), token.encode())


def _essence(kinds: tuple[str, ...]) -> str:
    return kinds[0].partition(";")[0].strip().casefold() if kinds else ""


def _is_kind(kind: str, kinds: frozenset[str]) -> bool:
    return kind in kinds or f"{kind.partition('/')[0]}/*" in kinds
