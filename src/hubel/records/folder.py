"""A new run folder: what is written before the first step, and never changed after."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from hubel import runtime
from hubel.data.manifest import Manifest, Problem
from hubel.data.splits import Splits
from hubel.recipes.chosen import Chosen
from hubel.recipes.schema import to_yaml
from hubel.store import RunStore


def create_folder(
    chosen: Chosen,
    manifest: Manifest,
    splits: Splits,
    *,
    samples: Mapping[str, int],
    problems: Sequence[Problem],
    state_bytes: int,
    device: torch.device,
) -> RunStore:
    """A folder of its own for a run, with its recipe, reasons, environment, data and split.

    `samples` of each split; `state_bytes`: what a saved state will take. Raises SaveFailed where there is no room for
    the whole training.
    """
    recipe = chosen.recipe
    name = recipe.run.name or Path(os.path.abspath(manifest.source)).stem or "run"
    # Four checkpoints at once at worst: two generations of the state, the third being written, and the weights.
    RunStore(recipe.run.out).preflight(4 * state_bytes + (4 << 20))
    store = RunStore.create(recipe.run.out, name)
    store.write_text("config.yaml", to_yaml(recipe))
    environment = runtime.environment(device)
    store.write_json(
        "env.json", environment | {"processes": runtime.world(), "command": command(), "folder": os.getcwd()}
    )
    store.write_json("split.json", splits.to_dict(), limit=1 << 30)
    store.write_json("data.json", data_facts(manifest, splits, samples, problems), limit=1 << 30)
    store.write_json("reasons.json", dict(chosen.reasons))
    return store


def data_facts(
    manifest: Manifest, splits: Splits, samples: Mapping[str, int], problems: Sequence[Problem]
) -> dict[str, Any]:
    """The data of a run as plain data: what, how much, its digests, and what was left out."""
    return {
        "source": manifest.source,
        "root": manifest.root,
        "kind": manifest.kind,
        "digest": manifest.digest,
        "split_digest": splits.digest,
        "class_names": list(manifest.class_names),
        "samples": dict(samples),
        "problems": [asdict(problem) for problem in problems],
        "samples_by_name": None
        if manifest.paths is None
        else dict(zip(manifest.paths, manifest.digests or (), strict=False)),
    }


def command() -> str:
    """The command that was given, as it can be given again."""
    program = Path(sys.argv[0]).name
    return shlex.join(["hubel" if program in ("__main__.py", "hubel") else program, *sys.argv[1:]])
