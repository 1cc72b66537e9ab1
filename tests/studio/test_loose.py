"""The studio's lessons as one script: what joins them is right, and what it cannot join it refuses."""

from __future__ import annotations

import json
import subprocess

import pytest

from hubel.errors import HubelError
from hubel.studio import loose
from studio.node import NODE, needs_node


def test_no_import_and_no_export_is_left() -> None:
    script, sheet = loose.lessons()
    lines = script.splitlines()
    assert not [line for line in lines if line.startswith(("import ", "export "))]
    assert all(f"{name}: " in script for name in loose.LESSONS)
    assert ".kernel" in sheet


def test_a_module_comes_once_and_behind_what_it_imports() -> None:
    script = loose.joined(["parts/lesson-kernels.js", "parts/lesson-windows.js"])
    names = [
        line.split()[1] for line in script.splitlines() if line.endswith("= (() => {") and line.startswith("const")
    ]
    assert len(names) == len(set(names))
    assert names.index("dom") < names.index("parts_controls") < names.index("parts_lesson_kernels")


def test_a_form_that_is_not_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loose, "_read", {"a.js": "export default 3;\n"}.__getitem__)
    with pytest.raises(HubelError, match=r"a\.js imports or exports in a form"):
        loose.joined(["a.js"])


def test_a_ring_of_modules_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = {"a.js": "import { b } from './b.js';\n", "b.js": "import { a } from './a.js';\n"}
    monkeypatch.setattr(loose, "_read", ring.__getitem__)
    with pytest.raises(HubelError, match=r"ring: a\.js b\.js a\.js"):
        loose.joined(["a.js"])


@needs_node
def test_the_joined_modules_compute_what_the_modules_do() -> None:
    """A window of three over six numbers with padding one, and a kernel that adds up to nothing on an even picture."""
    code = loose.joined(["net/teach.js"]) + (
        "const even = net_teach.laid(new Float32Array(25).fill(0.5), 5, 5, net_teach.KERNELS['sobel-x'].rows);"
        "console.log(JSON.stringify([net_teach.windowSize(6, 3, 1, 1).size, Math.max(...even.map(Math.abs))]))"
    )
    assert NODE is not None
    done = subprocess.run([NODE, "-e", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [6, 0]
