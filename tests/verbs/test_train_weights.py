"""The settings that say how weights start and how they move: what they do to a real run, and where they are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import hubel
from hubel.cli import main
from hubel.errors import HubelError, UsageError
from hubel.recipes.schema import compose, read_file

TINY: dict[str, Any] = {
    "model": "mlp", "optimizer": "adam", "epochs": 1, "limit": 200, "batch_size": 64, "threads": 1, "device": "cpu",
    "precision": "fp32", "compile": False,
}  # fmt: skip
STILL: dict[str, Any] = {"lr": 1e-12, "weight_decay": 0.0}
"""A rate at which weights stay where they start."""


def weights(run: hubel.Run) -> dict[str, torch.Tensor]:
    return run.load("last").model.state_dict()


def test_a_named_initialisation_is_what_the_weights_start_from(tmp_path: Path) -> None:
    zeros = hubel.train("digits", out=str(tmp_path), **TINY, **STILL, initialise="zeros")
    assert all(value.abs().max() < 1e-6 for value in weights(zeros).values())
    narrow = hubel.train(
        "digits", out=str(tmp_path), **TINY, **STILL, initialise="normal", initialise_options={"std": 0.003}
    )
    dense = next(value for value in weights(narrow).values() if value.ndim == 2)
    assert dense.std() == pytest.approx(0.003, rel=0.05)
    saved = compose(read_file(narrow.folder / "config.yaml"))
    assert (saved.model.initialise, saved.model.initialise_options) == ("normal", {"std": 0.003})


def test_residual_branches_may_start_at_nought(tmp_path: Path) -> None:
    run = hubel.train("digits", out=str(tmp_path), **(TINY | {"model": "resnet20"}), **STILL, zero_residuals=True)
    found = weights(run)
    assert found["layer1.0.bn2.weight"].abs().max() < 1e-6
    assert found["layer1.0.bn1.weight"].min() > 0.9


def test_betas_reach_the_optimiser(tmp_path: Path) -> None:
    usual, said, other = (
        weights(hubel.train("digits", out=str(tmp_path), **TINY, lr=0.01, betas=betas))
        for betas in (None, "0.9,0.999", (0.5, 0.9))
    )
    assert all(torch.equal(usual[name], said[name]) for name in usual)
    assert not all(torch.equal(usual[name], other[name]) for name in usual)


def test_a_layer_decay_slows_the_layers_far_from_the_head(tmp_path: Path) -> None:
    """After one step of Adam every weight has moved by its rate, whatever its gradient."""
    settings = TINY | {"limit": 64, "batch_size": "full", "lr": 1e-3, "weight_decay": 0.0, "schedule": "fixed"}
    start = weights(hubel.train("digits", out=str(tmp_path), **(settings | {"lr": 1e-12})))
    moved = weights(hubel.train("digits", out=str(tmp_path), **settings, layer_decay=0.1, warmup_epochs=0))
    steps = [float((moved[name] - start[name]).abs().max()) for name in start if name.endswith("weight")]
    assert steps == pytest.approx([1e-3 * 0.1**depth for depth in reversed(range(len(steps)))], rel=0.05)


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ({"initialise": "he-nrmal"}, "unknown initialisation 'he-nrmal'", "he-normal"),
        ({"initialise": "normal", "initialise_options": {"sdt": 1}}, "no option 'sdt'", "std"),
        ({"initialise_options": {"std": 1}}, "initialise_options needs initialise", "components initialisations"),
        ({"initialise": "zeros", "pretrained": True}, "initialise and pretrained exclude each other", "--initialise"),
        ({"zero_residuals": True, "from_": "resnet18"}, "zero_residuals and from exclude", "--zero-residuals"),
        ({"zero_residuals": True}, "no residual branch", "leave zero_residuals out"),
        ({"optimizer": "sgd", "betas": "0.9,0.99"}, "'sgd' keeps no two", "adamw"),
        ({"betas": "0.9"}, "betas must be two numbers", ""),
        ({"betas": "0.9,1"}, "betas must be two numbers", ""),
        ({"model": "resnet20", "dropout_window": "0,0.5"}, "no drop-out above 0", "--dropout 0.2"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(
    settings: dict[str, Any], message: str, hint: str, tmp_path: Path
) -> None:
    with pytest.raises(HubelError, match=message) as caught:
        hubel.train("digits", out=str(tmp_path), **(TINY | settings))
    assert isinstance(caught.value, UsageError)
    assert hint in (caught.value.hint or "")
    assert not list(tmp_path.iterdir()), "a refused run leaves nothing behind"


def test_they_are_flags_as_well(tmp_path: Path) -> None:
    words = "train digits --model mlp --epochs 1 --limit 200 --no-compile --dropout 0.2 --optimizer adamw"
    flags = "--initialise he-normal --initialise-option slope=0.1 --betas 0.8,0.99 --dropout-window 0,0.5"
    with pytest.raises(SystemExit) as end:
        main([*words.split(), *flags.split(), "--out", str(tmp_path), "--quiet"])
    assert not end.value.code
    recipe = compose(read_file(tmp_path / "digits-1" / "config.yaml"))
    assert recipe.model.initialise_options == {"slope": 0.1}
    assert recipe.optimizer.betas == (0.8, 0.99)
    assert recipe.model.dropout_window == (0.0, 0.5)
