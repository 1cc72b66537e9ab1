"""Node for tests: modules of the studio without a browser. Node is for developers; where it is absent tests say so."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import hubel

WEB = Path(hubel.__file__).parent / "studio" / "web"
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(not NODE, reason="node is not there: the studio's modules were not run")


def run(script: str, given: object = None) -> Any:
    """What a module prints as JSON; `WEB` stands in it for the folder of the studio's modules, `given` is at hand."""
    assert NODE
    head = "import { readFileSync } from 'node:fs'; const given = JSON.parse(readFileSync(0, 'utf8'));"
    source = head + script.replace("WEB", WEB.as_uri())
    done = subprocess.run(
        [NODE, "--input-type=module", "-e", source], input=json.dumps(given), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
