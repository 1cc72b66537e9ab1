"""Runs of every released version go on loading, answering and resuming (T11).

A folder in tests/golden is a run that was stopped half way, as the released command left it:

    hubel train digits --name golden --out VERSION --limit 250 --epochs 3 --batch-size 2 --ema 0.9 --save-every 0.05 \\
        --model layers --set 'model_options={"layers": ["conv 4 3x3", "batchnorm", "relu", …]}'
    (stopped by SIGTERM in the second epoch; env.json names no machine)
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from hubel.checkpoint import load, read_header, read_tensors
from hubel.store import RunStore, opened
from hubel.verbs.train import train

GOLDEN = sorted(folder for folder in (Path(__file__).parent / "golden").glob("*/*") if folder.is_dir())


def test_t11_there_is_a_golden_run_and_it_is_small() -> None:
    assert GOLDEN
    for folder in GOLDEN:
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 200_000


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda folder: folder.parent.name)
def test_t11_a_run_of_a_released_version_loads_and_gives_its_logits(folder: Path) -> None:
    found = load(folder)
    with opened(folder / "weights" / "best.probes.safetensors") as (descriptor, size):
        golden = read_tensors(descriptor, read_header(descriptor, size))
    assert found.preprocessing is not None
    with torch.no_grad():
        logits = found.model(found.preprocessing.normalise(golden["images"]))
    assert torch.allclose(logits, golden["logits"], rtol=0, atol=1e-5 * float(golden["logits"].abs().max()))
    assert found.class_names == tuple("0123456789")


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda folder: folder.parent.name)
def test_t11_a_run_of_a_released_version_resumes(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "run")
    run = train(resume=tmp_path / "run")
    assert run.status == "finished"
    assert RunStore(run.folder).read_json("summary.json")["epochs"] == 3
