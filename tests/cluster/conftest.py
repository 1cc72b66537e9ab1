"""A real cluster of Ray on this machine: two nodes of one core each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="package")
def nodes() -> Iterator[Any]:
    """The cluster; its second node may be removed and is added again."""
    pytest.importorskip("ray", reason="needs the extra cluster: pip install 'hubel[cluster]'")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    yield made
    made.shutdown()
