"""Which commands know which tasks: what the page on tasks says of them, tried on a small net of each task."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import hubel
from hubel.assembly.prepare import chosen_anew, prepare
from hubel.checkpoint import ModelSpec
from hubel.checkpoint.classifier import golden_images, golden_logits
from hubel.checkpoint.saving import save_weights
from hubel.cli import COMMANDS, main
from hubel.data.preprocessing import Preprocessing
from hubel.errors import ArtefactError, UsageError
from hubel.recipes.schema import compose
from hubel.store import RunStore
from hubel.tasks import TASKS

PAGE = Path(__file__).parents[2] / "docs" / "tasks.md"
GIVEN: dict[str, tuple[str, ...]] = {
    "explain": ("{picture}",), "attack": ("{picture}",), "counterfactual": ("{picture}",),
    "units": (), "neighbours": (), "prototypes": (), "export": (), "serve": (), "robust": (), "compress": (),
    "embed": (), "features": (), "filters": (),
}  # fmt: skip
"""What each command is asked with, behind the run."""


def table() -> dict[str, dict[str, str]]:
    """Of the page on tasks: command -> task -> its cell."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    start = next(row for row, line in enumerate(lines) if line.startswith("| command |"))
    tasks = [cell.strip(" `") for cell in lines[start].split("|")[2:-1]]
    found: dict[str, dict[str, str]] = {}
    for line in lines[start + 2 :]:
        first, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != len(tasks):
            break
        for command in re.findall(r"`([^`]+)`", first):
            found[command] = dict(zip(tasks, cells, strict=True))
    return found


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with weights of a small net for each task."""
    root = tmp_path_factory.mktemp("nets")
    spec = ModelSpec(architecture="mlp", num_classes=2, in_chans=1, img_size=(8, 8))
    torch.manual_seed(0)
    net = spec.build().eval()
    sight = Preprocessing(height=8, width=8, channels=1)
    images = golden_images(torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
    for task in TASKS.names():
        save_weights(
            RunStore.create(root, task), "best", net.state_dict(), spec=spec, preprocessing=sight,
            class_names=("low", "high"), recipe={"train": {"task": task}},
            probes=(images, golden_logits(net, sight, images)),
        )  # fmt: skip
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(root / "picture.png")
    return root


def test_the_page_has_every_task_and_no_command_that_is_none() -> None:
    known = {command for _, rows in COMMANDS for command, *_ in rows}
    for command, cells in table().items():
        assert set(cells) == set(TASKS.names())
        assert command.split()[0] in known, command
        assert set(cells.values()) <= {"yes", "–"} or command == "compare", command
    assert set(GIVEN) <= set(table()), "what refuses is on the page"


@pytest.mark.parametrize("command", GIVEN)
def test_a_command_refuses_the_tasks_it_does_not_know_at_once(
    nets: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = [task for task, cell in table()[command].items() if cell == "–" and task not in ("classify", "regress")]
    assert refused
    for task in refused[:1] if command == "serve" else refused:  # whose net is loaded by a process of its own
        words = [word.format(picture=nets / "picture.png") for word in GIVEN[command]]
        with pytest.raises(SystemExit) as left:
            main([command, str(nets / f"{task}-1"), *words])
        told = capsys.readouterr().err
        assert left.value.code == 4, (command, task, told)
        assert f"was trained for the task {task}" in told
        assert "hubel predict" in told, "what does know the task, or what shows its answer"


def test_a_curve_refuses_what_it_cannot_count(scans_folder: Path, tmp_path: Path) -> None:
    assert table()["curve"]["segment"] == "–"
    assert {task for task, cell in table()["train --folds"].items() if cell == "–"} == {"field"}
    with pytest.raises(UsageError, match="a curve counts what is named right, and the task here is segment"):
        hubel.curve(scans_folder, epochs=1, out=str(tmp_path), verbose=False)
    assert not list(tmp_path.iterdir()), "and makes no folder"


def test_labels_of_masks_are_not_judged(segment_run: hubel.Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert table()["clean"]["segment"] == "–"
    with pytest.raises(SystemExit) as left:
        main(["clean", str(segment_run.folder)])
    assert left.value.code == 4
    assert "was trained for the task segment" in capsys.readouterr().err


def test_a_trial_of_a_search_has_the_task_that_its_data_ask_for(scans_folder: Path) -> None:
    recipe = compose({"data": str(scans_folder), "epochs": 1, "threads": 1})
    first = prepare(recipe)
    other = chosen_anew(first, recipe.change(lr=0.01))
    assert (first.task.name, other.task.name, other.recipe.model.model) == ("segment", "segment", "unet")


def test_simple_methods_take_signals_and_refuse_what_is_no_label(
    scans_folder: Path, segment_run: hubel.Run, tmp_path: Path
) -> None:
    for name in ("up", "down"):
        (tmp_path / "waves" / name).mkdir(parents=True)
        for k in range(12):
            rise = np.arange(16 + k % 2) * (1.0 if name == "up" else -1.0) + 0.1 * k
            np.save(tmp_path / "waves" / name / f"{k}.npy", rise)
    found = hubel.baseline(tmp_path / "waves", learners=["knn"], test_fraction=0.25, val_fraction=0.25)
    assert found.chosen.features == "numbers"
    assert found.test.top1 == 1
    with pytest.raises(UsageError, match="name a class or a number, and the task here is segment"):
        hubel.baseline(scans_folder, learners=["knn"])
    with pytest.raises(ArtefactError, match="was trained for the task segment"):
        hubel.baseline(segment_run.folder, learners=["knn"])
