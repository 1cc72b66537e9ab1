"""Who may ask the studio what, which files it reads, and that its pages are plain modules of our own."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from hubel.errors import ArtefactError, UsageError
from hubel.server.gate import CSP
from hubel.server.guard import Doors
from hubel.studio.app import PAGES, cookie_of, gate, load
from hubel.studio.places import Places
from hubel.studio.state import Studio
from studio.asgi import Client

WEB = Path(__file__).parents[2] / "src" / "hubel" / "studio" / "web"
TOKEN = "t" * 43
HERE = "http://127.0.0.1:8321"
OURS = {"x-hubel": "1", "origin": HERE}


@pytest.fixture
def studio(tmp_path: Path, picture_folder: Path) -> Studio:
    return Studio(Places.of((str(picture_folder.parent),), str(tmp_path / "runs")))


@pytest.fixture
def client(studio: Studio) -> Client:
    """One that has not shown the token."""
    return Client(gate(studio, Doors(port=8321, token=TOKEN)))


def test_whoever_shows_the_token_in_the_address_gets_it_as_a_cookie_that_no_script_reads(client: Client) -> None:
    assert client.get("/api/home/about").status == 401
    assert "set-cookie" not in client.get("/?token=wrong").headers
    said = client.get(f"/?token={TOKEN}").headers["set-cookie"]
    assert said.startswith(f"{cookie_of(8321)}={TOKEN};")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(said.split("; "))
    assert client.get("/api/home/about").json["runs"]


def test_a_script_shows_the_token_as_a_header(client: Client) -> None:
    assert client.get("/api/home/about", {"authorization": f"Bearer {TOKEN}"}).status == 200


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({"host": "evil.example:8321"}, 421, "--allow-host evil.example:8321"),
        ({"origin": "http://evil.example"}, 403, "other sites"),
        ({"sec-fetch-site": "cross-site"}, 403, "other sites"),
        ({"host": "localhost:8321"}, 200, "warm"),
    ],
)
def test_other_names_and_other_pages_are_refused(
    client: Client, headers: dict[str, str], status: int, said: str
) -> None:
    client.get(f"/?token={TOKEN}")
    found = client.get("/api/home/about", headers)
    assert (found.status, said in found.text) == (status, True)


def test_what_changes_something_needs_our_mark_and_our_origin(client: Client) -> None:
    client.get(f"/?token={TOKEN}")
    for headers in ({}, {"origin": HERE}, {"x-hubel": "1"}, {**OURS, "origin": "http://127.0.0.1:9"}):
        assert client.post("/api/home/stop", {"job": "x"}, headers=headers).status == 403
    found = client.post("/api/home/stop", {"job": "x"}, headers=OURS)
    assert (found.status, found.json["error"]["reason"]) == (404, "there is no job 'x'")
    assert client.get("/api/home/stop").status == 404
    assert client.post("/api/home/stop", b"job=x", {**OURS, "content-type": "text/plain"}).status == 415


def test_every_answer_has_the_policy_to_the_letter(client: Client) -> None:
    for path in ("/", "/app.js", "/theme.css", "/nothing", "/api/home/about", "/api/home/nothing"):
        headers = client.get(path).headers
        assert headers["content-security-policy"] == CSP
        assert headers["x-content-type-options"] == "nosniff"
    assert CSP == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "worker-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types hubel"
    )


def test_only_files_of_ours_are_sent_and_each_as_what_it_is(client: Client) -> None:
    kinds = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
    files = [path for path in WEB.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        found = client.get(f"/{path.relative_to(WEB).as_posix()}")
        assert found.status == 200
        assert found.headers["content-type"] == f"{kinds[path.suffix]}; charset=utf-8"
    client.get(f"/?token={TOKEN}")
    for path in ("/../app.py", "/..%2fapp.py", "/web/app.js", "//app.js", "/pages/", "/pages/../../app.py"):
        assert client.get(path).status == 404


def test_nothing_is_fetched_from_elsewhere_and_no_markup_is_set() -> None:
    for path in WEB.rglob("*.*"):
        text = path.read_text()
        foreign = [found for found in re.findall(r"https?://[^'\"\s)]+", text) if "www.w3.org" not in found]
        assert not foreign, f"{path}: {foreign}"
        if path.name != "dom.js":
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|\beval\(", text), path


def test_every_page_has_routes_that_can_be_told_apart() -> None:
    for page, module in PAGES.items():
        assert load(module), page


def test_paths_lead_nowhere_but_below_the_folders(studio: Studio, tmp_path: Path, picture_folder: Path) -> None:
    places = studio.places
    assert places.source(str(picture_folder)) == str(picture_folder)
    (picture_folder.parent / "link").symlink_to("/etc")
    try:
        for word in ("/etc", str(picture_folder / ".." / ".." / ".."), str(picture_folder.parent / "link"), "a\0b"):
            with pytest.raises(UsageError):
                places.source(word)
    finally:
        os.unlink(picture_folder.parent / "link")
    for name in ("", ".", "..", "../x", "a/b", "a\\b"):
        with pytest.raises(UsageError):
            places.run(name)
    with pytest.raises(ArtefactError, match="there is no run 'photos-9'"):
        places.run("photos-9")
    places.runs.mkdir()
    (places.runs / "out").symlink_to("/etc")
    with pytest.raises(ArtefactError):
        places.run("out")


def test_a_refused_path_says_how_the_studio_would_have_to_be_started(client: Client) -> None:
    client.get(f"/?token={TOKEN}")
    found = client.get("/api/home/look", path="/etc").json["error"]
    assert found["hint"] == "start it with this one: hubel studio /etc"


def test_data_below_the_folders_is_found(picture_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(picture_folder, tmp_path / "photos")
    found = Places.of((str(tmp_path),), str(tmp_path / "runs")).sets()
    assert [(each.source, each.name, each.what) for each in found] == [
        (str(tmp_path / "photos"), "photos", "3 classes")
    ]


def test_a_folder_called_like_an_option_stays_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "--epochs").mkdir()
    monkeypatch.chdir(tmp_path)
    assert Places.of((".",), "runs").source("./--epochs") == "./--epochs"
