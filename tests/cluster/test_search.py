"""A search over two nodes of a real cluster, one of which is killed in the middle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hubel
from hubel.watching import Watcher

pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore")]


class AtTrial(Watcher):
    """Kills a node once, when the first trials have been told of."""

    def __init__(self, nodes: Any) -> None:
        self.nodes, self.said, self.killed = nodes, list[str](), False

    def remark(self, text: str) -> None:
        self.said.append(text)
        if text.startswith("trial ") and not self.killed:
            self.killed = True
            self.nodes.remove_node(next(iter(self.nodes.worker_nodes)), allow_graceful=False)


def test_trials_train_side_by_side_and_a_lost_node_costs_none_of_them(nodes: Any, tmp_path: Path) -> None:
    watch = AtTrial(nodes)
    found = hubel.search(
        "digits", trials=6, trial_epochs=3, model="mlp", limit=200, device="cpu", threads=1, on=nodes.address,
        out=tmp_path, watch=watch, verbose=False,
    )  # fmt: skip
    nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes()
    assert watch.killed
    assert any("2 places on 2 machines" in said for said in watch.said)
    tried = [trial for trial in found.trials if not trial.again]
    assert len(tried) == 6
    assert all(trial.status in ("finished", "waiting") for trial in found.trials)
    for trial in found.trials:
        assert len(hubel.Run(found.folder / trial.folder).history["epoch"]) == trial.epochs
    assert found.winner
    assert "test samples" in found.test
    alone = hubel.search(resume=found.folder, trials=7)
    assert len([trial for trial in alone.trials if not trial.again]) == 7, "it goes on without a cluster"
