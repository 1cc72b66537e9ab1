"""Every input with which fuzzing once found something, and the good files it begins with, are read again (T26)."""

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


@pytest.mark.parametrize("name", ["image", "jpeg", "header", "document", "recipe", "layers"])
def test_t26_what_fuzzing_found_is_an_answer_or_a_typed_error(name: str) -> None:
    fuzz = harness()
    for data in fuzz.seeds()[name]:
        fuzz.read(name, data)
    for path in sorted((FOUND / name).glob("*")):
        fuzz.read(name, path.read_bytes())
