"""What a net would ask for, counted before it is built."""

from __future__ import annotations

from typing import Any

import pytest
from torch.utils._python_dispatch import TorchDispatchMode

from hubel.checkpoint.classifier import ModelSpec
from hubel.checkpoint.sizing import sized


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "vit_tiny", "alexnet2012"])
def test_no_normal_numbers_are_drawn_for_weights_without_memory(name: str) -> None:
    """PyTorch loads its compiler, in seconds, before it draws them for tensors of the meta device."""
    drawn = []

    class Watching(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            drawn.extend([str(function)] * ("normal" in str(function)))
            return function(*args, **(kwargs or {}))

    spec = ModelSpec(architecture=name, num_classes=10, in_chans=3, img_size=(64, 64), options={})
    with Watching():
        net, size = sized(spec)
    assert not drawn
    assert next(net.parameters()).is_meta
    assert size.weight_bytes > 10**6
