"""One training whose rate begins anew a few times leaves several nets, which answer together."""

from __future__ import annotations

from pathlib import Path

import pytest

import hubel
from hubel.checkpoint import load
from hubel.recipes.schema import compose
from hubel.records.together import candidates_of, cycles_of
from hubel.training.logbook import ends_of_cycles
from hubel.training.schedules import build_schedule


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> hubel.Run:
    return hubel.train(
        "digits", model="mlp", limit=300, epochs=24, schedule="cycles", schedule_options={"cycles": 3}, lr=0.01,
        threads=1, device="cpu", verbose=False, out=tmp_path_factory.mktemp("runs"),
    )  # fmt: skip


@pytest.mark.parametrize("warmup", [0.0, 1.0, 1.5])
def test_a_cycle_ends_with_an_epoch_whatever_the_warm_up(warmup: float) -> None:
    steps, epochs = 10, 20
    schedule = build_schedule(
        "cycles", total_steps=steps * epochs, steps_per_epoch=steps, warmup_steps=round(steps * warmup)
    )
    recipe = compose({"data": "digits", "schedule": "cycles", "epochs": epochs, "warmup_epochs": warmup})
    ends = ends_of_cycles(recipe, steps)
    assert len(ends) == 5
    assert ends[-1] == epochs
    curve = schedule.curve()
    jumps = [step for step in range(round(steps * warmup) + 1, len(curve)) if curve[step] > curve[step - 1]]
    assert jumps == [end * steps for end in ends[:-1]], "what is kept is what the rate has come to rest at"
    assert all(curve[step] == pytest.approx(1.0) for step in jumps)
    assert all(curve[end * steps - 1] < 0.01 for end in ends)


def test_each_cycle_leaves_a_net_and_the_last_is_that_of_the_run(run: hubel.Run) -> None:
    assert cycles_of(run.folder) == ["cycle-1", "cycle-2", "cycle-3"]
    nets = [load(run.folder, which) for which in cycles_of(run.folder)]
    last = load(run.folder, "last")
    same = [all((a == b).all() for a, b in zip(net.model.parameters(), last.model.parameters(), strict=True))
            for net in nets]  # fmt: skip
    assert same == [False, False, True]
    accuracies = [net.provenance.metrics["val_accuracy"] for net in nets]
    assert accuracies == pytest.approx([run.history["val_accuracy"][epoch] for epoch in (7, 15, 23)])


def test_snapshots_answer_as_one_net(run: hubel.Run, tmp_path: Path) -> None:
    candidates, _ = candidates_of([run.folder], snapshots=True)
    assert [each.name for each in candidates] == [f"{run.folder} cycle-{number}" for number in (1, 2, 3)]
    found = hubel.ensemble(run.folder, snapshots=True, out=tmp_path, device="cpu")
    assert all(" cycle-" in member.run for member in found.members)
    assert found.together[0].log_loss < found.single[0].log_loss
    assert hubel.Run(found.folder).evaluate().top1 > 0.2


def test_a_run_without_cycles_has_no_snapshots(digits_run: Path, tmp_path: Path) -> None:
    with pytest.raises(hubel.ArtefactError, match="kept no weights at the ends of cycles"):
        hubel.ensemble(digits_run, snapshots=True, out=tmp_path)
    with pytest.raises(hubel.UsageError, match="cycles must be a whole number, at least 1, got 0"):
        hubel.train("digits", model="mlp", limit=100, epochs=2, schedule="cycles", schedule_options={"cycles": 0},
                    out=tmp_path, verbose=False)  # fmt: skip
