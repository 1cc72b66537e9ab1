"""The listing of parts: complete, and every picture computed by the parts themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hubel.errors import UnknownName, UsageError
from hubel.lessons.catalogue import REGISTRIES
from hubel.lessons.parts import KINDS, listed
from hubel.verbs.components import PICTURES, check_picture, component, components, picture


def test_the_listing_holds_every_part_of_every_registry() -> None:
    assert [(p.kind, p.name) for p in components()] == [(k, n) for k, registry in REGISTRIES.items() for n in registry]


def test_the_list_that_needs_no_torch_says_the_same() -> None:
    assert listed() == components(), "python benchmarks/parts_index.py writes it anew"
    assert tuple(REGISTRIES) == KINDS


def test_every_part_has_title_formula_and_source() -> None:
    assert not [part.name for part in components() if not (part.title and part.formula and part.source)]


def test_the_parts_cover_the_specification_of_components() -> None:
    covered = {row for part in components() for row in part.rows}
    wanted = {f"C{n}" for n in (*range(1, 5), *range(6, 24), 24, 25, *range(29, 36), *range(36, 71), *range(75, 86))}
    wanted |= {"C89", "C92", "C94", "C97", "C99", "C100", *(f"C{n}" for n in range(102, 114)), "C115"}
    elsewhere = {"C23", "C24", "C35", "C72", "C73", "C76", "C82", "C83"}  # stems, properties, penalties
    assert wanted - covered - elsewhere == set()


def test_a_part_is_found_by_its_name_and_a_wrong_name_suggests_near_ones() -> None:
    (found,) = component("smooth-l1")
    assert found.kind == "losses"
    assert found.used == "--loss smooth-l1"
    with pytest.raises(UnknownName, match="did you mean 'gelu'"):
        component("gellu")
    with pytest.raises(UnknownName, match="did you mean 'losses'"):
        components(kind="loses")


def test_options_are_shown_with_their_usual_values() -> None:
    assert component("momentum")[0].options == "lr=0.1, momentum=0.9"
    assert component("translate")[0].options == "by=2, rim=mirror"
    assert "gamma=2" in component("focal")[0].options


@pytest.mark.parametrize("kind", PICTURES)
def test_every_kind_has_a_picture_that_names_its_parts(kind: str) -> None:
    figure = picture(kind)
    assert figure.data.startswith(b"<svg" if figure.kind == "svg" else b"\x89PNG")
    if figure.kind == "svg":
        assert len(re.findall(r"<text", figure.data.decode())) > 8
        assert len(figure.data) < 120_000
    check_picture(kind, f"x.{figure.kind}")
    with pytest.raises(UsageError, match="is a"):
        check_picture(kind, "x.jpeg")


def test_an_unknown_picture_is_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'losses'"):
        picture("lossses")


DOCS = Path(__file__).parents[2] / "docs" / "components.md"


def test_the_page_in_the_docs_names_every_part() -> None:
    text = DOCS.read_text()
    assert not [part.name for part in components() if f"`{part.name}`" not in text]
