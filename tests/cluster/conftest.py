"""A real cluster of Ray on this machine: two nodes of one core each."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

import pytest


def kill_one(nodes: Any) -> None:
    """Kill the second node, and wait until the cluster knows: small jobs would be done before that."""
    import ray

    nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
    while sum(node["Alive"] for node in ray.nodes()) > 1:
        time.sleep(0.1)


@pytest.fixture(scope="package")
def nodes() -> Iterator[Any]:
    """The cluster; its second node may be removed and is added again."""
    pytest.importorskip("ray", reason="needs the extra cluster: pip install 'hubel[cluster]'")
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    yield made
    made.shutdown()
