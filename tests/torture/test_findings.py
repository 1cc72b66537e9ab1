"""Every input with which fuzzing once found or reached something, and the good files it begins with, again (T26)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FOUND = Path(__file__).parents[1] / "fixtures" / "fuzz"


def harness() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hubel_fuzz", Path(__file__).with_name("fuzz.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FUZZ = harness()


@pytest.mark.parametrize("name", FUZZ.READERS)
def test_t26_what_fuzzing_found_is_an_answer_or_a_typed_error(name: str) -> None:
    for data in FUZZ.seeds()[name]:
        FUZZ.read(name, data)
    assert len(FUZZ.packed(name)) > 3
    for data in FUZZ.packed(name):
        FUZZ.read(name, data)
    for path in sorted((FOUND / name).glob("*")):
        FUZZ.read(name, path.read_bytes())
