"""Every way out leads somewhere: the commands, flags, extras and parts that hints, help and pages name exist."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from hubel.cli import _ALIASES, COMMANDS
from hubel.cli.command import Command, as_command
from hubel.lessons.parts import KINDS, listed, parts_named
from hubel.models import CARDS

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "hubel").rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
MODULES = {name: module for _, group in COMMANDS for name, module, _ in group}
EVERYWHERE = {"--help", "--help-all", "--version", "--log", "--nets"}
FOREIGN = {
    "--nproc-per-node", "--logdir", "--break-system-packages", "--index-url", "--extra-index-url",
    "--force-reinstall", "--no-deps", "--retry", "--least", "--sample", "--head", "--address",
}  # fmt: skip
"""Flags of torchrun, tensorboard, pip, ray, and of the scripts in benchmarks/."""
VERBS = {"made", "named"}
"""What hubel does in a sentence of a hint: no command has such a name."""


@cache
def command(name: str) -> Command:
    return as_command(name, importlib.import_module(f"hubel.cli.{MODULES[name]}").command, "")


@cache
def flags(name: str) -> frozenset[str]:
    given = [flag for each in command(name).params for flag in (*each.opts, *each.secondary_opts)]
    return frozenset(given) | EVERYWHERE


@cache
def all_flags() -> frozenset[str]:
    return frozenset().union(*(flags(name) for name in MODULES)) | FOREIGN


@cache
def extras() -> frozenset[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return frozenset(project["optional-dependencies"])


def wrong(text: str, *, prose: bool) -> Iterator[str]:
    """What a text names that does not exist. In prose, `hubel` may also be the subject of a sentence."""
    for name in re.findall(r"hubel\[([a-z,]+)\]", text):
        yield from (f"extra {part}" for part in name.split(",") if part not in extras())
    for part in re.split(r"(?=\bhubel [a-z])|[;)\n]", text):
        found = re.match(r"hubel ([a-z][a-z-]+)", part)
        name = found[1] if found else ""
        known = _ALIASES.get(name, name)
        if name and known not in MODULES:
            if not prose and name not in VERBS:
                yield f"command {name}"
            known = ""
        for flag in re.findall(r"(?<![\w-])(--[a-z][a-z0-9-]*[a-z0-9])(?![\w*-])", part):
            if flag not in all_flags():
                yield f"flag {flag}"
            elif known and not prose and flag not in flags(known):
                yield f"flag {flag} of hubel {known}"
        if (
            known == "components"
            and found
            and (of := re.match(r" ([a-z][a-z0-9-]*)$", part[found.end() :].rstrip(" .),")))
        ):
            yield from () if is_part(of[1]) else [f"part {of[1]}"]
        if known == "model" and found and (of := re.match(r" ([a-z][a-z0-9_]*)$", part[found.end() :].rstrip(" .),"))):
            yield from () if of[1] in CARDS else [f"model {of[1]}"]


def is_part(name: str) -> bool:
    return name in KINDS or any(part.name == name for part in listed())


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def strings(node: ast.AST) -> Iterator[str]:
    """The texts below a node; where a value is put in, "…" stands."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
    else:
        for child in ast.iter_child_nodes(node):
            yield from strings(child)


def hints(path: Path) -> Iterator[tuple[int, str]]:
    """The hints of all errors of a module, and every text that speaks of a flag, a command or an extra of ours."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.keyword) and node.arg in ("hint", "listing"):
            yield from ((node.value.lineno, text) for text in strings(node.value))


def test_every_way_out_that_a_hint_names_exists() -> None:
    lost = [
        f"{path}:{line}: {what} in {text!r}"
        for path in SOURCES
        for line, text in hints(path)
        for what in wrong(text, prose=False)
    ]
    assert not lost, "\n".join(lost)


def test_every_flag_and_extra_that_any_text_of_ours_names_exists() -> None:
    lost = []
    for path in SOURCES:
        found = {re.sub(r"^ *>>>.*$", "", text, flags=re.MULTILINE) for text in strings(tree(path))}
        texts = {text for text in found if ("--" in text and " " in text) or "hubel[" in text}
        lost += [f"{path}: {what} in {text[:100]!r}" for text in texts for what in wrong(text, prose=True)]
    assert not lost, "\n".join(lost)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_command_on_a_page_can_be_given(path: Path) -> None:
    text = path.read_text()
    fenced = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    given = [
        re.sub(r"\s#\s.*", "", line).strip() for block in fenced for line in block.replace("\\\n", " ").splitlines()
    ]
    lines = [line.removeprefix("$ ") for line in [*given, *spans] if re.match(r"(\$ )?hubel [a-z]", line)]
    lost = [f"{what} in {line!r}" for line in lines for what in wrong(line, prose=False)]
    lost += [f"{what} in {span!r}" for span in spans if span.startswith("--") for what in wrong(span, prose=True)]
    lost += [f"{what}" for what in wrong(text, prose=True) if what.startswith("extra")]
    assert not lost, f"{path.name}:\n" + "\n".join(dict.fromkeys(lost))


def test_a_way_out_that_leads_nowhere_is_found() -> None:
    text = "hubel evaluate RUN --dta x; hubel components kernles; hubel retrain; 'hubel[export,tim]'; --cache-dri"
    assert sorted(wrong(text, prose=False)) == [
        "command retrain", "extra tim", "flag --cache-dri", "flag --dta", "part kernles",
    ]  # fmt: skip
    assert list(wrong("hubel predict RUN x.png --epochs 3", prose=False)) == ["flag --epochs of hubel predict"]
    assert parts_named(listed(), "gelu")
