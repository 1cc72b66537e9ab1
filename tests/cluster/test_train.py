"""One net trained over two nodes of a real cluster: the bits of torchrun, a node killed in the middle, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

import hubel
from hubel.assembly.follow import Stopped
from hubel.events import EpochDone
from hubel.watching import Plan, Watcher

from .conftest import kill_one

pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore")]
SETTINGS: dict[str, Any] = {"model": "mlp", "limit": 400, "device": "cpu", "threads": 1, "batch_size": 32}


class AtEpoch(Watcher):
    """Does something once, when so many epochs are done; remembers what was said."""

    def __init__(self, epoch: int = 0, what: Callable[[], object] = lambda: None) -> None:
        self.epoch, self.what, self.said, self.plans, self.rows = epoch, what, list[str](), list[Plan](), 0

    def remark(self, text: str) -> None:
        self.said.append(text)

    def training(self, plan: Plan) -> None:
        self.plans.append(plan)

    def event(self, event: Any) -> None:
        if isinstance(event, EpochDone):
            self.rows += 1
            if event.epoch + 1 == self.epoch:
                self.epoch = 0
                self.what()


def weights(run: Path) -> dict[str, np.ndarray]:
    return load_file(run / "weights" / "last.safetensors")


def test_two_nodes_train_the_net_that_torchrun_trains(nodes: Any, tmp_path: Path) -> None:
    watch = AtEpoch()
    run = hubel.train("digits", **SETTINGS, epochs=2, out=tmp_path / "far", on=nodes.address, watch=watch)
    assert run.folder.parent == tmp_path / "far"
    assert watch.rows == 2, "its epochs are shown at home"
    assert watch.plans[0].processes == 2
    script = tmp_path / "script.py"
    script.write_text(
        f"import hubel\nhubel.train('digits', **{SETTINGS!r}, epochs=2, out={str(tmp_path / 'near')!r})\n"
    )
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", str(script)], check=True, timeout=200,
        capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    near = weights(tmp_path / "near" / "digits-1")
    assert all(np.array_equal(near[name], value) for name, value in weights(run.folder).items())
    assert sorted(path.name for path in (tmp_path / "far").iterdir()) == ["digits-1"], "nothing else is left there"


def test_a_killed_node_costs_at_most_its_last_epoch(nodes: Any, tmp_path: Path) -> None:
    watch = AtEpoch(3, lambda: kill_one(nodes))
    run = hubel.train(
        "digits", **SETTINGS, epochs=6, out=tmp_path, on=nodes.address, watch=watch, save_every=0.01
    )  # fmt: skip
    nodes.add_node(num_cpus=1)
    nodes.wait_for_nodes()
    assert any("taken up again by 1 process from what is saved in" in said for said in watch.said), watch.said
    assert [plan.processes for plan in watch.plans] == [2, 1]
    assert watch.plans[1].epoch >= 2, "at most the epoch under way is done again"
    assert run.history["epoch"] == [1, 2, 3, 4, 5, 6]
    assert run.status == "finished"


def test_ctrl_c_saves_and_leaves_nothing_on_the_cluster(nodes: Any, tmp_path: Path) -> None:
    import ray

    watch = AtEpoch(1, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Stopped, match="stopped by SIGINT; everything so far is saved") as stopped:
        hubel.train("digits", **SETTINGS, epochs=500, out=tmp_path, on=nodes.address, watch=watch)
    assert stopped.value.exit_code == 130
    assert hubel.Run(stopped.value.folder).status == "stopped"
    ray.init(address=nodes.address, log_to_driver=False)
    try:
        groups = ray.util.placement_group_table().values()
        assert all(group["state"] == "REMOVED" for group in groups)
        assert ray.available_resources()["CPU"] == 2, "no process of it holds a core"
    finally:
        ray.shutdown()
    short = hubel.train(resume=stopped.value.folder, epochs=len(hubel.Run(stopped.value.folder).history["epoch"]) + 1)
    assert short.status == "finished", "it goes on without a cluster"


def test_more_processes_than_places_are_refused(nodes: Any, tmp_path: Path) -> None:
    with pytest.raises(hubel.UsageError, match="3 processes asked for, and the cluster has 2 places of 1 core"):
        hubel.train("digits", **SETTINGS, out=tmp_path, on=nodes.address, processes=3)


def test_many_pictures_are_read_by_all_nodes_into_one_cache(
    nodes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUBEL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("hubel.data.spread.WORTH", 100)
    monkeypatch.setattr("hubel.assembly.read_afar.WORTH", 100)
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (2400, 8, 8), dtype=np.uint8)):
        place = tmp_path / "photos" / ["cat", "dog"][number % 2] / f"{number:04}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place)
    watch = AtEpoch()
    found = hubel.scan(tmp_path / "photos", on=nodes.address, watch=watch)
    assert found.summary.samples == 2400
    assert watch.said == ["2,400 pictures are read over a cluster, in 3 parts",
                          "2 places on 2 machines of the cluster, each with 1 core"]  # fmt: skip
    hubel.train(tmp_path / "photos", **SETTINGS, epochs=1, out=tmp_path / "runs", on=nodes.address, watch=watch)
    assert len(list((tmp_path / "home" / "decoded").glob("*.npy"))) == 1
    assert sum("read over a cluster" in said for said in watch.said) == 2, "pixels are decoded once, by all"
